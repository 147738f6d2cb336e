/** A value that follows another one once it has been still for some time: for text as it is typed. */
import { untrack } from "svelte";

export class Debounced<T> {
  #value: T = $state.raw() as T;

  /** Must be made while a component is set up. */
  constructor(read: () => T, milliseconds: number) {
    this.#value = untrack(read);
    $effect(() => {
      const next = read();
      const timer = window.setTimeout(() => (this.#value = next), milliseconds);
      return () => window.clearTimeout(timer);
    });
  }

  get value(): T {
    return this.#value;
  }
}
