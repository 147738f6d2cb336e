"""`hooke dictionary ...`: what dictionaries there are, and how good one is."""

from pathlib import Path
from typing import Any

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere
from hooke.cli.terminal import note, number, table
from hooke.errors import HookeError


def list_dictionaries(*, everywhere: Everywhere = Everywhere()) -> Answer:
    """List the dictionaries in the lab, and the starters."""
    from hooke.dictionaries.load import STARTERS

    lab = everywhere.lab
    folders = [("lab", lab.path("dictionaries", name)) for name in lab.names("dictionaries")]
    starters = sorted(STARTERS.iterdir()) if STARTERS.is_dir() else []
    folders += [("starter", folder) for folder in starters if folder.is_dir()]
    found = [_facts(origin, folder) for origin, folder in folders]
    if not found:
        empty = note(f"There are none in {lab.root}. Train one: hooke train --help")
        return Answer(data={"dictionaries": []}, shown=(empty,))
    columns = ("name", "from", "kind", "features>", "k>", "reads", "model", "")
    rows = [
        (
            one["name"],
            one["from"],
            one["kind"],
            number(one["n_features"]),
            one["k"] or "–",
            one["reads"],
            one["model"],
            one["problem"],
        )
        for one in found
    ]
    return Answer(data={"dictionaries": found}, shown=(table(columns, rows),))


def _facts(origin: str, folder: Path) -> dict[str, Any]:
    """What a dictionary's folder says without opening the weights, and what is wrong with it, if anything."""
    from hooke.dictionaries.formats.native import read_config

    facts: dict[str, Any] = {"name": folder.name, "from": origin, "folder": folder, "problem": ""}
    try:
        config, storage = read_config(folder)
    except HookeError as error:
        unknown = {"kind": "", "n_features": None, "k": None, "reads": "", "model": "", "storage": ""}
        return {**facts, **unknown, "problem": error.found or error.asked}
    described = {
        "kind": config.kind,
        "n_features": config.n_features,
        "k": config.k,
        "model": config.model,
        "storage": storage,
    }
    return {**facts, **described, "reads": " ".join(config.reads)}
