import { expect, test } from "vitest";
import type { Arrays } from "../../../src/api/arrays";
import { CONSTANT, FEATURE, LOGIT, REST, TOKEN } from "../../../src/marks/graph";
import { agreement, edgesOf, featureOf, readGraph, shownEdges, shownNodes } from "../../../src/views/graph/data";

/** Two features, a target, a token, a rest and the constants. */
function arrays(): Arrays {
  const column = <T>(data: T): { data: T; shape: number[] } => ({ data, shape: [] });
  const floats = (...values: number[]): { data: Float32Array; shape: number[] } => column(Float32Array.from(values));
  return {
    "node.kind": column(Uint8Array.of(FEATURE, FEATURE, LOGIT, TOKEN, REST, CONSTANT)),
    "node.layer": column(Int16Array.of(0, 1, -1, -1, 1, -1)), "node.position": column(Int16Array.of(0, 0, 0, 0, 0, -1)), "node.index": column(Int32Array.of(5, 6, 7, 8, -1, -1)),
    "node.activation": floats(-2, 1, NaN, NaN, NaN, NaN), "node.value": floats(1, 1, 1, NaN, NaN, NaN), "node.influence": floats(0.2, 0.7, 0, 0.5, 0.1, 0),
    "node.relevance": floats(0, 0, 0, 0, 0, 0), "node.effect": floats(0.1, -0.4, NaN, NaN, NaN, NaN), "node.weight": floats(0, 0, 1, 0, 0, 0),
    "edge.source": column(Uint32Array.of(1, 0, 5, 3, 4)), "edge.target": column(Uint32Array.of(2, 1, 2, 0, 1)),
    "edge.weight": floats(1, -1, 9, 1, 1), "edge.share": floats(0.7, 0.6, 0, 1, 0.1), "edge.flow": floats(0.7, 0.4, 0, 0.2, 0.1),
  } as unknown as Arrays;
}

test("edges are found from both of their ends", () => {
  const data = readGraph(arrays());
  expect([...edgesOf(data.inputs, 2)]).toEqual([0, 2]);
  expect([...edgesOf(data.outputs, 0)]).toEqual([1]);
  expect([...edgesOf(data.inputs, 1, 1)]).toEqual([1]);
  expect([...edgesOf(data.inputs, 3)]).toEqual([]);
});

test("sliders keep the most influential nodes, tokens, targets and what is to stay", () => {
  const data = readGraph(arrays());
  const shown = (nodes: number, more = {}, kept: number[] = []): number[] => [...shownNodes(data, { nodes, edges: 1, hasRest: false, hasConstant: false, ...more }, kept).entries()].filter(([, one]) => one).map(([node]) => node);
  expect(shown(0.05)).toEqual([1, 2, 3]);
  expect(shown(1)).toEqual([0, 1, 2, 3]);
  expect(shown(1, { hasRest: true, hasConstant: true })).toEqual([0, 1, 2, 3, 4, 5]);
  expect(shown(0.05, {}, [0, -1])).toEqual([0, 1, 2, 3]);
});

test("edges are shown between shown nodes, those that carry most first", () => {
  const data = readGraph(arrays());
  const shown = shownNodes(data, { nodes: 1, edges: 1, hasRest: false, hasConstant: false }, []);
  expect([...shownEdges(data, { nodes: 1, edges: 1, hasRest: false, hasConstant: false }, shown)]).toEqual([0, 1, 3]);
  expect([...shownEdges(data, { nodes: 1, edges: 0.4, hasRest: false, hasConstant: false }, shown)]).toEqual([0]);
});

test("an array that is missing is told by its name", () => {
  const without = arrays() as Record<string, unknown>;
  delete without["node.effect"];
  expect(() => readGraph(without as unknown as Arrays)).toThrow("node.effect");
});

test("a neuron below zero is another feature of its index", () => {
  const data = readGraph(arrays());
  expect(featureOf(data, 0, 100)).toBe(105);
  expect(featureOf(data, 1, 100)).toBe(6);
});

test("signs that were foretold are counted", () => {
  expect(agreement([{ predicted: 1, measured: 2 }, { predicted: -1, measured: 2 }, { predicted: null, measured: 1 }])).toEqual({ same: 1, n: 2 });
  expect(agreement([{ predicted: null, measured: 1 }])).toBeNull();
});
