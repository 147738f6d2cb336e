"""Activations of a corpus: streamed to whoever asks, or harvested into a store on disk. One way through the model."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hooke.activations.engines import Engine, Local
from hooke.activations.shards import (
    DTYPES,
    INTEGERS,
    Shard,
    ShardEntry,
    StoreSpec,
    finished_shards,
    read_spec,
    shard_name,
    write_shard,
)
from hooke.configs import to_dict
from hooke.errors import BadConfig, BadRequest, OutOfSpace
from hooke.lab import Lab, open_lab, provenance, require_space, write_json, writing
from hooke.progress import track
from hooke.sites import KINDS, Site, expand_sites
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig, WindowReport, check_vocabulary
from hooke.text.windows import windows as cut_windows


@runtime_checkable
class TextModel(Protocol):
    """What is asked of a model here; `hooke.models.model.Model` has it."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def fingerprint(self) -> str:
        """Identifies its weights."""
        ...

    @property
    def tokenizer(self) -> Any:
        """Its tokenizer."""
        ...

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        ...

    @property
    def d_vocab(self) -> int:
        """Size of the vocabulary."""
        ...

    def run(self, prompts: Tensor, *, capture: Sequence[Site], logits: bool) -> Mapping[Site, Tensor]:
        """Captures of one forward pass that stops at the deepest of them."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ActivationBatch:
    """Activations of one batch of windows, flat over its tokens."""

    sites: dict[Site, Float[Tensor, "token width"]]
    """Per site, in the model's dtype and on its device; heads stand side by side in one width."""
    tokens: Int[Tensor, " token"]
    """Token ids."""
    window: Int[Tensor, " token"]
    """Number of the window in the corpus's stream."""
    position: Int[Tensor, " token"]
    """Position in the window."""
    document: Int[Tensor, " token"]
    """Running number of the document, -1 on special tokens."""
    counted: Bool[Tensor, " token"]
    """False where statistics must not look: special tokens and position 0."""

    def rows(self, *sites: Site) -> Float[Tensor, "token width"]:
        """What sites hold, side by side: what a dictionary that reads them encodes."""
        return torch.cat([self.sites[site].float() for site in sites], dim=-1)


def stream(
    model: TextModel,
    corpus: Corpus,
    sites: Sequence[str | Site],
    *,
    windows: WindowConfig,
    n_tokens: int,
    start: int = 0,
    report: WindowReport | None = None,
) -> Iterator[ActivationBatch]:
    """Activations at the sites, window by window from number `start`, until `n_tokens` tokens (whole windows) are out.

    Raises:
        UnknownSite: a site is not in the model.
        BadRequest: a site has no value for each token.
        ShapeMismatch: the tokenizer does not belong to the model.
    """
    wanted = _token_sites(model, sites)
    stop = start + ceil(n_tokens / windows.context)
    for batch in cut_windows(corpus, model.tokenizer, windows, start=start, stop=stop, report=report):
        check_vocabulary(batch.tokens, model.d_vocab)
        run = model.run(batch.tokens, capture=wanted, logits=False)
        n_windows, context = batch.tokens.shape
        yield ActivationBatch(
            sites={site: run[site].reshape(n_windows * context, -1) for site in wanted},
            tokens=batch.tokens.flatten(),
            window=torch.arange(batch.first, batch.first + n_windows).repeat_interleave(context),
            position=torch.arange(context).repeat(n_windows),
            document=batch.document.flatten(),
            counted=batch.counted.flatten(),
        )


def _token_sites(model: TextModel, sites: Sequence[str | Site]) -> tuple[Site, ...]:
    wanted = expand_sites(sites, model.n_layers)
    for site in wanted:
        if KINDS[site.kind].axes[1] != "pos":
            raise BadRequest(
                f"'{site}' has no value for each token.",
                f"Its axes are {', '.join(KINDS[site.kind].axes)}.",
                "Leave it out; read it with a run instead.",
            )
    return wanted


