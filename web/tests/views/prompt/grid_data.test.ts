import { expect, test } from "vitest";
import type { Schemas } from "../../../src/api/client";
import { cellInWords, lensOf, markOf, MODES, notesOf, rowsOf, type GridData } from "../../../src/views/prompt/grid_data";

const prompt = {
  n_layers: 3,
  has_lens: false,
  tokens: [{ text: "a" }, { text: "b" }],
  dictionaries: [{ name: "mid", index: "mid", layer: 1 }],
} as unknown as Schemas["PromptOut"];
const data = {
  arrays: { norm: { shape: [3, 2], data: [1, 2, 3, 4, 5, 6] } },
  texts: {},
  dictionaries: [{ k: 2, ids: [7, 8, 9, 0], acts: [4, 2, 1, 0], nActive: [2, 1], unexplained: [0.5, 0.25] }],
} as unknown as GridData;
const mode = (name: string): (typeof MODES)[number] => MODES.find((one) => one.name === name)!;

test("layers without a dictionary keep their rows, which are empty and say so", () => {
  for (const name of ["features", "active", "unexplained"]) {
    const rows = rowsOf(mode(name), prompt, data);
    expect(rows.map((row) => row.layer)).toEqual(name === "features" ? [0, 1, 1, 2] : [0, 1, 2]);
    const mark = markOf(mode(name), prompt, data, rows);
    expect(mark(0, 0)).toEqual({ text: "", heat: NaN });
    expect(mark(1, 0).text).not.toBe("");
    expect(cellInWords(mode(name), prompt, data, rows[0]!, 1)).toBe("token 1 “b”, layer 0, where no dictionary is open: norm 2");
  }
});

test("a feature carries its label in cells with room and in the sentence of any", () => {
  const rows = rowsOf(mode("features"), prompt, data);
  const labelOf = (dictionary: number, feature: number): string => `label ${dictionary}.${feature}`;
  expect(markOf(mode("features"), prompt, data, rows)(1, 0).text).toBe("7");
  expect(markOf(mode("features"), prompt, data, rows, labelOf)(1, 0).text).toBe("7 label 0.7");
  expect(cellInWords(mode("features"), prompt, data, rows[1]!, 0, labelOf)).toContain("feature 7 (label 0.7) at 4");
  expect(cellInWords(mode("features"), prompt, data, rows[2]!, 1, labelOf)).toContain("no more features");
});

test("a lens is shown where the prompt was read with it, and its limits stand in the place of the logit lens's", () => {
  const lenses = [
    { kind: "logit", title: "Logit lens", is_here: true, note: "early layers" },
    { kind: "tuned", title: "Tuned lens", is_here: true, note: "fitted" },
    { kind: "jacobian", title: "Jacobian lens", is_here: false, note: "fit it" },
  ];
  const read = { ...prompt, has_lens: true, lenses, notes: ["early layers", "no patterns"] };
  expect(lensOf(read, undefined)?.kind).toBe("logit");
  expect(lensOf(read, "tuned")?.kind).toBe("tuned");
  expect(lensOf(read, "jacobian")?.kind).toBe("logit");
  expect(lensOf({ ...read, lenses: [] }, "tuned")).toBe(null);
  expect(notesOf(read, lenses[1]!)).toEqual(["fitted", "no patterns"]);
  expect(notesOf(read, lenses[0]!)).toEqual(["early layers", "no patterns"]);
});
