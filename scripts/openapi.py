"""Write what the microscope's server answers, as OpenAPI, for the pages' types and for fuzzing.

python scripts/openapi.py [--check]
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from hooke.lab import Lab
from hooke.server.app import create_app

PLACE = Path(__file__).resolve().parent.parent / "web" / "openapi.json"


def description() -> str:
    """The description as it is committed."""
    with tempfile.TemporaryDirectory() as folder:
        return json.dumps(create_app(Lab(Path(folder))).openapi(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> int:
    """Write the description, or say whether the committed one is current."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if the committed one is not current")
    text = description()
    if not parser.parse_args().check:
        PLACE.write_text(text, encoding="utf-8")
        return 0
    if PLACE.is_file() and PLACE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PLACE.name} is not what the server answers: run python scripts/openapi.py, then make web", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
