/** One run of steering: texts of each arm as they stream in, then what they are like. */
import type { Schemas } from "../../api/client";
import { events } from "../../api/events";
import { asProblem, Problem } from "../../api/problem";

export type Arm = "base" | "treated" | "random";
export type Sample = { ids: number[]; tokens: string[]; gains: number[] };

export class SteerSession {
  /** idle: nothing asked; waiting: for the model's turn; streaming; over: ended or stopped. */
  state = $state<"idle" | "waiting" | "streaming" | "over">("idle");
  arms = $state.raw<Partial<Record<Arm, Sample[]>>>({});
  /** Turns of the model that come before this run's. */
  place = $state(0);
  start = $state.raw<Schemas["StartEvent"] | null>(null);
  warnings = $state.raw<readonly Schemas["WarningEvent"][]>([]);
  metrics = $state.raw<Schemas["MetricsEvent"] | null>(null);
  cells = $state.raw<readonly Schemas["SweepCell"][]>([]);
  /** Doses that are measured, of how many. */
  progress = $state.raw<Schemas["DoseProgress"] | null>(null);
  problem = $state.raw<Problem | null>(null);
  isStopped = $state(false);
  #abort: AbortController | null = null;
  #response: Schemas["ResponseEvent"] | null = null;

  get isBusy(): boolean {
    return this.state === "waiting" || this.state === "streaming";
  }

  /** Streams the texts of the arms. */
  steer(body: Schemas["SteerBody"]): Promise<void> {
    return this.#run("/api/steer", body);
  }

  /** Streams the cells of a sweep. */
  sweep(body: Schemas["SweepBody"]): Promise<void> {
    return this.#run("/api/steer/sweep", body);
  }

  /** Measures a recipe dose by dose; the response at the end, null where it came to none. */
  async respond(body: Schemas["DoseBody"]): Promise<Schemas["ResponseEvent"] | null> {
    this.#response = null;
    await this.#run("/api/steer/dose-response", body);
    return this.#response;
  }

  /** Ends the stream; the server then stops the work. */
  stop(): void {
    if (!this.isBusy) return;
    this.#abort?.abort();
    this.isStopped = true;
    this.state = "over";
  }

  async #run(path: string, body: object): Promise<void> {
    this.#abort?.abort();
    const own = new AbortController();
    this.#abort = own;
    Object.assign(this, { state: "waiting", place: 0, arms: {}, start: null, warnings: [], metrics: null, cells: [], progress: null, problem: null, isStopped: false });
    try {
      for await (const { event, data } of events("POST", path, { body, signal: own.signal })) {
        if (own.signal.aborted) return;
        this.#read(event, JSON.parse(data));
      }
    } catch (thrown) {
      if (!own.signal.aborted) this.problem = asProblem(thrown);
    }
    if (this.#abort === own) this.state = "over";
  }

  #read(event: string, said: unknown): void {
    if (event === "queue") this.place = (said as Schemas["QueueEvent"]).place;
    else if (event === "start") {
      this.start = said as Schemas["StartEvent"];
      this.state = "streaming";
    } else if (event === "warning") this.warnings = [...this.warnings, said as Schemas["WarningEvent"]];
    else if (event === "metrics") this.metrics = said as Schemas["MetricsEvent"];
    else if (event === "cell") this.cells = [...this.cells, said as Schemas["SweepCell"]];
    else if (event === "dose") {
      this.progress = said as Schemas["DoseProgress"];
      this.state = "streaming";
    } else if (event === "response") this.#response = said as Schemas["ResponseEvent"];
    else if (event === "problem") this.problem = new Problem({ status: 500, ...(said as object) });
    else if (event === "token") this.#addToken(said as Schemas["TokenEvent"]);
  }

  #addToken(said: Schemas["TokenEvent"]): void {
    const arm = said.arm as Arm;
    const samples = [...(this.arms[arm] ?? [])];
    const before = samples[said.sample] ?? { ids: [], tokens: [], gains: [] };
    samples[said.sample] = { ids: [...before.ids, said.token], tokens: [...before.tokens, said.text], gains: [...before.gains, said.logprob - said.base_logprob] };
    this.arms = { ...this.arms, [arm]: samples };
  }
}
