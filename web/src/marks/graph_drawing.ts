/** The drawing of a graph: ground, edges and nodes on a canvas. What is pointed at or chosen lies on a canvas above. */
import { CONSTANT, ERROR, FEATURE, INSET, LOGIT, REST, TOKEN, toPixel, type GraphView, type Layout } from "./graph";
import { channels } from "./scatter";

export interface Edges {
  source: ArrayLike<number>;
  target: ArrayLike<number>;
  weight: ArrayLike<number>;
  /** Of the target's input. */
  share: ArrayLike<number>;
}

export interface GraphColours {
  ground: string;
  raised: string;
  sunk: string;
  ink: string;
  quiet: string;
  faint: string;
  edge: string;
  accent: string;
  wash: string;
  cold: string;
  plus: string;
  minus: string;
}

export interface Drawing {
  layout: Layout;
  kind: ArrayLike<number>;
  /** From -1 to 1: what colours a feature; less is blue, more is orange. */
  heat: ArrayLike<number>;
  edges: Edges;
  /** Edges that are always drawn. */
  strongest: ArrayLike<number>;
  tokens: readonly string[];
  colours: GraphColours;
  font: string;
}

export interface Emphasis {
  /** The chosen node, or -1. */
  chosen: number;
  /** The one under the pointer, or -1. */
  hovered: number;
  pinned: readonly number[];
  /** Nodes of a way through the graph, one after the other. */
  path: readonly number[];
  /** Text beside a node. */
  labels: readonly (readonly [number, string])[];
  /** Numbers of a node's strongest edges. */
  edgesOf: (node: number) => ArrayLike<number>;
}

interface Room {
  width: number;
  height: number;
}

const STEPS = 9;
const WIDTHS = [0.6, 1.2, 2.2, 4];

/** What changes only with the view and the sliders. */
export function drawGraph(context: CanvasRenderingContext2D, drawing: Drawing, view: GraphView, room: Room): void {
  const { colours } = drawing;
  context.fillStyle = colours.raised;
  context.fillRect(0, 0, room.width, room.height);
  drawGround(context, drawing, view, room);
  context.save();
  clip(context, room);
  context.globalAlpha = 0.4;
  strokeEdges(context, drawing, drawing.strongest, view);
  context.globalAlpha = 1;
  drawNodes(context, drawing, drawing.layout.shown, view, room);
  context.restore();
  drawAxes(context, drawing, view, room);
}

/** What changes with the pointer. */
export function drawEmphasis(context: CanvasRenderingContext2D, drawing: Drawing, emphasis: Emphasis, view: GraphView, room: Room): void {
  context.clearRect(0, 0, room.width, room.height);
  const { colours, layout, edges } = drawing;
  context.save();
  clip(context, room);
  if (emphasis.chosen >= 0) {
    context.globalAlpha = 0.62;
    context.fillStyle = colours.raised;
    context.fillRect(0, 0, room.width, room.height);
    context.globalAlpha = 1;
  }
  const heads = [...new Set([emphasis.chosen, emphasis.hovered])].filter((node) => node >= 0 && isPlaced(layout, node));
  for (const node of heads) {
    const own = Array.from(emphasis.edgesOf(node)).filter((edge) => isPlaced(layout, edges.source[edge]!) && isPlaced(layout, edges.target[edge]!));
    context.globalAlpha = node === emphasis.chosen ? 0.9 : 0.75;
    strokeEdges(context, drawing, own, view);
    context.globalAlpha = 1;
    drawNodes(context, drawing, own.flatMap((edge) => [edges.source[edge]!, edges.target[edge]!]), view, room);
  }
  drawPath(context, drawing, emphasis.path.filter((node) => isPlaced(layout, node)), view, room);
  drawNodes(context, drawing, emphasis.pinned.filter((node) => isPlaced(layout, node)), view, room);
  for (const node of emphasis.pinned) if (isPlaced(layout, node)) ring(context, drawing, node, view, colours.accent, 1.75, 2.5);
  for (const node of heads) ring(context, drawing, node, view, colours.ink, node === emphasis.chosen ? 2 : 1.25, 3.5);
  drawLabels(context, drawing, emphasis.labels, view);
  context.restore();
}

function drawPath(context: CanvasRenderingContext2D, drawing: Drawing, path: readonly number[], view: GraphView, room: Room): void {
  context.strokeStyle = drawing.colours.accent;
  context.lineWidth = 3;
  context.beginPath();
  for (const [place, node] of path.slice(0, -1).entries()) curve(context, drawing.layout, node, path[place + 1]!, view);
  context.stroke();
  drawNodes(context, drawing, path, view, room);
}

export function isPlaced(layout: Layout, node: number): boolean {
  return !Number.isNaN(layout.x[node] ?? NaN);
}

