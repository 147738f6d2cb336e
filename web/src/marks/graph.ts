/** An attribution graph on a plane: tokens across, layers upwards. Where each node stands, and what lies under a pointer. */
import { gridOf, nearest, type Grid, type Plane } from "./plane";

/** Kinds of nodes by their number. */
export const FEATURE = 0, LOGIT = 1, ERROR = 2, REST = 3, TOKEN = 4, CONSTANT = 5;

export interface Places {
  kind: ArrayLike<number>;
  /** -1 where a node has none. */
  layer: ArrayLike<number>;
  position: ArrayLike<number>;
  influence: ArrayLike<number>;
}

export interface Column {
  /** Number of the token; -1 for the constants'. */
  position: number;
  left: number;
  width: number;
}

export interface Row {
  /** -1 for the tokens, the number of layers for the targets. */
  layer: number;
  top: number;
  height: number;
}

export interface Layout {
  /** Middles of the nodes; NaN for those that are not shown. */
  x: Float32Array;
  y: Float32Array;
  radius: Float32Array;
  columns: Column[];
  rows: Row[];
  width: number;
  height: number;
  /** The nodes that are shown. */
  shown: Uint32Array;
}

const PITCH = 14, GAP_X = 10, GAP_Y = 7, LEAST_WIDTH = 30, MOST_LINES = 7, TARGET_PITCH = 64, WIDEST_STRETCH = 1.35;

/**
 * Where the nodes stand. In a cell of token and layer they stand in lines, the most influential first; of how many lines
 * a cell may have, the number is taken with which everything fits best into the room. Equal input gives equal places.
 */
export function layoutOf(places: Places, isShown: ArrayLike<number>, nLayers: number, nTokens: number, room: { width: number; height: number }): Layout {
  const n = places.kind.length;
  const cells = new Map<number, number[]>();
  let hasConstant = false;
  for (let node = 0; node < n; node++) {
    if (!isShown[node]) continue;
    hasConstant ||= places.kind[node] === CONSTANT;
    const key = rowOf(places, node, nLayers) * (nTokens + 1) + places.position[node]! + 1;
    const cell = cells.get(key);
    if (cell) cell.push(node);
    else cells.set(key, [node]);
  }
  const first = hasConstant ? 0 : 1;
  const most = new Uint32Array(nTokens + 1);
  // Targets take no room in their token's column: they have a line of their own.
  for (const [key, cell] of cells) if (key > nTokens) most[key % (nTokens + 1)] = Math.max(most[key % (nTokens + 1)]!, cell.length);
  const perLine = bestWidths(cells, most, first, nLayers, nTokens, room);
  const widths = Array.from(perLine, (many) => Math.max(LEAST_WIDTH, many * PITCH) + GAP_X);
  const heights = rowHeights(cells, perLine, nLayers, nTokens);
  return placed(places, cells, perLine, widths, heights, first, nLayers, nTokens, room);
}

/** Row of a node, from the targets at the top down to the tokens. */
function rowOf(places: Places, node: number, nLayers: number): number {
  const kind = places.kind[node];
  if (kind === LOGIT) return 0;
  return kind === TOKEN || kind === CONSTANT ? nLayers + 1 : nLayers - (places.layer[node] ?? 0);
}

function bestWidths(cells: Map<number, number[]>, most: Uint32Array, first: number, nLayers: number, nTokens: number, room: { width: number; height: number }): Uint32Array {
  let best = most, fit = -1;
  for (let lines = 1; lines <= MOST_LINES; lines++) {
    const perLine = most.map((many) => Math.ceil(many / lines));
    let width = 0;
    for (let column = first; column <= nTokens; column++) width += Math.max(LEAST_WIDTH, perLine[column]! * PITCH) + GAP_X;
    const height = rowHeights(cells, perLine, nLayers, nTokens).reduce((sum, one) => sum + one, 0);
    const scale = Math.min(room.width / width, room.height / height);
    if (scale > fit + 1e-9) [best, fit] = [perLine, scale];
  }
  return best;
}

