/** Cells of one map that were run exactly: they are run one after the other, and kept until the map changes. */
import { post, type Schemas } from "../../api/client";
import { asProblem, type Problem } from "../../api/problem";
import type { Cell } from "../../marks/grid";
import type { Body } from "./data";

export type Ran = Schemas["CellOut"] & {
  /** Whether the reader picked it, rather than it being drawn at random. */
  isPicked: boolean;
};

export const keyOf = (cell: Cell): string => `${cell.row}.${cell.column}`;

export class Runs {
  done = $state.raw<ReadonlyMap<string, Ran>>(new Map());
  waiting = $state.raw<readonly string[]>([]);
  problem = $state.raw<Problem | null>(null);
  #body: Body | null = null;
  #abort = new AbortController();
  #last: Promise<void> = Promise.resolve();

  /** Forgets all that was run, and stops waiting: another map is shown. */
  begin(body: Body | null): void {
    this.#abort.abort();
    this.#abort = new AbortController();
    this.#body = body;
    [this.done, this.waiting, this.problem] = [new Map(), [], null];
  }

  /** Runs cells that were not run yet, behind those that wait. */
  run(cells: readonly Cell[], isPicked: boolean): void {
    const fresh = cells.filter((cell) => !this.done.has(keyOf(cell)) && !this.waiting.includes(keyOf(cell)));
    const body = this.#body, signal = this.#abort.signal;
    if (fresh.length === 0 || !body) return;
    this.waiting = [...this.waiting, ...fresh.map(keyOf)];
    this.#last = this.#last.then(() => this.#ask(body, fresh, isPicked, signal));
  }

  async #ask(body: Body, cells: readonly Cell[], isPicked: boolean, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    try {
      const found = await post("/api/patching/cells", { body: { ...body, cells: cells.map((cell) => [cell.row, cell.column]) }, signal });
      if (signal.aborted) return;
      this.problem = null;
      this.done = new Map([...this.done, ...found.items.map((one) => [keyOf({ row: one.layer, column: one.column }), { ...one, isPicked }] as const)]);
    } catch (thrown) {
      if (!signal.aborted) this.problem = asProblem(thrown);
    }
    if (!signal.aborted) this.waiting = this.waiting.filter((key) => !cells.some((cell) => keyOf(cell) === key));
  }
}
