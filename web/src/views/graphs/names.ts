/** Names and targets as people write them. */

/** A name for the graph of a prompt that no other has: its first words. */
export function freeName(prompt: string, taken: readonly string[]): string {
  const words = prompt.normalize("NFKD").toLowerCase().match(/[a-z0-9]+/g) ?? [];
  const base = words.slice(-4).join("-").slice(0, 40) || "graph";
  for (let count = 1; ; count++) {
    const name = count === 1 ? base : `${base}-${count}`;
    if (!taken.includes(name)) return name;
  }
}

/** Targets between commas; quotes around one keep its spaces. */
export function targetsIn(text: string): string[] {
  return [...text.matchAll(/\s*(?:'([^']*)'|"([^"]*)"|([^,]+))\s*,?/g)].map((found) => found[1] ?? found[2] ?? found[3]!.trim()).filter((one) => one !== "");
}
