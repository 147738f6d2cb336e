/** One request of a page, with its states: waiting, here, gone wrong; made again when what it depends on changes. */
import { untrack } from "svelte";
import { asProblem, type Problem } from "../api/problem";
import { connection } from "./connection.svelte";

export class Request<T> {
  data = $state.raw<T | null>(null);
  problem = $state.raw<Problem | null>(null);
  isLoading = $state(false);
  #round = $state(0);

  /**
   * Must be made while a component is set up. What `load` reads before its first await is what it depends on; where it
   * returns null nothing is asked, and nothing is shown.
   */
  constructor(load: (signal: AbortSignal) => Promise<T> | null) {
    $effect(() => {
      void this.#round;
      const abort = new AbortController();
      const pending = load(abort.signal);
      untrack(() => this.#wait(pending, abort.signal));
      return () => abort.abort();
    });
    let restored = connection.restored;
    $effect(() => {
      const isBack = connection.restored !== restored;
      restored = connection.restored;
      if (isBack && untrack(() => this.problem !== null)) this.retry();
    });
  }

  /** Asks again. */
  retry = (): void => {
    untrack(() => (this.#round += 1));
  };

  #wait(pending: Promise<T> | null, signal: AbortSignal): void {
    if (pending === null) {
      this.#settle(null, null);
      return;
    }
    this.isLoading = true;
    pending.then(
      (data) => signal.aborted || this.#settle(data, null),
      (thrown: unknown) => {
        const problem = asProblem(thrown);
        // Offline, what was shown stays: it is still true.
        if (!signal.aborted) this.#settle(problem.isOffline ? this.data : null, problem);
      },
    );
  }

  #settle(data: T | null, problem: Problem | null): void {
    this.data = data;
    this.problem = problem;
    this.isLoading = false;
  }
}
