import { expect, test } from "vitest";
import { fresh } from "../../src/marks/difference";

test("what both share in order is not new", () => {
  expect(fresh([1, 2, 3], [1, 2, 3])).toEqual([false, false, false]);
  expect(fresh([1, 2, 3], [1, 9, 2, 3])).toEqual([false, true, false, false]);
  expect(fresh([1, 2, 3], [3, 1, 2])).toEqual([true, false, false]);
  expect(fresh([], [4])).toEqual([true]);
  expect(fresh([4], [])).toEqual([]);
});
