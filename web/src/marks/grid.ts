/** A field of cells on a canvas: layers down, tokens across. Only the cells in view are drawn; headers stay in view. */

export interface GridShape {
  rows: number;
  columns: number;
  cellWidth: number;
  cellHeight: number;
  /** Width of the row headers and height of the column headers. */
  headWidth: number;
  headHeight: number;
}

export interface GridView {
  left: number;
  top: number;
  width: number;
  height: number;
}

export interface Cell {
  row: number;
  column: number;
}

export interface CellMark {
  text: string;
  /** From -1 to 1: how much of the colour; not a number where there is nothing to show. */
  heat: number;
}

export interface GridColours {
  ground: string;
  raised: string;
  ink: string;
  quiet: string;
  rule: string;
  faint: string;
  accent: string;
  /** From cold to hot. */
  heat: readonly string[];
  /** From none to much below zero. */
  cold: readonly string[];
}

export interface GridDrawing {
  shape: GridShape;
  view: GridView;
  mark: (cell: Cell) => CellMark;
  rowName: (row: number) => string;
  columnName: (column: number) => string;
  colours: GridColours;
  font: string;
  chosen: Cell | null;
  hovered: Cell | null;
}

/** Widths and heights of cells, from colour only to a number with words. */
export const ZOOMS = [[6, 6], [16, 12], [42, 18], [74, 20], [116, 22], [190, 22]] as const;
/** The widest cells, the only ones with room for a label. */
export const WIDEST = ZOOMS.length - 1;

/** Cells narrower than this show colour only. */
export const TEXT_WIDTH = 30;
const TEXT_HEIGHT = 13;

/** The rows and columns that are in view, ends excluded. */
export function inView(shape: GridShape, view: GridView): { row: number; rowEnd: number; column: number; columnEnd: number } {
  return {
    row: bound(Math.floor(view.top / shape.cellHeight), 0, shape.rows),
    rowEnd: bound(Math.ceil((view.top + view.height - shape.headHeight) / shape.cellHeight), 0, shape.rows),
    column: bound(Math.floor(view.left / shape.cellWidth), 0, shape.columns),
    columnEnd: bound(Math.ceil((view.left + view.width - shape.headWidth) / shape.cellWidth), 0, shape.columns),
  };
}

/** The cell under a point of the canvas, null over a header or beyond the last cell. */
export function cellAt(shape: GridShape, view: GridView, x: number, y: number): Cell | null {
  if (x < shape.headWidth || y < shape.headHeight) return null;
  const column = Math.floor((x - shape.headWidth + view.left) / shape.cellWidth);
  const row = Math.floor((y - shape.headHeight + view.top) / shape.cellHeight);
  return row < shape.rows && column < shape.columns ? { row, column } : null;
}

/** Where a key leads from a cell; null for a key that does not move. */
export function moved(from: Cell, key: string, shape: Pick<GridShape, "rows" | "columns">, isFar = false): Cell | null {
  const far = { ArrowUp: 0, ArrowDown: shape.rows - 1, ArrowLeft: 0, ArrowRight: shape.columns - 1 };
  switch (key) {
    case "ArrowUp":
      return { ...from, row: isFar ? far.ArrowUp : Math.max(0, from.row - 1) };
    case "ArrowDown":
      return { ...from, row: isFar ? far.ArrowDown : Math.min(shape.rows - 1, from.row + 1) };
    case "ArrowLeft":
      return { ...from, column: isFar ? far.ArrowLeft : Math.max(0, from.column - 1) };
    case "ArrowRight":
      return { ...from, column: isFar ? far.ArrowRight : Math.min(shape.columns - 1, from.column + 1) };
    case "Home":
      return isFar ? { row: 0, column: 0 } : { ...from, column: 0 };
    case "End":
      return isFar ? { row: shape.rows - 1, column: shape.columns - 1 } : { ...from, column: shape.columns - 1 };
    case "PageUp":
      return { ...from, row: Math.max(0, from.row - 8) };
    case "PageDown":
      return { ...from, row: Math.min(shape.rows - 1, from.row + 8) };
    default:
      return null;
  }
}

/** The scroll position that brings a cell into view with the least movement. */
export function scrolledTo(shape: GridShape, view: GridView, cell: Cell): { left: number; top: number } {
  const near = (at: number, size: number, from: number, room: number): number => Math.max(at + size - room, Math.min(from, at));
  return {
    left: near(cell.column * shape.cellWidth, shape.cellWidth, view.left, view.width - shape.headWidth),
    top: near(cell.row * shape.cellHeight, shape.cellHeight, view.top, view.height - shape.headHeight),
  };
}

/** What counts as full heat: the given share of the sizes lies below it, so that one giant does not grey out the rest. */
export function fullHeat(values: Iterable<number>, share = 0.99): number {
  const sizes = [...values].filter((value) => Number.isFinite(value)).map(Math.abs).sort((one, other) => one - other);
  if (sizes.length === 0) return 1;
  return sizes[Math.min(sizes.length - 1, Math.floor(share * sizes.length))] || sizes.at(-1) || 1;
}

/** A colour between the stops of a ramp, as red, green and blue. */
export function blend(stops: readonly string[], at: number): [number, number, number] {
  const place = bound(at, 0, 1) * (stops.length - 1);
  const first = Math.min(stops.length - 2, Math.floor(place));
  const [one, other] = [channels(stops[Math.max(0, first)] ?? "#000000"), channels(stops[first + 1] ?? stops[0] ?? "#000000")];
  const share = place - first;
  return [0, 1, 2].map((channel) => Math.round(one[channel]! + share * (other[channel]! - one[channel]!))) as [number, number, number];
}

