/** Lines of a chart: scales, ticks, paths of long series, and the point under the pointer. */

export interface Series {
  x: readonly number[];
  y: readonly (number | null)[];
}

export interface Scale {
  low: number;
  high: number;
  isLog: boolean;
  /** Length of the axis in pixels. */
  length: number;
}

/** A scale over all finite values; one value alone gets room around it. A logarithmic one leaves out what is not above zero. */
export function scaleOf(values: Iterable<number | null>, length: number, options: { isLog?: boolean; fromZero?: boolean } = {}): Scale {
  const isLog = options.isLog ?? false;
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value === null || !Number.isFinite(value) || (isLog && value <= 0)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) [low, high] = isLog ? [1, 10] : [0, 1];
  if (options.fromZero && !isLog) [low, high] = [Math.min(0, low), Math.max(0, high)];
  if (low === high) [low, high] = isLog ? [low / 2, high * 2] : [low - Math.max(Math.abs(low) * 0.1, 1e-9), high + Math.max(Math.abs(high) * 0.1, 1e-9)];
  return { low, high, isLog, length };
}

/** Place on the axis of a value, from 0 to the length. */
export function place(scale: Scale, value: number): number {
  const share = scale.isLog
    ? Math.log(value / scale.low) / Math.log(scale.high / scale.low)
    : (value - scale.low) / (scale.high - scale.low);
  return share * scale.length;
}

/** The value at a place of the axis. */
export function valueAt(scale: Scale, at: number): number {
  const share = at / scale.length;
  return scale.isLog ? scale.low * (scale.high / scale.low) ** share : scale.low + share * (scale.high - scale.low);
}

/** Round values for the ticks of an axis, about as many as asked for. */
export function ticks(scale: Scale, wanted = 5): number[] {
  if (scale.isLog && scale.high / scale.low > 8) {
    const marks: number[] = [];
    for (let power = Math.ceil(Math.log10(scale.low) - 1e-9); power <= Math.log10(scale.high) + 1e-9; power++) marks.push(10 ** power);
    const every = Math.ceil(marks.length / wanted);
    if (marks.length >= 2) return marks.filter((_, at) => at % every === 0);
  }
  const rough = (scale.high - scale.low) / Math.max(1, wanted);
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 2.5, 5, 10].find((one) => one * size >= rough) ?? 10) * size;
  const marks: number[] = [];
  for (let at = Math.ceil(scale.low / step - 1e-9); at * step <= scale.high + step * 1e-9; at++) marks.push(Number((at * step).toPrecision(12)));
  return marks;
}

/**
 * The path of a series. Where many points share a pixel, it goes through the lowest and the highest of them, so that no
 * spike is lost. What is not a number breaks the line.
 */
export function path(series: Series, x: Scale, y: Scale): string {
  let text = "";
  let isDown = false;
  let pixel = NaN;
  let pending: { at: number; low: number; high: number; last: number } | null = null;
  const add = (at: number, value: number): void => {
    text += `${isDown ? "L" : "M"}${round(at)} ${round(y.length - place(y, value))}`;
    isDown = true;
  };
  const flush = (): void => {
    if (!pending) return;
    const { at, low, high, last } = pending;
    if (low !== high) {
      add(at, last === low ? high : low);
      if (last !== low && last !== high) add(at, high);
    }
    add(at, last);
    pending = null;
  };
  series.x.forEach((value, index) => {
    const height = series.y[index] ?? null;
    const isShown = height !== null && Number.isFinite(height) && !(y.isLog && height <= 0) && !(x.isLog && value <= 0);
    if (!isShown) {
      flush();
      isDown = false;
      return;
    }
    const at = place(x, value);
    if (Math.round(at) !== pixel) {
      flush();
      pixel = Math.round(at);
    }
    pending = pending ? { at, low: Math.min(pending.low, height), high: Math.max(pending.high, height), last: height } : { at, low: height, high: height, last: height };
  });
  flush();
  return text;
}

/** A series with each value the mean of those around it, weighted less the older they are; 0 leaves it as it is. */
export function smoothed(values: readonly (number | null)[], weight: number): (number | null)[] {
  let mean = 0;
  let sum = 0;
  return values.map((value) => {
    if (value === null || !Number.isFinite(value)) return null;
    // Dividing by the sum of the weights takes away the pull towards zero at the beginning.
    mean = weight * mean + (1 - weight) * value;
    sum = weight * sum + (1 - weight);
    return mean / sum;
  });
}

/** Index of the point nearest to a value of x; -1 where there is none. */
export function nearest(x: readonly number[], wanted: number): number {
  if (x.length === 0) return -1;
  let [low, high] = [0, x.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low > 0 && wanted - x[low - 1]! <= x[low]! - wanted ? low - 1 : low;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
