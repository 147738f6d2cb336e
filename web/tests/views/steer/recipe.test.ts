import { expect, test } from "vitest";
import { gatewayCommand, partOf, readParts, readRecipe, safeName, shared, writeParts, writePython, writeRecipe } from "../../../src/views/steer/recipe";

const FEATURE = "resid_post.15/12@smollm2-res";

test("edits go into an address and come back", () => {
  const parts = [partOf(FEATURE, -2), { ...partOf("neurons.3/7@n"), how: "clamp" as const, when: "generated" as const, positions: null }, { ...partOf(FEATURE), positions: [1, 4] }];
  expect(readParts(writeParts(parts))).toEqual(parts);
  expect(writeParts([partOf(FEATURE, 1)])).toBe(`${FEATURE}~1`);
});

test("an address that was cut off or written by hand does no harm", () => {
  expect(readParts("")).toEqual([]);
  expect(readParts("nonsense")).toEqual([]);
  expect(readParts(`${FEATURE}~much~explode`)).toEqual([partOf(FEATURE)]);
  const scoped = { ...partOf(FEATURE), how: "cap" as const, given: "resid_post.1/3@other", above: 0.5, schedule: { start: 0, hold: 8, fade: 4 } };
  expect(readParts(writeParts([scoped]))).toEqual([scoped]);
  expect(readParts(writeParts([{ ...scoped, given: null, above: 0, schedule: { start: 2, hold: null, fade: 0 } }]))[0]?.schedule).toEqual({ start: 2, hold: null, fade: 0 });
  expect(readParts(`${FEATURE}~1~~~3:`)[0]?.positions).toBe("3:");
});

test("a recipe goes into a file and comes back", () => {
  const recipe = { name: "calm", edits: [{ ...partOf(FEATURE), positions: null }] };
  expect(readRecipe(writeRecipe(recipe))).toEqual(recipe);
  expect(() => readRecipe("{")).toThrow("no JSON");
  expect(() => readRecipe('{"name": "x", "edits": []}')).toThrow("list of edits");
  expect(() => readRecipe('{"name": "x", "edits": [{"site": "resid_post.1"}]}')).toThrow("Edit 1");
});

test("a recipe goes out as a program and as a command", () => {
  const recipe = { name: "calm", edits: [partOf(FEATURE)] };
  expect(writePython(recipe, 'a "model"')).toContain('hooke.load("a \\"model\\"", lab=lab)');
  expect(writePython(recipe, "m")).toContain('read_recipe(Path("calm.json"))');
  expect(gatewayCommand(recipe, "smollm2-135m")).toBe("hooke gateway serve smollm2-135m --steer calm=0:1");
});

test("names are those of files", () => {
  expect(safeName(" ../my recipe!")).toBe("my-recipe-");
  expect(safeName("…")).toBe("recipe");
});

test("texts are compared from the start", () => {
  expect(shared([1, 2, 3], [1, 2, 4, 5])).toBe(2);
  expect(shared([], [1])).toBe(0);
});
