import { expect, test } from "vitest";
import { around, matrixPixels, strongest, weight, type Attention } from "../../src/marks/attention";

/** Three tokens: the second reads half from the first, the third all from the second. */
const HEAD: Attention = { size: 3, bytes: Uint8Array.from([255, 128, 127, 0, 255, 0]), scales: [1 / 255, 1 / 255, 1 / 255] };

test("weights come from the lower triangle", () => {
  expect(weight(HEAD, 0, 0)).toBeCloseTo(1, 9);
  expect(weight(HEAD, 1, 0)).toBeCloseTo(0.5, 2);
  expect(weight(HEAD, 2, 1)).toBeCloseTo(1, 9);
  expect(weight(HEAD, 0, 2)).toBe(0);
  expect(weight({ ...HEAD, scales: [0, 0, 0.5 / 255] }, 2, 1)).toBe(0.5);
});

test("a token reads from those before it and is read by those after it", () => {
  const { reads, isRead } = around(HEAD, 1);
  expect(reads.map((value) => Math.round(10 * value))).toEqual([5, 5, 0]);
  expect(isRead).toEqual([0, 0, 1]);
});

test("the strongest come first, nothing is listed that is not read", () => {
  expect(strongest([0.1, 0.7, 0, 0.7], 2)).toEqual([{ position: 1, weight: 0.7 }, { position: 3, weight: 0.7 }]);
  expect(strongest([0, 0], 5)).toEqual([]);
});

test("pixels above the diagonal stay empty", () => {
  const pixels = matrixPixels(HEAD, [1, 2, 3]);
  expect(pixels.length).toBe(36);
  expect([...pixels.slice(0, 4)]).toEqual([1, 2, 3, 255]);
  expect([...pixels.slice(4, 8)]).toEqual([0, 0, 0, 0]);
  expect(pixels[4 * (1 * 3 + 0) + 3]).toBeCloseTo(255 * Math.sqrt(128 / 255), -1);
});