/** Black or white, whichever reads better on a colour. */
export function inkOn(background: readonly [number, number, number]): string {
  const [red, green, blue] = background.map((channel) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000000" : "#ffffff";
}

/** Draws what is in view. The canvas must be scaled to device pixels before. */
export function drawGrid(context: CanvasRenderingContext2D, drawing: GridDrawing): void {
  const { shape, view, colours } = drawing;
  context.clearRect(0, 0, view.width, view.height);
  context.textBaseline = "middle";
  context.font = drawing.font;
  context.save();
  context.beginPath();
  context.rect(shape.headWidth, shape.headHeight, view.width, view.height);
  context.clip();
  drawCells(context, drawing);
  if (drawing.hovered) outline(context, drawing, drawing.hovered, colours.quiet, 1);
  if (drawing.chosen) outline(context, drawing, drawing.chosen, colours.accent, 2);
  context.restore();
  drawHeads(context, drawing);
}

function drawCells(context: CanvasRenderingContext2D, drawing: GridDrawing): void {
  const { shape, view, colours, mark } = drawing;
  const seen = inView(shape, view);
  const hasText = shape.cellWidth >= TEXT_WIDTH && shape.cellHeight >= TEXT_HEIGHT;
  const gap = shape.cellWidth >= 8 && shape.cellHeight >= 8 ? 1 : 0;
  context.textAlign = "left";
  for (let row = seen.row; row < seen.rowEnd; row++) {
    for (let column = seen.column; column < seen.columnEnd; column++) {
      const { text, heat } = mark({ row, column });
      const [x, y] = corner(shape, view, { row, column });
      const isEmpty = Number.isNaN(heat);
      const colour = blend(heat < 0 ? colours.cold : colours.heat, Math.abs(heat));
      context.fillStyle = isEmpty ? colours.faint : `rgb(${colour.join(" ")})`;
      context.fillRect(x, y, shape.cellWidth - gap, shape.cellHeight - gap);
      if (!hasText || text === "") continue;
      context.fillStyle = isEmpty ? colours.quiet : inkOn(colour);
      context.fillText(fitted(text, shape.cellWidth - 7, context), x + 3, y + shape.cellHeight / 2);
    }
  }
}

function drawHeads(context: CanvasRenderingContext2D, drawing: GridDrawing): void {
  const { shape, view, colours } = drawing;
  const seen = inView(shape, view);
  const lit = drawing.hovered ?? drawing.chosen;
  context.fillStyle = colours.ground;
  context.fillRect(0, 0, view.width, shape.headHeight);
  context.fillRect(0, 0, shape.headWidth, view.height);
  context.save();
  context.beginPath();
  context.rect(0, shape.headHeight, shape.headWidth, view.height);
  context.clip();
  context.textAlign = "right";
  const everyRow = Math.max(1, Math.ceil(TEXT_HEIGHT / shape.cellHeight));
  for (let row = seen.row; row < seen.rowEnd; row++) {
    if (row % everyRow !== 0 && row !== lit?.row) continue;
    context.fillStyle = row === lit?.row ? colours.ink : colours.quiet;
    context.fillText(drawing.rowName(row), shape.headWidth - 6, corner(shape, view, { row, column: 0 })[1] + shape.cellHeight / 2);
  }
  context.restore();
  context.save();
  context.beginPath();
  context.rect(shape.headWidth, 0, view.width, shape.headHeight);
  context.clip();
  context.textAlign = "left";
  const everyColumn = Math.max(1, Math.ceil(TEXT_WIDTH / shape.cellWidth));
  for (let column = seen.column; column < seen.columnEnd; column++) {
    if (column % everyColumn !== 0 && column !== lit?.column) continue;
    context.fillStyle = column === lit?.column ? colours.ink : colours.quiet;
    const x = corner(shape, view, { row: 0, column })[0];
    context.fillText(fitted(drawing.columnName(column), Math.max(TEXT_WIDTH, shape.cellWidth) - 6, context), x + 3, shape.headHeight / 2);
  }
  context.restore();
}

function outline(context: CanvasRenderingContext2D, drawing: GridDrawing, cell: Cell, colour: string, width: number): void {
  const [x, y] = corner(drawing.shape, drawing.view, cell);
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.strokeRect(x - 0.5, y - 0.5, drawing.shape.cellWidth, drawing.shape.cellHeight);
}

function corner(shape: GridShape, view: GridView, cell: Cell): [number, number] {
  return [shape.headWidth + cell.column * shape.cellWidth - view.left, shape.headHeight + cell.row * shape.cellHeight - view.top];
}

/** Text cut to a width, with an ellipsis where something is missing. */
export function fitted(text: string, width: number, context: { measureText: (text: string) => { width: number } }): string {
  if (context.measureText(text).width <= width) return text;
  const characters = [...text];
  while (characters.length > 1 && context.measureText(`${characters.join("")}…`).width > width) characters.pop();
  return `${characters.join("")}…`;
}

function channels(colour: string): [number, number, number] {
  const digits = colour.trim().slice(1);
  const whole = Number.parseInt(digits.length === 3 ? [...digits].map((digit) => digit + digit).join("") : digits, 16);
  return [(whole >> 16) & 255, (whole >> 8) & 255, whole & 255];
}

function bound(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
