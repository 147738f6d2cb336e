/** How far to trust a label, in few words: never a label without them. */
import { fixed, number } from "../marks/numerals";

export interface Facts {
  label: string;
  score: number | null;
  n: number | null;
  unit: string;
  null: number | null;
  is_better: boolean;
}

/** The label's score, what other features' labels score in its place, and what it is over; empty where there is no label. */
export function trust(facts: Facts): string {
  if (!facts.label) return "";
  if (facts.score === null) return "no score";
  const beside = facts.null === null ? "" : `, others’ labels ${fixed(facts.null)}`;
  return `accuracy ${fixed(facts.score)}${beside}, n = ${number(facts.n)} ${facts.unit}${doubt(facts)}`;
}

/** What is to be said of a label that was held against others and not shown to be better. */
function doubt(facts: Facts): string {
  return facts.null === null || facts.is_better ? "" : ": not shown to be better";
}
