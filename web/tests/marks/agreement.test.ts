import { describe, expect, it } from "vitest";
import { correlation, nearestPoint, rankCorrelation, ranks } from "../../src/marks/agreement";

const of = (pairs: [number, number][]): { x: number; y: number }[] => pairs.map(([x, y]) => ({ x, y }));

describe("agreement", () => {
  it("is 1 on a line, -1 on a falling one, and between where points stray", () => {
    expect(correlation(of([[0, 1], [1, 3], [2, 5]]))).toBeCloseTo(1, 12);
    expect(correlation(of([[0, 5], [1, 3], [2, 1]]))).toBeCloseTo(-1, 12);
    // By hand: x and y of 1..4 with the last two swapped have r = 0.8.
    expect(correlation(of([[1, 1], [2, 2], [3, 4], [4, 3]]))).toBeCloseTo(0.8, 12);
  });
  it("is not told of two points, or where nothing varies", () => {
    expect(correlation(of([[0, 1], [1, 3]]))).toBeNull();
    expect(correlation(of([[0, 1], [0, 2], [0, 3]]))).toBeNull();
  });
  it("of ranks sees order alone", () => {
    const points = of([[1, 1], [2, 10], [3, 1000]]);
    expect(rankCorrelation(points)).toBeCloseTo(1, 12);
    expect(correlation(points)!).toBeLessThan(0.95);
  });
  it("gives equal values the middle of their ranks", () => {
    expect(ranks([5, 1, 5, 0])).toEqual([2.5, 1, 2.5, 0]);
  });
});

describe("the point under the pointer", () => {
  const points = of([[0, 0], [10, 0]]);
  it("is the nearest one within reach", () => {
    expect(nearestPoint(points, 7, 1, 5)).toBe(1);
    expect(nearestPoint(points, 5, 20, 5)).toBe(-1);
  });
});
