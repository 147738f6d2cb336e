"""`hooke dictionary ...`: what dictionaries there are, and how good one is."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hooke.cli.answer import Answer
from hooke.cli.claims import claims
from hooke.cli.crosscoder import measured_crosscoder
from hooke.cli.options import Everywhere, ModelOptions, TextOptions
from hooke.cli.terminal import bars, note, table, title
from hooke.errors import BadRequest, HookeError
from hooke.lab import Lab
from hooke.pages.numerals import number, percent

if TYPE_CHECKING:
    from hooke.dictionaries import Replacement

Storage = Literal["float32", "float16", "int8"]


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
    from hooke.dictionaries.sets import TranscoderSet

    opened = open_set(folder) if is_set(folder) else open_crosslayer(folder)
    config = opened.config(opened.layers[0]) if isinstance(opened, TranscoderSet) else opened.config
    form = "transcoders" if isinstance(opened, TranscoderSet) else "cross-layer transcoder"
    return {
        "kind": f"{form}, {config.kind}",
        "k": config.k,
        "model": opened.model,
        "storage": "",
        **_of_layers(opened),
    }


def _of_layers(opened: "Replacement") -> dict[str, Any]:
    from hooke.dictionaries.replacement import layer_ranges

    return {
        "n_features": sum(opened.n_features(layer) for layer in opened.layers),
        "reads": f"{opened.reads(opened.layers[0]).kind} of layers {layer_ranges(opened.layers)}",
    }


def import_(
    folder: Path,
    name: str,
    /,
    *,
    model: str | None = None,
    storage: Storage = "float32",
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Take transcoders that another tool made into the lab.

    Read are per-layer transcoder sets and cross-layer transcoders with a config.yaml, and folders of one archive per
    layer; docs/transcoders.md says which. Nothing is fetched: the files have to be in the folder.

    Parameters
    ----------
    folder
        Folder with the files.
    name
        Name of the transcoders in the lab.
    model
        Their model. Needed where the files do not name it, and where they read the stream without the norm's gain.
    storage
        float32, float16, or, for transcoders of single layers, int8.
    """
    from hooke.dictionaries import load_replacement
    from hooke.dictionaries.formats.native_sets import save_replacement
    from hooke.dictionaries.replacement import check_replacement
    from hooke.lab import provenance
    from hooke.models.norms import norms_of

    lab = everywhere.lab
    target = lab.path("dictionaries", name)
    if target.exists():
        raise BadRequest(f"There is a dictionary '{name}' already.", f"It is in {target}.", "Choose another name.")
    subject = loading.load(model, lab) if model else None
    norms = norms_of(subject) if subject else None
    opened = load_replacement(folder, lab=lab, model=subject.name if subject else None, norms=norms)
    if subject is not None:
        check_replacement(opened, subject)
    origin = provenance(inputs={"folder": folder.name})
    save_replacement(opened, target, name=name, model=model, storage=storage, provenance=origin)
    facts = {"name": name, "folder": target, "model": model or opened.model, **_of_layers(opened)}
    rows = [("features", number(facts["n_features"])), ("reads", facts["reads"]), ("folder", target)]
    return Answer(data=facts, shown=(title(name, f"of {facts['model']}"), table(("", ""), rows)))


