// The hash of what the built page is made of. scripts/web_build.py computes the same without Node.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";

const ROOTS = ["src", "public", "index.html", "openapi.json", "package-lock.json", "package.json", "svelte.config.js", "vite.config.ts"];

const sha = (bytes) => createHash("sha256").update(bytes).digest("hex");

function filesUnder(path) {
  if (!statSync(path, { throwIfNoEntry: false })) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path).flatMap((name) => filesUnder(join(path, name)));
}

/** The hash of all sources below the folder of the web app. */
export function sourcesHash(root) {
  const files = ROOTS.flatMap((name) => filesUnder(join(root, name)));
  const names = files.map((file) => relative(root, file).split(sep).join("/"));
  return sha(names.sort().map((name) => `${name} ${sha(readFileSync(join(root, name)))}\n`).join(""));
}

/** The hash of one file. */
export const fileHash = (path) => sha(readFileSync(path));
