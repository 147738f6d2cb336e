import { expect, test } from "vitest";
import { linesOf, type FeatureMap } from "../../src/views/map/points";

const map = { feature: new Uint32Array([4, 9, 2]) } as FeatureMap;

test("lines join the places of both ends, the strongest is thickest", () => {
  const lines = linesOf(map, [{ one: 2, other: 9, pmi: 4 }, { one: 4, other: 9, pmi: 1 }]);
  expect(lines).toEqual([{ from: 2, to: 1, share: 1 }, { from: 0, to: 1, share: 0.25 }]);
});

test("a pair of which one end is not on the map is left out", () => {
  expect(linesOf(map, [{ one: 2, other: 7, pmi: 4 }])).toEqual([]);
  expect(linesOf(map, [])).toEqual([]);
});
