/** Curves of training runs: read once, then only what was added, as long as a run is under way. */
import { untrack } from "svelte";
import { get, type Schemas } from "../../api/client";
import { asProblem, type Problem } from "../../api/problem";

export type Curve = Schemas["Curve"];

export interface RunCurves {
  curves: Record<string, Curve>;
  about: Record<string, string>;
  isFinished: boolean;
}

const EVERY_MS = 2000;

export class CurveFeed {
  runs = $state.raw<Readonly<Record<string, RunCurves>>>({});
  problems = $state.raw<Readonly<Record<string, Problem>>>({});

  /** Must be made while a component is set up; follows the runs that `read` names. */
  constructor(read: () => readonly string[]) {
    $effect(() => {
      const abort = new AbortController();
      for (const name of read()) void untrack(() => this.#follow(name, abort.signal));
      return () => abort.abort();
    });
  }

  async #follow(name: string, signal: AbortSignal): Promise<void> {
    let since = 0;
    while (!signal.aborted) {
      try {
        const fresh = await get("/api/runs/{run}/metrics", { path: { run: name }, query: { since, points: 1000 }, signal });
        const old = since === 0 || fresh.is_restart ? {} : (this.runs[name]?.curves ?? {});
        const curves = joined(old, fresh.curves);
        this.runs = { ...this.runs, [name]: { curves, about: { ...this.runs[name]?.about, ...fresh.about }, isFinished: fresh.is_finished } };
        this.problems = without(this.problems, name);
        since = fresh.next_since;
        if (fresh.is_finished) return;
      } catch (thrown) {
        if (signal.aborted) return;
        this.problems = { ...this.problems, [name]: asProblem(thrown) };
      }
      await new Promise((resume) => window.setTimeout(resume, EVERY_MS));
    }
  }
}

/** Curves with what was added to them. */
export function joined(old: Record<string, Curve>, fresh: Record<string, Curve>): Record<string, Curve> {
  const all: Record<string, Curve> = { ...old };
  for (const [name, curve] of Object.entries(fresh)) {
    const before = old[name];
    all[name] = before ? { tokens: [...before.tokens, ...curve.tokens], values: [...before.values, ...curve.values] } : curve;
  }
  return all;
}

function without<T>(record: Readonly<Record<string, T>>, name: string): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => key !== name));
}
