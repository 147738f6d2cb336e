/** Labels of features, asked for when they are first shown, many at once, and kept. */
import { SvelteMap } from "svelte/reactivity";
import { post } from "../api/client";
import { visible } from "../marks/numerals";
import { trust } from "./trust";

const PATIENCE_MS = 60;
/** What the server takes in one request. */
const AT_ONCE = 500;
const known = new SvelteMap<string, { text: string; trust: string }>();
const asked = new Set<string>();
const waiting = new Map<string, number[]>();

/** The label of a feature, empty until it is here. */
export function labelOf(dictionary: string, feature: number): string {
  return factsOf(dictionary, feature)?.text ?? "";
}

/** How far to trust the label of a feature, empty until it is here. */
export function trustOf(dictionary: string, feature: number): string {
  return factsOf(dictionary, feature)?.trust ?? "";
}

function factsOf(dictionary: string, feature: number): { text: string; trust: string } | undefined {
  const key = `${dictionary}/${feature}`;
  if (!asked.has(key)) {
    asked.add(key);
    if (waiting.size === 0) window.setTimeout(askForAll, PATIENCE_MS);
    waiting.set(dictionary, [...(waiting.get(dictionary) ?? []), feature]);
  }
  return known.get(key);
}

function askForAll(): void {
  for (const [dictionary, features] of waiting) {
    for (let from = 0; from < features.length; from += AT_ONCE) void ask(dictionary, features.slice(from, from + AT_ONCE));
  }
  waiting.clear();
}

async function ask(dictionary: string, features: number[]): Promise<void> {
  try {
    const { items } = await post("/api/dictionaries/{dictionary}/rows", { path: { dictionary }, body: { features } });
    for (const one of items) known.set(`${dictionary}/${one.feature}`, { text: visible(one.label) || "no label", trust: trust(one) });
  } catch {
    for (const feature of features) asked.delete(`${dictionary}/${feature}`);
  }
}
