/** A prompt's grid as it comes from the server, and the ways in which it can be looked at. */
import { readArrays, type Arrays } from "../../api/arrays";
import { request, type Schemas } from "../../api/client";
import { fullHeat, type CellMark } from "../../marks/grid";
import { fixed, number, percent, tokenText } from "../../marks/numerals";

type PromptOut = Schemas["PromptOut"];

interface Read {
  k: number;
  ids: ArrayLike<number>;
  acts: ArrayLike<number>;
  nActive: ArrayLike<number>;
  unexplained: ArrayLike<number>;
}

export interface GridData {
  arrays: Arrays;
  /** Texts of the tokens that the lens names, by token. */
  texts: Record<string, string>;
  dictionaries: Read[];
}

export type ModeName = "token" | "probability" | "rank" | "entropy" | "norm" | "features" | "active" | "unexplained";

export interface Row {
  name: string;
  layer: number;
  /** Place of the dictionary among the prompt's; -1 where the row is of the stream, or of a layer without one. */
  dictionary: number;
  /** Which of the strongest features, from 0. */
  rank: number;
}

export interface Mode {
  name: ModeName;
  title: string;
  /** What heat means in it. */
  heat: string;
  /** Whether its rows are layers of the stream; else they are dictionaries. */
  isStream: boolean;
}

export const MODES: readonly Mode[] = [
  { name: "token", title: "Lens token", heat: "probability that the lens gives to its first guess", isStream: true },
  { name: "probability", title: "Probability", heat: "probability of the lens's first guess", isStream: true },
  { name: "rank", title: "Rank", heat: "rank of the token that really comes next: full heat is the first place", isStream: true },
  { name: "entropy", title: "Entropy", heat: "how undecided the lens is, in nats; the first token apart", isStream: true },
  { name: "norm", title: "Norm", heat: "length of the stream, on a logarithmic scale; the first token apart", isStream: true },
  { name: "features", title: "Top features", heat: "activation, against the strongest on this prompt but for its first token", isStream: false },
  { name: "active", title: "Active", heat: "number of features that fire", isStream: false },
  { name: "unexplained", title: "Error", heat: "share of the site that the dictionary leaves over", isStream: false },
];

const MOST_RANKS = 10;

/** The grid of a prompt through a kind of lens. */
export async function loadGrid(prompt: string, lens: string, signal: AbortSignal): Promise<GridData> {
  const response = await request("GET", "/api/prompts/{prompt}/grid", { path: { prompt }, query: { lens }, signal });
  const buffer = await response.arrayBuffer();
  const arrays = readArrays(buffer);
  const dictionaries: Read[] = [];
  for (let place = 0; arrays[`dictionary.${place}.id`]; place++) {
    const of = (name: string): ArrayLike<number> => arrays[`dictionary.${place}.${name}`]?.data ?? [];
    dictionaries.push({ k: arrays[`dictionary.${place}.id`]!.shape[1] ?? 0, ids: of("id"), acts: of("act"), nActive: of("n_active"), unexplained: of("unexplained") });
  }
  return { arrays, texts: readTexts(buffer), dictionaries };
}

/** The kind of lens that the address asks for, where the prompt was read with it; else the logit lens. */
export function lensOf(prompt: PromptOut, asked: string | undefined): PromptOut["lenses"][number] | null {
  return prompt.lenses.find((one) => one.kind === asked && one.is_here) ?? prompt.lenses[0] ?? null;
}

/** What is to be read beside the grid: the prompt's notes, with the chosen lens's limits in the place of the logit lens's. */
export function notesOf(prompt: PromptOut, lens: PromptOut["lenses"][number] | null): string[] {
  const logit = prompt.lenses[0];
  return prompt.notes.map((note) => (lens && note === logit?.note ? lens.note : note));
}

/** Modes that there is something to show in. */
export function modesOf(prompt: PromptOut): Mode[] {
  return MODES.filter((mode) => (mode.isStream ? mode.name === "norm" || prompt.has_lens : prompt.dictionaries.length > 0));
}

/** Rows of the grid in a mode. */
export function rowsOf(mode: Mode, prompt: PromptOut, data: GridData): Row[] {
  if (mode.isStream) return Array.from({ length: prompt.n_layers }, (_, layer) => ({ name: `${layer}`, layer, dictionary: -1, rank: 0 }));
  return Array.from({ length: prompt.n_layers }, (_, layer) => {
    const own = prompt.dictionaries.flatMap((one, dictionary) => ((one.layer ?? 0) === layer ? [dictionary] : []));
    return own.length > 0 ? own.flatMap((dictionary) => rowsOfDictionary(mode, data, layer, dictionary)) : [{ name: `${layer}`, layer, dictionary: -1, rank: 0 }];
  }).flat();
}

function rowsOfDictionary(mode: Mode, data: GridData, layer: number, dictionary: number): Row[] {
  const nRanks = mode.name === "features" ? Math.min(MOST_RANKS, data.dictionaries[dictionary]?.k ?? 0) : 1;
  return Array.from({ length: nRanks }, (_, rank) => ({ name: nRanks > 1 ? `${layer} · #${rank + 1}` : `${layer}`, layer, dictionary, rank }));
}

