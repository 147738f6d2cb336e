"""Build the index of a dictionary: one pass over the text, then one merge over ranges of features.

    NAME/index.json                 manifest, written last
    NAME/cards/00000.safetensors    per block of features: statistics, examples as references, effects, neighbours
    NAME/promoting.safetensors      per token: the features that promote it most
    NAME/labels.sqlite              labels and their full-text search
    NAME/vocabulary.safetensors     the text of every token
    NAME/tokens/00000.safetensors   the text in the corpus's order (unless it is kept by reference)
    NAME/cols/00000.safetensors     per range of features: the tokens that each is active on (postings)
    NAME/rows/00000.safetensors     per token: its active features (posting 'full' only)

The work is done in a hidden folder beside the index, and what is whole takes its place in one rename. Finished shards
are kept when a build is stopped, in whatever way, and the next call goes on from there.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import torch
from numpy import ndarray

from hooke.activations.harvest import ActivationBatch, stream
from hooke.configs import content_hash, to_dict
from hooke.dictionaries.crosscoders import is_crosscoder, written_at
from hooke.dictionaries.dictionary import Dictionary
from hooke.errors import BadConfig, BadRequest
from hooke.features.blocks import BLOCK, Merge
from hooke.features.explain import Explainer
from hooke.features.labels import write_labels
from hooke.features.logit_effects import METHOD, LogitEffects, logit_effects, no_effects, prepare
from hooke.features.shards import BuildFolder, ShardBuffer, ShardNote, ShardReader, read_notes
from hooke.features.store import (
    SCHEMA,
    Manifest,
    TokenShard,
    fingerprint,
    list_files,
    read_manifest,
    save_tensors,
    smallest_unsigned,
    write_manifest,
)
from hooke.features.tokens import Sources, TokenReader, text_folder
from hooke.features.vocabulary import Vocabulary, read_vocabulary, save_vocabulary
from hooke.lab import Lab, open_lab, provenance, read_json, require_space, write_json, writing
from hooke.models.model import Model
from hooke.models.pair import ModelPair
from hooke.models.stream_rows import stream_rows
from hooke.progress import track
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig

_BYTES_PER_ENTRY = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexSpec:
    """What decides the content of an index."""

    name: str
    """Its name."""
    model: str
    """Name of the model."""
    model_fingerprint: str
    """Hash of the model's weights."""
    dictionary: str
    """Name of the dictionary."""
    dictionary_fingerprint: str
    """Hash of the dictionary's weights."""
    corpus: str
    """Reference of the corpus."""
    corpus_fingerprint: str
    """Hash of the corpus."""
    n_tokens: int
    """Tokens asked for."""
    windows: WindowConfig
    """How the corpus is cut."""
    posting: str
    """'examples', 'capped:N' or 'full'."""
    tokens: str
    """'stored' or 'reference'."""
    schema: int = SCHEMA
    """Version of the layout."""


def build_index(
    model: Model,
    dictionary: Dictionary,
    corpus: Corpus,
    *,
    name: str,
    n_tokens: int,
    windows: WindowConfig | None = None,
    lab: Lab | None = None,
    posting: str = "capped:4096",
    tokens: str = "stored",
    pair: ModelPair | None = None,
) -> Path:
    """The folder of the index of a dictionary over `n_tokens` tokens of a corpus (fewer where it ends before).

    A build that was stopped goes on where it was; one that is already there is returned as it is.

    Args:
        posting: what is kept beside the cards: 'examples' nothing, 'capped:N' each feature's N strongest tokens,
            'full' every token's features as well.
        tokens: 'stored', or 'reference' to leave the text out of the index; it is kept beside it in the lab, and made
            again from the corpus elsewhere.
        pair: what reads the text for a crosscoder of two models; the index is then of what it writes in `model`.

    Raises:
        BadConfig: no such posting or token mode.
        BadRequest: the name belongs to another index, the dictionary reads several sites, or the corpus is too short.
        ShapeMismatch: the dictionary or the tokenizer does not belong to the model.
        LabBusy: another process builds it.
        OutOfSpace: the disk cannot hold it.
    """
    lab = lab or open_lab()
    cap = _cap(posting, tokens)
    spec = _spec(model, pair or model, dictionary, corpus, name, n_tokens, windows or WindowConfig(), posting, tokens)
    target = lab.path("features", name)
    work = BuildFolder(target.parent / f".{name}.partial", tokens == "stored", posting == "full")
    with writing(target):
        if target.exists():
            _require_same(target, spec)
        else:
            _open_work(work, spec)
            notes = _read_text(pair or model, dictionary, corpus, spec, work)
            columns, chance = _merge(model, dictionary, spec, notes, work, cap)
            write_manifest(work.index, _manifest(model, dictionary, spec, work, notes, columns, chance))
            work.index.replace(target)
            if not work.keeps_text:
                _keep_text(work, text_folder(lab, token_shards(notes)))
        shutil.rmtree(work.root, ignore_errors=True)
    return target


