/** The drawing of a graph as an SVG file: what is in view, with the same shapes and colours as on the canvas. */
import { CONSTANT, ERROR, FEATURE, LOGIT, REST, TOKEN, INSET, toPixel, type GraphView } from "./graph";
import { EDGE_WIDTHS, heatColour, isPlaced, rampOf, sizeOf, widthOf, type Drawing, type Emphasis } from "./graph_drawing";

/** The file's text. */
export function svgOf(drawing: Drawing, emphasis: Emphasis, view: GraphView, room: { width: number; height: number }): string {
  const { colours, layout } = drawing;
  const own = emphasis.chosen >= 0 && isPlaced(layout, emphasis.chosen) ? Array.from(emphasis.edgesOf(emphasis.chosen)) : [];
  const edges = (which: ArrayLike<number>, opacity: number): string =>
    `<g fill="none" opacity="${opacity}">${Array.from(which, (edge) => edgeOf(drawing, edge, view)).join("")}</g>`;
  const way = emphasis.path.slice(0, -1).map((node, place) => curveOf(drawing, node, emphasis.path[place + 1]!, view, colours.accent, 3)).join("");
  const nodes = Array.from(layout.shown, (node) => shapeOf(drawing, node, view)).join("");
  const rings = emphasis.pinned.map((node) => ringOf(drawing, node, view, colours.accent)).join("") + ringOf(drawing, emphasis.chosen, view, colours.ink);
  const names = emphasis.labels.map(([node, text]) => labelOf(drawing, node, text, view)).join("");
  const floor = room.height - INSET.bottom;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${room.width}" height="${room.height}" viewBox="0 0 ${room.width} ${room.height}" font-family="sans-serif" font-size="11">`,
    `<rect width="100%" height="100%" fill="${colours.raised}"/>`,
    `<clipPath id="field"><rect x="${INSET.left}" width="${room.width}" height="${floor}"/></clipPath>`,
    `<g clip-path="url(#field)">${edges(drawing.strongest, own.length > 0 ? 0.2 : 0.4)}${edges(own, 0.9)}<g fill="none">${way}</g>${nodes}${rings}${names}</g>`,
    axesOf(drawing, view, room, floor),
    "</svg>",
  ].join("\n");
}

function edgeOf(drawing: Drawing, edge: number, view: GraphView): string {
  const { edges, colours } = drawing;
  return curveOf(drawing, edges.source[edge]!, edges.target[edge]!, view, edges.weight[edge]! >= 0 ? colours.plus : colours.minus, EDGE_WIDTHS[widthOf(edges.share[edge]!)]!);
}

function curveOf({ layout }: Drawing, from: number, to: number, view: GraphView, colour: string, width: number): string {
  if (!isPlaced(layout, from) || !isPlaced(layout, to)) return "";
  const [x1, y1] = toPixel(view, layout.x[from]!, layout.y[from]!), [x2, y2] = toPixel(view, layout.x[to]!, layout.y[to]!);
  const bend = (y2 - y1) / 2;
  return `<path d="M${short(x1)} ${short(y1)}C${short(x1)} ${short(y1 + bend)} ${short(x2)} ${short(y2 - bend)} ${short(x2)} ${short(y2)}" stroke="${colour}" stroke-width="${width}"/>`;
}

function shapeOf(drawing: Drawing, node: number, view: GraphView): string {
  const { layout, kind, colours } = drawing;
  const [x, y] = toPixel(view, layout.x[node]!, layout.y[node]!);
  const r = layout.radius[node]! * sizeOf(view);
  const box = (wide: number, high: number, colour: string): string =>
    `<rect x="${short(x - wide)}" y="${short(y - high)}" width="${short(2 * wide)}" height="${short(2 * high)}" fill="${colour}"/>`;
  if (kind[node] === FEATURE) return `<circle cx="${short(x)}" cy="${short(y)}" r="${short(r)}" fill="${heatColour(rampOf(colours), drawing.heat[node]!)}" stroke="${colours.edge}"/>`;
  if (kind[node] === ERROR) return `<path d="M${short(x)} ${short(y - r)}l${short(r)} ${short(r)}l${short(-r)} ${short(r)}l${short(-r)} ${short(-r)}z" fill="${colours.cold}" stroke="${colours.edge}"/>`;
  if (kind[node] === REST) return box(0.8 * r, 0.8 * r, colours.cold);
  if (kind[node] === TOKEN || kind[node] === CONSTANT) return box(1.3 * r, 0.8 * r, colours.accent);
  return kind[node] === LOGIT ? box(r, 0.9 * r, colours.ink) : "";
}

function ringOf({ layout }: Drawing, node: number, view: GraphView, colour: string): string {
  if (!isPlaced(layout, node)) return "";
  const [x, y] = toPixel(view, layout.x[node]!, layout.y[node]!);
  return `<circle cx="${short(x)}" cy="${short(y)}" r="${short(layout.radius[node]! * sizeOf(view) + 2.5)}" fill="none" stroke="${colour}" stroke-width="1.75"/>`;
}

function labelOf({ layout, kind, colours }: Drawing, node: number, text: string, view: GraphView): string {
  if (!isPlaced(layout, node)) return "";
  const [x, y] = toPixel(view, layout.x[node]!, layout.y[node]!);
  const r = layout.radius[node]! * sizeOf(view);
  const place = kind[node] === LOGIT ? `x="${short(x)}" y="${short(y - r - 4)}" text-anchor="middle"` : `x="${short(x + r + 4)}" y="${short(y + 4)}"`;
  return `<text ${place} fill="${colours.ink}" stroke="${colours.raised}" stroke-width="3" paint-order="stroke">${escaped(text)}</text>`;
}

function axesOf({ layout, colours, tokens }: Drawing, view: GraphView, room: { width: number }, floor: number): string {
  const layers = layout.rows.map((row) => {
    const [, y] = toPixel(view, 0, row.top + row.height / 2);
    return y > 0 && y < floor && row.layer >= 0 && row.layer < layout.rows.length - 2 ? `<text x="${INSET.left - 6}" y="${short(y + 4)}" text-anchor="end" fill="${colours.quiet}">${row.layer}</text>` : "";
  });
  const names = layout.columns.map((column) => {
    const [x] = toPixel(view, column.left + column.width / 2, 0);
    const room_ = Math.max(1, Math.floor((column.width * view.zoom) / 6.5)), text = tokens[column.position] ?? "";
    if (x < INSET.left || x > room.width) return "";
    return `<text x="${short(x)}" y="${floor + 16}" text-anchor="middle" fill="${colours.ink}">${escaped(text.length > room_ ? `${text.slice(0, room_ - 1)}…` : text)}</text>`;
  });
  return layers.join("") + names.join("");
}

function short(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
