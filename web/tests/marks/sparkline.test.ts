import { expect, test } from "vitest";
import { sparkline } from "../../src/marks/sparkline";

test("a line goes from left to right, up where values are large, and breaks where there is none", () => {
  expect(sparkline([0, 5, 10], 20, 10)).toBe("M0 10L10 5L20 0");
  expect(sparkline([0, null, 10, 10], 30, 10)).toBe("M0 10M20 0L30 0");
  expect(sparkline([3, 3], 10, 10)).toBe("M0 5L10 5");
  expect(sparkline([], 10, 10)).toBe("");
});
