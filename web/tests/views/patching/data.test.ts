import { describe, expect, it } from "vitest";
import { bodyOf, cellName, columnNames, drawn, markOf, pairOf, pathsOf, quoted, senderOf, senderText, setInWords, valuesOf, type PatchMap } from "../../../src/views/patching/data";
import { targetsIn } from "../../../src/views/graphs/names";

const PAIR = { clean: "a b", corrupted: "a c", answers: "' d'", wrong: "' e', ' f'" };
const map: PatchMap = {
  model: "m", set: "s", metric: "logit", method: "attribution", n_pairs: 2, refused: [], clean: 1, corrupted: -1, right: 1,
  columns: ["before", "last"], other: null, effects: [[0.5, null], [-2, 1]],
};

describe("what the address asks for", () => {
  it("is a set by its parts, or a pair by its positions", () => {
    expect(bodyOf({ set: "two-hop", kind: "heads" }, "m")).toEqual({ model: "m", task: "two-hop", kind: "heads", way: "denoising", value: "counterfactual", by: "parts", seed: 0 });
    expect(bodyOf(PAIR, "m")).toMatchObject({ by: "positions", pairs: [{ clean: "a b", answers: [" d"], wrong: [" e", " f"] }] });
  });
  it("is nothing without pairs or a model", () => {
    expect(bodyOf({}, "m")).toBeNull();
    expect(bodyOf({ set: "two-hop" }, "")).toBeNull();
    expect(pairOf({ ...PAIR, answers: "" })).toBeNull();
  });
  it("leaves out what does not go together", () => {
    expect(bodyOf({ set: "s", value: "mean" }, "m")?.value).toBe("counterfactual");
    expect(bodyOf({ set: "s", way: "noising", value: "mean" }, "m")?.value).toBe("mean");
    expect(valuesOf("noising", true)).not.toContain("mean");
    expect(bodyOf({ set: "s", kind: "neurons" }, "m")?.kind).toBe("resid_post");
  });
  it("keeps the spaces of tokens", () => {
    expect(targetsIn(quoted([" d", "it's"]))).toEqual([" d", "it's"]);
  });
});

describe("a set in words", () => {
  it("says how many pairs there are and how many did not fit", () => {
    expect(setInWords({ ...map, refused: ["x"] })).toBe("2 pairs (1 more do not fit this tokenizer). Mean logit difference: 1 clean, −1 corrupted.");
    expect(setInWords({ ...map, n_pairs: 1 })).toBe("One pair. Logit difference: 1 clean, −1 corrupted.");
  });
});

describe("cells", () => {
  it("are as hot as their effect, and empty where there is none", () => {
    const mark = markOf(map, 2);
    expect(mark(0, 0)).toEqual({ text: "+0.50", heat: 0.25 });
    expect(mark(1, 0).heat).toBe(-1);
    expect(mark(0, 1).heat).toBeNaN();
    expect(markOf({ ...map, effects: [[0.004]] }, 2)(0, 0).text).toBe("·");
  });
  it("are named", () => {
    expect(cellName("heads", map, { row: 3, column: 1 })).toBe("head 3.1");
    expect(cellName("attn_out", map, { row: 0, column: 1 })).toBe("Attention, layer 0, last");
    const ofPair = { ...map, columns: [" a", " b", " a"], other: [" a", " c", " a"] };
    expect(columnNames(ofPair)).toEqual(["␣a", "␣b / ␣c", "␣a"]);
    expect(cellName("mlp_out", ofPair, { row: 2, column: 2 })).toBe("MLP, layer 2, token 2 “␣a”");
  });
  it("are drawn once each, only where there is a value, and the same again", () => {
    const all = drawn(map, () => false, 9, 0);
    expect(new Set(all.map((one) => `${one.row}.${one.column}`))).toEqual(new Set(["0.0", "1.0", "1.1"]));
    expect(drawn(map, (one) => one.row === 1, 9, 0)).toEqual([{ row: 0, column: 0 }]);
    const many = { ...map, effects: Array.from({ length: 30 }, () => Array.from({ length: 9 }, () => 1)) };
    expect(drawn(many, () => false, 8, 1)).toEqual(drawn(many, () => false, 8, 1));
    expect(drawn(many, () => false, 8, 1)).not.toEqual(drawn(many, () => false, 8, 2));
  });
});

describe("paths", () => {
  it("end at the logits unless receivers are named", () => {
    expect(pathsOf({ set: "two-hop" }, "m")).toEqual({ model: "m", task: "two-hop", receivers: ["logits"], through: "mlps", way: "denoising", seed: 0 });
    expect(pathsOf({ ...PAIR, to: "a5.h2<q>, m3", through: "nothing", way: "noising" }, "m")).toMatchObject({ receivers: ["a5.h2<q>", "m3"], through: "nothing", way: "noising" });
    expect(pathsOf({ set: "s", through: "all" }, "m")?.through).toBe("mlps");
    expect(pathsOf({}, "m")).toBeNull();
  });
  it("have senders by layer, head and MLP", () => {
    const columns = ["0", "1", "MLP"];
    expect([senderOf({ columns }, { row: 3, column: 1 }), senderOf({ columns }, { row: 3, column: 2 })]).toEqual(["a3.h1", "m3"]);
    expect(["a3.h1", "m3"].map(senderText)).toEqual(["head 3.1", "MLP 3"]);
  });
});
