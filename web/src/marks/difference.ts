/** What of a row of tokens is not in another one. */

/** For each token of `other` whether it is new beside `base`: not part of the longest row of tokens that both share in order. */
export function fresh(base: readonly number[], other: readonly number[]): boolean[] {
  const width = other.length + 1;
  const longest = new Uint16Array((base.length + 1) * width);
  for (let first = base.length - 1; first >= 0; first--) {
    for (let second = other.length - 1; second >= 0; second--) {
      longest[first * width + second] =
        base[first] === other[second]
          ? 1 + longest[(first + 1) * width + second + 1]!
          : Math.max(longest[(first + 1) * width + second]!, longest[first * width + second + 1]!);
    }
  }
  const marks: boolean[] = other.map(() => true);
  for (let first = 0, second = 0; first < base.length && second < other.length; ) {
    if (base[first] === other[second]) {
      marks[second] = false;
      first += 1;
      second += 1;
    } else if (longest[(first + 1) * width + second]! >= longest[first * width + second + 1]!) first += 1;
    else second += 1;
  }
  return marks;
}
