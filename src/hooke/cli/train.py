"""`hooke train`: a dictionary, from stored activations or straight from a model that reads."""

import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter
from rich.console import Console
from torch import Generator, Tensor

from hooke.cli.answer import Answer
from hooke.cli.bars import Bars, Lines, sink_for
from hooke.cli.options import Everywhere, ModelOptions, TextOptions
from hooke.cli.terminal import note, table, title
from hooke.errors import BadRequest
from hooke.lab import Lab
from hooke.pages.numerals import number, percent
from hooke.progress import showing
from hooke.training import TrainConfig, working_folder
from hooke.training.train import LOG

_TRAINING = Group("Training", sort_key=3)

# What to read: batches from any step on, the site, the model, and where they come from.
Source = tuple[Callable[[int], Iterator[Tensor]], str, str, dict[str, Any]]


def train(
    name: str,
    /,
    *,
    activations: str | None = None,
    model: str | None = None,
    site: str | None = None,
    config: Annotated[TrainConfig, Parameter(name="*", group=_TRAINING)],
    text: TextOptions = TextOptions(),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Train a dictionary on a model's activations.

    They come from a store that was harvested (--activations), which is gone over as often as it takes, or straight
    from a model that reads the corpus once (--model and --site). A training that was stopped goes on from its last
    checkpoint when it is asked for again with the same words.

    Parameters
    ----------
    name
        Name of the dictionary in the lab.
    activations
        Name of a store of activations.
    model
        The model to read with, where there is no store.
    site
        The site; a store that holds one site needs none.
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
        source = _from_store(lab, activations, site, config)
    else:
        source = _from_model(lab, str(model), site, config, text, loading)
    return _train(name, folder, source, config, loading)


def _from_store(lab: Lab, activations: str, site: str | None, config: TrainConfig) -> Source:
    from hooke.activations.sampler import ActivationStore
    from hooke.configs import content_hash

    store = ActivationStore.open(lab.find("activations", activations))
    there = [str(one) for one in store.sites]
    if site is None and len(there) > 1:
        found = f"{', '.join(there)}."
        raise BadRequest(f"The store '{activations}' holds {len(there)} sites.", found, "Choose one with --site.")
    wanted = site or there[0]
    store.width(wanted)

    def batches(skip: int) -> Iterator[Tensor]:
        generator = Generator().manual_seed(config.seed)
        return store.batches(wanted, config.batch, generator=generator, epochs=None, skip=skip)

    return batches, wanted, store.spec.model, {"activations": activations, "store": content_hash(store.spec)}


def _from_model(
    lab: Lab, model: str, site: str | None, config: TrainConfig, text: TextOptions, loading: ModelOptions
) -> Source:
    from hooke.activations.harvest import stream
    from hooke.activations.sampler import buffered

    if site is None:
        raise BadRequest("A training on a model needs a site.", "", "Add --site, for example --site resid_post.15.")
    corpus, windows = text.open(), text.windows()
    opened = loading.load(model, lab)
    (wanted,) = opened.expand([site])

    def batches(skip: int) -> Iterator[Tensor]:
        # Twice the tokens asked for: some of a corpus's tokens do not count. What is not needed is never read.
        live = stream(opened, corpus, [wanted], windows=windows, n_tokens=2 * config.n_tokens)
        shuffled = buffered(live, wanted, config.batch, generator=Generator().manual_seed(config.seed))
        return islice(shuffled, skip, None)

    fingerprints = {"model": opened.fingerprint, "corpus": corpus.fingerprint, "context": windows.context}
    return batches, str(wanted), opened.name, fingerprints


def _train(name: str, folder: Path, source: Source, config: TrainConfig, loading: ModelOptions) -> Answer:
    from hooke.models.load import pick_device
    from hooke.training import train as run

    batches, site, model, inputs = source
    log = working_folder(folder) / LOG
    with showing(Metrics(sink_for(Console(stderr=True)), log)):
        dictionary = run(
            config,
            batches,
            site=site,
            model_name=model,
            folder=folder,
            inputs=inputs,
            device=pick_device(loading.device),
        )
    metrics = json.loads((folder / LOG).read_text(encoding="utf-8").splitlines()[-1])
    data = {
        "name": name,
        "folder": folder,
        "site": site,
        "model": model,
        "config": dictionary.config,
        "metrics": metrics,
    }
    rows = [
        ("kind", f"{config.kind}, {number(dictionary.n_features)} features at {site} of {model}"),
        ("tokens", number(metrics["tokens"])),
        ("FVU", f"{number(metrics['fvu'])} on the last batch, its mean removed"),
        ("L0", number(metrics["l0"])),
        ("dead", percent(metrics["dead_share"])),
        ("folder", folder),
    ]
    shown = (title(name, "dictionary"), table(("", ""), rows), note(f"On held-out text: hooke dictionary eval {name}"))
    return Answer(data=data, shown=shown)


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