function rowHeights(cells: Map<number, number[]>, perLine: Uint32Array, nLayers: number, nTokens: number): number[] {
  const lines = new Array<number>(nLayers + 2).fill(0);
  for (const [key, cell] of cells) {
    const row = Math.floor(key / (nTokens + 1));
    if (row > 0) lines[row] = Math.max(lines[row]!, Math.ceil(cell.length / Math.max(1, perLine[key % (nTokens + 1)]!)));
  }
  return lines.map((many, row) => Math.max(row === 0 ? 2.2 : row === nLayers + 1 ? 1.3 : 0.35, many) * PITCH + GAP_Y);
}

function placed(
  places: Places, cells: Map<number, number[]>, perLine: Uint32Array, widths: number[], heights: number[],
  first: number, nLayers: number, nTokens: number, room: { width: number; height: number },
): Layout {
  const n = places.kind.length;
  const natural = { width: sum(widths.slice(first)), height: sum(heights) };
  const scale = Math.min(room.width / natural.width, room.height / natural.height);
  // What the tighter side leaves over is spread between columns or rows, so that the field is filled.
  const wider = Math.max(1, room.width / scale / natural.width), higher = Math.max(1, room.height / scale / natural.height);
  const columns: Column[] = [], rows: Row[] = [];
  let left = 0;
  for (let column = first; column <= nTokens; column++) {
    const width = widths[column]! * wider;
    columns.push({ position: column - 1, left, width });
    left += width;
  }
  let top = 0;
  for (const [row, natural] of heights.entries()) {
    rows.push({ layer: row === 0 ? nLayers : nLayers - row, top, height: natural * higher });
    top += natural * higher;
  }
  const x = new Float32Array(n).fill(NaN), y = new Float32Array(n).fill(NaN);
  let strongest = 1e-12;
  for (let node = 0; node < n; node++) if (places.kind[node]! !== TOKEN && places.kind[node]! !== LOGIT) strongest = Math.max(strongest, places.influence[node]!);
  const radius = Float32Array.from({ length: n }, (_, node) => radiusOf(places.kind[node]!, places.influence[node]! / strongest));
  for (const [key, cell] of cells) {
    const row = rows[Math.floor(key / (nTokens + 1))]!, at = key % (nTokens + 1), column = columns[at - first]!;
    const many = Math.max(1, perLine[at]!);
    cell.sort((one, other) => rank(places, one) - rank(places, other) || places.influence[other]! - places.influence[one]! || one - other);
    const lines = Math.ceil(cell.length / many);
    const stepX = PITCH * Math.min(wider, WIDEST_STRETCH), stepY = PITCH * Math.min(higher, WIDEST_STRETCH);
    if (row.layer === nLayers) {
      standTargets(cell, column, left, x, y, row);
      continue;
    }
    for (const [place, node] of cell.entries()) {
      const line = Math.floor(place / many), inLine = Math.min(many, cell.length - line * many);
      x[node] = column.left + column.width / 2 + (place - line * many - (inLine - 1) / 2) * stepX;
      y[node] = row.top + row.height / 2 + (line - (lines - 1) / 2) * stepY;
    }
  }
  const shown = Uint32Array.from([...cells.values()].flat().sort((one, other) => one - other));
  return { x, y, radius, columns, rows, width: left, height: top, shown };
}

/** Targets stand apart in one line, the first one above its token, so that there is room for their names. */
function standTargets(cell: readonly number[], column: Column, width: number, x: Float32Array, y: Float32Array, row: Row): void {
  const end = column.left + column.width / 2;
  const step = Math.min(TARGET_PITCH, Math.max(end, width - end) / cell.length);
  for (const [place, node] of cell.entries()) {
    x[node] = end >= width / 2 ? end - place * step : end + place * step;
    y[node] = row.top + row.height / 2;
  }
}

