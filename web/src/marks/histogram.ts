/** The geometry of a histogram with bins of half an octave: a logarithmic axis, and logarithmic counts. */

export interface Bar {
  x: number;
  y: number;
  width: number;
  height: number;
  low: number;
  high: number;
  count: number;
}

export interface Tick {
  at: number;
  value: number;
}

export interface Histogram {
  bars: Bar[];
  xTicks: Tick[];
  yTicks: Tick[];
  /** The place on the axis of an activation. */
  x: (value: number) => number;
}

/** Bars and ticks for a field of the given size; empty bins at both ends are left out. */
export function histogram(edges: readonly number[], counts: readonly number[], width: number, height: number): Histogram {
  const filled = counts.flatMap((count, bin) => (count > 0 ? [bin] : []));
  const first = filled[0] ?? 0;
  const last = filled.at(-1) ?? counts.length - 1;
  const shown = counts.slice(first, last + 1);
  const step = width / Math.max(1, shown.length);
  const most = Math.max(1, ...shown);
  const up = (count: number): number => (count > 0 ? (height * Math.log10(1 + count)) / Math.log10(1 + most) : 0);
  const bars = shown.map((count, place) => {
    const tall = up(count);
    const bin = first + place;
    return { x: place * step, y: height - tall, width: Math.max(1, step - 1), height: tall, low: edges[bin] ?? 0, high: edges[bin + 1] ?? Infinity, count };
  });
  const lowest = positive(edges[first + 1]) / Math.SQRT2;
  const x = (value: number): number => clamp((Math.log2(value / lowest) * 2) * step, 0, width);
  const xTicks: Tick[] = [];
  for (let place = 1; place <= shown.length; place++) {
    const value = edges[first + place] ?? 0;
    if (Number.isFinite(value) && Number.isInteger(Math.round(Math.log2(value) * 2) / 2)) xTicks.push({ at: place * step, value });
  }
  const yTicks: Tick[] = [];
  for (let count = 1; count <= most; count *= 10) yTicks.push({ at: height - up(count), value: count });
  return { bars, xTicks: thinned(xTicks, 48), yTicks: thinned(yTicks, 14), x };
}

/** The bar at a place of the axis; beyond its ends the first and the last. */
export function barAt(shape: Histogram, x: number): number {
  const step = (shape.bars[1]?.x ?? Infinity) - (shape.bars[0]?.x ?? 0);
  return clamp(Math.floor(x / step), 0, Math.max(0, shape.bars.length - 1));
}

/** Ticks that stand at least so far apart. */
export function thinned(ticks: readonly Tick[], gap: number): Tick[] {
  const kept: Tick[] = [];
  for (const tick of ticks) {
    const before = kept.at(-1);
    if (!before || Math.abs(tick.at - before.at) >= gap) kept.push(tick);
  }
  return kept;
}

function positive(value: number | undefined): number {
  return value !== undefined && value > 0 && Number.isFinite(value) ? value : 1;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
