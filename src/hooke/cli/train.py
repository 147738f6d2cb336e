"""`hooke train`: a dictionary, from stored activations or straight from a model that reads."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter
from rich.console import Console
from torch import Generator, Tensor, cat

from hooke.cli.answer import Answer
from hooke.cli.bars import Bars, Lines, sink_for
from hooke.cli.options import Everywhere, ModelOptions, TextOptions
from hooke.cli.terminal import note, table, title
from hooke.configs import to_dict
from hooke.dictionaries.replacement import layer_ranges
from hooke.errors import BadRequest
from hooke.lab import Lab
from hooke.pages.numerals import number, percent
from hooke.progress import showing
from hooke.sites import expand_sites, parse_site
from hooke.training import TrainConfig, working_folder
from hooke.training.together import Layout, transcoder_layout
from hooke.training.train import LOG

if TYPE_CHECKING:
    from hooke.activations.sampler import ActivationStore

_TRAINING = Group("Training", sort_key=3)

# More of a live stream's tokens than fit into this are not shuffled with each other.
_BUFFER_BYTES = 2**30


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """What to train on."""

    batches: Callable[[int], Iterator[Tensor]]
    """Batches from any step on."""
    layout: Layout
    """What their columns are."""
    model: str
    """The model that read."""
    inputs: dict[str, Any]
    """Where they come from."""


@Parameter(name="*", group=_TRAINING)
@dataclass(frozen=True, kw_only=True, slots=True)
class FormOptions:
    """What kind of dictionary is trained."""

    form: Literal["autoencoder", "transcoder", "crosslayer", "crosscoder"] = "autoencoder"
    """autoencoder: what a site holds is reconstructed. transcoder: what each layer's MLP writes, from what it reads.
    crosslayer: the same, with features that write to all later layers, too. crosscoder: several sites at once, by
    features that are theirs together."""
    layers: str = "all"
    """Transcoders: which layers, like all, 5 or 0-11,20."""
    reads: Literal["mlp_in", "resid_mid"] = "mlp_in"
    """Transcoders: what is read, the MLP's own input or the stream before its norm."""
    other: str | None = None
    """Crosscoders: a second model that reads the same tokens, or with --activations the store that was harvested from
    it with the same words. The crosscoder is then of both models, at one site or several."""

    def __post_init__(self) -> None:
        if self.other is not None and self.form != "crosscoder":
            do = "Add --form crosscoder, or leave out --other."
            raise BadRequest("Only a crosscoder is of two models.", f"Found --form {self.form}.", do)

    def layout(self, site: str | None, n_layers: int) -> Layout:
        """What is read and written.

        Raises:
            BadRequest: a site and a form do not go together, or a layer is not there.
            UnknownSite: there is no such site.
        """
        if self.form == "autoencoder":
            assert site is not None
            place = parse_site(site)
            return Layout(reads=(place,), writes=(place,))
        if self.form == "crosscoder":
            return _crosscoder_layout(site, n_layers, at_least=2 if self.other is None else 1)
        if site is not None:
            raise BadRequest(
                "Transcoders have layers, no site.", f"Found --site {site}.", "Give --layers and --reads instead."
            )
        layers = parse_layers(self.layers, n_layers)
        return transcoder_layout(self.reads, layers, crosses_layers=self.form == "crosslayer")


def _crosscoder_layout(text: str | None, n_layers: int, *, at_least: int) -> Layout:
    sites = expand_sites((text or "").split(","), n_layers) if text else ()
    if len(sites) < at_least:
        found = f"Found {', '.join(map(str, sites)) or 'none'}."
        do = "Write --site resid_post.5,resid_post.10, or --other MODEL for one of two models."
        raise BadRequest("A crosscoder is of several sites.", found, do)
    return Layout(reads=sites, writes=sites, is_crosscoder=True)


def parse_layers(text: str, n_layers: int) -> list[int]:
    """The layers that words like all, 5 or 0-11,20 name.

    Raises:
        BadRequest: they name none, or one that is not there.
    """
    found: list[int] = []
    for part in [f"0-{n_layers - 1}"] if text == "all" else text.split(","):
        match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if not first <= last < n_layers:
            raise BadRequest(
                f"'{text}' names no layers.", f"There are layers 0-{n_layers - 1}.", "Write all, 5 or 0-11,20."
            )
        found.extend(range(first, last + 1))
    return sorted(set(found))


