/** Heat of tokens: four steps, each a quarter of the hottest, drawn as lightness and underline. */
import { visible } from "./numerals";

export const N_LEVELS = 4;

/** The step of heat of a value: 0 for nothing, 1 to 4 for each quarter of the top. */
export function level(value: number, top: number): number {
  if (!(value > 0) || !(top > 0)) return 0;
  return Math.min(N_LEVELS, Math.max(1, Math.ceil((N_LEVELS * value) / top)));
}

export interface HeatToken {
  /** Place of the token in the row that was given. */
  place: number;
  /** Spaces before the word: they stay outside of the mark. */
  before: string;
  /** The token as it is shown. */
  text: string;
  value: number;
  step: number;
  isPeak: boolean;
}

/** Tokens with their heat; `from` and `to` cut the row around the peak. */
export function heatRow(
  tokens: readonly string[],
  values: readonly number[],
  options: { top?: number; peak?: number | null; from?: number; to?: number } = {},
): HeatToken[] {
  const top = options.top ?? values.reduce((most, value) => Math.max(most, value), 0);
  const from = Math.max(0, options.from ?? 0);
  return tokens.slice(from, options.to ?? tokens.length).map((token, offset) => {
    const place = from + offset;
    const shown = visible(token);
    const word = shown.replace(/^ +/, "") || shown;
    const value = values[place] ?? 0;
    return { place, before: shown.slice(0, shown.length - word.length), text: word, value, step: level(value, top), isPeak: place === options.peak };
  });
}

/** The stretch around the peak that is shown: a few tokens, its sentence, or all of it. */
export function around(tokens: readonly string[], peak: number, width: "near" | "sentence" | "all"): [number, number] {
  if (width === "all") return [0, tokens.length];
  if (width === "near") return [Math.max(0, peak - 8), Math.min(tokens.length, peak + 5)];
  let from = peak;
  while (from > 0 && !endsSentence(tokens[from - 1] ?? "")) from -= 1;
  let to = peak + 1;
  while (to < tokens.length && !endsSentence(tokens[to - 1] ?? "")) to += 1;
  return [from, to];
}

function endsSentence(token: string): boolean {
  return /[.!?。]["'”’)]*\s*$|^<\|.*\|>$/.test(token) || token.includes("\n");
}
