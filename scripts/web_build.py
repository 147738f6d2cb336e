"""Checks, without Node, that the microscope's pages in the package were built from the sources beside them.

The build notes the hash of its sources in `build.json`; the generated types note the hash of the schema that they were
made from. `make web` builds.
"""

import json
import re
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[1]
# The same list as in web/scripts/sources.mjs.
SOURCES = (
    "src",
    "public",
    "index.html",
    "openapi.json",
    "package-lock.json",
    "package.json",
    "svelte.config.js",
    "vite.config.ts",
)
MOST_BYTES = 700_000
"""Size of the built pages in the package."""


def main(root: Path = ROOT) -> int:
    """Say what is out of date; 0 where nothing is."""
    complaints = list(stale(root / "web", root / "src/hooke/server/static"))
    for complaint in complaints:
        sys.stderr.write(f"{complaint} Run: make web\n")
    return 1 if complaints else 0


def stale(web: Path, built: Path) -> Iterator[str]:
    """What does not fit together among the sources of the pages, their types and their build."""
    schema = web / "openapi.json"
    stamped = re.match(r"// openapi\.json ([0-9a-f]{64})\n", (web / "src/api/schema.ts").read_text())
    if stamped is None or stamped[1] != sha256(schema.read_bytes()).hexdigest():
        yield "web/src/api/schema.ts was not made from web/openapi.json."
    note = built / "build.json"
    if not note.is_file() or json.loads(note.read_text()).get("sources") != sources_hash(web):
        yield "The pages in src/hooke/server/static were not built from web/."
    size = sum(path.stat().st_size for path in built.rglob("*") if path.is_file())
    if size > MOST_BYTES:
        yield f"The built pages take {size:,} bytes; at most {MOST_BYTES:,} are shipped."


def sources_hash(web: Path) -> str:
    """The hash of all that the pages are built from."""
    files = sorted(
        path.relative_to(web).as_posix()
        for source in SOURCES
        for path in ([web / source] if (web / source).is_file() else (web / source).rglob("*"))
        if path.is_file()
    )
    return sha256("".join(f"{name} {_hash(web / name)}\n" for name in files).encode()).hexdigest()


def _hash(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
