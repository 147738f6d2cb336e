/** The map as it comes from the server. */
import type { Arrays } from "../../api/arrays";

export interface FeatureMap {
  feature: Uint32Array;
  x: Float32Array;
  y: Float32Array;
  density: Float32Array;
  /** NaN where there is no label. */
  score: Float32Array;
  cluster: Uint16Array;
}

/** The arrays by name; throws where one is missing. */
export function readMap(arrays: Arrays): FeatureMap {
  const take = <T>(name: string, kind: { new (...values: never[]): T }): T => {
    const data = arrays[name]?.data;
    if (!(data instanceof kind)) throw new Error(`The map has no “${name}”.`);
    return data;
  };
  return {
    feature: take("feature", Uint32Array),
    x: take("x", Float32Array),
    y: take("y", Float32Array),
    density: take("density", Float32Array),
    score: take("score", Float32Array),
    cluster: take("cluster", Uint16Array),
  };
}

/** Shares between 0 and 1 that colours stand for. */
export function sharesOf(map: FeatureMap, colour: "score" | "density" | "none"): Float32Array {
  if (colour === "none") return new Float32Array(map.feature.length).fill(0.5);
  if (colour === "score") return map.score.map((score) => (score - 0.5) * 2);
  return map.density.map((density) => (Math.log10(Math.max(density, 1e-6)) + 5) / 4);
}

/** A pair of features that fire together, by the places of both. */
export interface Line {
  from: number;
  to: number;
  /** Its PMI as a share of the largest that is drawn. */
  share: number;
}

/** Lines between the points of pairs; a pair of which one end is not on the map is left out. */
export function linesOf(map: FeatureMap, pairs: readonly { one: number; other: number; pmi: number }[]): Line[] {
  const places = new Map<number, number>();
  map.feature.forEach((feature, place) => places.set(feature, place));
  const most = Math.max(...pairs.map((pair) => pair.pmi), 1e-9);
  return pairs.flatMap(({ one, other, pmi }) => {
    const from = places.get(one), to = places.get(other);
    return from === undefined || to === undefined ? [] : [{ from, to, share: Math.max(0, pmi) / most }];
  });
}
