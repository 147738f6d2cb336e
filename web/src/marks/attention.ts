/** Attention of one head: a lower triangle of weights, row by row, as bytes. */

export interface Attention {
  /** Tokens. */
  size: number;
  /** Row `i` begins at `i (i + 1) / 2` and has `i + 1` weights. */
  bytes: ArrayLike<number>;
  /** For each row the weight of the byte 1. */
  scales: ArrayLike<number>;
}

export interface Source {
  position: number;
  weight: number;
}

/** How much the token at `to` reads from the one at `from`; 0 for what comes later. */
export function weight(attention: Attention, to: number, from: number): number {
  if (from > to || to >= attention.size) return 0;
  return (attention.bytes[(to * (to + 1)) / 2 + from] ?? 0) * (attention.scales[to] ?? 0);
}

/** How much a token reads from each of those up to it, and how much each later one reads from it. */
export function around(attention: Attention, position: number): { reads: number[]; isRead: number[] } {
  const all = Array.from({ length: attention.size }, (_, other) => other);
  return {
    reads: all.map((other) => weight(attention, position, other)),
    isRead: all.map((other) => (other > position ? weight(attention, other, position) : 0)),
  };
}

/** The tokens that are read most, strongest first. */
export function strongest(weights: readonly number[], most: number): Source[] {
  return weights
    .map((value, position) => ({ position, weight: value }))
    .filter((source) => source.weight > 0)
    .sort((one, other) => other.weight - one.weight || one.position - other.position)
    .slice(0, most);
}

/** The pixels of the matrix, one a weight: as opaque as the root of the weight, so that faint ones still show. */
export function matrixPixels(attention: Attention, colour: readonly [number, number, number]): Uint8ClampedArray<ArrayBuffer> {
  const { size } = attention;
  const pixels = new Uint8ClampedArray(new ArrayBuffer(4 * size * size));
  for (let to = 0; to < size; to++) {
    for (let from = 0; from <= to; from++) {
      const at = 4 * (to * size + from);
      pixels.set(colour, at);
      pixels[at + 3] = 255 * Math.sqrt(Math.min(1, weight(attention, to, from)));
    }
  }
  return pixels;
}
