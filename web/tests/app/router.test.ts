import { expect, test } from "vitest";
import { fill, match, readQuery, writeQuery } from "../../src/app/router";

test("a pattern takes its parameters from a path, decoded", () => {
  expect(match("/d/{dictionary}/f/{feature}", "/d/my%20sae/f/12")).toEqual({ dictionary: "my sae", feature: "12" });
  expect(match("/d/{dictionary}", "/d/a/")).toEqual({ dictionary: "a" });
});

test.each(["/d/a/f", "/d/a/f/1/2", "/x/a/f/1", "/d/%E0%A4%A/f/1"])("%s is no feature's page", (path) => {
  expect(match("/d/{dictionary}/f/{feature}", path)).toBeNull();
});

test("what is filled into a pattern is found again by it", () => {
  const params = { dictionary: "a/b?c#d ü%", feature: "7" };
  const path = fill("/d/{dictionary}/f/{feature}", params);
  expect(path.split("/")).toHaveLength(5);
  expect(match("/d/{dictionary}/f/{feature}", path)).toEqual(params);
});

test("a pattern without a value for a parameter is refused", () => {
  expect(() => fill("/d/{dictionary}", {})).toThrow("dictionary");
});

test("a query keeps what is set and leaves defaults out", () => {
  expect(writeQuery({ q: " a&b=c ", mode: "", page: null, on: false, n: 0 })).toBe("?q=+a%26b%3Dc+&n=0");
  expect(readQuery(writeQuery({ q: "ü + %", lines: true }))).toEqual({ q: "ü + %", lines: "true" });
  expect(writeQuery({})).toBe("");
});
