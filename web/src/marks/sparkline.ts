/** The path of a small line through values, left to right. */

/** SVG path data in a field of the given size; values that are not numbers break the line. */
export function sparkline(values: readonly (number | null)[], width: number, height: number): string {
  const known = values.filter((value): value is number => value !== null && Number.isFinite(value));
  if (known.length === 0) return "";
  const low = Math.min(...known);
  const span = Math.max(...known) - low;
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  let path = "";
  let isDown = false;
  values.forEach((value, place) => {
    if (value === null || !Number.isFinite(value)) {
      isDown = false;
      return;
    }
    const y = span > 0 ? height - ((value - low) / span) * height : height / 2;
    path += `${isDown ? "L" : "M"}${round(place * step)} ${round(y)}`;
    isDown = true;
  });
  return path;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
