/** How well two measurements of the same things agree: points on two like scales, and how they go together. */

export interface Pairing {
  /** The cheap number. */
  x: number;
  /** The dear one. */
  y: number;
}

/** Pearson's correlation; null of fewer than three points, and where one side does not vary. */
export function correlation(points: readonly Pairing[]): number | null {
  if (points.length < 3) return null;
  const mean = (of: (point: Pairing) => number): number => points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [mx, my] = [mean((point) => point.x), mean((point) => point.y)];
  const xx = mean((point) => (point.x - mx) ** 2), yy = mean((point) => (point.y - my) ** 2);
  return xx > 0 && yy > 0 ? mean((point) => (point.x - mx) * (point.y - my)) / Math.sqrt(xx * yy) : null;
}

/** Spearman's correlation: that of the ranks, equal values sharing the middle one. */
export function rankCorrelation(points: readonly Pairing[]): number | null {
  const x = ranks(points.map((point) => point.x)), y = ranks(points.map((point) => point.y));
  return correlation(points.map((_, place) => ({ x: x[place]!, y: y[place]! })));
}

/** The rank of each value from 0; equal ones share the middle of theirs. */
export function ranks(values: readonly number[]): number[] {
  const order = values.map((_, place) => place).sort((one, other) => values[one]! - values[other]!);
  const found = new Array<number>(values.length).fill(0);
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end + 1 < order.length && values[order[end + 1]!] === values[order[start]!]) end++;
    for (let place = start; place <= end; place++) found[order[place]!] = (start + end) / 2;
    start = end + 1;
  }
  return found;
}

/** The point nearest to a place, where one is within reach; -1 where none is. */
export function nearestPoint(points: readonly Pairing[], x: number, y: number, reach: number): number {
  let [best, least] = [-1, reach * reach];
  points.forEach((point, place) => {
    const away = (point.x - x) ** 2 + (point.y - y) ** 2;
    if (away <= least) [best, least] = [place, away];
  });
  return best;
}