def export(
    name: str,
    folder: Path,
    /,
    *,
    model: str | None = None,
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Write transcoders as the files that other circuit tracers read.

    Parameters
    ----------
    name
        Transcoders or a cross-layer transcoder of the lab.
    folder
        Where to write; it must not be there yet.
    model
        What the model is called on the hub, where that is not the name that the transcoders carry.
    """
    from hooke.dictionaries import load_replacement
    from hooke.dictionaries.formats.circuit_tracer import write_circuit_tracer

    if folder.exists():
        raise BadRequest(f"'{folder}' is there already.", "", "Choose another folder.")
    opened = load_replacement(name, lab=everywhere.lab)
    write_circuit_tracer(opened, folder, model=model)
    facts = {"name": opened.name, "folder": folder, "model": model or opened.model, **_of_layers(opened)}
    rows = [("features", number(facts["n_features"])), ("reads", facts["reads"]), ("folder", folder)]
    return Answer(data=facts, shown=(title(opened.name, f"of {facts['model']}"), table(("", ""), rows)))


def evaluate(
    dictionary: str,
    /,
    *,
    model: str | None = None,
    tokens: int = 65_536,
    loss_windows: int = 32,
    each_layer: bool = False,
    seed: int = 0,
    text: TextOptions = TextOptions(corpus="default:heldout"),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Measure how well a dictionary stands in for what it reads.

    Reconstruction, sparsity, features that never fire, and what the model loses when it runs on the reconstruction;
    each beside a random dictionary of the same shape and sparsity, with 95 % intervals. Special tokens and the first
    position are left out.

    Transcoders of several layers are measured layer by layer and with all of them in the place of the MLPs.
    Crosscoders are measured at each of their sites, with that site alone replaced.

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
    each_layer
        Transcoders: put each layer alone in its MLP's place, too. It takes two runs of the model for each layer.
    seed
        Seed of the control and of the intervals.
    """
    from hooke.dictionaries import find_dictionary, load_dictionary
    from hooke.dictionaries.crosscoders import is_crosscoder
    from hooke.dictionaries.formats.native_sets import is_crosslayer, is_set
    from hooke.evaluate.reconstruction import ReconstructionConfig, reconstruction

    folder = find_dictionary(dictionary, lab=everywhere.lab)
    if is_set(folder) or is_crosslayer(folder):
        measured = {"n_tokens": tokens, "n_loss_windows": loss_windows, "each_layer": each_layer, "seed": seed}
        return _evaluate_replacement(folder, model, measured, text, loading, everywhere.lab)
    config = ReconstructionConfig(n_tokens=tokens, n_loss_windows=loss_windows, windows=text.windows(), seed=seed)
    opened = load_dictionary(dictionary, lab=everywhere.lab)
    corpus, loaded = text.open(), loading.load(model or opened.config.model, everywhere.lab)
    if is_crosscoder(opened.config):
        at_each = [reconstruction(loaded, opened, corpus, config=config, at=site) for site in opened.writes]
        return measured_crosscoder(opened, at_each)
    found = reconstruction(loaded, opened, corpus, config=config)
    low, high = found.densities.edges[0], found.densities.edges[-1]
    shown = (
        title(found.dictionary, f"{number(found.n_features)} features at {found.sites[0]} of {found.model}"),
        *claims(found.findings(), prefix=f"{found.dictionary}: "),
        "",
        table(("", ""), [("densities", f"{percent(10**low)} {bars(found.densities.counts)} {percent(10**high)}")]),
        note(f"on {number(found.n_counted)} tokens of {found.corpus}, {found.n_windows} windows; seed {found.seed}"),
    )
    return Answer(data={"measured": found, "findings": found.findings()}, shown=shown)


def _evaluate_replacement(
    folder: Path, model: str | None, measured: dict[str, Any], text: TextOptions, loading: ModelOptions, lab: Lab
) -> Answer:
    from hooke.dictionaries import load_replacement
    from hooke.evaluate.replacing import ReplacingConfig, replacing

    config = ReplacingConfig(windows=text.windows(), **measured)
    opened, corpus = load_replacement(folder, lab=lab), text.open()
    found = replacing(loading.load(model or opened.model, lab), opened, corpus, config=config)
    whole = [one for one in found.findings() if ": layer " not in one.claim]
    columns = ("layer>", "FVU>", "control>", "L0>", "dead>", "cross-entropy added>", "same next token>")
    rows = [
        (
            one.layer,
            number(one.own.fvu.value),
            number(one.control.fvu.value),
            number(one.own.l0.value),
            percent(one.own.dead_share.value),
            number(one.alone.loss_added.value) if one.alone else "",
            percent(one.alone.agreement.value) if one.alone else "",
        )
        for one in found.layers
    ]
    shown = (
        title(found.replacement, f"{_of_layers(opened)['reads']} of {found.model}"),
        *claims(whole, prefix=f"{found.replacement}: "),
        "",
        table(columns, rows),
        note(f"on {number(found.n_counted)} tokens of {found.corpus}, {found.n_windows} windows; seed {found.seed}"),
    )
    return Answer(data={"measured": found, "findings": found.findings()}, shown=shown)
