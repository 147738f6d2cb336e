import { expect, test } from "vitest";
import type { Query } from "../../../src/app/router";
import { rangeOf, rangeQuery, rangeSays } from "../../../src/views/feature/range";

test.each([
  [0, 2, { from: "", to: "2" }, "up to 2"],
  [0.70710678, Infinity, { from: "0.707107", to: "" }, "0.707 and more"],
  [1, 4, { from: "1", to: "4" }, "1 to 4"],
])("a range from %f to %f goes into the address and back", (low, high, query, says) => {
  expect(rangeQuery(low, high)).toEqual(query);
  expect(rangeSays(rangeOf(query)!)).toBe(says);
});

test("what is no range is none", () => {
  for (const query of [{}, { from: "" }, { from: "x" }, { to: "-3" }, { from: "Infinity" }] as Query[]) expect(rangeOf(query)).toBeNull();
});
