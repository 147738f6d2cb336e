/** Discoveries in words, what a form asks for, and where a circuit's components stand in the drawing. */
import type { Schemas } from "../../api/client";
import { FEATURE, LOGIT, REST, TOKEN, type Places } from "../../marks/graph";
import { fixed, number, percent, signed } from "../../marks/numerals";

export type Discovery = Schemas["DiscoveryOut"];
export type Entry = Schemas["DiscoveryEntry"];
export type Curve = Schemas["CurveOut"];
export type Point = Schemas["PointOut"];
export type Circuit = Schemas["CircuitOut"];
export type Edge = Schemas["EdgeOut"];
export type Measure = Schemas["Measure"];
export type Pair = Schemas["PairBody"];
export type Order = Curve["order"];

export const METHODS = [
  { name: "eap-ig-inputs", about: "slopes averaged between the two prompts' embeddings, times what each component writes differently" },
  { name: "eap", about: "the same with the slope at the clean prompt alone: quick, and blind where the answer is flat there" },
  { name: "eap-ig-activations", about: "slopes averaged between what one layer writes on the two prompts: twice as many as layers times steps" },
  { name: "exact", about: "what the answer loses when that edge alone is corrupted: a run for each edge, of small models only" },
  { name: "acdc", about: "edges are taken out from the logits back as long as the answer stays: a run for each edge, of small models only" },
  { name: "masks", about: "a gate on every edge, learnt so that few stay open" },
  { name: "random", about: "no score at all: the control" },
] as const;
export const ORDERS: readonly { name: Order; title: string; summary: string; about: string }[] = [
  { name: "size", title: "by size", summary: "CMD", about: "area of |1 − f| over the share of edges: 0 is best" },
  { name: "score", title: "by score", summary: "CPR", about: "area of f over the share of edges: above 1 where edges that speak against the answer are left out" },
];
/** Shares of the edges at which the table reads the curve. */
export const READ = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05];
const ENOUGH = 0.8;
/** A first circuit larger than this would be a thicket. */
const MOST_FIRST = 2000;

/** The curve of an order. */
export function curveOf(discovery: Discovery, order: Order): Curve {
  return discovery.curves.find((one) => one.order === order) ?? discovery.curves[0]!;
}

/** The circuit that is shown at first: the smallest with four fifths of the answer, if it can be taken in, else half a percent. */
export function firstSize(curve: Curve): number {
  const enough = curve.points.find((point) => point.faithfulness.value >= ENOUGH && point.n_edges > 0);
  const half = curve.points.find((point) => point.share >= 0.005 && point.n_edges > 0) ?? curve.points.at(-1)!;
  return (enough && enough.n_edges <= MOST_FIRST ? enough : half).n_asked;
}

/** The next larger (1) or smaller (-1) circuit of the curve. */
export function stepFrom(curve: Curve, n: number, step: number): number {
  const sizes = curve.points.map((point) => point.n_asked).filter((size) => size > 0);
  const beyond = step > 0 ? sizes.filter((size) => size > n) : sizes.filter((size) => size < n).reverse();
  return beyond[0] ?? n;
}

/** A number with its interval. */
export function measured(one: Measure): string {
  return `${fixed(one.value)} [${fixed(one.interval[0])}, ${fixed(one.interval[1])}]`;
}

/** A share as few digits as it has: 0.1 %, 50 %. */
export function shareText(share: number): string {
  return `${number(Number((share * 100).toPrecision(3)))} %`;
}

/** A circuit of the curve in a sentence. */
export function pointInWords(point: Point): string {
  return `${shareText(point.share)} of the edges: ${number(point.n_asked)} asked for, ${number(point.n_edges)} on a path, ${number(point.n_nodes)} components. f ${measured(point.faithfulness)}; random edges ${measured(point.control)}.`;
}

/** A component's name as people say it. */
export function nodeText(name: string): string {
  const head = /^a(\d+)\.h(\d+)$/.exec(name);
  if (head) return `head ${head[1]}.${head[2]}`;
  return /^m\d+$/.test(name) ? `MLP ${name.slice(1)}` : name;
}

const READS = { q: "’s query", k: "’s keys", v: "’s values", "": "" } as const;

/** An edge as people say it. */
export function edgeText(edge: Edge): string {
  return `${nodeText(edge.sender)} → ${nodeText(edge.receiver)}${READS[edge.read]}`;
}

