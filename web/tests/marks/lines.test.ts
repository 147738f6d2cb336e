import { describe, expect, test } from "vitest";
import { nearest, path, place, scaleOf, smoothed, ticks, valueAt } from "../../src/marks/lines";

describe("scales", () => {
  test("span the finite values", () => {
    expect(scaleOf([3, null, NaN, Infinity, -1], 100)).toEqual({ low: -1, high: 3, isLog: false, length: 100 });
  });
  test("give a single value room and leave zero out of logarithms", () => {
    const one = scaleOf([5], 100);
    expect(place(one, 5)).toBeCloseTo(50);
    expect(scaleOf([0, -3, 0.1, 10], 100, { isLog: true })).toMatchObject({ low: 0.1, high: 10 });
    expect(scaleOf([], 100)).toMatchObject({ low: 0, high: 1 });
  });
  test("go there and back", () => {
    for (const isLog of [false, true]) {
      const scale = scaleOf([0.5, 80], 300, { isLog });
      expect(valueAt(scale, place(scale, 7))).toBeCloseTo(7);
    }
  });
});

describe("ticks", () => {
  test("are round and inside", () => {
    expect(ticks(scaleOf([0, 1], 100))).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(ticks(scaleOf([0.3, 0.31], 100), 4).every((tick) => tick >= 0.3 && tick <= 0.31)).toBe(true);
  });
  test("are powers of ten on a wide logarithmic scale", () => {
    expect(ticks(scaleOf([0.001, 1000], 100, { isLog: true }), 10)).toEqual([0.001, 0.01, 0.1, 1, 10, 100, 1000]);
  });
});

describe("paths", () => {
  const unit = { low: 0, high: 1, isLog: false, length: 10 };
  test("break where there is no number", () => {
    expect(path({ x: [0, 0.5, 1], y: [0, null, 1] }, unit, unit)).toBe("M0 10M10 0");
  });
  test("keep the lowest and the highest of the points that share a pixel", () => {
    const x = Array.from({ length: 1000 }, (_, at) => at / 999);
    const y = x.map((_, at) => (at === 500 ? 1 : at === 501 ? 0 : 0.5));
    const drawn = path({ x, y }, unit, unit);
    const heights = [...drawn.matchAll(/[ML][\d.]+ ([\d.]+)/g)].map((found) => Number(found[1]));
    expect(Math.min(...heights)).toBe(0);
    expect(Math.max(...heights)).toBe(10);
    expect(heights.length).toBeLessThan(40);
  });
});

test("smoothing keeps a constant, starts unbiased and skips gaps", () => {
  expect(smoothed([2, 2, null, 2], 0.9)).toEqual([2, 2, null, 2].map((value) => (value === null ? null : expect.closeTo(2, 9))));
  expect(smoothed([4, 0], 0.5)[0]).toBeCloseTo(4);
  expect(smoothed([1, 5, 3], 0)).toEqual([1, 5, 3]);
});

test("the nearest point is found on both sides", () => {
  expect(nearest([0, 10, 20], 14)).toBe(1);
  expect(nearest([0, 10, 20], 16)).toBe(2);
  expect(nearest([0, 10, 20], 99)).toBe(2);
  expect(nearest([], 1)).toBe(-1);
});
