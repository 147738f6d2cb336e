"""`hooke dictionary ...`: what dictionaries there are, and how good one is."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import RenderableType

from hooke.cli.answer import Answer
from hooke.cli.claims import claims
from hooke.cli.crosscoder import measured_crosscoder
from hooke.cli.dictionary_check import claimed_table
from hooke.cli.options import Everywhere, ModelOptions, TextOptions
from hooke.cli.terminal import bars, note, table, title
from hooke.errors import BadRequest, HookeError, UnknownName, did_you_mean
from hooke.lab import Lab
from hooke.pages.numerals import number, percent

if TYPE_CHECKING:
    from hooke.dictionaries import Dictionary, Replacement
    from hooke.dictionaries.carried import Carried

Storage = Literal["float32", "float16", "int8"]


def list_dictionaries(*, catalogue: str | None = None, everywhere: Everywhere = Everywhere()) -> Answer:
    """List the dictionaries in the lab, and the starters.

    Parameters
    ----------
    catalogue
        List public suites instead, those with all of these words: 'gemma transcoder'; '' for all.
    """
    from hooke.dictionaries.carried import not_measured, read_carried
    from hooke.dictionaries.load import STARTERS

    if catalogue is not None:
        return _catalogue(catalogue)
    lab = everywhere.lab
    folders = [("lab", lab.path("dictionaries", name)) for name in lab.names("dictionaries")]
    starters = sorted(STARTERS.iterdir()) if STARTERS.is_dir() else []
    folders += [("starter", folder) for folder in starters if folder.is_dir()]
    found: list[dict[str, Any]] = [
        _facts(origin, folder) | {"completeness": read_carried(folder, lab)} for origin, folder in folders
    ]
    if not found:
        empty = note(f"There are none in {lab.root}. Train one: hooke train --help")
        return Answer(data={"dictionaries": []}, shown=(empty,))
    columns = ("name", "from", "kind", "features>", "k>", "reads", "model", "features carry>", "error carries>", "")
    rows = [
        (
            one["name"],
            one["from"],
            one["kind"],
            number(one["n_features"]),
            one["k"] or "–",
            one["reads"],
            one["model"],
            *_carried(one["completeness"]),
            one["problem"],
        )
        for one in found
    ]
    about = f"carry: share of the loss, each by itself; ? is {not_measured('NAME')}"
    return Answer(data={"dictionaries": found}, shown=(table(columns, rows), note(about)))


def _carried(found: "Carried | None") -> tuple[str, str]:
    return ("?", "?") if found is None else (number(found.features.value), number(found.error.value))


def _catalogue(words: str) -> Answer:
    from hooke.dictionaries.catalogue import matching

    found = matching(words)
    shown: list[RenderableType] = []
    for one in found:
        said = {"models": one.models, "sites": one.sites, "widths": one.widths, "where": one.pattern}
        said |= {"licence": one.licence} | ({"note": one.about} if one.about else {})
        shown += [title(one.id, f"{one.kind}, {one.format}"), table(("", ""), list(said.items())), ""]
    do = "Take one into the lab: hooke dictionary pull SUITE NAME layer=20 ..."
    shown += [note(do if found else "No suite has all of these words.")]
    return Answer(data={"catalogue": found}, shown=tuple(shown))


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
    site: str | None = None,
    input_scale: float | None = None,
    storage: Storage = "float32",
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Take a dictionary, or transcoders of several layers, that another tool made into the lab.

    docs/formats.md says which files are read and what is folded into the weights, docs/transcoders.md the same of
    transcoders. The files are in a folder, an archive (.zip, .tar.gz), or on the hub: hf:owner/repository/folder.

    Parameters
    ----------
    folder
        Folder or archive with the files, or a reference to the hub.
    name
        Its name in the lab.
    model
        Its model, which its widths are held against. Needed where the files do not name it, and where they read the
        stream without the norm's gain.
    site
        The site that a single dictionary reads, where its files leave it out or are wrong: resid_post.12, ...
    input_scale
        What the inputs of a single dictionary were multiplied by in training, where its files leave that out.
    storage
        float32, float16, or, for what is not cross-layer, int8.
    """
    from dataclasses import replace

    from hooke.dictionaries import Dictionary, check_fits, save_dictionary
    from hooke.dictionaries.formats.native_sets import save_replacement
    from hooke.dictionaries.formats.published import Given
    from hooke.dictionaries.load import load_any
    from hooke.dictionaries.replacement import check_replacement
    from hooke.lab import provenance
    from hooke.models.norms import norms_of

    lab = everywhere.lab
    target = lab.path("dictionaries", name)
    if target.exists():
        raise BadRequest(f"There is a dictionary '{name}' already.", f"It is in {target}.", "Choose another name.")
    subject = loading.load(model, lab) if model else None
    norms, called = (norms_of(subject), subject.name) if subject else (None, None)
    given = Given(model=called, site=site, norms=norms, input_scale=input_scale)
    opened, origin = (
        load_any(folder, lab=lab, given=given),
        provenance(inputs={"folder": folder.name if folder.exists() else str(folder)}),
    )
    if isinstance(opened, Dictionary):
        if subject is not None:
            check_fits(opened, subject)
        opened.describe(replace(opened.config, name=name, model=model or opened.config.model))
        save_dictionary(opened, target, storage=storage, provenance=origin)
        return _written(name, target, opened.config.model, _of_one(opened))
    if site is not None or input_scale is not None:
        do = "Leave out --site and --input-scale."
        raise BadRequest(f"'{folder}' has transcoders of layers {_of_layers(opened)['reads']}.", "", do)
    if subject is not None:
        check_replacement(opened, subject)
    save_replacement(opened, target, name=name, model=model, storage=storage, provenance=origin)
    return _written(name, target, model or opened.model, _of_layers(opened))


