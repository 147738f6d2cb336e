import { expect, test } from "vitest";
import { around, heatRow, level } from "../../src/marks/heat";

test("four steps of heat, each a quarter of the top", () => {
  expect([-1, 0, 0.01, 0.25, 0.26, 0.5, 0.51, 0.75, 0.76, 1, 2].map((value) => level(value, 1))).toEqual([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4]);
  expect(level(1, 0)).toBe(0);
  expect(level(NaN, 1)).toBe(0);
});

test("the space before a word stays outside of its mark, and the peak is told", () => {
  const [the, cat, space] = heatRow(["The", " cat", " "], [0, 2, 1], { peak: 1 });
  expect(the).toMatchObject({ before: "", text: "The", step: 0, isPeak: false });
  expect(cat).toMatchObject({ before: " ", text: "cat", step: 4, isPeak: true });
  expect(space).toMatchObject({ before: "", text: " ", step: 2 });
});

test("a cut keeps the numbers of the tokens", () => {
  expect(heatRow(["a", "b", "c"], [1, 2, 3], { from: 1, to: 3, top: 3 }).map(({ place, text, step }) => [place, text, step])).toEqual([[1, "b", 3], [2, "c", 4]]);
});

test("a sentence ends at its stop, at a line end and at a token of the template", () => {
  const tokens = ["One", ".", " Two", " words", "!", " Three"];
  expect(around(tokens, 3, "sentence")).toEqual([2, 5]);
  expect(around(["a", "\n", "b", "c", "<|end|>", "d"], 3, "sentence")).toEqual([2, 5]);
  expect(around(tokens, 5, "sentence")).toEqual([5, 6]);
  expect(around(tokens, 3, "all")).toEqual([0, 6]);
  expect(around(Array.from({ length: 40 }, () => "x"), 20, "near")).toEqual([12, 25]);
});
