/** The live stream: how monitors stand, and the tape of verdicts, which stands still while it is held. */
import { events } from "../../api/events";
import { asProblem, Problem, type Problem as ProblemType } from "../../api/problem";
import { connection } from "../../app/connection.svelte";
import { Burst, pushed, RING, type Board, type Heard, type LiveMessage } from "./data";

const AGAIN_MS = 1500;

export class LiveFeed {
  board = $state.raw<Board | null>(null);
  tape = $state.raw<readonly Heard[]>([]);
  /** Verdicts that came while the tape was held. */
  nHeld = $state(0);
  /** Verdicts that the server left out, since there were too many for a page. */
  nDropped = $state(0);
  /** What a screen reader is told, once for each burst of alerts. */
  said = $state("");
  problem = $state.raw<ProblemType | null>(null);
  #held: readonly Heard[] = [];
  #isHeld = false;
  #burst = new Burst();

  /** Must be made while a component is set up. */
  constructor() {
    $effect(() => {
      void connection.restored;
      const abort = new AbortController();
      void this.#follow(abort.signal);
      return () => abort.abort();
    });
  }

  /** Holds the tape still, or lets it go on with what came meanwhile. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    if (isHeld || this.#held.length === 0) return;
    this.tape = [...this.#held, ...this.tape].slice(0, RING);
    this.#held = [];
    this.nHeld = 0;
  }

  #take(message: LiveMessage, isFirst: boolean): void {
    if (message.board) this.board = message.board;
    this.nDropped += message.dropped;
    if (isFirst) {
      // A stream that begins anew tells the latest again.
      const known = new Set([...this.#held, ...this.tape].map((one) => one.n));
      message.verdicts = message.verdicts.filter((one) => !known.has(one.n));
    } else {
      this.said = this.#burst.told(message.verdicts, Date.now() / 1000) ?? this.said;
    }
    if (!this.#isHeld) {
      this.tape = pushed(this.tape, message.verdicts);
      return;
    }
    this.#held = pushed(this.#held, message.verdicts);
    this.nHeld = this.#held.length;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let isFirst = true;
      try {
        for await (const event of events("GET", "/api/alerts/live", { signal })) {
          if (event.event === "problem") throw new Problem({ status: 500, ...(JSON.parse(event.data) as object) });
          if (event.event !== "live") continue;
          this.#take(JSON.parse(event.data) as LiveMessage, isFirst);
          isFirst = false;
          this.problem = null;
        }
      } catch (thrown) {
        if (signal.aborted) return;
        this.problem = asProblem(thrown);
        if (this.problem.isOffline) return;
      }
      await new Promise((resume) => window.setTimeout(resume, AGAIN_MS));
    }
  }
}
