"""An index of a million features over ten million tokens, made up: what a server of that size has to carry.

    python bench/million.py FOLDER [--features N] [--tokens N]

Nothing is trained and no model runs. Which tokens fire a feature is drawn at random, by a law that trained dictionaries
show: the logarithm of a feature's density is normally distributed, with a tail of features that fire on more than 1 %
of the tokens. Everything is written by the writers of hooke's own store and in its format, so that what reads it is
what reads a real index: postings (each feature's 4,096 strongest tokens), examples in six groups, histograms, lists of
tokens, neighbours within families of features, labels with their full-text search, and the text.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy import ndarray

from hooke.dictionaries.load import STARTERS
from hooke.features.blocks import BLOCK
from hooke.features.examples import N_BANDS, N_PER_BAND, N_TOP, by_strength, evenly, example_arrays
from hooke.features.labels import Label, Score, write_labels
from hooke.features.logit_effects import METHOD, N_BY_TOKEN, N_TOKENS
from hooke.features.neighbours import N_NEIGHBOURS, N_PARTNERS
from hooke.features.shards import SHARD_TOKENS, Postings
from hooke.features.statistics import by_source, histograms, strongest
from hooke.features.store import (
    SCHEMA,
    Manifest,
    TokenShard,
    array_hash,
    coarse_codes,
    fine_codes,
    list_files,
    save_tensors,
    smallest_unsigned,
    write_manifest,
)
from hooke.features.tokens import shard_path
from hooke.features.vocabulary import Vocabulary, load_vocabulary, save_vocabulary
from hooke.lab import provenance

CONTEXT = 256
CAP = 4096
L0 = 32
SIGMA = 1.6
"""Deviation of the natural logarithm of densities; those of the starter have 1.5."""
FAMILY = 64
SOURCES = ("web", "code", "chat")
N_WORDS = 14
_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Shape:
    """How large the index is."""

    n_features: int
    n_tokens: int
    vocabulary: Vocabulary

    @property
    def n_windows(self) -> int:
        """Windows of the text."""
        return self.n_tokens // CONTEXT


def make(folder: Path, n_features: int, n_tokens: int) -> dict[str, float]:
    """Write the index; seconds by part."""
    starter = next(STARTERS.glob("*/index"))
    vocabulary = load_vocabulary(starter / "vocabulary.safetensors", _length(starter))
    shape = Shape(n_features, n_tokens // CONTEXT * CONTEXT, vocabulary)
    generator = np.random.default_rng(0)
    taken = {}
    started = time.perf_counter()
    shards = write_text(folder, shape, generator)
    save_vocabulary(folder / "vocabulary.safetensors", vocabulary)
    taken["text"] = time.perf_counter() - started
    started = time.perf_counter()
    columns = write_features(folder, shape, generator)
    taken["cards and postings"] = time.perf_counter() - started
    started = time.perf_counter()
    write_labels(folder / "labels.sqlite", labels(shape, generator))
    taken["labels"] = time.perf_counter() - started
    by_token = {
        "feature": generator.integers(0, n_features, (len(vocabulary), N_BY_TOKEN)).astype(np.uint32),
        "value": -np.sort(-generator.gamma(4, 1.5, (len(vocabulary), N_BY_TOKEN))).astype(np.float16),
    }
    save_tensors(folder / "promoting.safetensors", by_token)
    write_manifest(folder, manifest(folder, shape, shards, columns))
    return taken


def _length(starter: Path) -> int:
    from hooke.features.store import read_manifest

    return read_manifest(starter).d_vocab


def zipf(n: int, size: int | tuple[int, ...], generator: np.random.Generator) -> ndarray:
    """Numbers below n, the first ones most frequent: density 1 / (rank + 20)."""
    draws = generator.random(size)
    return np.minimum((20 * ((n + 20) / 20) ** draws - 20).astype(np.int64), n - 1)


def write_text(folder: Path, shape: Shape, generator: np.random.Generator) -> tuple[TokenShard, ...]:
    """The token shards: words drawn by rank, a document every 500 tokens or so."""
    special = sorted(shape.vocabulary.special)
    ordinary = np.setdiff1d(np.arange(len(shape.vocabulary)), special)
    per_shard = SHARD_TOKENS // CONTEXT
    shards, first, n_documents = [], 0, 0
    while first < shape.n_windows:
        n = min(per_shard, shape.n_windows - first)
        tokens = ordinary[zipf(len(ordinary), (n, CONTEXT), generator)]
        begins = generator.random((n, CONTEXT)) < 1 / 500
        begins[:, 0] = True
        tokens[begins] = special[0]
        document = n_documents + np.cumsum(begins.reshape(-1)).reshape(n, CONTEXT)
        n_documents = int(document[-1, -1])
        counted = ~begins
        arrays = {
            "tokens": tokens.astype(smallest_unsigned(len(shape.vocabulary) - 1)),
            "document": np.where(counted, document, -1).astype(np.int32),
            "counted": counted,
            "source": np.where(counted, document % len(SOURCES), 255).astype(np.uint8),
        }
        save_tensors(shard_path(folder, len(shards)), arrays)
        shards.append(TokenShard(first=first, n_windows=n, sha256=array_hash(arrays)))
        first += n
    return tuple(shards)


def activity(shape: Shape, generator: np.random.Generator) -> ndarray:
    """On how many tokens each feature fires: log-normal, with a mean of L0 / n_features, one in 200 never."""
    mean = L0 * shape.n_tokens / shape.n_features
    drawn = generator.lognormal(np.log(mean) - SIGMA**2 / 2, SIGMA, shape.n_features)
    drawn[generator.random(shape.n_features) < 0.0002] *= 400
    drawn[generator.random(shape.n_features) < 0.005] = 0
    return np.minimum(drawn, shape.n_tokens / 20).astype(np.int64)


def ranges(counts: ndarray) -> Iterator[tuple[int, int]]:
    """Ranges of features that end at the ends of blocks, of at most so many entries where that is possible."""
    total = np.concatenate([[0], np.cumsum(counts)])
    first = 0
    while first < len(counts):
        block_end = min((first // BLOCK + 1) * BLOCK, len(counts))
        last = int(np.searchsorted(total, total[first] + _AT_ONCE, "right")) - 1
        last = min(max(last, first + 1), block_end)
        yield first, last
        first = last


def write_features(folder: Path, shape: Shape, generator: np.random.Generator) -> tuple[int, ...]:
    """Files of cards and of postings; the first feature of each file of postings."""
    counts = activity(shape, generator)
    top = int(fine_codes(np.array([64.0], np.float32))[0])
    columns, held, block = [], [], 0
    for first, last in ranges(counts):
        postings = drawn_postings(shape, first, counts[first:last], generator)
        order = by_strength(postings)
        held.append(cards(shape, postings, order, top, generator))
        kept = strongest(postings, order, CAP)
        save_tensors(
            folder / "cols" / f"{len(columns):05d}.safetensors",
            {
                "offsets": kept.offsets.astype(np.uint64),
                "positions": kept.positions.astype(smallest_unsigned(shape.n_tokens)),
                "codes": coarse_codes(kept.codes, top),
            },
        )
        columns.append(first)
        if last == shape.n_features or last % BLOCK == 0:
            arrays = {name: np.concatenate([part[name] for part in held]) for name in held[0]}
            save_tensors(folder / "cards" / f"{block:05d}.safetensors", arrays)
            held, block = [], block + 1
    return tuple(columns)


def drawn_postings(shape: Shape, first: int, counts: ndarray, generator: np.random.Generator) -> Postings:
    """Tokens that fire each of some features, and how strongly."""
    place = np.repeat(np.arange(len(counts)), counts)
    keys = np.sort(place * shape.n_tokens + generator.integers(0, shape.n_tokens, len(place)))
    keys = keys[(np.diff(keys, prepend=-1) > 0) & (keys % shape.n_tokens % CONTEXT > 0)]
    positions = keys % shape.n_tokens
    found = np.bincount(keys // shape.n_tokens, minlength=len(counts))
    values = np.minimum(generator.lognormal(0.5, 0.7, len(keys)), 64).astype(np.float32)
    # A token's source follows from its place here as in the text: by document, which lasts some windows.
    source = (positions // (2 * CONTEXT) % len(SOURCES)).astype(np.uint8)
    return Postings(first, np.concatenate([[0], np.cumsum(found)]), positions, fine_codes(values), source)


def cards(
    shape: Shape, postings: Postings, order: ndarray, top: int, generator: np.random.Generator
) -> dict[str, ndarray]:
    """Rows of a file of cards."""
    n, first = len(postings), postings.first
    n_active = np.diff(postings.offsets)
    largest = np.zeros(n, np.float32)
    some = n_active > 0
    largest[some] = np.exp2(postings.codes[order[postings.offsets[:-1][some]]] / 1024.0 - 32)
    family = (np.arange(first, first + n) // FAMILY * FAMILY)[:, None]
    kin = family + np.argsort(generator.random((n, FAMILY)), axis=1)
    own = kin == np.arange(first, first + n)[:, None]
    kin = np.minimum(np.where(own, (kin + 1) % shape.n_features, kin), shape.n_features - 1)
    narrow, narrow_token = smallest_unsigned(shape.n_features - 1), smallest_unsigned(len(shape.vocabulary) - 1)
    promoted, suppressed = (zipf(len(shape.vocabulary), (n, N_TOKENS), generator) for _ in range(2))
    effect = -np.sort(-generator.gamma(4, 1.0, (n, N_TOKENS))).astype(np.float16)
    together = generator.integers(1, 100, (n, N_PARTNERS)) * some[:, None]
    return {
        "n_active": n_active.astype(np.int64),
        "mean": (largest * 0.4).astype(np.float32),
        "max": largest,
        "histogram": histograms(postings, top),
        "by_source": by_source(postings, len(SOURCES)),
        "promoted": promoted.astype(narrow_token),
        "promoted_value": effect,
        "suppressed": suppressed.astype(narrow_token),
        "suppressed_value": -effect,
        "neighbour": kin[:, :N_NEIGHBOURS].astype(narrow),
        "neighbour_cosine": -np.sort(-generator.beta(2, 4, (n, N_NEIGHBOURS))).astype(np.float16),
        "partner": kin[:, N_NEIGHBOURS : N_NEIGHBOURS + N_PARTNERS].astype(narrow),
        "partner_count": together.astype(np.uint32),
        **example_arrays(postings, *chosen(postings, order), CONTEXT, top),
    }


def chosen(postings: Postings, order: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    """Examples of each feature: the strongest, and some of each fifth of its firings."""
    starts, counts = postings.offsets[:-1], np.diff(postings.offsets)
    columns = [np.where(np.arange(N_TOP) < counts[:, None], starts[:, None] + np.arange(N_TOP), -1)]
    for band in range(N_BANDS):
        begin, end = counts * band // N_BANDS, counts * (band + 1) // N_BANDS
        places, there = evenly(starts + begin, np.where(counts > N_TOP, end - begin, 0), N_PER_BAND)
        columns.append(np.where(there, places, -1))
    ranks = np.concatenate(columns, axis=1)
    groups = np.repeat(np.arange(1 + N_BANDS, dtype=np.uint8), [N_TOP] + [N_PER_BAND] * N_BANDS)
    there = ranks >= 0
    offsets = np.concatenate([[0], np.cumsum(there.sum(1))])
    return order[ranks[there]], np.broadcast_to(groups, ranks.shape)[there], offsets


def labels(shape: Shape, generator: np.random.Generator) -> Iterator[Label]:
    """A label for each feature: words of its family, and words of its own."""
    forms = shape.vocabulary.forms
    words = np.array([name for name, is_word in zip(forms.names, forms.is_word, strict=True) if is_word], object)
    theme = zipf(len(words), (shape.n_features // FAMILY + 1, 4), generator)
    for start in range(0, shape.n_features, BLOCK):
        n = min(BLOCK, shape.n_features - start)
        own = words[zipf(len(words), (n, N_WORDS), generator)]
        shared = words[theme[np.arange(start, start + n) // FAMILY]]
        scores = generator.beta(5, 3, (n, 2))
        for place in range(n):
            said = [*shared[place, :1], *own[place, :2]]
            yield Label(
                feature=start + place,
                text="tokens " + ", ".join(f'"{word}"' for word in said),
                source="rule",
                kind=("token", "phrase", "context", "none")[place % 4],
                score=(score := 0.5 + scores[place, 0] / 2),
                f1=float(scores[place, 1]),
                n=100,
                words=" ".join([*said, *shared[place], *own[place, 2:]]),
                scores=(_score(score),),
            )


def _score(value: float) -> Score:
    """A score beside its null, as `hooke label` keeps them."""
    return Score(
        scorer="detection",
        judge="rule",
        value=value,
        interval=(value - 0.08, min(1.0, value + 0.08)),
        n=100,
        null=0.5,
        null_interval=(0.42, 0.58),
    )


def manifest(folder: Path, shape: Shape, shards: tuple[TokenShard, ...], columns: tuple[int, ...]) -> Manifest:
    """What the index is made of."""
    n_counted = int(shape.n_tokens * (1 - 1 / CONTEXT - 1 / 500))
    return Manifest(
        schema=SCHEMA,
        name=folder.name,
        model="smollm2-135m",
        dictionary=folder.name,
        dictionary_fingerprint="made-up",
        site="resid_post.15",
        n_features=shape.n_features,
        d_vocab=len(shape.vocabulary),
        corpus="made-up",
        corpus_fingerprint="made-up",
        context=CONTEXT,
        n_windows=shape.n_windows,
        n_counted=n_counted,
        top=int(fine_codes(np.array([64.0], np.float32))[0]),
        posting=f"capped:{CAP}",
        tokens="stored",
        sources=SOURCES,
        source_tokens=(n_counted // 3,) * 3,
        token_shards=shards,
        block=BLOCK,
        columns=columns,
        effects=METHOD,
        effects_chance=4.5,
        files=list_files(folder),
        provenance=provenance(seed=0),
    )


def main() -> None:
    """Write the index where it is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="a folder that is not there yet")
    parser.add_argument("--features", type=int, default=1_000_000)
    parser.add_argument("--tokens", type=int, default=10_000_000)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True)
    for part, seconds in make(asked.folder, asked.features, asked.tokens).items():
        print(f"{part}: {seconds:.0f} s")


if __name__ == "__main__":
    main()