def _cap(posting: str, tokens: str) -> int | None:
    """How many entries of each feature are kept, None for all of them.

    Raises:
        BadConfig: no such posting or token mode.
    """
    if tokens not in ("stored", "reference"):
        raise BadConfig(f"No token mode '{tokens}'.", "", "Modes: stored, reference.")
    if posting in ("examples", "full"):
        return 0 if posting == "examples" else None
    word, _, number = posting.partition(":")
    if word != "capped" or not number.isdigit() or int(number) < 1:
        raise BadConfig(
            f"No posting '{posting}'.", "", "Give 'examples', 'capped:N' with a number of tokens, or 'full'."
        )
    return int(number)


def _spec(
    model: Model,
    reader: Model | ModelPair,
    dictionary: Dictionary,
    corpus: Corpus,
    name: str,
    n_tokens: int,
    windows: WindowConfig,
    posting: str,
    tokens: str,
) -> IndexSpec:
    return IndexSpec(
        name=name,
        model=model.name,
        model_fingerprint=reader.fingerprint,
        dictionary=dictionary.name,
        dictionary_fingerprint=fingerprint(dictionary),
        corpus=corpus.name,
        corpus_fingerprint=corpus.fingerprint,
        n_tokens=n_tokens,
        windows=windows,
        posting=posting,
        tokens=tokens,
    )


def _require_same(target: Path, spec: IndexSpec) -> None:
    old = read_manifest(target).provenance.get("inputs", {}).get("spec")
    if old != content_hash(spec):
        raise BadRequest(
            f"The name '{spec.name}' belongs to another index.", "", f"Choose another name, or remove {target}."
        )


def _open_work(work: BuildFolder, spec: IndexSpec) -> None:
    """The folder of a build that was stopped, if it was of the same index, else an empty one."""
    path = work.root / "spec.json"
    if work.root.exists() and not (path.exists() and read_json(path) == to_dict(spec)):
        shutil.rmtree(work.root)
    if not work.root.exists():
        write_json(path, to_dict(spec))


def _read_text(
    model: Model | ModelPair, dictionary: Dictionary, corpus: Corpus, spec: IndexSpec, work: BuildFolder
) -> list[ShardNote]:
    """The pass over the text: the finished shards, and those that are missing."""
    notes = read_notes(work)
    context = spec.windows.context
    first = notes[-1].first + notes[-1].n_windows if notes else 0
    n_missing = ceil(spec.n_tokens / context) - first
    width = dictionary.config.k or 64
    require_space(work.root, max(n_missing, 0) * context * width * _BYTES_PER_ENTRY)
    sources = Sources(corpus, model.tokenizer)
    if n_missing > 0 and not (work.root / "read").exists():
        batches = stream(
            model, corpus, dictionary.reads, windows=spec.windows, n_tokens=n_missing * context, start=first
        )
        _write_shards(batches, dictionary, sources, spec, work, len(notes), first, model.d_vocab)
        (work.root / "read").touch()
    notes = read_notes(work)
    if not notes:
        raise BadRequest(
            f"The corpus '{corpus.name}' does not fill one window of {context} tokens.",
            "",
            "Give more text, or a smaller context.",
        )
    return notes


def _write_shards(
    batches: Iterator[ActivationBatch],
    dictionary: Dictionary,
    sources: Sources,
    spec: IndexSpec,
    work: BuildFolder,
    number: int,
    first: int,
    d_vocab: int,
) -> None:
    total = ceil(spec.n_tokens / spec.windows.context) * spec.windows.context - first * spec.windows.context
    buffer = ShardBuffer(dictionary.n_features, spec.windows.context, first)
    for batch in track(batches, "index", total=total, unit="tokens", size=lambda batch: len(batch.tokens)):
        buffer.add(batch, dictionary.encode(batch.rows(*dictionary.reads).to(dictionary.device)))
        if buffer.is_full:
            buffer.write(work, number, sources, d_vocab)
            first += buffer.n_tokens // spec.windows.context
            number += 1
            buffer = ShardBuffer(dictionary.n_features, spec.windows.context, first)
    if buffer.n_tokens:
        buffer.write(work, number, sources, d_vocab)


