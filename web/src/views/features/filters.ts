/** What a reader can ask of the list of features, and how it is said. It all lives in the address. */
import { percent, visible } from "../../marks/numerals";
import type { Query } from "../../app/router";

export const MODES = [
  { mode: "words", name: "Words", says: "Words in labels, or a number or address", example: "question words" },
  { mode: "meaning", name: "Meaning", says: "Labels and examples that are about something", example: "things one eats" },
  { mode: "text", name: "Text", says: "Features that fire on a text of yours; runs the model", example: "The ship left the harbour at dawn." },
  { mode: "token", name: "Token", says: "Features that make a token more likely, or less", example: " because" },
  { mode: "examples", name: "Examples", says: "Features whose examples hold a phrase", example: "in order to" },
] as const;

export type Mode = (typeof MODES)[number]["mode"];
export type Sort = "number" | "density" | "max" | "score" | "f1" | "label";
export type TextSort = "score" | "sum" | "max" | "frequency";

export const FILTERS = ["kind", "source", "part", "alive", "min_density", "max_density", "min_max", "min_score"] as const;

/** The mode of search in force. */
export function modeOf(query: Query): Mode {
  return MODES.find((one) => one.mode === query.mode)?.mode ?? "words";
}

/** The order of the list; the best described features come first unless something else is asked for. */
export function sortOf(query: Query): { sort: Sort; descending: boolean } {
  const known: readonly string[] = ["number", "density", "max", "score", "f1", "label"];
  const sort = known.includes(query.sort ?? "") ? (query.sort as Sort) : "f1";
  return { sort, descending: query.descending ? query.descending === "1" : sort !== "number" && sort !== "label" };
}

/** The numbers of a list that the address holds. */
export function listOf(query: Query): number[] {
  return (query.list ?? "").split(",").map(Number).filter((one) => Number.isInteger(one) && one >= 0).slice(0, 500);
}

/** A filter in words. */
export function filterSays(filter: string, value: string): string {
  switch (filter) {
    case "max_density": return `density above ${percent(Number(value))}`;
    case "min_density": return `density below ${percent(Number(value))}`;
    case "min_max": return `maximum below ${value}`;
    case "min_score": return `balanced accuracy below ${value}`;
    case "alive": return value === "true" || value === "True" ? "never fired" : "ever fired";
    case "kind": return `label not of kind “${visible(value)}”`;
    case "source": return `label not by ${visible(value)}`;
    case "part": return `not most of all in ${visible(value)}`;
    default: return `${filter} ${visible(value)}`;
  }
}
