/** Addresses: patterns such as `/d/{dictionary}/f/{feature}` and the query that holds a view's state. */

export type Params = Record<string, string>;
export type Query = Record<string, string>;

/** The parameters of a path under a pattern, or null where it does not fit. */
export function match(pattern: string, path: string): Params | null {
  const wanted = pattern.split("/").filter(Boolean);
  const given = path.split("/").filter(Boolean);
  if (wanted.length !== given.length) return null;
  const params: Params = {};
  for (const [place, part] of wanted.entries()) {
    const piece = decoded(given[place] ?? "");
    if (piece === null) return null;
    if (part.startsWith("{")) params[part.slice(1, -1)] = piece;
    else if (part !== piece) return null;
  }
  return params;
}

/** The path of a pattern with its parameters filled in. */
export function fill(pattern: string, params: Record<string, string | number>): string {
  return pattern.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name];
    if (value === undefined) throw new Error(`No value for {${name}} of ${pattern}`);
    return encodeURIComponent(String(value));
  });
}

/** A query as a plain object; of a name that is given twice the last value counts. */
export function readQuery(search: string): Query {
  return Object.fromEntries(new URLSearchParams(search));
}

/** A query as text with its question mark; empty values are left out, so that defaults stay out of the address. */
export function writeQuery(query: Record<string, string | number | boolean | null | undefined>): string {
  const kept = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined && value !== false);
  const text = new URLSearchParams(kept.map(([name, value]) => [name, String(value)])).toString();
  return text ? `?${text}` : "";
}

function decoded(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}
