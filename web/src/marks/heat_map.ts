/** A map of rows and columns, one coloured cell a value: layers by heads, layers by positions. */

export interface HeatMap {
  /** Row by row; a value that is not a number leaves its cell empty. */
  values: readonly (readonly number[])[];
  rowNames: readonly string[];
  columnNames: readonly string[];
  /** Whether 0 is a middle with a colour on each side; else 0 is the least. */
  isSigned: boolean;
  /** The value of the full colour; the largest size of a value unless given. */
  top?: number;
}

export interface Place {
  row: number;
  column: number;
}

export interface Field {
  cellWidth: number;
  cellHeight: number;
  /** Room of the row names, left. */
  headWidth: number;
  /** Room of the column names, above. */
  headHeight: number;
}

export interface Palette {
  above: string;
  below: string;
  ink: string;
  mark: string;
}

/** What a drawing needs of a canvas. */
export type Surface = Pick<
  CanvasRenderingContext2D,
  "clearRect" | "fillRect" | "strokeRect" | "fillText" | "fillStyle" | "strokeStyle" | "lineWidth" | "globalAlpha" | "font" | "textAlign" | "textBaseline"
>;

const GAP = 1, LABEL_ROOM = 14, LETTER = 7;

/** The field that fits a map into a width, its cells no larger than `most` and no smaller than `least`. */
export function fieldOf(map: HeatMap, width: number, { least = 8, most = 28 } = {}): Field {
  const headWidth = LETTER * Math.max(1, ...map.rowNames.map((name) => name.length)) + 8;
  const columns = Math.max(1, map.columnNames.length);
  const cellWidth = Math.max(least, Math.min(most, Math.floor((width - headWidth) / columns)));
  return { cellWidth, cellHeight: Math.max(least, Math.min(cellWidth, 18)), headWidth, headHeight: LABEL_ROOM + 4 };
}

/** Width and height of the whole drawing. */
export function sizeOf(map: HeatMap, field: Field): { width: number; height: number } {
  return {
    width: field.headWidth + map.columnNames.length * field.cellWidth,
    height: field.headHeight + map.rowNames.length * field.cellHeight,
  };
}

/** The value of the full colour. */
export function topOf(map: HeatMap): number {
  if (map.top !== undefined) return map.top;
  return map.values.flat().reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 0);
}

/** How much of the colour a value has, -1 to 1; null where there is nothing to show. */
export function shade(value: number | undefined, top: number, isSigned: boolean): number | null {
  if (value === undefined || !Number.isFinite(value)) return null;
  if (!(top > 0)) return 0;
  return Math.max(isSigned ? -1 : 0, Math.min(1, value / top));
}

/** The cell under a point of the drawing; null over the names and outside. */
export function placeAt(map: HeatMap, field: Field, x: number, y: number): Place | null {
  const column = Math.floor((x - field.headWidth) / field.cellWidth);
  const row = Math.floor((y - field.headHeight) / field.cellHeight);
  return row >= 0 && column >= 0 && row < map.rowNames.length && column < map.columnNames.length ? { row, column } : null;
}

/** Where a key leads from a cell, the first one where there is none yet; null for keys that do not move. */
export function moved(map: HeatMap, from: Place | null, key: string): Place | null {
  const steps: Record<string, [number, number]> = {
    ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
    Home: [0, -Infinity], End: [0, Infinity], PageUp: [-Infinity, 0], PageDown: [Infinity, 0],
  };
  const step = steps[key];
  if (!step || map.rowNames.length === 0 || map.columnNames.length === 0) return null;
  if (!from) return { row: 0, column: 0 };
  return { row: within(from.row + step[0], map.rowNames.length), column: within(from.column + step[1], map.columnNames.length) };
}

function within(at: number, many: number): number {
  return Math.max(0, Math.min(many - 1, at));
}

/** A cell in words, for those who hover and for those who listen. */
export function readout(map: HeatMap, { row, column }: Place, shown: (value: number) => string): string {
  const value = map.values[row]?.[column];
  const words = value === undefined || !Number.isFinite(value) ? "no value" : shown(value);
  return `${map.rowNames[row] ?? ""}, ${map.columnNames[column] ?? ""}: ${words}`;
}

/** Every how many names one is shown, so that they do not touch: 1, 2, 5, 10, 20, and so on. */
export function labelStep(longest: number, cell: number): number {
  for (let ten = 1; ; ten *= 10) for (const step of [1, 2, 5]) if (step * ten * cell >= longest) return step * ten;
}

/** Draws the map; the marked cell has a frame. */
export function drawHeatMap(surface: Surface, map: HeatMap, field: Field, palette: Palette, marked: Place | null = null): void {
  const size = sizeOf(map, field), top = topOf(map);
  surface.clearRect(0, 0, size.width, size.height);
  drawNames(surface, map, field, palette);
  for (let row = 0; row < map.rowNames.length; row++) {
    for (let column = 0; column < map.columnNames.length; column++) {
      const share = shade(map.values[row]?.[column], top, map.isSigned);
      if (share === null) continue;
      surface.globalAlpha = 0.06 + 0.94 * Math.abs(share);
      surface.fillStyle = share < 0 ? palette.below : palette.above;
      surface.fillRect(...cellBox(field, row, column));
    }
  }
  surface.globalAlpha = 1;
  if (!marked) return;
  surface.strokeStyle = palette.mark;
  surface.lineWidth = 2;
  surface.strokeRect(...cellBox(field, marked.row, marked.column));
}

function cellBox(field: Field, row: number, column: number): [number, number, number, number] {
  const { cellWidth, cellHeight, headWidth, headHeight } = field;
  return [headWidth + column * cellWidth, headHeight + row * cellHeight, cellWidth - GAP, cellHeight - GAP];
}

function drawNames(surface: Surface, map: HeatMap, field: Field, palette: Palette): void {
  const { cellWidth, cellHeight, headWidth, headHeight } = field;
  surface.globalAlpha = 1;
  surface.fillStyle = palette.ink;
  surface.font = "11px sans-serif";
  surface.textBaseline = "middle";
  surface.textAlign = "right";
  const everyRow = labelStep(LABEL_ROOM, cellHeight);
  for (const [row, name] of map.rowNames.entries()) {
    if (row % everyRow === 0) surface.fillText(name, headWidth - 5, headHeight + (row + 0.5) * cellHeight);
  }
  surface.textAlign = "center";
  const everyColumn = labelStep(LETTER * Math.max(1, ...map.columnNames.map((name) => name.length)) + 4, cellWidth);
  for (const [column, name] of map.columnNames.entries()) {
    if (column % everyColumn === 0) surface.fillText(name, headWidth + (column + 0.5) * cellWidth, headHeight / 2);
  }
}
