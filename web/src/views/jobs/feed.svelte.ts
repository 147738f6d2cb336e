/** The jobs of the lab as the server tells them, kept up to date by its events; follows again after a break. */
import type { Schemas } from "../../api/client";
import { events } from "../../api/events";
import { asProblem, Problem, type Problem as ProblemType } from "../../api/problem";
import { connection } from "../../app/connection.svelte";

export type Job = Schemas["Job"];

const AGAIN_MS = 1500;

export class JobFeed {
  #jobs = $state.raw<ReadonlyMap<string, Job>>(new Map());
  problem = $state.raw<ProblemType | null>(null);
  /** Whether the first records are here, so that an empty list means that there is no job. */
  isHere = $state(false);

  /** Must be made while a component is set up. */
  constructor() {
    $effect(() => {
      void connection.restored;
      const abort = new AbortController();
      void this.#follow(abort.signal);
      return () => abort.abort();
    });
  }

  /** Newest first. */
  get list(): Job[] {
    return [...this.#jobs.values()].sort((one, other) => other.created - one.created || (one.id < other.id ? 1 : -1));
  }

  /** Takes in what an answer says about a job, without waiting for its event. */
  put(job: Job): void {
    this.#jobs = new Map(this.#jobs).set(job.id, job);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    // The stream says nothing where there are no jobs; that it opened is then all there is to know.
    const settle = window.setTimeout(() => (this.isHere = this.isHere || this.problem === null), 400);
    while (!signal.aborted) {
      try {
        for await (const event of events("GET", "/api/jobs/events", { signal })) {
          if (event.event === "problem") throw asStreamProblem(event.data);
          if (event.event !== "job") continue;
          this.put(JSON.parse(event.data) as Job);
          this.problem = null;
          this.isHere = true;
        }
      } catch (thrown) {
        if (signal.aborted) break;
        this.problem = asProblem(thrown);
        if (this.problem.isOffline) break;
      }
      await new Promise((resume) => window.setTimeout(resume, AGAIN_MS));
    }
    window.clearTimeout(settle);
  }
}

/** The problem that ended a stream. */
function asStreamProblem(data: string): ProblemType {
  return new Problem({ status: 500, ...(JSON.parse(data) as object) });
}
