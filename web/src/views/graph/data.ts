/** A graph as it comes from the server, with what the page looks up in it: edges of a node, what sliders keep. */
import type { Arrays } from "../../api/arrays";
import type { Schemas } from "../../api/client";
import { CONSTANT, ERROR, FEATURE, LOGIT, REST, TOKEN } from "../../marks/graph";
import { tokenText, visible } from "../../marks/numerals";

export type Meta = Schemas["GraphOut"];

export interface GraphData {
  n: number;
  kind: Uint8Array;
  /** -1 where a node has none, as for position and index. */
  layer: Int16Array;
  position: Int16Array;
  index: Int32Array;
  /** NaN where a node has none, as for all numbers of nodes. */
  activation: Float32Array;
  value: Float32Array;
  influence: Float32Array;
  relevance: Float32Array;
  effect: Float32Array;
  weight: Float32Array;
  /** Strongest first. */
  edges: { source: Uint32Array; target: Uint32Array; weight: Float32Array; share: Float32Array; flow: Float32Array };
  inputs: EdgeLists;
  outputs: EdgeLists;
  /** Of all influence that features, errors and rest have, the share of the nodes that are at least as influential. */
  standing: Float32Array;
  /** Of what all edges carry, the share of an edge and those before it. */
  carried: Float32Array;
}

/** Edges of each node, strongest first: those of node i are order[starts[i]] to order[starts[i + 1] - 1]. */
export interface EdgeLists {
  starts: Uint32Array;
  order: Uint32Array;
}

/** The arrays by name; throws where one is missing. */
export function readGraph(arrays: Arrays): GraphData {
  const take = <T>(name: string, kind: { new (...values: never[]): T }): T => {
    const data = arrays[name]?.data;
    if (!(data instanceof kind)) throw new Error(`The graph has no “${name}”.`);
    return data;
  };
  const kind = take("node.kind", Uint8Array);
  const influence = take("node.influence", Float32Array);
  const edges = {
    source: take("edge.source", Uint32Array), target: take("edge.target", Uint32Array), weight: take("edge.weight", Float32Array),
    share: take("edge.share", Float32Array), flow: take("edge.flow", Float32Array),
  };
  return {
    n: kind.length, kind, influence, edges,
    layer: take("node.layer", Int16Array), position: take("node.position", Int16Array), index: take("node.index", Int32Array),
    activation: take("node.activation", Float32Array), value: take("node.value", Float32Array), relevance: take("node.relevance", Float32Array),
    effect: take("node.effect", Float32Array), weight: take("node.weight", Float32Array),
    inputs: listsOf(edges.target, kind.length), outputs: listsOf(edges.source, kind.length),
    standing: standingOf(kind, influence), carried: carriedOf(kind, edges.source, edges.flow),
  };
}

/** Edges put together by the node at one of their ends, in their order. */
export function listsOf(ends: Uint32Array, n: number): EdgeLists {
  const starts = new Uint32Array(n + 1);
  for (const end of ends) starts[end + 1]!++;
  for (let node = 0; node < n; node++) starts[node + 1]! += starts[node]!;
  const filled = starts.slice(0, -1), order = new Uint32Array(ends.length);
  for (let edge = 0; edge < ends.length; edge++) order[filled[ends[edge]!]!++] = edge;
  return { starts, order };
}

/** The edges of a node, at most so many. */
export function edgesOf(lists: EdgeLists, node: number, most = Infinity): Uint32Array {
  const start = lists.starts[node] ?? 0, end = lists.starts[node + 1] ?? 0;
  return lists.order.subarray(start, Math.min(end, start + most));
}

export function standingOf(kind: Uint8Array, influence: Float32Array): Float32Array {
  const counted = [...kind.keys()].filter((node) => isCounted(kind[node]!)).sort((one, other) => influence[other]! - influence[one]! || one - other);
  const total = Math.max(1e-30, counted.reduce((sum, node) => sum + influence[node]!, 0));
  const standing = new Float32Array(kind.length);
  let before = 0;
  for (const node of counted) {
    // A node stands where it begins: the most influential one is in every share.
    standing[node] = before / total;
    before += influence[node]!;
  }
  return standing;
}

