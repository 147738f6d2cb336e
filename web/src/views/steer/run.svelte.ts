/** A request of steering as its events come: the texts of each arm, their metrics, warnings, and a way to stop it. */
import type { Schemas } from "../../api/client";
import { events } from "../../api/events";
import { asProblem, Problem, type Problem as ProblemType } from "../../api/problem";

export type ArmName = "base" | "treated" | "random";
export const ARMS: readonly { arm: ArmName; name: string; says: string }[] = [
  { arm: "base", name: "As it is", says: "the model without an edit" },
  { arm: "treated", name: "Steered", says: "with the recipe" },
  { arm: "random", name: "Random control", says: "the recipe with random directions of the same norm" },
];

export type Said = Schemas["TokenEvent"];

abstract class Stream<Body> {
  start = $state.raw<Schemas["StartEvent"] | null>(null);
  warnings = $state.raw<readonly Schemas["WarningEvent"][]>([]);
  problem = $state.raw<ProblemType | null>(null);
  isRunning = $state(false);
  /** Whether it was ended by the reader. */
  isStopped = $state(false);
  #abort: AbortController | null = null;

  protected abstract readonly path: string;
  protected abstract clear(): void;
  protected abstract take(event: string, data: unknown): void;

  /** Begins anew; what ran before is ended. */
  async run(body: Body): Promise<void> {
    this.#abort?.abort();
    const own = (this.#abort = new AbortController());
    this.start = this.problem = null;
    this.warnings = [];
    this.isStopped = false;
    this.isRunning = true;
    this.clear();
    try {
      for await (const { event, data } of events("POST", this.path, { body, signal: own.signal })) {
        if (own.signal.aborted) return;
        const read: unknown = JSON.parse(data);
        if (event === "start") this.start = read as Schemas["StartEvent"];
        else if (event === "warning") this.warnings = [...this.warnings, read as Schemas["WarningEvent"]];
        else if (event === "problem") throw new Problem(read as { status: number });
        else this.take(event, read);
      }
    } catch (thrown) {
      if (!own.signal.aborted) this.problem = asProblem(thrown);
    } finally {
      if (this.#abort === own) this.isRunning = false;
    }
  }

  /** Ends it; the server stops working when the reader leaves. */
  stop = (): void => {
    this.#abort?.abort();
    this.isStopped = this.isRunning;
    this.isRunning = false;
  };
}

export class SteerRun extends Stream<Schemas["SteerBody"]> {
  protected readonly path = "/api/steer";
  /** Tokens by arm and sample. */
  texts = $state.raw<Record<string, Said[][]>>({});
  metrics = $state.raw<Schemas["MetricsEvent"] | null>(null);

  protected clear(): void {
    this.texts = {};
    this.metrics = null;
  }

  protected take(event: string, data: unknown): void {
    if (event === "metrics") this.metrics = data as Schemas["MetricsEvent"];
    if (event !== "token") return;
    const said = data as Said;
    const samples = [...(this.texts[said.arm] ?? [])];
    samples[said.sample] = [...(samples[said.sample] ?? []), said];
    this.texts = { ...this.texts, [said.arm]: samples };
  }
}

export class SweepRun extends Stream<Schemas["SweepBody"]> {
  protected readonly path = "/api/steer/sweep";
  cells = $state.raw<readonly Schemas["SweepCell"][]>([]);

  protected clear(): void {
    this.cells = [];
  }

  protected take(event: string, data: unknown): void {
    if (event === "cell") this.cells = [...this.cells, data as Schemas["SweepCell"]];
  }
}

/** Metrics of an arm, with what they mean. */
export const METRICS: readonly { name: Exclude<keyof Schemas["ArmMetrics"], "n">; title: string; says: string }[] = [
  { name: "perplexity", title: "perplexity", says: "of the text under the model without edits: how foreign the text is to it" },
  { name: "kl", title: "KL", says: "from the model without edits, nats per token, along the text" },
  { name: "distinct_2", title: "distinct pairs", says: "share of pairs of neighbouring tokens that are distinct; low where the text repeats itself" },
  { name: "promoted_mass", title: "promoted mass", says: "probability of the tokens that the recipe promotes, mean along the text" },
  { name: "activation", title: "activation", says: "mean activation of the recipe's first feature on the text, read without edits, as a share of its maximum" },
];