def train(
    name: str,
    /,
    *,
    activations: str | None = None,
    model: str | None = None,
    site: str | None = None,
    what: FormOptions = FormOptions(),
    config: Annotated[TrainConfig, Parameter(name="*", group=_TRAINING)],
    text: TextOptions = TextOptions(),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Train a dictionary on a model's activations.

    They come from a store that was harvested (--activations), which is gone over as often as it takes, or straight
    from a model that reads the corpus once (--model and --site). A training that was stopped goes on from its last
    checkpoint when it is asked for again with the same words.

    With --form transcoder or crosslayer, what the MLPs write is learnt from what they read, for all --layers in one
    pass of the model. With --form crosscoder and --other, one crosscoder is trained on two models.

    Parameters
    ----------
    name
        Name of the dictionary in the lab.
    activations
        Name of a store of activations.
    model
        The model to read with, where there is no store.
    site
        The site; a store that holds one site needs none. For a crosscoder several, such as resid_post.5,resid_post.10
        or resid_post.*.
    """
    lab = everywhere.lab
    folder = lab.path("dictionaries", name)
    if folder.exists():
        raise BadRequest(f"There is a dictionary '{name}' already.", f"It is in {folder}.", "Choose another name.")
    if (activations is None) == (model is None):
        raise BadRequest(
            "A training has one source.", "", "Give --activations NAME, or --model MODEL with --site SITE."
        )
    if activations is not None:
        source = _from_store(lab, activations, site, what, config)
    else:
        source = _from_model(lab, str(model), site, what, config, text, loading)
    return _train(name, folder, source, config, loading)


def _from_store(lab: Lab, activations: str, site: str | None, what: FormOptions, config: TrainConfig) -> Source:
    from hooke.activations.sampler import ActivationStore
    from hooke.configs import content_hash

    store = ActivationStore.open(lab.find("activations", activations))
    there = [str(one) for one in store.sites]
    if what.form == "autoencoder" and site is None and len(there) > 1:
        found = f"{', '.join(there)}."
        raise BadRequest(f"The store '{activations}' holds {len(there)} sites.", found, "Choose one with --site.")
    n_layers = 1 + max((one.layer or 0) for one in store.sites)
    layout = what.layout(site or (there[0] if what.form == "autoencoder" else None), n_layers)
    stores, inputs = [store], {"activations": activations, "store": content_hash(store.spec)}
    if what.other is not None:
        stores.append(ActivationStore.open(lab.find("activations", what.other)))
        _require_same_text(*stores)
        layout = replace(layout, models=tuple(one.spec.model for one in stores))
        inputs |= {"other": what.other, "other_store": content_hash(stores[1].spec)}
    widths = {f"{one} of {each.spec.model}": each.width(one) for one in layout.sites for each in stores}
    _require_one_width(layout, widths)

    def batches(skip: int) -> Iterator[Tensor]:
        # Sites of one width are shuffled the same way by generators of one seed.
        each = [
            from_one.batches(one, config.batch, generator=Generator().manual_seed(config.seed), epochs=None, skip=skip)
            for one in layout.sites
            for from_one in stores
        ]
        return each[0] if len(each) == 1 else (cat(columns, dim=1) for columns in zip(*each, strict=True))

    return Source(batches=batches, layout=layout, model=store.spec.model, inputs=inputs)


def _from_model(
    lab: Lab,
    model: str,
    site: str | None,
    what: FormOptions,
    config: TrainConfig,
    text: TextOptions,
    loading: ModelOptions,
) -> Source:
    from hooke.activations.harvest import stream
    from hooke.activations.sampler import buffered
    from hooke.models.pair import pair

    if site is None and what.form == "autoencoder":
        raise BadRequest("A training on a model needs a site.", "", "Add --site, for example --site resid_post.15.")
    corpus, windows = text.open(), text.windows()
    opened = loading.load(model, lab)
    layout, reader = what.layout(site, opened.n_layers), opened
    inputs = {"model": opened.fingerprint, "corpus": corpus.fingerprint, "context": windows.context}
    if what.other is not None:
        reader = pair(opened, loading.load(what.other, lab))
        layout = replace(layout, models=(opened.name, reader.second.name))
        inputs |= {"other": reader.second.fingerprint}
    for one in layout.sites:
        opened.require(one)
    widths = {str(one): reader.row_width(one) for one in layout.sites}
    _require_one_width(layout, widths)
    row_bytes = 4 * sum(widths.values())
    room = min(262_144, max(2 * config.batch, _BUFFER_BYTES // row_bytes))

    def batches(skip: int) -> Iterator[Tensor]:
        # Twice the tokens asked for: some of a corpus's tokens do not count. What is not needed is never read.
        live = stream(reader, corpus, layout.sites, windows=windows, n_tokens=2 * config.n_tokens)
        order = Generator().manual_seed(config.seed)
        shuffled = buffered(live, layout.sites, config.batch, generator=order, buffer_tokens=room)
        return islice(shuffled, skip, None)

    return Source(batches=batches, layout=layout, model=opened.name, inputs=inputs)


def _require_same_text(one: "ActivationStore", other: "ActivationStore") -> None:
    """Raises:
    BadRequest: two stores are not of the same tokens.
    """
    for what, found, due in (
        ("text", other.spec.corpus_fingerprint, one.spec.corpus_fingerprint),
        ("windows", other.spec.windows, one.spec.windows),
        ("number of tokens", other.n_tokens, one.n_tokens),
        ("tokenizer", _tokens_of(other), _tokens_of(one)),
    ):
        if found != due:
            asked = f"The stores '{one.path.name}' and '{other.path.name}' are not of the same tokens."
            do = "Harvest both models with the same words; their tokenizers have to be equal."
            raise BadRequest(asked, f"Their {what} differs.", do)


def _tokens_of(store: "ActivationStore") -> list[int]:
    """The first tokens of a store, by which another tokenizer is told."""
    return next(store.shards("tokens"))["tokens"][:4096].tolist()


def _require_one_width(layout: Layout, widths: dict[str, int]) -> None:
    if layout.is_crosscoder and len(set(widths.values())) > 1:
        found = ", ".join(f"{site} has {width} numbers" for site, width in widths.items())
        raise BadRequest("A crosscoder's sites are of one width.", f"{found}.", "Choose sites of one kind.")


def _train(name: str, folder: Path, source: Source, config: TrainConfig, loading: ModelOptions) -> Answer:
    from hooke.models.load import pick_device
    from hooke.training import train as run
    from hooke.training import train_crosscoder, train_replacement

    log, layout = working_folder(folder) / LOG, source.layout
    settings: dict[str, Any] = {"model_name": source.model, "folder": folder, "inputs": source.inputs}
    settings |= {"device": pick_device(loading.device)}
    with showing(Metrics(sink_for(Console(stderr=True)), log)):
        if layout.is_crosscoder:
            made = train_crosscoder(config, source.batches, layout=layout, **settings).config
        elif layout.reads == layout.writes:
            made = run(config, source.batches, site=layout.reads[0], **settings).config
        else:
            made = train_replacement(config, source.batches, layout=layout, **settings)
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    place = _place(layout)
    data = {"name": name, "folder": folder, "site": place, "model": source.model, "metrics": metrics}
    data |= {"config": made if layout.reads == layout.writes else to_dict(config)}
    each = "" if len(layout.reads) == 1 or layout.is_crosscoder else ", mean of the layers"
    rows = [
        ("kind", f"{config.kind}, {number(config.n_features)} features at {place} of {source.model}"),
        ("tokens", number(metrics["tokens"])),
        ("FVU", f"{number(metrics['fvu'])} on the last batch, its mean removed{each}"),
        ("L0", f"{number(metrics['l0'])}{each}"),
        ("dead", percent(metrics["dead_share"])),
        ("folder", folder),
    ]
    shown = (title(name, "dictionary"), table(("", ""), rows), note(f"On held-out text: hooke dictionary eval {name}"))
    return Answer(data=data, shown=shown)


def _place(layout: Layout) -> str:
    if len(layout.reads) == 1 and not layout.models:
        return str(layout.reads[0])
    if layout.is_crosscoder:
        sites = ", ".join(map(str, layout.reads))
        return sites if not layout.models else f"{sites} beside the same of {layout.models[1]}"
    layers = layer_ranges([site.layer or 0 for site in layout.reads])
    return f"{layout.reads[0].kind} of each of layers {layers}"


class Metrics:
    """A progress sink that adds the last line of the training log to what it shows."""

    def __init__(self, sink: Bars | Lines, log: Path) -> None:
        self._sink, self._log, self._size = sink, log, -1

    def start(self, job: str, total: float | None, unit: str) -> None:
        """A job begins."""
        self._sink.start(job, total, unit)

    def advance(self, job: str, amount: float) -> None:
        """A job is further by this much."""
        if job == "train" and self._log.is_file() and self._log.stat().st_size != self._size:
            self._size = self._log.stat().st_size
            lines = self._log.read_text(encoding="utf-8").splitlines()
            if lines:
                last = json.loads(lines[-1])
                self._sink.note(job, f"FVU {last['fvu']:.3f}, L0 {last['l0']:.1f}, dead {percent(last['dead_share'])}")
        self._sink.advance(job, amount)

    def finish(self, job: str) -> None:
        """A job ends, done or not."""
        self._sink.finish(job)
