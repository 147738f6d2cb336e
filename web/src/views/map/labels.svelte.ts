/** Labels of single features, asked for when they are first shown, and kept. */
import { SvelteMap } from "svelte/reactivity";
import { get } from "../../api/client";
import { visible } from "../../marks/numerals";

const known = new SvelteMap<string, string>();
const asked = new Set<string>();
const PATIENCE_MS = 90;

/** The label of a feature, empty until it is here. */
export function labelOf(dictionary: string, feature: number): string {
  const key = `${dictionary}/${feature}`;
  if (!asked.has(key)) {
    asked.add(key);
    window.setTimeout(() => void ask(dictionary, feature, key), PATIENCE_MS);
  }
  return known.get(key) ?? "";
}

async function ask(dictionary: string, feature: number, key: string): Promise<void> {
  try {
    const head = await get("/api/dictionaries/{dictionary}/features/{feature}", { path: { dictionary, feature } });
    known.set(key, visible(head.labels[0]?.text ?? "") || "no label");
  } catch {
    asked.delete(key);
  }
}
