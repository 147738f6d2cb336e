/** Fixed data for one drawing of each kind. What the two panels ask the server for is given by the test that looks. */
import type { Schemas } from "../../api/client";
import { fresh } from "../../marks/difference";
import type { CellMark } from "../../marks/grid";
import { gridOf, nearest, pointsInside, type Polygon } from "../../marks/plane";
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
  id: "specimen", created: "", dictionaries: [], has_lens: false, messages: null, model: "specimen", n_heads: 1, n_layers: 1, notes: [], text: WORDS.join(""),
  tokens: WORDS.map((text, place) => ({ id: place, text, is_special: false })),
};
