/** Fixed data for one drawing of each kind. What the two panels ask the server for is given by the test that looks. */
import type { Schemas } from "../../api/client";
import { fresh } from "../../marks/difference";
import { CONSTANT, ERROR, FEATURE, LOGIT, REST, TOKEN } from "../../marks/graph";
import type { CellMark } from "../../marks/grid";
import { gridOf, nearest, pointsInside, type Polygon } from "../../marks/plane";
import { readGraph, shownEdges, shownNodes } from "../graph/data";
import type { FeatureMap } from "../map/points";

export const WORDS: readonly string[] = ["The", " cat", " sat", " on", " the", "\n", "mat", " and", " looked", " at", " the", " moon", "."];
export const HEATS: readonly number[] = [0, 1, 2.1, 0, 3.2, 0, 4, 0.5, 0, 1.5, 0, 2.9, 0];

const BASE = [1, 2, 3, 4, 5, 6, 7, 8];
const OTHER = [1, 9, 2, 4, 10, 11, 7, 8, 12];
export const DIFFERENCE = { tokens: OTHER.map((id) => ` w${id}`), values: fresh(BASE, OTHER).map(Number) };

export const GRID = { rows: ["0", "1", "2", "3", "4", "5"], columns: WORDS, chosen: { row: 4, column: 2 } };

/** Warm to the right, cold to the left, and nothing known on a diagonal. */
export function cell(row: number, column: number): CellMark {
  if (row === column) return { text: "–", heat: NaN };
  return { text: `${row}.${column}`, heat: Math.max(-1, Math.min(1, (column - 2 - row) / 4)) };
}

const STEPS = Array.from({ length: 60 }, (_, place) => place);
export const LINES = [
  { run: "one", stroke: "var(--plus)", dash: "", curve: curve((step) => (step === 30 ? null : 900 * 0.93 ** step + (step === 44 ? 300 : 20))) },
  { run: "two", stroke: "var(--minus)", dash: "5 3", curve: curve((step) => 300 * 0.97 ** step + 12 * (step % 5)) },
];

function curve(at: (step: number) => number | null): Schemas["Curve"] {
  return { tokens: STEPS.map((step) => 1000 * step), values: STEPS.map(at) };
}

export const SPARK: readonly (number | null)[] = [1, 3, 2, 6, null, 5, 9, 4, 4, 7];

const N_POINTS = 240;
const PLACES = Array.from({ length: N_POINTS }, (_, place) => place);
/** A spiral: the farther out, the more frequent and the better described; every tenth point has no label. */
export const MAP: FeatureMap = {
  feature: Uint32Array.from(PLACES),
  x: Float32Array.from(PLACES, (place) => (place / N_POINTS) * Math.cos(place * 0.19)),
  y: Float32Array.from(PLACES, (place) => (place / N_POINTS) * Math.sin(place * 0.19)),
  density: Float32Array.from(PLACES, (place) => 10 ** (-5 + (4 * place) / N_POINTS)),
  score: Float32Array.from(PLACES, (place) => (place % 10 === 0 ? NaN : 0.5 + place / (2 * N_POINTS))),
  cluster: new Uint16Array(N_POINTS),
};
export const CLUSTERS: Schemas["Cluster"][] = [
  { cluster: 0, n: 120, name: "inner", x: 0, y: 0 },
  { cluster: 1, n: 120, name: "outer", x: -0.6, y: 0.55 },
];

/** The corner at the upper right, with a bite out of it. */
const LASSO: Polygon = [[0.1, 0.1], [1, 0.05], [0.5, 0.5], [0.05, 1]];
export const SELECTED: readonly number[] = pointsInside(MAP, LASSO);
export const MARKED: ReadonlySet<number> = new Set(SELECTED.filter((place) => place % 2 === 0));
export const PINNED = nearest(MAP, gridOf(MAP), -0.7, -0.35, 0.3);