function clip(context: CanvasRenderingContext2D, room: Room): void {
  context.beginPath();
  context.rect(INSET.left, 0, room.width - INSET.left, room.height - INSET.bottom);
  context.clip();
}

function drawGround(context: CanvasRenderingContext2D, { layout, colours }: Drawing, view: GraphView, room: Room): void {
  context.fillStyle = colours.sunk;
  for (const [place, column] of layout.columns.entries()) {
    if (place % 2 === 1) continue;
    const [left] = toPixel(view, column.left, 0);
    context.fillRect(left, 0, column.width * view.zoom, room.height - INSET.bottom);
  }
  context.fillStyle = colours.faint;
  for (const row of layout.rows) {
    const [, y] = toPixel(view, 0, row.top + row.height / 2);
    if (y < room.height - INSET.bottom) context.fillRect(INSET.left, Math.round(y), room.width, 1);
  }
}

/** A layer's name where there is room for it; a token's, cut to its column. */
function drawAxes(context: CanvasRenderingContext2D, { layout, colours, tokens, font }: Drawing, view: GraphView, room: Room): void {
  const floor = room.height - INSET.bottom;
  context.fillStyle = colours.raised;
  context.fillRect(0, 0, INSET.left, room.height);
  context.fillRect(0, floor, room.width, INSET.bottom);
  context.fillStyle = colours.edge;
  context.fillRect(INSET.left, floor, room.width, 1);
  context.font = font;
  context.textBaseline = "middle";
  context.textAlign = "right";
  context.fillStyle = colours.quiet;
  let last = Infinity;
  for (const row of [...layout.rows].reverse()) {
    const [, y] = toPixel(view, 0, row.top + row.height / 2);
    const name = row.layer < 0 ? "text" : row.layer === layout.rows.length - 2 ? "out" : String(row.layer);
    if (y > floor - 4 || y < 6 || (last - y < 13 && name !== "out")) continue;
    if (name === "out") context.clearRect(0, y - 7, INSET.left - 2, 14);
    context.fillText(name, INSET.left - 6, y);
    last = y;
  }
  context.textAlign = "center";
  context.fillStyle = colours.ink;
  for (const column of layout.columns) {
    const [left] = toPixel(view, column.left, 0), width = column.width * view.zoom;
    if (left + width < INSET.left || left > room.width) continue;
    context.save();
    context.beginPath();
    context.rect(Math.max(INSET.left, left + 1), floor, Math.min(width - 2, room.width), INSET.bottom);
    context.clip();
    context.fillText(fitted(context, column.position < 0 ? "const" : (tokens[column.position] ?? ""), width - 4), left + width / 2, floor + INSET.bottom / 2 + 1);
    context.restore();
  }
}

function fitted(context: CanvasRenderingContext2D, text: string, width: number): string {
  if (context.measureText(text).width <= width) return text;
  let short = text;
  while (short.length > 1 && context.measureText(`${short}…`).width > width) short = short.slice(0, -1);
  return short.length > 1 ? `${short}…` : short;
}

/** Curves that leave and arrive upright, in as few strokes as there are colours and widths. */
function strokeEdges(context: CanvasRenderingContext2D, { edges, layout, colours }: Drawing, which: ArrayLike<number>, view: GraphView): void {
  const paths = [colours.plus, colours.minus].map((colour) => ({ colour, widths: WIDTHS.map(() => new Path2D()) }));
  for (let at = 0; at < which.length; at++) {
    const edge = which[at]!;
    const path = paths[edges.weight[edge]! >= 0 ? 0 : 1]!.widths[widthOf(edges.share[edge]!)]!;
    curve(path, layout, edges.source[edge]!, edges.target[edge]!, view);
  }
  for (const { colour, widths } of paths) {
    context.strokeStyle = colour;
    for (const [place, path] of widths.entries()) {
      context.lineWidth = WIDTHS[place]!;
      context.stroke(path);
    }
  }
}

function curve(path: Pick<Path2D, "moveTo" | "bezierCurveTo">, layout: Layout, source: number, target: number, view: GraphView): void {
  const [x1, y1] = toPixel(view, layout.x[source]!, layout.y[source]!), [x2, y2] = toPixel(view, layout.x[target]!, layout.y[target]!);
  const bend = (y2 - y1) / 2;
  path.moveTo(x1, y1);
  path.bezierCurveTo(x1, y1 + bend, x2, y2 - bend, x2, y2);
}

/** Class of an edge's width. */
export function widthOf(share: number): number {
  if (share < 0.01) return 0;
  if (share < 0.04) return 1;
  return share < 0.15 ? 2 : 3;
}

export const EDGE_WIDTHS: readonly number[] = WIDTHS;

