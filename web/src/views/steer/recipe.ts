/** Recipes in words and in addresses: edits with a name, the same JSON that the command line runs. */
import type { Schemas } from "../../api/client";

export type Part = Schemas["RecipePart"];
export type Recipe = Schemas["RecipeOut"];

export const POSITIONS: readonly { value: string; says: string }[] = [
  { value: "1:", says: "all but first" },
  { value: "", says: "every token" },
  { value: "-1", says: "last token" },
];

/** A new edit of a feature. */
export function partOf(feature: string, strength = 1): Part {
  return { feature, site: null, vector: null, how: "add", strength, when: "all", positions: "1:", given: null, above: 0, schedule: null };
}

/** Edits as an address holds them: what is left at its default is left out. Vectors are too long for an address. */
export function writeParts(parts: readonly Part[]): string {
  const plain = parts.filter((part) => part.feature);
  if (plain.length === 0) return "";
  return plain
    .map((part) => {
      const positions = Array.isArray(part.positions) ? JSON.stringify(part.positions) : part.positions === null ? "*" : part.positions;
      const fields = [part.feature, String(part.strength), part.how === "add" ? "" : part.how, part.when === "all" ? "" : part.when, positions === "1:" ? "" : positions, ...writeScope(part)];
      while (fields.at(-1) === "") fields.pop();
      return fields.join("~");
    })
    .join(" ");
}

/** The edits of an address; what cannot be read is left out. */
export function readParts(text: string): Part[] {
  return text.split(" ").flatMap((piece) => {
    const [feature, strength, how, when, positions, ...scope] = piece.split("~");
    if (!feature?.includes("/")) return [];
    const amount = Number(strength || "1");
    return [
      {
        ...partOf(feature, Number.isFinite(amount) ? amount : 1),
        how: how === "clamp" || how === "cap" || how === "ablate" ? how : "add",
        when: when === "prompt" || when === "generated" ? when : "all",
        positions: readPositions(positions),
        ...readScope(scope),
      },
    ];
  });
}

/** The condition and the plan: feature, how far above, first new token, tokens at full strength, tokens of the fall. */
function writeScope(part: Part): string[] {
  const { start = 0, hold = null, fade = 0 } = part.schedule ?? {};
  const plan = part.schedule ? [String(start), hold === null ? "" : String(hold), String(fade)] : ["", "", ""];
  return [part.given ?? "", part.given ? String(part.above) : "", ...plan];
}

function readScope([given, above, start, hold, fade]: string[]): Pick<Part, "given" | "above" | "schedule"> {
  const whole = (text: string | undefined): number => Math.max(0, Math.trunc(Number(text) || 0));
  const hasPlan = Boolean(start || hold || fade);
  return {
    given: given?.includes("/") ? given : null,
    above: Number(above) || 0,
    schedule: hasPlan ? { start: whole(start), hold: hold ? whole(hold) : null, fade: hold ? whole(fade) : 0 } : null,
  };
}

function readPositions(text: string | undefined): Part["positions"] {
  if (!text) return "1:";
  if (text === "*") return null;
  try {
    const list: unknown = JSON.parse(text);
    if (Array.isArray(list) && list.every((one) => Number.isInteger(one))) return list as number[];
  } catch {
    // A slice such as `3:` is no JSON.
  }
  return text;
}

/** A recipe from the text of a file. Throws an error that says what is wrong with it. */
export function readRecipe(text: string): Recipe {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    throw new Error("The file is no JSON.");
  }
  const given = read as Partial<Recipe>;
  if (!given || typeof given.name !== "string" || !Array.isArray(given.edits) || given.edits.length === 0) throw new Error("A recipe has a name and a list of edits.");
  const edits = given.edits.map((part, place) => {
    if (!part || (typeof part.feature !== "string" && !Array.isArray(part.vector))) throw new Error(`Edit ${place + 1} names neither a feature nor a vector.`);
    return { ...partOf(""), ...part, feature: part.feature ?? null };
  });
  return { name: given.name, edits };
}

/** The recipe as the text of a file; fields without a value are left out. */
export function writeRecipe(recipe: Recipe): string {
  const edits = recipe.edits.map((part) => Object.fromEntries(Object.entries(part).filter(([name, value]) => value !== null || name === "positions")));
  return `${JSON.stringify({ name: recipe.name, edits }, null, 2)}\n`;
}

/** A program that does the same with the exported file. */
export function writePython(recipe: Recipe, model: string): string {
  return `from pathlib import Path

import hooke
from hooke.directions.recipe import bind, read_recipe

lab = hooke.open_lab()
model = hooke.load(${JSON.stringify(model)}, lab=lab)
recipe = read_recipe(Path(${JSON.stringify(`${recipe.name}.json`)}))
dictionaries = {name: hooke.load_dictionary(name, lab=lab) for name in recipe.dictionaries}
indexes = {name: hooke.Index.open(name, lab=lab) for name in recipe.dictionaries}
units = {one: float(indexes[one.dictionary].card(one.index).max) for one in recipe.features}
edits = bind(recipe, dictionaries, units)
print(model.generate("Yesterday I went to", edits=edits, dictionaries=dictionaries.values()))
`;
}

/** The command that offers the saved recipe to the gateway's clients, from nothing to what it says. */
export function gatewayCommand(recipe: Recipe, model: string): string {
  return `hooke gateway serve ${model} --steer ${recipe.name}=0:1`;
}

/** A name that may be a file's: letters, digits, dot, dash, underscore. */
export function safeName(text: string): string {
  return text.trim().replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(0, 80) || "recipe";
}

/** How many tokens two texts share from the start. */
export function shared(one: readonly number[], other: readonly number[]): number {
  let length = 0;
  while (length < one.length && length < other.length && one[length] === other[length]) length += 1;
  return length;
}
