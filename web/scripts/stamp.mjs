// Notes in the generated types the hash of the schema that they were made from.
import { readFileSync, writeFileSync } from "node:fs";
import { fileHash } from "./sources.mjs";

const types = readFileSync("src/api/schema.ts", "utf8").replace(/^\/\/ openapi\.json [0-9a-f]{64}\n/, "");
writeFileSync("src/api/schema.ts", `// openapi.json ${fileHash("openapi.json")}\n${types}`);
