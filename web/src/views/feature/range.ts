/** The range of activations that the examples are limited to; it lives in the address. */
import type { Query } from "../../app/router";
import { number } from "../../marks/numerals";

export interface Range {
  low?: number;
  high?: number;
}

/** The range of the address, null where there is none. */
export function rangeOf(query: Query): Range | null {
  const [low, high] = [query.from, query.to].map((text) => (text && Number.isFinite(Number(text)) && Number(text) >= 0 ? Number(text) : undefined));
  return low === undefined && high === undefined ? null : { low, high };
}

/** What the address holds of a range; an end that bounds nothing is left out. */
export function rangeQuery(low: number, high: number): { from: string; to: string } {
  return { from: low > 0 ? `${Number(low.toPrecision(6))}` : "", to: Number.isFinite(high) ? `${Number(high.toPrecision(6))}` : "" };
}

/** A range in words. */
export function rangeSays({ low, high }: Range): string {
  if (low === undefined) return `up to ${number(high)}`;
  return high === undefined ? `${number(low)} and more` : `${number(low)} to ${number(high)}`;
}
