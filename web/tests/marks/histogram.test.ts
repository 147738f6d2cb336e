import { expect, test } from "vitest";
import { barAt, histogram, thinned } from "../../src/marks/histogram";

const EDGES = [0, 0.5, 0.7071, 1, 1.4142, 2, 2.8284, Infinity];

test("empty bins at the ends are left out, a bin of one is seen, and heights go by the logarithm", () => {
  const { bars } = histogram(EDGES, [0, 0, 1, 0, 99, 9, 0], 300, 100);
  expect(bars).toHaveLength(4);
  expect(bars.map((bar) => bar.count)).toEqual([1, 0, 99, 9]);
  expect(bars.map((bar) => Math.round(bar.height))).toEqual([15, 0, 100, 50]);
  expect(bars[0]).toMatchObject({ x: 0, width: 74, low: 0.7071, high: 1 });
  for (const bar of bars) expect(bar.y + bar.height).toBeCloseTo(100);
});

test("a place on the axis has a bar, and the nearest one beyond the ends", () => {
  const shape = histogram(EDGES, [0, 0, 1, 0, 99, 9, 0], 300, 100);
  expect([-5, 0, 74, 76, 299, 400].map((x) => barAt(shape, x))).toEqual([0, 0, 0, 1, 3, 3]);
  expect(barAt(histogram(EDGES, [0, 0, 1, 0, 0, 0, 0], 300, 100), 250)).toBe(0);
});

test("an activation stands where its bin does", () => {
  const { bars, x } = histogram(EDGES, [0, 0, 1, 0, 99, 9, 0], 300, 100);
  expect(x(1)).toBeCloseTo(bars[1]!.x, 0);
  expect(x(2)).toBeCloseTo(bars[3]!.x, 0);
  expect([x(0.001), x(1000)]).toEqual([0, 300]);
});

test("a feature that never fired gives bars without height", () => {
  expect(histogram(EDGES, [0, 0, 0, 0, 0, 0, 0], 300, 100).bars.every((bar) => bar.height === 0)).toBe(true);
});

test("ticks stand apart", () => {
  const ticks = [0, 5, 11, 30, 31].map((at) => ({ at, value: at }));
  expect(thinned(ticks, 10).map((tick) => tick.at)).toEqual([0, 11, 30]);
});