def harvest(
    model: TextModel,
    corpus: Corpus,
    sites: Sequence[str | Site],
    *,
    name: str,
    n_tokens: int,
    windows: WindowConfig | None = None,
    dtype: str = "float16",
    lab: Lab | None = None,
    engine: Engine | None = None,
) -> Path:
    """The folder of a store with the activations of `n_tokens` tokens of the corpus (fewer where it ends before).

    A harvest that was stopped, in whatever way, goes on where it was when it is asked for again.

    Raises:
        BadRequest: the name is taken by a harvest of something else, or the corpus does not fill a window.
        BadConfig: the dtype cannot hold an activation.
        LabBusy: another process is writing it.
        OutOfSpace: the disk cannot hold it; what was finished is kept.
    """
    target = (lab or open_lab()).path("activations", name)
    spec = plan(model, corpus, sites, windows=windows or WindowConfig(), n_tokens=n_tokens, dtype=dtype)
    aside = target.parent / f".{name}.partial"
    with writing(target):
        if target.exists():
            _require_same(spec, target, name)
            return target
        for left_over in aside.glob(".*"):  # of a writer that was killed
            left_over.unlink()
        if (aside / "manifest.json").exists():
            _require_same(spec, aside, name)
        else:
            aside.mkdir(exist_ok=True)
            inputs = {"model": spec.model_fingerprint, "corpus": spec.corpus_fingerprint}
            write_json(aside / "manifest.json", {"spec": to_dict(spec), "provenance": provenance(inputs=inputs)})
        with _space_explained(aside, spec):
            _complete(model, corpus, spec, aside, engine or Local())
        aside.replace(target)
    return target


def plan(
    model: TextModel, corpus: Corpus, sites: Sequence[str | Site], *, windows: WindowConfig, n_tokens: int, dtype: str
) -> StoreSpec:
    """What a harvest would store, and so how much; the first window's run gives the widths and proves that all fits.

    Raises:
        BadRequest: the corpus does not fill a window.
        UnknownSite, ShapeMismatch, BadConfig: see `harvest`.
    """
    first = next(stream(model, corpus, sites, windows=windows, n_tokens=1), None)
    if first is None:
        raise BadRequest(
            f"The corpus '{corpus.name}' does not fill one window of {windows.context} tokens.",
            "",
            "Give more text, or a smaller context.",
        )
    return StoreSpec(
        model=model.name,
        model_fingerprint=model.fingerprint,
        corpus=corpus.name,
        corpus_fingerprint=corpus.fingerprint,
        sites={str(site): values.shape[1] for site, values in first.sites.items()},
        dtype=dtype,
        windows=windows,
        n_tokens=n_tokens,
    )


def _require_same(spec: StoreSpec, folder: Path, name: str) -> None:
    old, new = to_dict(read_spec(folder)), to_dict(spec)
    differing = [field for field in new if old[field] != new[field]]
    if differing:
        field = differing[0]
        raise BadRequest(
            f"The name '{name}' belongs to another harvest.",
            f"Its {field} is {old[field]!r}, not {new[field]!r}.",
            f"Choose another name, or remove {folder}.",
        )


@contextmanager
def _space_explained(folder: Path, spec: StoreSpec) -> Iterator[None]:
    try:
        yield
    except OutOfSpace as error:
        n_finished = len(list(folder.glob("shard-*.safetensors")))
        raise OutOfSpace(
            error.asked,
            f"{error.found} {n_finished} of {spec.n_shards} shards are finished and kept.",
            "Free some space and ask again: the harvest goes on from there.",
        ) from error


def _complete(model: TextModel, corpus: Corpus, spec: StoreSpec, folder: Path, engine: Engine) -> None:
    """Harvests the shards that are missing and closes the account."""
    entries = list(finished_shards(folder, spec))
    require_space(folder, spec.n_bytes - sum(entry.size for entry in entries))
    report = WindowReport()
    missing = [len(entries) * spec.windows_per_shard]
    for part in engine.map(lambda first: _harvest_from(model, corpus, spec, folder, first, report), missing):
        entries += part
    totals = {
        field: sum(getattr(entry, field) for entry in entries) for field in ("n_tokens", "n_counted", "n_clamped")
    }
    shards = [asdict(entry) for entry in entries]
    write_json(folder / "complete.json", {**totals, "text": asdict(report), "shards": shards})


