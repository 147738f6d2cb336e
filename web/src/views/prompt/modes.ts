/** What a cell of the grid can show: its text, its heat, and how the number is to be read. */
import type { Arrays, Numbers } from "../../api/arrays";
import type { Schemas } from "../../api/client";
import { fullHeat, type Cell, type CellMark } from "../../marks/grid";
import { fixed, number, tokenText } from "../../marks/numerals";

export interface GridData {
  prompt: Schemas["PromptOut"];
  arrays: Arrays;
  /** Texts of the tokens that the lens predicts. */
  texts: Readonly<Record<string, string>>;
}

export interface Mode {
  name: string;
  says: string;
  about: string;
  needs: "lens" | "dictionary" | "nothing";
}

export const MODES: readonly Mode[] = [
  { name: "token", says: "lens token", about: "the likeliest next token if the stream were read out here; heat: its probability", needs: "lens" },
  { name: "probability", says: "lens probability", about: "probability of that token, in percent", needs: "lens" },
  { name: "rank", says: "rank of what comes", about: "rank that the lens gives the actual next token; 0 is the likeliest; hot: well predicted, on a logarithmic scale", needs: "lens" },
  { name: "entropy", says: "lens entropy", about: "entropy of the lens's prediction in nats; hot: undecided", needs: "lens" },
  { name: "feature", says: "top feature", about: "the strongest feature at the dictionary's site; heat: its activation", needs: "dictionary" },
  { name: "count", says: "active features", about: "how many features fire", needs: "dictionary" },
  { name: "error", says: "unexplained", about: "share of the stream that the dictionary leaves over, in percent", needs: "dictionary" },
  { name: "norm", says: "norm", about: "length of the stream; heat on a logarithmic scale, since the first token's is far longer", needs: "nothing" },
];

/** The modes that a prompt has data for. */
export function modesOf(prompt: Schemas["PromptOut"]): Mode[] {
  const has = { lens: prompt.has_lens, dictionary: prompt.dictionaries.some((one) => one.layer !== null), nothing: true };
  return MODES.filter((mode) => has[mode.needs]);
}

/** The place of the dictionary that is read in a layer; the preferred one where several are; -1 where there is none. */
export function dictionaryAt(prompt: Schemas["PromptOut"], layer: number, preferred = 0): number {
  if (prompt.dictionaries[preferred]?.layer === layer) return preferred;
  return prompt.dictionaries.findIndex((one) => one.layer === layer);
}

/** The number behind a cell; not a number where there is none. */
export function valueOf(data: GridData, mode: string, cell: Cell, preferred = 0): number {
  const { prompt, arrays } = data;
  const place = dictionaryAt(prompt, cell.row, preferred);
  const own = (name: string, step = 1): number => (place < 0 ? NaN : at(arrays[`dictionary.${place}.${name}`]?.data, cell.column * step));
  const flat = cell.row * prompt.tokens.length + cell.column;
  switch (mode) {
    case "token":
    case "probability":
      return Math.exp(at(arrays.lens_logprob?.data, flat));
    case "rank": {
      const rank = at(arrays.lens_rank?.data, flat);
      return rank < 0 ? NaN : rank;
    }
    case "entropy":
      return at(arrays.entropy?.data, flat);
    case "norm":
      return at(arrays.norm?.data, flat);
    case "count":
      return own("n_active");
    case "error":
      return own("unexplained");
    case "feature":
      return own("act", width(arrays, place));
    default:
      return NaN;
  }
}

/** The strongest feature of a cell and its activation, null where none fires or no dictionary reads. */
export function topFeature(data: GridData, cell: Cell, preferred = 0): { place: number; feature: number; activation: number } | null {
  const place = dictionaryAt(data.prompt, cell.row, preferred);
  if (place < 0) return null;
  const start = cell.column * width(data.arrays, place);
  const activation = at(data.arrays[`dictionary.${place}.act`]?.data, start);
  return activation > 0 ? { place, feature: at(data.arrays[`dictionary.${place}.id`]?.data, start), activation } : null;
}

/** The text of a cell. */
export function textOf(data: GridData, mode: string, cell: Cell, preferred = 0): string {
  const value = valueOf(data, mode, cell, preferred);
  if (mode === "token") return lensText(data, cell);
  if (Number.isNaN(value)) return "";
  if (mode === "probability" || mode === "error") return fixed(100 * value, value < 0.0995 ? 1 : 0);
  if (mode === "feature") return String(topFeature(data, cell, preferred)?.feature ?? "");
  if (mode === "entropy") return fixed(value, 1);
  return number(value);
}

/** The lens's first guess in a cell, with its spaces shown. */
export function lensText(data: GridData, cell: Cell): string {
  const token = at(data.arrays.lens_id?.data, cell.row * data.prompt.tokens.length + cell.column);
  return Number.isNaN(token) ? "" : tokenText(data.texts[String(token)] ?? `#${token}`);
}

/** A function that gives each cell its text and heat in a mode. */
export function marker(data: GridData, mode: string, preferred = 0): (cell: Cell) => CellMark {
  const heat = heatOf(data, mode, preferred);
  return (cell) => ({ text: textOf(data, mode, cell, preferred), heat: heat(valueOf(data, mode, cell, preferred)) });
}

function heatOf(data: GridData, mode: string, preferred: number): (value: number) => number {
  if (mode === "token" || mode === "probability" || mode === "error") return (value) => Math.min(1, value);
  if (mode === "rank") return (value) => Math.max(0, 1 - Math.log10(1 + value) / 4);
  const values: number[] = [];
  for (let row = 0; row < data.prompt.n_layers; row++) {
    for (let column = 0; column < data.prompt.tokens.length; column++) values.push(valueOf(data, mode, { row, column }, preferred));
  }
  if (mode === "norm") {
    const known = values.filter((value) => value > 0).map(Math.log);
    const [low, high] = known.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]);
    return (value) => (high > low ? (Math.log(value) - low) / (high - low) : 0);
  }
  const full = fullHeat(values);
  return (value) => Math.min(1, value / full);
}

/** A sentence for screen readers. */
export function announcement(data: GridData, cell: Cell, mode: Mode, preferred = 0): string {
  const token = data.prompt.tokens[cell.column];
  const top = topFeature(data, cell, preferred);
  const shown = textOf(data, mode.name, cell, preferred) || "nothing";
  const feature = top && mode.name !== "feature" ? `, top feature ${top.feature}` : "";
  return `Token ${cell.column} “${tokenText(token?.text ?? "")}”, layer ${cell.row}, ${mode.says}: ${shown}${feature}`;
}

function width(arrays: Arrays, place: number): number {
  return arrays[`dictionary.${place}.act`]?.shape[1] ?? 1;
}

function at(data: Numbers | undefined, place: number): number {
  return data?.[place] ?? NaN;
}
