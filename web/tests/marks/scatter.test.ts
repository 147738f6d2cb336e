import { expect, test } from "vitest";
import { channels, pixelAt, placeAt, pointSize, ramp } from "../../src/marks/scatter";

test("a pixel and its place on the plane belong together, at any view", () => {
  const view = { x: 0.2, y: -0.4, zoom: 3.5 };
  const [x, y] = placeAt(view, 123, 456, 800, 600);
  const [px, py] = pixelAt(view, x, y, 800, 600);
  expect([px, py].map((value) => Math.round(value * 1000) / 1000)).toEqual([123, 456]);
  expect(pixelAt({ x: 0, y: 0, zoom: 1 }, 0, 0, 800, 600)).toEqual([400, 300]);
});

test("up is up", () => {
  expect(placeAt({ x: 0, y: 0, zoom: 1 }, 400, 0, 800, 600)[1]).toBeGreaterThan(0);
});

test("colours run from quiet to loud; what is unknown is faint", () => {
  expect([...ramp([0, 0.5, 1, 2, NaN], [0, 100, 200], [100, 0, 200])]).toEqual([
    0, 100, 200, 215, 50, 50, 200, 215, 100, 0, 200, 215, 100, 0, 200, 215, 0, 100, 200, 90,
  ]);
  expect(channels(" #0c5c56")).toEqual([12, 92, 86]);
});

test("many points are small", () => {
  expect(pointSize(1_000_000, 1000, 800, 1)).toBe(1.5);
  expect(pointSize(8000, 1000, 800, 1)).toBeGreaterThan(3);
  expect(pointSize(10, 1000, 800, 4)).toBe(14);
});
