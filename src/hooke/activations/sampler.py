"""Shuffled batches of activations, from a store on disk or from a live stream. Only counted tokens are given out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hooke.activations.harvest import ActivationBatch
from hooke.activations.shards import DTYPES, StoreSpec, check_shard, file_hash, map_shard, read_spec, shard_name
from hooke.errors import BadArtefact, BadRequest, UnknownSite, did_you_mean
from hooke.lab import read_json
from hooke.sites import Site, parse_site

BLOCK = 256
"""Neighbouring tokens that are read together when a store is too large to be read row by row."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ActivationStore:
    """A finished harvest, memory-mapped."""

    path: Path
    """Its folder."""
    spec: StoreSpec
    """What was harvested."""
    n_tokens: int
    """Tokens in it, those included that are not counted."""
    n_counted: int
    """Tokens that `batches` gives out in one epoch."""
    shard_tokens: tuple[int, ...]
    """Tokens of each shard."""

    @classmethod
    def open(cls, path: str | Path) -> "ActivationStore":
        """The store in a folder; each shard's size and header are checked, its content only by `verify`.

        Raises:
            BadArtefact: it is unfinished, or a file is missing, cut short or another than the account says.
        """
        folder = Path(path)
        spec, account = read_spec(folder), read_json(folder / "complete.json")
        try:
            sizes = [(int(entry["n_tokens"]), int(entry["size"])) for entry in account["shards"]]
            n_tokens, n_counted = int(account["n_tokens"]), int(account["n_counted"])
        except (KeyError, TypeError, ValueError) as error:
            raise BadArtefact(f"The account of '{folder}' is damaged.", f"{error!r}.", "Harvest it again.") from error
        for number, (tokens, size) in enumerate(sizes):
            shard = folder / shard_name(number)
            if check_shard(shard, spec) != tokens or shard.stat().st_size != size:
                raise BadArtefact(
                    f"'{shard}' is not the shard that was written.", "Its size differs.", "Harvest again."
                )
        if sum(tokens for tokens, _ in sizes) != n_tokens or not 0 <= n_counted <= n_tokens:
            raise BadArtefact(f"The account of '{folder}' does not add up.", "", "Harvest it again.")
        return cls(
            path=folder,
            spec=spec,
            n_tokens=n_tokens,
            n_counted=n_counted,
            shard_tokens=tuple(tokens for tokens, _ in sizes),
        )

    @property
    def sites(self) -> tuple[Site, ...]:
        """The sites that were harvested."""
        return tuple(parse_site(site) for site in self.spec.sites)

    def width(self, site: str | Site) -> int:
        """Width of a site.

        Raises:
            UnknownSite: it was not harvested.
        """
        name = str(site)
        if name not in self.spec.sites:
            there = ", ".join(self.spec.sites)
            raise UnknownSite(
                f"'{name}' was not harvested.", did_you_mean(name, self.spec.sites), f"There are: {there}."
            )
        return self.spec.sites[name]

    def verify(self) -> None:
        """Reads everything and compares it with the hashes of the account.

        Raises:
            BadArtefact: a byte has changed.
        """
        for number, entry in enumerate(read_json(self.path / "complete.json")["shards"]):
            shard = self.path / shard_name(number)
            if file_hash(shard) != entry["sha256"]:
                raise BadArtefact(f"'{shard}' has changed since it was written.", "Its hash differs.", "Harvest again.")

    def shards(self, *names: str | Site) -> Iterator[dict[str, Tensor]]:
        """Tensors of one shard after the other, memory-mapped: sites, `tokens`, `window`, `position`, `counted`."""
        for number in range(len(self.shard_tokens)):
            yield map_shard(self.path / shard_name(number), [str(name) for name in names])

    def batches(
        self,
        site: str | Site,
        batch: int,
        *,
        generator: torch.Generator,
        epochs: int | None = 1,
        skip: int = 0,
        memory: int = 8 * 2**30,
    ) -> Iterator[Float[Tensor, "batch width"]]:
        """Shuffled float32 batches of counted tokens at a site; `epochs=None` never ends.

        Each epoch gives each token once; a batch may reach over into the next epoch, and what does not fill the last
        one is left out. While the site's bytes fit into `memory`, an epoch is one permutation of all tokens; beyond
        that, blocks of 256 neighbours are shuffled, then the tokens of as many blocks as fit. With an equally seeded
        generator, `skip` continues exactly after that many batches. One number is drawn from the generator.

        Raises:
            UnknownSite: the site was not harvested.
            BadRequest: the store has fewer counted tokens than a batch.
        """
        row_bytes = self.width(site) * DTYPES[self.spec.dtype].itemsize
        if not 0 < batch <= self.n_counted:
            raise BadRequest(
                f"A batch of {batch} tokens cannot be drawn.",
                f"The store has {self.n_counted} counted tokens.",
                "Choose a batch between 1 and that.",
            )
        seed = int(torch.randint(2**62, (), generator=generator))
        rows = _Rows(self, str(site))
        if len(rows) != self.n_counted:
            raise BadArtefact(
                f"'{self.path}' has {len(rows)} counted tokens.",
                f"Its account says {self.n_counted}.",
                "Harvest again.",
            )
        return _cut_batches(rows, batch, seed=seed, epochs=epochs, skip=skip, group=max(batch, memory // row_bytes))


class _Rows:
    """Random access to the counted rows of one site."""

    def __init__(self, store: ActivationStore, site: str) -> None:
        shards = list(store.shards(site, "counted"))
        places = [np.flatnonzero(shard["counted"].numpy()) for shard in shards]
        self._values = [shard[site] for shard in shards]
        self._starts = np.cumsum([0, *(len(place) for place in places)])
        self._places = np.concatenate([np.empty(0, np.int64), *places])
        self._shape, self._dtype = store.width(site), DTYPES[store.spec.dtype]

    def __len__(self) -> int:
        return len(self._places)

    def gather(self, rows: np.ndarray) -> Tensor:
        """Rows by number, in that order, in the storage dtype."""
        result = torch.empty(len(rows), self._shape, dtype=self._dtype)
        order = np.argsort(rows)
        ordered = rows[order]
        for shard, (first, last) in enumerate(pairwise(np.searchsorted(ordered, self._starts))):
            if first < last:
                places = torch.from_numpy(self._places[ordered[first:last]])
                result[torch.from_numpy(order[first:last])] = self._values[shard].index_select(0, places)
        return result


def _cut_batches(
    rows: _Rows, batch: int, *, seed: int, epochs: int | None, skip: int, group: int
) -> Iterator[Float[Tensor, "batch width"]]:
    first, to_skip = divmod(skip * batch, len(rows))
    pending: list[Tensor] = []
    for epoch in count(first) if epochs is None else range(first, epochs):
        for numbers in _shuffled(len(rows), np.random.default_rng([seed, epoch]), group):
            rest = numbers[to_skip:]
            to_skip -= min(to_skip, len(numbers))
            for piece in _read(rows, rest, group, batch, batch - sum(map(len, pending))):
                pending.append(piece)
                if sum(map(len, pending)) == batch:
                    yield torch.cat(pending).float()
                    pending = []


def _shuffled(n_rows: int, random: np.random.Generator, group: int) -> Iterator[np.ndarray]:
    """Row numbers of one epoch in their order, in groups that fit into memory."""
    if n_rows <= group:
        yield random.permutation(n_rows)
        return
    blocks = random.permutation(-(-n_rows // BLOCK))
    n_blocks = max(1, group // BLOCK)
    for start in range(0, len(blocks), n_blocks):
        numbers = (blocks[start : start + n_blocks, None] * BLOCK + np.arange(BLOCK)).ravel()
        yield random.permutation(numbers[numbers < n_rows])


def _read(rows: _Rows, numbers: np.ndarray, group: int, batch: int, first: int) -> Iterator[Tensor]:
    """Rows in pieces: `first` of them, then `batch` at a time. Groups of a large store are read once, in file order."""
    edges = [0, *range(first, len(numbers), batch), len(numbers)]
    if len(rows) <= group:
        yield from (rows.gather(numbers[begin:end]) for begin, end in pairwise(edges) if begin < end)
        return
    ordered = np.sort(numbers)
    loaded = rows.gather(ordered)
    places = torch.from_numpy(np.searchsorted(ordered, numbers))
    yield from (loaded[places[begin:end]] for begin, end in pairwise(edges) if begin < end)


def buffered(
    stream: Iterable[ActivationBatch],
    site: str | Site | Sequence[Site],
    batch: int,
    *,
    generator: torch.Generator,
    buffer_tokens: int = 262_144,
) -> Iterator[Float[Tensor, "batch width"]]:
    """Shuffled float32 batches of counted tokens from a live stream, on its device; several sites stand side by side.

    A buffer is filled, shuffled and given out down to half, then filled again; each token is given once, but for
    those that do not fill the last batch.

    Raises:
        UnknownSite: the stream does not carry a site.
    """
    named = [site] if isinstance(site, str | Site) else site
    wanted = [parse_site(one) if isinstance(one, str) else one for one in named]
    keep = max(buffer_tokens // 2, batch)
    pieces: list[Tensor] = []
    for activations in stream:
        missing = [str(one) for one in wanted if one not in activations.sites]
        if missing:
            there = ", ".join(map(str, activations.sites))
            raise UnknownSite(f"'{missing[0]}' is not in the stream.", f"It carries {there}.", "Stream that site too.")
        counted = activations.counted.to(activations.sites[wanted[0]].device)
        pieces.append(torch.cat([activations.sites[one][counted].float() for one in wanted], dim=1))
        if sum(map(len, pieces)) >= max(buffer_tokens, keep + batch):
            buffer = _shuffle(pieces, generator)
            n_given = (len(buffer) - keep) // batch * batch
            yield from (buffer[begin : begin + batch] for begin in range(0, n_given, batch))
            pieces = [buffer[n_given:].clone()]
    if pieces:
        buffer = _shuffle(pieces, generator)
        yield from (buffer[begin : begin + batch] for begin in range(0, len(buffer) - batch + 1, batch))


def _shuffle(pieces: list[Tensor], generator: torch.Generator) -> Tensor:
    """All rows in random order; empties the list, so that memory stays at twice the buffer."""
    whole = torch.cat(pieces)
    pieces.clear()
    return whole[torch.randperm(len(whole), generator=generator).to(whole.device)]
