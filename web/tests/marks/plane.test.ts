import { expect, test } from "vitest";
import { gridOf, isInside, nearest, pointsInside, readPolygon, simplified, writePolygon } from "../../src/marks/plane";

function cloud(n: number): { x: Float32Array; y: Float32Array } {
  let state = 7;
  const next = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
  return { x: Float32Array.from({ length: n }, () => next() * 2 - 1), y: Float32Array.from({ length: n }, () => next() * 2 - 1) };
}

test("the nearest point of the grid is the nearest of all", () => {
  const plane = cloud(2000);
  const grid = gridOf(plane);
  for (const [x, y] of [[0, 0], [0.99, -0.99], [-0.5, 0.25], [1, 1]] as const) {
    const apart = (place: number): number => (plane.x[place]! - x) ** 2 + (plane.y[place]! - y) ** 2;
    const best = [...plane.x.keys()].reduce((found, place) => (apart(place) < apart(found) ? place : found), 0);
    expect(nearest(plane, grid, x, y, 0.2)).toBe(best);
  }
  expect(nearest(plane, grid, 5, 5, 0.1)).toBe(-1);
});

test("every point is in the grid once", () => {
  const grid = gridOf(cloud(500));
  expect([...grid.order].sort((a, b) => a - b)).toEqual([...Array(500).keys()]);
});

test("a drawn line takes what is inside it, also where it bends inwards", () => {
  const bay = [[0, 0], [4, 0], [4, 4], [2, 1], [0, 4]] as const;
  expect(isInside(bay, 0.5, 1)).toBe(true);
  expect(isInside(bay, 2, 2)).toBe(false);
  expect(isInside(bay, 5, 1)).toBe(false);
  expect(pointsInside({ x: [0.5, 2, 3.8], y: [1, 2, 1] }, bay)).toEqual([0, 2]);
  expect(pointsInside({ x: [0], y: [0] }, [[0, 0], [1, 1]])).toEqual([]);
});

test("a line goes through the address and comes back", () => {
  const line = [[0.1, -0.2], [0.333, 0.5], [-1, 1]] as const;
  expect(readPolygon(writePolygon(line))).toEqual(line.map((point) => [...point]));
  expect(readPolygon("1,2_x,y_3")).toEqual([]);
  expect(simplified(Array.from({ length: 500 }, (_, at) => [at, at] as const), 60)).toHaveLength(60);
});