def export(
    name: str,
    folder: Path,
    /,
    *,
    format: str = "circuit-tracer",
    model: str | None = None,
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Write a dictionary or transcoders as the files that another tool reads.

    Parameters
    ----------
    name
        A dictionary or transcoders of the lab. NAME.5 is the transcoder of layer 5.
    folder
        Where to write; it must not be there yet.
    format
        Whose files: the tool's name, see docs/formats.md. Circuit-tracer's hold transcoders of all layers.
    model
        What the model is called on the hub, where that is not the name that the dictionary carries.
    """
    from hooke.dictionaries import load_dictionary, load_replacement
    from hooke.dictionaries.formats.written import OF_LAYERS, OF_ONE

    if folder.exists():
        raise BadRequest(f"'{folder}' is there already.", "", "Choose another folder.")
    if format in OF_LAYERS:
        opened = load_replacement(name, lab=everywhere.lab)
        OF_LAYERS[format](opened, folder, model=model)
        return _written(opened.name, folder, model or opened.model, _of_layers(opened))
    if format not in OF_ONE:
        known = (*OF_LAYERS, *OF_ONE)
        raise UnknownName(f"No format '{format}'.", did_you_mean(format, known), f"Formats: {', '.join(known)}.")
    one = load_dictionary(name, lab=everywhere.lab)
    OF_ONE[format](one, folder, model=model)
    return _written(one.name, folder, model or one.config.model, _of_one(one))


def _of_one(dictionary: "Dictionary") -> dict[str, Any]:
    config = dictionary.config
    facts: dict[str, Any] = {"kind": config.kind, "n_features": config.n_features, "reads": " ".join(config.reads)}
    facts |= {} if config.writes == config.reads else {"writes": " ".join(config.writes)}
    facts |= {"folded in": ", ".join(config.folded)} if config.folded else {}
    l0 = config.claims.l0 if config.claims else None
    return facts if l0 is None else facts | {"L0, by its own files": number(l0)}


def _written(name: str, folder: Path, model: str, facts: dict[str, Any]) -> Answer:
    data = {"name": name, "folder": folder, "model": model, **facts}
    shown = facts | {"n_features": number(facts["n_features"]), "folder": folder}
    rows = [("features" if key == "n_features" else key, value) for key, value in shown.items()]
    return Answer(data=data, shown=(title(name, f"of {model}"), table(("", ""), rows)))


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
    from hooke.dictionaries.carried import carried_words, read_carried
    from hooke.dictionaries.crosscoders import is_crosscoder
    from hooke.dictionaries.formats.native_sets import is_crosslayer, is_set
    from hooke.evaluate.claims import held_against
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
    verdicts = held_against(found, opened)
    said = tuple(one for one in verdicts if one.claimed is not None)
    low, high = found.densities.edges[0], found.densities.edges[-1]
    shown = (
        title(found.dictionary, f"{number(found.n_features)} features at {found.sites[0]} of {found.model}"),
        *claims(found.findings(), prefix=f"{found.dictionary}: "),
        *((claimed_table(said),) if said else ()),
        "",
        table(("", ""), [("densities", f"{percent(10**low)} {bars(found.densities.counts)} {percent(10**high)}")]),
        note(f"on {number(found.n_counted)} tokens of {found.corpus}, {found.n_windows} windows; seed {found.seed}"),
        note(f"completeness: {carried_words(dictionary, everywhere.lab)}"),
    )
    data = {"measured": found, "findings": found.findings(), "claims": verdicts}
    return Answer(data=data | {"completeness": read_carried(folder, everywhere.lab)}, shown=shown)


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
