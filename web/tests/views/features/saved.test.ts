import { expect, test } from "vitest";
import { isSame, readSaved, searchOf, valuesOf, withSaved } from "../../../src/views/features/saved";

const QUERY = { q: "rivers", mode: "meaning", max_density: "0.01", list: "1,2", other: "x" };

test("a search is its words, mode, order and filters, and nothing else of the address", () => {
  expect(searchOf(QUERY)).toEqual({ q: "rivers", mode: "meaning", max_density: "0.01" });
  expect(isSame(QUERY, { ...QUERY, list: "", sort: "" })).toBe(true);
  expect(isSame(QUERY, { ...QUERY, sort: "max" })).toBe(false);
});

test("a saved search survives the browser's store and empties what it does not ask", () => {
  const kept = readSaved(JSON.stringify(withSaved(withSaved([], "b", { q: "old" }), "b", QUERY)));
  expect(kept).toEqual([{ name: "b", query: searchOf(QUERY) }]);
  expect(valuesOf(kept[0]!)).toMatchObject({ q: "rivers", sort: "", kind: "" });
  expect(withSaved(kept, "a", { q: "new" }).map((one) => one.name)).toEqual(["a", "b"]);
});

test.each([null, "{", "3", '[{"name": 3, "query": {}}, null, {"name": "x", "query": {"q": 4}}, {"name": "", "query": {}}]'])("what is no search is left out: %s", (text) => {
  expect(readSaved(text)).toEqual([]);
});
