"""`hooke dictionary ...`: what dictionaries there are, and how good one is."""

from pathlib import Path
from typing import Any

from hooke.cli.answer import Answer
from hooke.cli.claims import claims
from hooke.cli.options import Everywhere, ModelOptions, TextOptions
from hooke.cli.terminal import bars, note, table, title
from hooke.errors import HookeError
from hooke.pages.numerals import number, percent


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
    from hooke.dictionaries.formats.native_sets import is_crosslayer, is_set

    facts: dict[str, Any] = {"name": folder.name, "from": origin, "folder": folder, "problem": ""}
    try:
        if is_set(folder) or is_crosslayer(folder):
            return facts | _layered_facts(folder)
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


def _layered_facts(folder: Path) -> dict[str, Any]:
    """What is said of a set of transcoders or a cross-layer transcoder; features are those of all layers together."""
    from hooke.dictionaries.formats.native_sets import is_set, open_crosslayer, open_set
    from hooke.dictionaries.replacement import layer_ranges

    opened = open_set(folder) if is_set(folder) else open_crosslayer(folder)
    config = opened.config(opened.layers[0]) if is_set(folder) else opened.config
    form = "transcoders" if is_set(folder) else "cross-layer transcoder"
    return {
        "kind": f"{form}, {config.kind}",
        "n_features": sum(opened.n_features(layer) for layer in opened.layers),
        "k": config.k,
        "model": opened.model,
        "storage": "",
        "reads": f"{opened.reads(opened.layers[0]).kind} of layers {layer_ranges(opened.layers)}",
    }


def evaluate(
    dictionary: str,
    /,
    *,
    model: str | None = None,
    tokens: int = 65_536,
    loss_windows: int = 32,
    seed: int = 0,
    text: TextOptions = TextOptions(corpus="default:heldout"),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Measure how well a dictionary stands in for what it reads.

    Reconstruction, sparsity, features that never fire, and what the model loses when it runs on the reconstruction;
    each beside a random dictionary of the same shape and sparsity, with 95 % intervals. Special tokens and the first
    position are left out.

    Parameters
    ----------
    dictionary
        A dictionary's name (see `hooke dictionary list`) or folder.
    model
        The model, where it is not the one that the dictionary names.
    tokens
        Tokens that reconstruction and firing are measured on.
    loss_windows
        Windows that the model's loss is measured on; 0 for none.
    seed
        Seed of the control and of the intervals.
    """
    from hooke.dictionaries import load_dictionary
    from hooke.evaluate.reconstruction import ReconstructionConfig, reconstruction

    config = ReconstructionConfig(n_tokens=tokens, n_loss_windows=loss_windows, windows=text.windows(), seed=seed)
    opened = load_dictionary(dictionary, lab=everywhere.lab)
    corpus = text.open()
    found = reconstruction(loading.load(model or opened.config.model, everywhere.lab), opened, corpus, config=config)
    low, high = found.densities.edges[0], found.densities.edges[-1]
    shown = (
        title(found.dictionary, f"{number(found.n_features)} features at {found.sites[0]} of {found.model}"),
        *claims(found.findings(), prefix=f"{found.dictionary}: "),
        "",
        table(("", ""), [("densities", f"{percent(10**low)} {bars(found.densities.counts)} {percent(10**high)}")]),
        note(f"on {number(found.n_counted)} tokens of {found.corpus}, {found.n_windows} windows; seed {found.seed}"),
    )
    return Answer(data={"measured": found, "findings": found.findings()}, shown=shown)