def _harvest_from(
    model: TextModel, corpus: Corpus, spec: StoreSpec, folder: Path, first: int, report: WindowReport
) -> list[ShardEntry]:
    """Writes the shards from window `first` to the end; one is written while the next is being filled."""
    context, full = spec.windows.context, spec.windows_per_shard * spec.windows.context
    left = (spec.n_windows - first) * context
    batches = stream(model, corpus, list(spec.sites), windows=spec.windows, n_tokens=left, start=first, report=report)
    number = first // spec.windows_per_shard
    written: list[Future[ShardEntry]] = []
    filling = _Filling(DTYPES[spec.dtype])
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="shard-writer") as writer:
        for batch in track(batches, "harvest", total=left, unit="tokens", size=lambda batch: len(batch.tokens)):
            filling.add(batch)
            if written and written[-1].done():
                written[-1].result()
            if filling.n_tokens == full:
                _wait(written)
                written.append(writer.submit(write_shard, folder / shard_name(number), filling.shard()))
                filling, number = _Filling(DTYPES[spec.dtype]), number + 1
        if filling.n_tokens:
            _wait(written)
            written.append(writer.submit(write_shard, folder / shard_name(number), filling.shard()))
        return [future.result() for future in written]


def _wait(written: list[Future[ShardEntry]]) -> None:
    """At most one shard waits for the disk, so that memory stays bounded, and none is written after one that failed."""
    if written:
        written[-1].result()


class _Filling:
    """Gathers batches for one shard, in the storage dtype and on the CPU.

    What the dtype cannot hold is clamped where it is not counted, and refused where it is: large activations at
    position 0 are common, elsewhere they are data.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        self.n_tokens = 0
        self._dtype, self._limit = dtype, torch.finfo(dtype).max
        self._pieces: dict[str, list[Tensor]] = {}
        self._n_counted = torch.zeros((), dtype=torch.int64)
        self._n_clamped: dict[Site, Tensor] = {}
        self._peaks: dict[Site, Tensor] = {}

    def add(self, batch: ActivationBatch) -> None:
        """Takes a batch in, without waiting for the device."""
        for name in INTEGERS:
            self._put(name, getattr(batch, name).to(torch.int32))
        for site, values in batch.sites.items():
            self._put(str(site), self._storable(site, values, batch.counted.to(values.device)))
        self._put("counted", batch.counted)
        self.n_tokens += len(batch.tokens)
        self._n_counted += batch.counted.sum()

    def _put(self, name: str, piece: Tensor) -> None:
        self._pieces.setdefault(name, []).append(piece.cpu().contiguous())

    def _storable(self, site: Site, values: Tensor, counted: Tensor) -> Tensor:
        largest = values.abs().amax(-1)
        is_over = ~(largest <= self._limit)
        peak = torch.where(counted, largest, 0).max()
        self._peaks[site] = torch.maximum(self._peaks.get(site, peak), peak)
        self._n_clamped[site] = self._n_clamped.get(site, 0) + (is_over & ~counted).sum()
        return values.clamp(-self._limit, self._limit).to(self._dtype)

    def shard(self) -> Shard:
        """What was gathered.

        Raises:
            BadConfig: a counted token has an activation that the dtype cannot hold.
        """
        for site, peak in self._peaks.items():
            if not bool(peak <= self._limit):
                raise BadConfig(
                    f"{str(self._dtype).removeprefix('torch.')} cannot hold the activations at {site}.",
                    f"One of them is {float(peak):.3g}; the largest it holds is {self._limit:.3g}.",
                    "Store bfloat16 or float32 instead.",
                )
        n_clamped = sum(int(n) for n in self._n_clamped.values())
        return Shard(n_tokens=self.n_tokens, n_counted=int(self._n_counted), n_clamped=n_clamped, pieces=self._pieces)