function rank(places: Places, node: number): number {
  const kind = places.kind[node];
  return kind === ERROR || kind === REST ? 1 : 0;
}

function radiusOf(kind: number, share: number): number {
  if (kind === TOKEN || kind === LOGIT || kind === CONSTANT) return 6;
  return (kind === FEATURE ? 2.9 : 2.4) + 3.6 * Math.sqrt(Math.max(0, Math.min(1, share)));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

export interface Hits {
  plane: Plane;
  grid: Grid;
  side: number;
}

/** The shown nodes in cells of a grid, so that the one under the pointer is found without looking at all. */
export function hitsOf(layout: Layout): Hits {
  const side = Math.max(layout.width, layout.height, 1);
  const scaled = (values: Float32Array): Float32Array => Float32Array.from(layout.shown, (node) => (2 * values[node]!) / side - 1);
  const plane = { x: scaled(layout.x), y: scaled(layout.y) };
  return { plane, grid: gridOf(plane), side };
}

/** The node nearest to a place and not farther than `within`; -1 where there is none. */
export function nodeAt(layout: Layout, hits: Hits, x: number, y: number, within: number): number {
  const place = nearest(hits.plane, hits.grid, (2 * x) / hits.side - 1, (2 * y) / hits.side - 1, (2 * within) / hits.side);
  return place < 0 ? -1 : layout.shown[place]!;
}

/** The next shown node to the right (1) or left (-1) in the same line, or the nearest one in the next line up (1) or down (-1). */
export function neighbour(layout: Layout, node: number, right: number, up: number): number {
  const x = layout.x[node]!, y = layout.y[node]!;
  if (Number.isNaN(x)) return layout.shown[0] ?? node;
  if (right !== 0) {
    const line = [...layout.shown].filter((one) => layout.y[one] === y).sort((one, other) => layout.x[one]! - layout.x[other]!);
    return line[line.indexOf(node) + right] ?? node;
  }
  const beyond = [...layout.shown].filter((one) => (y - layout.y[one]!) * up > 0);
  const next = beyond.reduce((best, one) => Math.min(best, Math.abs(layout.y[one]! - y)), Infinity);
  return beyond.filter((one) => Math.abs(layout.y[one]! - y) === next).reduce((best, one) => (best === node || Math.abs(layout.x[one]! - x) < Math.abs(layout.x[best]! - x) ? one : best), node);
}

/** What of the plane is seen: the place in the upper left corner, and pixels per unit. */
export interface GraphView {
  x: number;
  y: number;
  zoom: number;
}

/** Room that the names of layers and tokens take at the left and below. */
export const INSET = { left: 34, bottom: 24, right: 10, top: 8 };

/** Everything in view, in the middle. */
export function wholeView(layout: Layout, width: number, height: number): GraphView {
  const roomX = Math.max(40, width - INSET.left - INSET.right), roomY = Math.max(40, height - INSET.top - INSET.bottom);
  const zoom = Math.min(roomX / Math.max(1, layout.width), roomY / Math.max(1, layout.height));
  return { zoom, x: (layout.width - roomX / zoom) / 2, y: (layout.height - roomY / zoom) / 2 };
}

export function toPixel(view: GraphView, x: number, y: number): [number, number] {
  return [INSET.left + (x - view.x) * view.zoom, INSET.top + (y - view.y) * view.zoom];
}

export function toPlace(view: GraphView, x: number, y: number): [number, number] {
  return [view.x + (x - INSET.left) / view.zoom, view.y + (y - INSET.top) / view.zoom];
}

/** A view that shows the same place under the pointer, nearer or farther. */
export function zoomed(view: GraphView, factor: number, x: number, y: number): GraphView {
  const zoom = Math.min(12, Math.max(0.05, view.zoom * factor));
  const [placeX, placeY] = toPlace(view, x, y);
  return { zoom, x: placeX - (x - INSET.left) / zoom, y: placeY - (y - INSET.top) / zoom };
}
