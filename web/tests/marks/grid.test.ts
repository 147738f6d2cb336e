import { describe, expect, test } from "vitest";
import { blend, cellAt, drawGrid, fitted, fullHeat, inkOn, inView, moved, scrolledTo, type GridDrawing, type GridShape } from "../../src/marks/grid";

const SHAPE: GridShape = { rows: 10, columns: 100, cellWidth: 50, cellHeight: 20, headWidth: 40, headHeight: 24 };
const VIEW = { left: 75, top: 30, width: 440, height: 124 };

describe("what is in view", () => {
  test("is the cells that the field below the headers shows, those cut in half included", () => {
    expect(inView(SHAPE, VIEW)).toEqual({ row: 1, rowEnd: 7, column: 1, columnEnd: 10 });
  });
  test("ends with the grid", () => {
    expect(inView(SHAPE, { left: 4900, top: 190, width: 440, height: 124 })).toEqual({ row: 9, rowEnd: 10, column: 98, columnEnd: 100 });
  });
});

describe("the cell at a point", () => {
  test("follows the scroll position", () => expect(cellAt(SHAPE, VIEW, 40, 24)).toEqual({ row: 1, column: 1 }));
  test("is none over the headers and beyond the end", () => {
    expect(cellAt(SHAPE, VIEW, 39, 60)).toBeNull();
    expect(cellAt(SHAPE, VIEW, 60, 23)).toBeNull();
    expect(cellAt(SHAPE, { ...VIEW, top: 0 }, 60, 24 + 200)).toBeNull();
  });
});

describe("keys", () => {
  test("move by one cell and stop at the edges", () => {
    expect(moved({ row: 0, column: 5 }, "ArrowUp", SHAPE)).toEqual({ row: 0, column: 5 });
    expect(moved({ row: 0, column: 5 }, "ArrowRight", SHAPE)).toEqual({ row: 0, column: 6 });
    expect(moved({ row: 9, column: 99 }, "ArrowDown", SHAPE)).toEqual({ row: 9, column: 99 });
  });
  test("go far with Control", () => {
    expect(moved({ row: 3, column: 5 }, "ArrowRight", SHAPE, true)).toEqual({ row: 3, column: 99 });
    expect(moved({ row: 3, column: 5 }, "Home", SHAPE, true)).toEqual({ row: 0, column: 0 });
  });
  test("that mean nothing here are left alone", () => expect(moved({ row: 0, column: 0 }, "x", SHAPE)).toBeNull());
});

test("a cell out of view is scrolled to by the least movement, one in view not at all", () => {
  expect(scrolledTo(SHAPE, VIEW, { row: 0, column: 0 })).toEqual({ left: 0, top: 0 });
  expect(scrolledTo(SHAPE, VIEW, { row: 3, column: 4 })).toEqual({ left: 75, top: 30 });
  expect(scrolledTo(SHAPE, VIEW, { row: 9, column: 20 })).toEqual({ left: 650, top: 100 });
});

test("full heat leaves out the largest hundredth and what is not a number", () => {
  const values = [...Array.from({ length: 199 }, (_, at) => (at + 1) / 199), 1000, NaN];
  expect(fullHeat(values)).toBeCloseTo(199 / 199, 1);
  expect(fullHeat([])).toBe(1);
  expect(fullHeat([0, 0])).toBe(1);
});

test("colours are blended stop by stop", () => {
  expect(blend(["#000000", "#ffffff"], 0.5)).toEqual([128, 128, 128]);
  expect(blend(["#000000", "#ff0000", "#ffffff"], 0.5)).toEqual([255, 0, 0]);
  expect(blend(["#000000", "#ffffff"], 9)).toEqual([255, 255, 255]);
  expect(blend(["#f80", "#ff8800"], 0.3)).toEqual([255, 136, 0]);
});

test("ink reads on its ground", () => {
  expect(inkOn([255, 255, 255])).toBe("#000000");
  expect(inkOn([0, 0, 80])).toBe("#ffffff");
});

test("text is cut by whole characters until it fits", () => {
  const tenEach = { measureText: (text: string) => ({ width: 10 * [...text].length }) };
  expect(fitted("abc", 30, tenEach)).toBe("abc");
  expect(fitted("abcd", 30, tenEach)).toBe("ab…");
  expect(fitted("👍👍👍👍", 30, tenEach)).toBe("👍👍…");
});

/** A canvas that notes what is drawn on it. */
function paper(): { context: CanvasRenderingContext2D; texts: string[]; fills: number } {
  const noted = { texts: [] as string[], fills: 0 };
  const context = new Proxy({} as Record<string, unknown>, {
    get: (target, name: string) => {
      if (name === "fillText") return (text: string) => noted.texts.push(text);
      if (name === "fillRect") return () => (noted.fills += 1);
      if (name === "measureText") return (text: string) => ({ width: 6 * text.length });
      return target[name] ?? (() => undefined);
    },
    set: (target, name: string, value: unknown) => ((target[name] = value), true),
  });
  return Object.assign(noted, { context: context as unknown as CanvasRenderingContext2D });
}

const COLOURS = { ground: "#ffffff", raised: "#ffffff", ink: "#000000", quiet: "#666666", rule: "#dddddd", faint: "#eeeeee", accent: "#0c5c56", heat: ["#ffffff", "#b4530a"], cold: ["#ffffff", "#23589b"] };
const drawing = (shape: GridShape): GridDrawing => ({
  shape,
  view: { left: 0, top: 0, width: 240, height: 64 },
  mark: ({ row, column }) => ({ text: `${row}:${column}`, heat: row === 1 ? NaN : 0.5 }),
  rowName: (row) => `L${row}`,
  columnName: (column) => `t${column}`,
  colours: COLOURS,
  font: "12px sans",
  chosen: { row: 0, column: 0 },
  hovered: null,
});

describe("drawing", () => {
  test("touches only the cells in view", () => {
    const noted = paper();
    drawGrid(noted.context, drawing(SHAPE));
    expect(noted.fills).toBe(2 * 4 + 2);
    expect(noted.texts).toContain("1:3");
    expect(noted.texts).toContain("t3");
    expect(noted.texts).toContain("L1");
    expect(noted.texts).not.toContain("2:0");
  });
  test("shows colour only where cells are small", () => {
    const noted = paper();
    drawGrid(noted.context, drawing({ ...SHAPE, cellWidth: 10 }));
    expect(noted.texts.filter((text) => text.includes(":"))).toEqual([]);
  });
});