/** Features by colour, everything else by shape, each in one path. */
function drawNodes(context: CanvasRenderingContext2D, drawing: Drawing, which: ArrayLike<number>, view: GraphView, room: Room): void {
  const { layout, kind, colours } = drawing;
  const size = sizeOf(view);
  const discs = Array.from({ length: STEPS }, () => new Path2D());
  const rests = new Path2D(), boxes = new Path2D(), goals = new Path2D();
  for (let at = 0; at < which.length; at++) {
    const node = which[at]!;
    const [x, y] = toPixel(view, layout.x[node]!, layout.y[node]!);
    if (!(x > -9 && y > -9 && x < room.width + 9 && y < room.height + 9)) continue;
    const r = layout.radius[node]! * size;
    if (kind[node] === FEATURE) {
      const disc = discs[stepOf(drawing.heat[node]!)]!;
      disc.moveTo(x + r, y);
      disc.arc(x, y, r, 0, 2 * Math.PI);
    } else if (kind[node] === ERROR) {
      rests.moveTo(x, y - r);
      for (const [dx, dy] of [[r, 0], [0, r], [-r, 0]] as const) rests.lineTo(x + dx, y + dy);
      rests.closePath();
    } else if (kind[node] === REST) rests.rect(x - 0.8 * r, y - 0.8 * r, 1.6 * r, 1.6 * r);
    else if (kind[node] === TOKEN || kind[node] === CONSTANT) boxes.roundRect(x - 1.3 * r, y - 0.8 * r, 2.6 * r, 1.6 * r, 2);
    else if (kind[node] === LOGIT) goals.roundRect(x - r, y - 0.9 * r, 2 * r, 1.8 * r, 2);
  }
  context.lineWidth = 1;
  context.strokeStyle = colours.edge;
  fill(context, rests, colours.cold, true);
  const ramp = rampOf(colours);
  for (const [step, disc] of discs.entries()) fill(context, disc, ramp[step]!, true);
  fill(context, boxes, colours.accent, false);
  fill(context, goals, colours.ink, false);
}

function fill(context: CanvasRenderingContext2D, path: Path2D, colour: string, isOutlined: boolean): void {
  context.fillStyle = colour;
  context.fill(path);
  if (isOutlined) context.stroke(path);
}

/** Nodes grow more slowly than the plane. */
export function sizeOf(view: GraphView): number {
  return Math.min(2.4, Math.max(0.55, Math.sqrt(view.zoom)));
}

function stepOf(heat: number): number {
  return Number.isNaN(heat) ? (STEPS - 1) / 2 : Math.round(((Math.max(-1, Math.min(1, heat)) + 1) / 2) * (STEPS - 1));
}

/** Colours from less through nothing to more. */
export function rampOf(colours: GraphColours): string[] {
  const [less, none, more] = [channels(colours.minus), channels(colours.raised), channels(colours.plus)];
  return Array.from({ length: STEPS }, (_, step) => {
    const heat = (2 * step) / (STEPS - 1) - 1, to = heat < 0 ? less : more;
    return `rgb(${none.map((value, at) => Math.round(value + (to[at]! - value) * Math.abs(heat))).join(" ")})`;
  });
}

export function heatColour(ramp: readonly string[], heat: number): string {
  return ramp[stepOf(heat)]!;
}

function ring(context: CanvasRenderingContext2D, { layout, kind }: Drawing, node: number, view: GraphView, colour: string, width: number, beyond: number): void {
  const [x, y] = toPixel(view, layout.x[node]!, layout.y[node]!);
  const r = layout.radius[node]! * sizeOf(view) * (kind[node] === TOKEN ? 1.35 : 1) + beyond;
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.beginPath();
  context.arc(x, y, r, 0, 2 * Math.PI);
  context.stroke();
}

/** Names beside nodes, with a rim of the ground so that they can be read on edges; one that would lie on another is left out. */
function drawLabels(context: CanvasRenderingContext2D, { layout, kind, colours, font }: Drawing, labels: Emphasis["labels"], view: GraphView): void {
  const taken: [number, number, number][] = [];
  context.font = font;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  for (const [node, text] of labels) {
    if (!isPlaced(layout, node)) continue;
    const [x, nodeY] = toPixel(view, layout.x[node]!, layout.y[node]!);
    const width = context.measureText(text).width, isTarget = kind[node] === LOGIT;
    const r = layout.radius[node]! * sizeOf(view);
    const [left, y] = isTarget ? [x - width / 2, nodeY - r - 8] : [x + r + 4, nodeY];
    if (taken.some(([l, r, at]) => Math.abs(at - y) < 12 && left < r && left + width > l)) continue;
    taken.push([left, left + width, y]);
    context.strokeStyle = colours.raised;
    context.lineWidth = 4;
    context.strokeText(text, left, y);
    context.fillStyle = colours.ink;
    context.fillText(text, left, y);
  }
}
