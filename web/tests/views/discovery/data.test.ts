import { describe, expect, it } from "vitest";
import { FEATURE, LOGIT, REST, TOKEN } from "../../../src/marks/graph";
import { comparable, edgeInWords, edgeText, firstSize, methodText, nodeText, pairsIn, placesOf, pointInWords, shareText, stepFrom, type Circuit, type Curve, type Discovery, type Entry, type Point } from "../../../src/views/discovery/data";

const point = (share: number, f: number, n_edges = share * 10_000): Point => ({
  share, n_asked: share * 10_000, n_edges, n_nodes: 5,
  faithfulness: { value: f, interval: [f - 0.1, f + 0.1] }, control: { value: 0, interval: [-0.01, 0.01] },
});
const curve = (...points: Point[]): Curve => ({ order: "size", area: { value: 0.1, interval: [0, 0.2] }, control_area: { value: 0.75, interval: [0.7, 0.8] }, points });

describe("sizes of circuits", () => {
  it("begin with four fifths of the answer, if that can be taken in", () => {
    expect(firstSize(curve(point(0.001, 0.2), point(0.01, 0.85), point(1, 1)))).toBe(100);
    expect(firstSize(curve(point(0.001, 0.2), point(0.005, 0.3), point(0.5, 0.9), point(1, 1)))).toBe(50);
    expect(firstSize(curve(point(0.005, 0, 0), point(1, 1)))).toBe(10_000);
  });
  it("go up and down along the curve, also from between", () => {
    const along = curve(point(0.001, 0), point(0.01, 0), point(1, 1));
    expect([stepFrom(along, 10, 1), stepFrom(along, 100, -1), stepFrom(along, 50, 1), stepFrom(along, 50, -1)]).toEqual([100, 10, 100, 10]);
    expect(stepFrom(curve(point(0, 0), point(0.001, 0)), 10, -1)).toBe(10);
    expect([stepFrom(along, 10_000, 1), stepFrom(along, 10, -1)]).toEqual([10_000, 10]);
  });
  it("are said with their control", () => {
    expect(pointInWords(point(0.01, 0.85))).toBe("1 % of the edges: 100 asked for, 100 on a path, 5 components. f 0.85 [0.75, 0.95]; random edges 0.00 [−0.01, 0.01].");
    expect([0.001, 0.005, 0.5].map(shareText)).toEqual(["0.1 %", "0.5 %", "50 %"]);
  });
});

describe("edges in words", () => {
  const edge = { edge: "m0->a3.h7<v>", sender: "m0", receiver: "a3.h7", read: "v", score: -0.5, interval: null } as const;
  it("name heads, MLPs and what is read", () => {
    expect(["a3.h7", "m12", "input", "logits"].map(nodeText)).toEqual(["head 3.7", "MLP 12", "input", "logits"]);
    expect(edgeText(edge)).toBe("MLP 0 → head 3.7’s values");
    expect(edgeInWords({ ...edge, interval: [-0.75, -0.25] })).toBe("MLP 0 → head 3.7’s values: −0.500 [−0.750, −0.250]");
  });
  it("name a method with its own setting", () => {
    const settings = { steps: 5, threshold: 0.01, mask_steps: 200 };
    expect(["eap", "eap-ig-inputs", "acdc", "masks"].map((method) => methodText({ method, ...settings }))).toEqual(["eap", "eap-ig-inputs, 5 steps", "acdc, threshold 0.01", "masks, 200 steps"]);
  });
});

describe("pairs that are typed", () => {
  const line = JSON.stringify({ clean: "a b", corrupted: "a c", answers: [" d"], wrong: [" e"], name: "one" });
  it("are read line by line", () => {
    expect(pairsIn(`${line}\n\n${line}\n${line}\n${line}\n`).pairs).toHaveLength(4);
    expect(pairsIn(`${line}\n`.repeat(4)).pairs[0]).toEqual({ clean: "a b", corrupted: "a c", answers: [" d"], wrong: [" e"] });
  });
  it("are refused by line, and where they are too few", () => {
    expect(pairsIn(`${line}\n{"clean": 3}`).problem).toContain("Line 2");
    expect(pairsIn("nothing").problem).toContain("Line 1");
    expect(pairsIn(line).problem).toContain("at least four");
    expect(pairsIn(" ")).toEqual({ pairs: [], problem: "" });
  });
});

describe("a drawing", () => {
  const edge = (sender: string, receiver: string, score: number): Circuit["edges"][number] => ({ edge: `${sender}->${receiver}`, sender, receiver, read: "", score, interval: null });
  const circuit: Circuit = {
    order: "size", n_asked: 4, n_edges: 4,
    nodes: [{ name: "input", layer: null, head: null }, { name: "a0.h1", layer: 0, head: 1 }, { name: "m1", layer: 1, head: null }, { name: "m2", layer: 2, head: null }, { name: "logits", layer: null, head: null }],
    edges: [edge("input", "a0.h1", 2), edge("a0.h1", "m1", -1), edge("m1", "logits", 0.5)],
  };
  it("has heads by their number, MLPs behind them, and only the ends of drawn edges", () => {
    const places = placesOf(circuit, 3);
    expect(places.names).toEqual(["input", "a0.h1", "m1", "logits"]);
    expect(places.kind).toEqual([TOKEN, FEATURE, REST, LOGIT]);
    expect(places.position).toEqual([1, 1, 3, 1]);
    expect(places.layer).toEqual([-1, 0, 1, -1]);
    expect([places.source, places.target]).toEqual([[0, 1, 2], [1, 2, 3]]);
    expect(places.influence).toEqual([2, 3, 1.5, 0.5]);
  });
});

describe("what can be compared", () => {
  it("is of the same pairs and model", () => {
    const found = { name: "a", model: "m", same_pairs: "h" } as Discovery;
    const all = [{ name: "a", model: "m", same_pairs: "h" }, { name: "b", model: "m", same_pairs: "h" }, { name: "c", model: "n", same_pairs: "h" }, { name: "d", model: "m", same_pairs: "i" }] as Entry[];
    expect(comparable(found, all).map((one) => one.name)).toEqual(["b"]);
  });
});
