import { describe, expect, test } from "vitest";
import { command, packed, partOf, readRecipe, recipeFile, unpacked, type Part } from "../../src/views/steer/recipe";

const PARTS: Part[] = [
  partOf("resid_post.15/12@smollm2-res", 1.5),
  { ...partOf("resid_post.15/7@smollm2-res", -2), how: "clamp", when: "generated", positions: null },
  { ...partOf("resid_post.15/9@smollm2-res"), how: "ablate", positions: "3:9" },
];

describe("an address", () => {
  test("gives back the edits that were put into it", () => expect(unpacked(packed(PARTS))).toEqual(PARTS));
  test("leaves the usual values out", () => expect(packed([PARTS[0]!])).toBe("resid_post.15/12@smollm2-res~1.5"));
  test("that somebody mistyped still gives edits", () => {
    expect(unpacked("a/1@b~much~~never")).toEqual([partOf("a/1@b", 1)]);
    expect(unpacked("")).toEqual([]);
  });
});

describe("a file", () => {
  test("gives back the recipe that was put into it", () => {
    expect(readRecipe(recipeFile({ name: "storm", edits: PARTS }))).toEqual({ name: "storm", edits: PARTS });
  });
  test("that is no recipe says why", () => {
    expect(readRecipe("{")).toMatch(/not JSON/);
    expect(readRecipe("{}")).toMatch(/no list/);
    expect(readRecipe('{"edits": [{}]}')).toMatch(/neither/);
    expect(readRecipe('{"edits": [null]}')).toMatch(/neither/);
  });
  test("with a name that no file can have gets another", () => {
    expect(readRecipe('{"name": "../x", "edits": [{"feature": "a/1@b"}]}')).toMatchObject({ name: "recipe" });
  });
});

test("the command quotes the prompt for a shell", () => {
  expect(command({ name: "storm", edits: PARTS }, "It's", 3, 40)).toBe(`hooke steer --recipe storm.json 'It'\\''s' --max-tokens 40 --seed 3`);
});
