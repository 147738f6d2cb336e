import { describe, expect, it } from "vitest";
import { drawHeatMap, fieldOf, labelStep, moved, placeAt, readout, shade, sizeOf, topOf, type HeatMap, type Surface } from "../../src/marks/heat_map";

const map: HeatMap = {
  values: [[1, -2, NaN], [0, 0.5, 4]],
  rowNames: ["0", "1"],
  columnNames: ["a", "b", "c"],
  isSigned: true,
};
const palette = { above: "red", below: "blue", ink: "black", mark: "green" };

describe("the colour of a value", () => {
  it("is its share of the largest, with its sign where values are signed", () => {
    expect(topOf(map)).toBe(4);
    expect(topOf({ ...map, top: 2 })).toBe(2);
    expect(shade(-2, 4, true)).toBe(-0.5);
    expect(shade(-2, 4, false)).toBe(0);
    expect(shade(8, 4, true)).toBe(1);
  });
  it("is nothing without a number, and 0 where all is 0", () => {
    expect(shade(NaN, 4, true)).toBeNull();
    expect(shade(undefined, 4, true)).toBeNull();
    expect(shade(0, 0, true)).toBe(0);
  });
});

describe("places", () => {
  it("are found under a point, and nowhere over the names or outside", () => {
    const field = fieldOf(map, 300), size = sizeOf(map, field);
    expect(placeAt(map, field, size.width - 1, size.height - 1)).toEqual({ row: 1, column: 2 });
    expect(placeAt(map, field, field.headWidth, field.headHeight)).toEqual({ row: 0, column: 0 });
    expect(placeAt(map, field, field.headWidth - 1, field.headHeight)).toBeNull();
    expect(placeAt(map, field, size.width, size.height - 1)).toBeNull();
  });
  it("move with the keys and stay inside", () => {
    expect(moved(map, null, "ArrowDown")).toEqual({ row: 0, column: 0 });
    expect(moved(map, { row: 0, column: 0 }, "ArrowRight")).toEqual({ row: 0, column: 1 });
    expect(moved(map, { row: 1, column: 0 }, "ArrowDown")).toEqual({ row: 1, column: 0 });
    expect(moved(map, { row: 1, column: 0 }, "End")).toEqual({ row: 1, column: 2 });
    expect(moved(map, { row: 1, column: 0 }, "x")).toBeNull();
    expect(moved({ ...map, rowNames: [] }, null, "ArrowDown")).toBeNull();
  });
  it("are read out in words", () => {
    expect(readout(map, { row: 0, column: 1 }, String)).toBe("0, b: -2");
    expect(readout(map, { row: 0, column: 2 }, String)).toBe("0, c: no value");
  });
});

describe("the drawing", () => {
  it("fits a wide room and does not shrink below legible cells", () => {
    expect(fieldOf(map, 10_000).cellWidth).toBe(28);
    expect(fieldOf(map, 10).cellWidth).toBe(8);
  });
  it("leaves names out rather than letting them touch", () => {
    expect(labelStep(14, 14)).toBe(1);
    expect(labelStep(20, 8)).toBe(5);
    expect(labelStep(100, 8)).toBe(20);
  });
  it("fills the cells that have a value, in the colour of their sign, and frames the marked one", () => {
    const fills: unknown[] = [], frames: number[][] = [];
    const surface = {
      clearRect: () => undefined,
      fillText: () => undefined,
      fillRect: () => fills.push([surface.fillStyle, surface.globalAlpha]),
      strokeRect: (...box: number[]) => frames.push(box),
    } as unknown as Surface;
    const field = fieldOf(map, 300);
    drawHeatMap(surface, map, field, palette, { row: 1, column: 0 });
    expect(fills).toHaveLength(5);
    expect(fills[1]).toEqual(["blue", 0.06 + 0.94 * 0.5]);
    expect(fills[4]).toEqual(["red", 1]);
    expect(frames).toEqual([[field.headWidth, field.headHeight + field.cellHeight, field.cellWidth - 1, field.cellHeight - 1]]);
  });
});
