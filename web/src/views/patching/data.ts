/** What a patching page asks for, as its address says it, and what its cells are called. */
import type { Schemas } from "../../api/client";
import type { Query } from "../../app/router";
import type { Cell, CellMark } from "../../marks/grid";
import { number, signed, tokenText } from "../../marks/numerals";
import { targetsIn } from "../graphs/names";

export type Body = Schemas["PatchBody"];
export type PatchMap = Schemas["PatchMap"];
export type PathsBody = Schemas["PathsBody"];
export type PathMap = Schemas["PathMap"];
export type Pair = Schemas["PairBody"];

export const KINDS = [
  { name: "resid_post", title: "Stream", about: "the stream behind a layer" },
  { name: "attn_out", title: "Attention", about: "what a layer's attention writes" },
  { name: "mlp_out", title: "MLP", about: "what a layer's MLP writes" },
  { name: "heads", title: "Heads", about: "what one head writes, at all tokens" },
] as const;
export const WAYS = ["denoising", "noising"] as const;
export const VALUES = ["counterfactual", "noise", "mean", "zero"] as const;

/** The values that go with a way: the mean of one pair is the pair itself. */
export function valuesOf(way: string, isOnePair: boolean): string[] {
  return VALUES.filter((one) => way === "noising" ? !(isOnePair && one === "mean") : one === "counterfactual" || one === "noise");
}

/** What the address asks for; null where it names no pairs. */
export function bodyOf(query: Query, model: string): Body | null {
  const pair = pairOf(query);
  if (model === "" || (!query.set && !pair)) return null;
  const kind = KINDS.find((one) => one.name === query.kind)?.name ?? "resid_post";
  const way = WAYS.find((one) => one === query.way) ?? "denoising";
  const value = VALUES.find((one) => one === query.value && valuesOf(way, pair !== null).includes(one)) ?? "counterfactual";
  const shared = { model, kind, way, value, seed: 0 };
  return pair ? { ...shared, pairs: [pair], by: "positions" } : { ...shared, task: query.set, by: "parts" };
}

/** The pair of the address. */
export function pairOf(query: Query): Pair | null {
  if (query.set || !query.clean || !query.corrupted) return null;
  const answers = targetsIn(query.answers ?? ""), wrong = targetsIn(query.wrong ?? "");
  return answers.length > 0 && wrong.length > 0 ? { clean: query.clean, corrupted: query.corrupted, answers, wrong } : null;
}

/** Tokens as they are typed: with quotes, which keep their spaces. */
export function quoted(tokens: readonly string[]): string {
  return tokens.map((one) => (one.includes("'") ? `"${one}"` : `'${one}'`)).join(", ");
}

/** Names of the columns: parts, numbers of heads, or tokens, with that of the other prompt where it differs. */
export function columnNames(map: PatchMap): string[] {
  if (!map.other) return [...map.columns];
  return map.columns.map((token, place) => {
    const other = map.other?.[place] ?? token;
    return token === other ? tokenText(token) : `${tokenText(token)} / ${tokenText(other)}`;
  });
}

/** What a cell is, in words; tokens are numbered, since the same one may come twice. */
export function cellName(kind: string, map: PatchMap, cell: Cell): string {
  if (kind === "heads") return `head ${cell.row}.${cell.column}`;
  const name = columnNames(map)[cell.column] ?? "";
  return `${KINDS.find((one) => one.name === kind)?.title ?? kind}, layer ${cell.row}, ${map.other ? `token ${cell.column} “${name}”` : name}`;
}

/** The text and the heat of each cell; what rounds to nothing is a dot, so that the others stand out. */
export function markOf(map: Pick<PatchMap, "effects">, full: number): (row: number, column: number) => CellMark {
  return (row, column) => {
    const value = map.effects[row]?.[column] ?? null;
    return value === null ? { text: "", heat: NaN } : { text: Math.abs(value) < 0.005 ? "·" : signed(value), heat: Math.max(-1, Math.min(1, value / full)) };
  };
}

/** Cells that have a value, drawn without putting back; the same seed draws the same ones. */
export function drawn(map: PatchMap, except: (cell: Cell) => boolean, n: number, seed: number): Cell[] {
  const cells = map.effects.flatMap((row, at) => row.flatMap((value, column) => (value === null || except({ row: at, column }) ? [] : [{ row: at, column }])));
  let state = (seed + 1) * 0x9e3779b9;
  for (let place = 0; place < Math.min(n, cells.length); place++) {
    // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    const other = place + (((mixed ^ (mixed >>> 14)) >>> 0) % (cells.length - place));
    [cells[place], cells[other]] = [cells[other]!, cells[place]!];
  }
  return cells.slice(0, n);
}

/** What the set is like, in one line. */
export function setInWords(map: Pick<PatchMap, "n_pairs" | "refused" | "metric" | "clean" | "corrupted">): string {
  const one = map.n_pairs === 1;
  return `${one ? "One pair" : `${number(map.n_pairs)} pairs`}${map.refused.length > 0 ? ` (${number(map.refused.length)} more do not fit this tokenizer)` : ""}. ${one ? (map.metric === "logit" ? "Logit" : "Probability") : `Mean ${map.metric}`} difference: ${number(map.clean)} clean, ${number(map.corrupted)} corrupted.`;
}

/** What the address asks for of paths; null where it names no pairs. */
export function pathsOf(query: Query, model: string): PathsBody | null {
  const pair = pairOf(query);
  if (model === "" || (!query.set && !pair)) return null;
  const receivers = (query.to ?? "").split(",").map((one) => one.trim()).filter(Boolean);
  const way = WAYS.find((one) => one === query.way) ?? "denoising";
  const shared = { model, receivers: receivers.length > 0 ? receivers : ["logits"], through: query.through === "nothing" ? "nothing" : "mlps", way, seed: 0 } as const;
  return pair ? { ...shared, receivers: [...shared.receivers], pairs: [pair] } : { ...shared, receivers: [...shared.receivers], task: query.set };
}

/** The field's name of the sender in a cell: heads by number, the MLP in the last column. */
export function senderOf(map: Pick<PathMap, "columns">, cell: Cell): string {
  return cell.column === map.columns.length - 1 ? `m${cell.row}` : `a${cell.row}.h${cell.column}`;
}

/** A sender as people say it. */
export function senderText(sender: string): string {
  const head = /^a(\d+)\.h(\d+)$/.exec(sender);
  return head ? `head ${head[1]}.${head[2]}` : `MLP ${sender.slice(1)}`;
}