/** An edge and its score in a sentence. */
export function edgeInWords(edge: Edge): string {
  const range = edge.interval ? ` [${fixed(edge.interval[0], 3)}, ${fixed(edge.interval[1], 3)}]` : "";
  return `${edgeText(edge)}: ${signed(edge.score, 3)}${range}`;
}

/** What was done, in one line. */
export function methodText(one: Pick<Discovery, "method" | "steps" | "threshold" | "mask_steps">): string {
  if (one.method.startsWith("eap-ig")) return `${one.method}, ${number(one.steps)} steps`;
  if (one.method === "acdc") return `acdc, threshold ${number(one.threshold)}`;
  return one.method === "masks" ? `masks, ${number(one.mask_steps)} steps` : one.method;
}

/** The set in a few words. */
export function setText(one: { set: string }): string {
  return one.set || "own pairs";
}

/** What the set was like on the tried pairs. */
export function triedInWords(found: Discovery): string {
  const left = found.refused.length > 0 ? ` (${number(found.refused.length)} more do not fit this tokenizer)` : "";
  return `${number(found.n_edges)} edges, scored on ${number(found.n_scored)} pairs and tried on ${number(found.n_tried)} others${left}, where the mean ${found.metric} difference is ${number(found.clean)} clean and ${number(found.corrupted)} corrupted. On ${percent(found.right)} of these the clean prompt prefers its answer and the corrupted one the other.`;
}

/** Pairs typed or taken from a file, one JSON object a line; or why they are none. */
export function pairsIn(text: string): { pairs: Pair[]; problem: string } {
  const pairs: Pair[] = [];
  for (const [at, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const pair = pairOf(line);
    if (pair === null) return { pairs: [], problem: `Line ${at + 1} is no pair: it needs "clean", "corrupted", "answers" and "wrong", the last two lists of tokens.` };
    pairs.push(pair);
  }
  if (pairs.length < 4) return { pairs: [], problem: pairs.length === 0 ? "" : "One half of the pairs is scored and the other tried: give at least four." };
  return { pairs, problem: "" };
}

function pairOf(line: string): Pair | null {
  let found: Record<string, unknown> | null;
  try {
    found = JSON.parse(line) as Record<string, unknown> | null;
  } catch {
    return null;
  }
  const { clean, corrupted, answers, wrong } = found ?? {};
  const areTokens = (one: unknown): one is string[] => Array.isArray(one) && one.length > 0 && one.every((token) => typeof token === "string");
  return typeof clean === "string" && typeof corrupted === "string" && areTokens(answers) && areTokens(wrong) ? { clean, corrupted, answers, wrong } : null;
}

/** A circuit as places of a graph: heads by their number and MLPs behind them across, layers upwards. */
export interface CircuitPlaces extends Places {
  names: string[];
  /** By edge, the numbers of the nodes at its ends. */
  source: number[];
  target: number[];
}

/** Where the drawn edges' components stand. */
export function placesOf(circuit: Circuit, nHeads: number): CircuitPlaces {
  const drawn = new Set(circuit.edges.flatMap((edge) => [edge.sender, edge.receiver]));
  const nodes = circuit.nodes.filter((node) => drawn.has(node.name));
  const number_ = new Map(nodes.map((node, place) => [node.name, place]));
  const influence = new Array<number>(nodes.length).fill(0);
  const [source, target] = [circuit.edges.map((edge) => number_.get(edge.sender)!), circuit.edges.map((edge) => number_.get(edge.receiver)!)];
  for (const [place, edge] of circuit.edges.entries()) {
    influence[source[place]!]! += Math.abs(edge.score);
    influence[target[place]!]! += Math.abs(edge.score);
  }
  const middle = Math.floor(nHeads / 2);
  return {
    names: nodes.map((node) => node.name),
    kind: nodes.map((node) => (node.name === "input" ? TOKEN : node.name === "logits" ? LOGIT : node.head === null ? REST : FEATURE)),
    layer: nodes.map((node) => node.layer ?? -1),
    position: nodes.map((node) => (node.layer === null ? middle : (node.head ?? nHeads))),
    influence, source, target,
  };
}

/** Discoveries of the same pairs by the same model, other than this one. */
export function comparable(found: Discovery, all: readonly Entry[]): Entry[] {
  return all.filter((one) => one.name !== found.name && one.model === found.model && one.same_pairs === found.same_pairs);
}
