"""A tiny lab with two dictionaries of one model, at one layer and the next, both with indexes."""

from pathlib import Path

from hooke.cli.app import main
from tests.cli.tiny_lab import TinyLab, make_tiny_lab, write_dictionary

TEXT = "--model MODEL --corpus CORPUS --context 32 --tokens 1600"


def make_tiny_pair(root: Path) -> TinyLab:
    """'under' at resid_post.0, 'tiny' at resid_post.1, and 'bare' that has no index."""
    made = make_tiny_lab(root)
    write_dictionary(made.lab, "under", str(made.model), site="resid_post.0")
    write_dictionary(made.lab, "bare", str(made.model))
    for name in ("tiny", "under"):
        assert main(made.words(f"index {name} --model MODEL --tokens 2000 --corpus CORPUS --context 32")) == 0
    return made