export const PROMPT: Schemas["PromptOut"] = {
  id: "specimen", created: "", dictionaries: [], has_lens: false, lenses: [], messages: null, model: "specimen", n_heads: 1, n_layers: 1, notes: [], text: WORDS.join(""),
  tokens: WORDS.map((text, place) => ({ id: place, text, is_special: false })),
};

/** One node of each kind and more: features of both signs in three layers, two of them at one place. */
const NODES = [
  { kind: FEATURE, layer: 0, position: 1, index: 7, influence: 0.5, effect: 2 },
  { kind: FEATURE, layer: 1, position: 1, index: 12, influence: 0.4, effect: -1 },
  { kind: FEATURE, layer: 1, position: 1, index: 13, influence: 0.2, effect: 0.1 },
  { kind: FEATURE, layer: 2, position: 3, index: 4, influence: 0.6, effect: 0.5 },
  { kind: LOGIT, layer: -1, position: 3, index: 40, influence: 0, effect: NaN },
  { kind: LOGIT, layer: -1, position: 3, index: 41, influence: 0, effect: NaN },
  { kind: REST, layer: 0, position: 2, index: -1, influence: 0.2, effect: NaN },
  { kind: ERROR, layer: 2, position: 0, index: -1, influence: 0.1, effect: NaN },
  ...[0, 1, 2, 3].map((position) => ({ kind: TOKEN, layer: -1, position, index: position, influence: 0.3, effect: NaN })),
  { kind: CONSTANT, layer: -1, position: -1, index: -1, influence: 0, effect: NaN },
];
const EDGES: readonly (readonly [source: number, target: number, weight: number])[] = [
  [3, 4, 4], [0, 3, 3], [1, 3, -2.5], [9, 0, 2], [0, 1, 1.8], [2, 4, -1.5], [10, 2, 1], [6, 3, 0.9], [7, 4, 0.8], [8, 1, -0.6], [11, 5, 0.5], [3, 5, 0.4], [12, 4, 0.3],
];
const numbers = (name: "influence" | "effect"): Float32Array => Float32Array.from(NODES, (node) => node[name]);
const array = <T>(data: T): { data: T; shape: number[] } => ({ data, shape: [] });
export const GRAPH = readGraph({
  "node.kind": array(Uint8Array.from(NODES, (node) => node.kind)), "node.layer": array(Int16Array.from(NODES, (node) => node.layer)),
  "node.position": array(Int16Array.from(NODES, (node) => node.position)), "node.index": array(Int32Array.from(NODES, (node) => node.index)),
  "node.influence": array(numbers("influence")), "node.effect": array(numbers("effect")), "node.relevance": array(numbers("effect")),
  "node.activation": array(numbers("influence")), "node.value": array(numbers("influence")), "node.weight": array(numbers("influence")),
  "edge.source": array(Uint32Array.from(EDGES, ([source]) => source)), "edge.target": array(Uint32Array.from(EDGES, ([, target]) => target)),
  "edge.weight": array(Float32Array.from(EDGES, ([, , weight]) => weight)), "edge.share": array(Float32Array.from(EDGES, ([, , weight]) => Math.abs(weight) / 5)),
  "edge.flow": array(Float32Array.from(EDGES, ([, , weight]) => Math.abs(weight) / 5)),
});
const EVERYTHING = { nodes: 1, edges: 1, hasRest: true, hasConstant: true };
export const GRAPH_SHOWN = shownNodes(GRAPH, EVERYTHING, []);
export const GRAPH_EDGES = shownEdges(GRAPH, EVERYTHING, GRAPH_SHOWN);
export const GRAPH_META: Schemas["GraphOut"] = {
  id: "specimen", model: "specimen", dictionary: "neurons", prompt: "", n_layers: 3, n_nodes: NODES.length, n_edges: EDGES.length, measures: {}, findings: [],
  tokens: ["The", " cat", " sat", " on"], ids: NODES.map((_, node) => `${node}`), names: NODES.map((node) => (node.kind === LOGIT ? " mat" : "")),
  targets: [{ node: "4", name: " mat", value: 4, weight: 1 }], kinds: [], indexes: {}, pinned: [], supernodes: [],
};