def token_shards(notes: list[ShardNote]) -> tuple[TokenShard, ...]:
    """The runs of windows that shards are of."""
    return tuple(TokenShard(first=note.first, n_windows=note.n_windows, sha256=note.sha256) for note in notes)


def _merge(
    model: Model, dictionary: Dictionary, spec: IndexSpec, notes: list[ShardNote], work: BuildFolder, cap: int | None
) -> tuple[tuple[int, ...], float]:
    """All but the manifest, from the finished shards: first features of the files of postings, chance of effects."""
    for folder in ("cards", "cols"):
        shutil.rmtree(work.index / folder, ignore_errors=True)
    vocabulary = read_vocabulary(model.tokenizer, model.d_vocab)
    text = TokenReader(work.text, token_shards(notes), spec.windows.context, model.d_vocab)
    shards = ShardReader(work, notes, dictionary.n_features, text)
    sources, n_counted = notes[-1].sources, sum(note.n_counted for note in notes)
    effects = _effects(model, dictionary, vocabulary, shards.n_active > 0)
    merge = Merge(
        folder=work.index,
        W_dec=dictionary.output_rows.detach(),
        shards=shards,
        effects=effects,
        explainer=Explainer(vocabulary, shards, sources, n_counted),
        n_sources=len(sources),
        n_counted=n_counted,
        top=max(note.top for note in notes),
        cap=cap,
    )
    labels, columns = merge.run()
    write_labels(work.index / "labels.sqlite", labels)
    save_vocabulary(work.index / "vocabulary.safetensors", vocabulary)
    narrow = smallest_unsigned(dictionary.n_features - 1)
    promoting = {"feature": effects.by_token.astype(narrow), "value": effects.by_token_value.astype("float16")}
    save_tensors(work.index / "promoting.safetensors", promoting)
    return columns, effects.chance


def _effects(model: Model, dictionary: Dictionary, vocabulary: Vocabulary, alive: ndarray) -> LogitEffects:
    if is_crosscoder(dictionary.config):
        dictionary = written_at(dictionary, dictionary.writes[0], model.name if dictionary.config.models else None)
    rows = stream_rows(model, dictionary)
    if rows is None:
        return no_effects(dictionary.n_features, model.d_vocab)
    directions = model.unembed_directions()
    spread = rows[torch.from_numpy(alive)] if alive.any() else rows
    unembedding = prepare(directions, spread, vocabulary)
    return logit_effects(unembedding, rows, generator=torch.Generator().manual_seed(0))


def _keep_text(work: BuildFolder, aside: Path) -> None:
    """Leave the text where the lab keeps that of indexes without their own."""
    if not aside.exists():
        (work.root / "text").mkdir()
        (work.text / "tokens").replace(work.root / "text" / "tokens")
        (work.root / "text").replace(aside)


def _manifest(
    model: Model,
    dictionary: Dictionary,
    spec: IndexSpec,
    work: BuildFolder,
    notes: list[ShardNote],
    columns: tuple[int, ...],
    chance: float,
) -> Manifest:
    sources = notes[-1].sources
    source_tokens = [0] * len(sources)
    for note in notes:
        for number, n_tokens in enumerate(note.source_tokens):
            source_tokens[number] += n_tokens
    return Manifest(
        schema=SCHEMA,
        name=spec.name,
        model=model.name,
        dictionary=dictionary.name,
        dictionary_fingerprint=spec.dictionary_fingerprint,
        site=str(dictionary.reads[0]),
        n_features=dictionary.n_features,
        d_vocab=model.d_vocab,
        corpus=spec.corpus,
        corpus_fingerprint=spec.corpus_fingerprint,
        context=spec.windows.context,
        n_windows=notes[-1].first + notes[-1].n_windows,
        n_counted=sum(note.n_counted for note in notes),
        top=max(note.top for note in notes),
        posting=spec.posting,
        tokens=spec.tokens,
        sources=sources,
        source_tokens=tuple(source_tokens),
        token_shards=token_shards(notes),
        block=BLOCK,
        columns=columns,
        effects=METHOD,
        effects_chance=chance,
        files=list_files(work.index),
        provenance=provenance(inputs={"spec": content_hash(spec)}),
    )