/** The label of a feature of one of the prompt's dictionaries, given by its place; empty where it is not known. */
export type LabelOf = (dictionary: number, feature: number) => string;

/** What each cell shows in a mode. */
export function markOf(mode: Mode, prompt: PromptOut, data: GridData, rows: readonly Row[], labelOf: LabelOf = () => ""): (row: number, column: number) => CellMark {
  const size = prompt.tokens.length;
  const at = (name: string): ((row: number, column: number) => number) => {
    const values = data.arrays[name]?.data;
    return (row, column) => values?.[rows[row]!.layer * size + column] ?? NaN;
  };
  const none = { text: "", heat: NaN };
  switch (mode.name) {
    case "token":
    case "probability": {
      const [ids, logprobs] = [at("lens_id"), at("lens_logprob")];
      return (row, column) => {
        const share = Math.exp(logprobs(row, column));
        return { text: mode.name === "token" ? tokenText(data.texts[ids(row, column)] ?? "") : percent(share), heat: share };
      };
    }
    case "rank": {
      const ranks = at("lens_rank");
      return (row, column) => {
        const rank = ranks(row, column);
        return rank < 0 ? none : { text: number(rank + 1), heat: Math.max(0, 1 - Math.log10(1 + rank) / 4) };
      };
    }
    case "entropy":
    case "norm": {
      const values = at(mode.name);
      // The first token is unlike all others (its stream is far longer, and the lens knows nothing there).
      const all = Array.from(data.arrays[mode.name]?.data ?? []).filter((_, place) => size === 1 || place % size > 0);
      const [low, top] = mode.name === "norm" ? [Math.log(lowest(all)), Math.log(Math.max(...all, 1e-9))] : [0, fullHeat(all)];
      return (row, column) => {
        const value = values(row, column);
        const shown = mode.name === "norm" ? Math.log(value) : value;
        return { text: mode.name === "norm" ? number(value) : fixed(value, 2), heat: Math.min(1, Math.max(0, (shown - low) / Math.max(top - low, 1e-9))) };
      };
    }
    case "features": {
      const tops = data.dictionaries.map((one) => Math.max(1e-9, ...Array.from(one.acts).slice(size > 1 ? one.k : 0)));
      return (row, column) => {
        const { dictionary, rank } = rows[row]!;
        const read = data.dictionaries[dictionary];
        const act = read?.acts[column * read.k + rank] ?? 0;
        if (!read || act <= 0) return none;
        const feature = read.ids[column * read.k + rank]!;
        return { text: `${feature} ${labelOf(dictionary, feature)}`.trim(), heat: Math.min(1, act / tops[dictionary]!) };
      };
    }
    case "active":
    case "unexplained": {
      const of = (read: Read): ArrayLike<number> => (mode.name === "active" ? read.nActive : read.unexplained);
      const tops = data.dictionaries.map((one) => fullHeat(Array.from(of(one))));
      return (row, column) => {
        const { dictionary } = rows[row]!;
        if (dictionary < 0) return none;
        const value = of(data.dictionaries[dictionary]!)[column] ?? NaN;
        return { text: mode.name === "active" ? number(value) : percent(value), heat: Math.min(1, value / tops[dictionary]!) };
      };
    }
  }
}

/** A cell in a sentence, for screen readers and the line below the grid. */
export function cellInWords(mode: Mode, prompt: PromptOut, data: GridData, row: Row, column: number, labelOf: LabelOf = () => ""): string {
  const token = `token ${column} “${tokenText(prompt.tokens[column]?.text ?? "")}”`;
  const place = row.layer * prompt.tokens.length + column;
  const value = (name: string): number => data.arrays[name]?.data[place] ?? NaN;
  if (row.dictionary >= 0) {
    const read = data.dictionaries[row.dictionary]!;
    const name = prompt.dictionaries[row.dictionary]!.name;
    const spot = column * read.k + row.rank;
    const act = read.acts[spot] ?? 0;
    const label = mode.name === "features" && act > 0 ? labelOf(row.dictionary, read.ids[spot]!) : "";
    const feature = mode.name !== "features" ? "" : act > 0 ? `feature ${read.ids[spot]}${label && ` (${label})`} at ${number(act)}, ` : "no more features, ";
    return `${token}, ${name}: ${feature}${number(read.nActive[column])} active, ${percent(read.unexplained[column])} left over`;
  }
  const norm = `norm ${number(value("norm"))}`;
  const where = `${token}, layer ${row.layer}${mode.isStream ? "" : ", where no dictionary is open"}`;
  if (!prompt.has_lens) return `${where}: ${norm}`;
  const rank = value("lens_rank");
  const next = rank < 0 ? "" : `, the real next token is number ${number(rank + 1)}`;
  const guess = `“${tokenText(data.texts[value("lens_id")] ?? "")}” ${percent(Math.exp(value("lens_logprob")))}`;
  return `${where}: the lens says ${guess}${next}; entropy ${fixed(value("entropy"))}, ${norm}`;
}

function readTexts(buffer: ArrayBuffer): Record<string, string> {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length))) as { __metadata__?: { texts?: string } };
  return JSON.parse(header.__metadata__?.texts ?? "{}") as Record<string, string>;
}

function lowest(values: readonly number[]): number {
  return values.reduce((least, value) => (value > 0 ? Math.min(least, value) : least), Infinity);
}
