import { expect, test } from "vitest";
import { freeName, targetsIn } from "../../../src/views/graphs/names";

test("a name is made of the prompt's last words, and is free", () => {
  expect(freeName("The capital of France is", [])).toBe("capital-of-france-is");
  expect(freeName("The capital of France is", ["capital-of-france-is", "capital-of-france-is-2"])).toBe("capital-of-france-is-3");
  expect(freeName("日本", [])).toBe("graph");
});

test("targets stand between commas, and quotes keep their spaces", () => {
  expect(targetsIn("")).toEqual([]);
  expect(targetsIn("Paris, Paris - London")).toEqual(["Paris", "Paris - London"]);
  expect(targetsIn("' Paris', \" a, b\"")).toEqual([" Paris", " a, b"]);
});