function carriedOf(kind: Uint8Array, source: Uint32Array, flow: Float32Array): Float32Array {
  const carried = new Float32Array(flow.length);
  let total = 0;
  for (let edge = 0; edge < flow.length; edge++) {
    carried[edge] = total;
    if (kind[source[edge]!] !== CONSTANT) total += flow[edge]!;
  }
  return total > 0 ? carried.map((sum) => sum / total) : carried;
}

const isCounted = (kind: number): boolean => kind === FEATURE || kind === ERROR || kind === REST;

export interface Pruning {
  /** Share of the influence that the shown nodes hold. */
  nodes: number;
  /** Share of what edges carry. */
  edges: number;
  hasRest: boolean;
  hasConstant: boolean;
}

/** Which nodes are shown: the most influential, all tokens and targets, and those that are to stay whatever happens. */
export function shownNodes(data: GraphData, pruning: Pruning, kept: Iterable<number>): Uint8Array {
  const shown = new Uint8Array(data.n);
  for (let node = 0; node < data.n; node++) {
    const kind = data.kind[node]!;
    if (kind === TOKEN || kind === LOGIT) shown[node] = 1;
    else if (kind === CONSTANT) shown[node] = pruning.hasConstant ? 1 : 0;
    else if (kind === FEATURE || pruning.hasRest) shown[node] = data.standing[node]! < pruning.nodes && data.influence[node]! > 0 ? 1 : 0;
  }
  for (const node of kept) if (node >= 0 && node < data.n) shown[node] = 1;
  return shown;
}

/** The strongest edges between shown nodes. */
export function shownEdges(data: GraphData, pruning: Pruning, shown: Uint8Array): Uint32Array {
  const found: number[] = [];
  for (let edge = 0; edge < data.edges.source.length && data.carried[edge]! < pruning.edges; edge++) {
    if (shown[data.edges.source[edge]!] && shown[data.edges.target[edge]!]) found.push(edge);
  }
  return Uint32Array.from(found);
}

/** Colours of the features: predicted effect beside the largest one, its root, so that small ones are told apart, too. */
export function heatsOf(data: GraphData): Float32Array {
  let largest = 1e-12;
  for (let node = 0; node < data.n; node++) if (data.kind[node] === FEATURE && Math.abs(data.effect[node]!) > largest) largest = Math.abs(data.effect[node]!);
  return data.effect.map((effect) => Math.sign(effect) * Math.sqrt(Math.abs(effect) / largest));
}

/** A node in a few words. */
export function nameOf(meta: Meta, data: GraphData, node: number): string {
  const name = visible(meta.names[node] ?? "");
  const token = tokenText(meta.tokens[data.position[node] ?? -1] ?? "");
  switch (data.kind[node]) {
    case FEATURE: return `${data.layer[node]}/${data.index[node]}`;
    case LOGIT: return `“${tokenText(meta.names[node] ?? "")}”`;
    case TOKEN: return `“${token}”`;
    case ERROR: return `error ${data.layer[node]}`;
    case REST: return `rest ${data.layer[node]}`;
    default: return name || "constants";
  }
}

/** Where a node is, in words. */
export function placeOf(meta: Meta, data: GraphData, node: number): string {
  const position = data.position[node] ?? -1;
  return position < 0 ? "" : `“${tokenText(meta.tokens[position] ?? "")}” ${position}`;
}

/** What a node is, in words. */
export function kindOf(data: GraphData, node: number): string {
  return ["feature", "target", "dictionary error", "features not taken up", "token", "constants"][data.kind[node] ?? 5] ?? "";
}

/** A node's number in the index of its layer: a neuron below zero is another feature there than one above. */
export function featureOf(data: GraphData, node: number, below: number): number {
  return (data.index[node] ?? 0) + (data.activation[node]! < 0 ? below : 0);
}

/** Of how many interventions the sign was foretold; null where nothing was. */
export function agreement(effects: readonly { predicted: number | null; measured: number }[]): { same: number; n: number } | null {
  const known = effects.filter((one) => one.predicted !== null);
  return known.length === 0 ? null : { same: known.filter((one) => Math.sign(one.predicted!) === Math.sign(one.measured)).length, n: known.length };
}
