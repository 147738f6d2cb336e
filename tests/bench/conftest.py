"""The scripts of bench/ import each other by bare names, as they do when they are run from there."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "bench"))
