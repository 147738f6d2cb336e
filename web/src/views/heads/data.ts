/** Scores of heads as the pages show them. */
import type { Schemas } from "../../api/client";
import { fullHeat, type Cell, type CellMark } from "../../marks/grid";
import { fixed, signed } from "../../marks/numerals";

export type HeadMap = Schemas["HeadMap"];

/** Scores in words for chips and tables. */
export const TITLES: Record<string, string> = {
  previous: "Previous token", duplicate: "Duplicate token", induction: "Induction", copying: "Copying", entropy: "Entropy", distance: "Distance",
};

/** A score as it is written: with its sign where it can be below zero. */
export function inDigits(map: HeadMap, value: number | null): string {
  return value === null ? "–" : map.is_signed ? signed(value) : fixed(value);
}

/** The text and the heat of each cell. */
export function markOf(map: HeadMap): (row: number, column: number) => CellMark {
  const full = fullHeat(map.values.flat().map((value) => value ?? NaN), 0.995);
  return (row, column) => {
    const value = map.values[row]?.[column] ?? null;
    return value === null ? { text: "", heat: NaN } : { text: inDigits(map, value), heat: Math.max(-1, Math.min(1, value / full)) };
  };
}

/** A head in a sentence. */
export function inWords(map: HeadMap, { row, column }: Cell): string {
  const control = map.controls?.[row]?.[column] ?? null;
  return `head ${row}.${column}: ${(TITLES[map.name] ?? map.name).toLowerCase()} ${inDigits(map, map.values[row]?.[column] ?? null)}${control === null ? "" : `, control ${inDigits(map, control)}`}`;
}

/** The heads with the largest values, largest first. */
export function strongest(map: HeadMap, most: number): (Cell & { value: number; control: number | null })[] {
  return map.values
    .flatMap((values, row) => values.flatMap((value, column) => (value === null ? [] : [{ row, column, value, control: map.controls?.[row]?.[column] ?? null }])))
    .sort((one, other) => other.value - one.value)
    .slice(0, most);
}

/** The head some steps on, layer after layer, round the end. */
export function stepped(layer: number, head: number, step: number, nLayers: number, nHeads: number): { layer: number; head: number } {
  const all = nLayers * nHeads, at = (((layer * nHeads + head + step) % all) + all) % all;
  return { layer: Math.floor(at / nHeads), head: at % nHeads };
}
