/** Searches that the reader gave a name; they are kept in the browser, for each dictionary its own. */
import type { Query } from "../../app/router";
import { FILTERS } from "./filters";

export interface Saved {
  name: string;
  query: Query;
}

const PARTS = ["q", "mode", "tsort", "direction", "sort", "descending", ...FILTERS] as const;
/** The name under which the browser keeps them. */
export const keyOf = (dictionary: string): string => `hooke-searches ${dictionary}`;

/** What of an address makes up a search: words, mode, order and filters. */
export function searchOf(query: Query): Query {
  return Object.fromEntries(PARTS.flatMap((part) => (query[part] ? [[part, query[part]]] : [])));
}

/** The values that an address takes from a saved search: all parts, the ones it has not emptied. */
export function valuesOf(saved: Saved): Record<string, string> {
  return Object.fromEntries(PARTS.map((part) => [part, saved.query[part] ?? ""]));
}

/** Whether two addresses ask the same. */
export function isSame(one: Query, other: Query): boolean {
  return PARTS.every((part) => (one[part] ?? "") === (other[part] ?? ""));
}

/** The searches with one more; one of the same name is replaced. */
export function withSaved(all: readonly Saved[], name: string, query: Query): Saved[] {
  return [...all.filter((one) => one.name !== name), { name, query: searchOf(query) }].sort((one, other) => one.name.localeCompare(other.name));
}

/** What the browser's store holds; anything that is no search is left out. */
export function readSaved(text: string | null): Saved[] {
  try {
    const kept: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(kept) ? kept.filter(isSaved).map(({ name, query }) => ({ name, query: searchOf(query) })) : [];
  } catch {
    return [];
  }
}

function isSaved(one: unknown): one is Saved {
  const { name, query } = (one ?? {}) as Partial<Record<keyof Saved, unknown>>;
  return typeof name === "string" && name !== "" && typeof query === "object" && query !== null && Object.values(query).every((value) => typeof value === "string");
}
