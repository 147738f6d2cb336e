/** Recipes: edits with a name, as the server and `hooke steer --recipe FILE` read them. */
import type { Schemas } from "../../api/client";

export type Part = Schemas["RecipePart"];
export type Recipe = Schemas["RecipeOut"];

export const HOWS: readonly { how: Part["how"]; name: string; says: string }[] = [
  { how: "add", name: "add", says: "its decoder row times the strength is added to the stream" },
  { how: "clamp", name: "clamp to", says: "its activation is forced to the strength" },
  { how: "ablate", name: "ablate", says: "its activation is forced to 0" },
];
export const WHENS: readonly Part["when"][] = ["all", "prompt", "generated"];
export const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

/** An edit of a feature as one begins with it. */
export function partOf(feature: string, strength = 1): Part {
  return { feature, site: null, vector: null, how: "add", strength, when: "all", positions: "1:" };
}

/** What was read from a file or an address as a recipe, or why it is none. */
export function readRecipe(text: string): Recipe | string {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    return "The file is not JSON.";
  }
  const { name, edits } = (read ?? {}) as { name?: unknown; edits?: unknown };
  if (!Array.isArray(edits) || edits.length === 0) return "It has no list “edits”.";
  const parts: Part[] = [];
  for (const one of edits as Partial<Part>[]) {
    if (typeof one !== "object" || one === null || (typeof one.feature !== "string" && !Array.isArray(one.vector))) return "An edit has neither a feature nor a vector.";
    parts.push({
      feature: one.feature ?? null,
      site: one.site ?? null,
      vector: one.vector ?? null,
      how: HOWS.some((known) => known.how === one.how) ? one.how! : "add",
      strength: typeof one.strength === "number" ? one.strength : 1,
      when: WHENS.includes(one.when!) ? one.when! : "all",
      positions: one.positions === undefined ? "1:" : one.positions,
    });
  }
  return { name: typeof name === "string" && NAME.test(name) ? name : "recipe", edits: parts };
}

/** A recipe as the file that the command line takes. */
export function recipeFile(recipe: Recipe): string {
  return `${JSON.stringify(recipe, null, 2)}\n`;
}

/** Edits in short, for the address: one after the other, the usual values left out. A vector is too long for it. */
export function packed(parts: readonly Part[]): string {
  return parts
    .filter((part) => part.feature)
    .map((part) => [part.feature, part.strength, part.how === "add" ? "" : part.how, part.when === "all" ? "" : part.when, part.positions === "1:" ? "" : (part.positions ?? "*")].join("~").replace(/~+$/, ""))
    .join("!");
}

/** The edits that an address holds. */
export function unpacked(text: string): Part[] {
  return text
    .split("!")
    .filter(Boolean)
    .map((one) => {
      const [feature = "", strength = "1", how = "", when = "", positions = ""] = one.split("~");
      return {
        ...partOf(feature, Number.isFinite(Number(strength)) ? Number(strength) : 1),
        how: HOWS.find((known) => known.how === how)?.how ?? "add",
        when: WHENS.find((known) => known === when) ?? "all",
        positions: positions === "" ? "1:" : positions === "*" ? null : positions,
      };
    });
}

/** The command that does the same in a terminal. */
export function command(recipe: Recipe, prompt: string, seed: number, maxTokens: number): string {
  const quoted = `'${prompt.replaceAll("'", "'\\''")}'`;
  return `hooke steer --recipe ${recipe.name}.json ${quoted} --max-tokens ${maxTokens} --seed ${seed}`;
}
