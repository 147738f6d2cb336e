"""Texts of unequal length under way in one batch, on one key-value cache that is padded on the left.

A prompt is read alone, without padding, and its cache joined to the others'; each step then feeds one token to every
row. So what is captured is one row for each token, exactly once, and never one of padding.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache

from hooke.dictionaries import Dictionary
from hooke.errors import UnsupportedModel
from hooke.models.apply import compile_edits
from hooke.models.architectures import ATTENTION_SITES, relative_error, tolerance
from hooke.models.edits import Edit, counted_from
from hooke.models.generate import next_logits
from hooke.models.hooks import CompiledEdit, Moment, Pass
from hooke.models.model import Model
from hooke.models.rows import compile_rows
from hooke.sites import Site

Rows = dict[Site, Float[Tensor, "token width"]]
_PROBE = (3, 14, 15, 9, 26, 5, 35, 8, 97, 93)


@dataclass(frozen=True)
class Read:
    """What became of a prompt, or of one token for each row."""

    logits: Float[Tensor, "row vocab"]
    """Of the token after the last one."""
    rows: Rows
    """What was captured: of a prompt one row for each token, of a step one for each text."""


@dataclass(frozen=True)
class Prompt:
    """A prompt that was read and can join the others."""

    read: Read
    cache: DynamicCache
    n_tokens: int
    edits: tuple[Edit, ...]


class Batch:
    """Texts under way. Only for the thread that owns the model."""

    def __init__(self, model: Model, dictionaries: Iterable[Dictionary] = ()) -> None:
        self.model = model
        self._dictionaries = tuple(dictionaries)
        self._cache: DynamicCache | None = None
        self._lengths: list[int] = []
        self._n_prompt: list[int] = []
        self._edits: list[tuple[Edit, ...]] = []
        self._compiled: dict[Site, list[CompiledEdit]] = {}

    def __len__(self) -> int:
        return len(self._lengths)

    def read_prompt(self, ids: Sequence[int], edits: tuple[Edit, ...], sites: Iterable[Site]) -> Prompt:
        """A prompt through the model, alone; nothing of the batch changes.

        Raises:
            UnknownSite, UnsupportedModel, UnknownName, ShapeMismatch: an edit does not fit the model.
        """
        compiled = compile_edits(self.model, edits, self._dictionaries) if edits else {}
        device = self.model.device
        position = torch.arange(len(ids), device=device)[None]
        moment = Moment(position, torch.tensor([len(ids)], device=device))
        cache = DynamicCache()
        read = self._forward(torch.tensor([list(ids)], device=device), None, None, cache, compiled, moment, sites)
        return Prompt(read, cache, len(ids), edits)

    def join(self, prompt: Prompt) -> int:
        """Take a read prompt in as the last row; its place."""
        if self._cache is None:
            self._cache = prompt.cache
        else:
            length = max(*self._lengths, prompt.n_tokens)
            # All of it is made before any of it is put in place: where memory runs out, the others go on as they were.
            joined = [
                torch.cat([_to_length(own, length), _to_length(new, length)])
                for own, new in zip(_held(self._cache), _held(prompt.cache), strict=True)
            ]
            _hold(self._cache, joined)
        self._lengths.append(prompt.n_tokens)
        self._n_prompt.append(prompt.n_tokens)
        self._edits.append(prompt.edits)
        self._compile()
        return len(self) - 1

    def keep(self, places: Sequence[int]) -> None:
        """Keep these rows only, in this order."""
        for name in ("_lengths", "_n_prompt", "_edits"):
            setattr(self, name, [getattr(self, name)[place] for place in places])
        if not places:
            self._cache = None
        elif self._cache is not None:
            chosen, length = torch.tensor(places, device=self.model.device), max(self._lengths)
            _hold(self._cache, [one[chosen, :, -length:] for one in _held(self._cache)])
        self._compile()

    def add_edits(self, place: int, edits: tuple[Edit, ...]) -> None:
        """Put more edits into force on one row, from the next step on; their schedules begin with it."""
        n_said = self._lengths[place] - self._n_prompt[place]
        self._edits[place] = (*self._edits[place], *counted_from(edits, n_said))
        self._compile()

    def step(self, tokens: Sequence[int], sites: Iterable[Site]) -> Read:
        """Feed one token to every row."""
        assert self._cache is not None
        device = self.model.device
        lengths = torch.tensor(self._lengths, device=device)
        longest = max(self._lengths)
        is_padded = min(self._lengths) < longest
        position = lengths[:, None]
        places = torch.arange(longest + 1, device=device)
        mask = (places >= longest - lengths[:, None]).long() if is_padded else None
        moment = Moment(position, torch.tensor(self._n_prompt, device=device))
        fed = torch.tensor(list(tokens), device=device)[:, None]
        where = position if is_padded else None
        read = self._forward(fed, mask, where, self._cache, self._compiled, moment, sites)
        self._lengths = [length + 1 for length in self._lengths]
        return read

    def _forward(
        self,
        ids: Tensor,
        mask: Tensor | None,
        position: Tensor | None,
        cache: DynamicCache,
        compiled: dict[Site, list[CompiledEdit]],
        moment: Moment,
        sites: Iterable[Site],
    ) -> Read:
        # Some architectures go on to change a captured tensor in place.
        running = Pass(
            self.model.anatomy, frozenset(sites), compiled, lambda _, value: value.detach().clone(), moment=moment
        )
        with self.model.open(running), torch.no_grad():
            output = self.model.hf(
                input_ids=ids,
                attention_mask=mask,
                position_ids=position,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits
            logits = self.model.visit_logits(running, output)[:, -1]
        return Read(logits, {site: value.flatten(0, 1).flatten(1) for site, value in running.read.items()})

    def _compile(self) -> None:
        self._compiled = compile_rows(self.model, self._edits, self._dictionaries) if any(self._edits) else {}


def require_sites(model: Model, sites: Iterable[Site], what: str) -> None:
    """Refuse sites that cannot be read or edited token by token on a cache.

    Raises:
        UnknownSite, UnsupportedModel: the model does not have a site, or it lies inside the attention.
    """
    for site in sites:
        model.require(site)
        if site.kind in ATTENTION_SITES:
            raise UnsupportedModel(
                f"{what} cannot be served at '{site}'.",
                "It holds earlier tokens too, which the cache keeps as they were.",
                "Use a site outside the attention, such as attn_out or resid_post.",
            )


def require_batches(model: Model) -> None:
    """Refuse a model that does not say in a batch of unequal lengths what it says of each text alone.

    Raises:
        UnsupportedModel: it does not, or keeps what it has read in another form than keys and values.
    """
    texts = [[token % model.d_vocab for token in _PROBE[:length]] for length in (len(_PROBE), 4)]
    try:
        found = _together(model, texts)
    except (AttributeError, TypeError, ValueError, RuntimeError, IndexError) as error:
        raise _cannot(model, f"{type(error).__name__}: {error}.") from error
    expected = torch.cat([_alone(model, text) for text in texts])
    error = relative_error(found, expected)
    if not error <= tolerance(model.dtype):
        raise _cannot(model, f"Two texts of unequal length differ from each alone by {error:.2g}.")


def _together(model: Model, texts: Sequence[Sequence[int]]) -> Tensor:
    batch = Batch(model)
    last = [int(batch.join(batch.read_prompt(text[:-1], (), ()))) for text in texts]
    return batch.step([texts[place][-1] for place in last], ()).logits


def _alone(model: Model, text: Sequence[int]) -> Tensor:
    return next(next_logits(model, model.tokenize(torch.tensor(text))))


def _cannot(model: Model, found: str) -> UnsupportedModel:
    return UnsupportedModel(f"The gateway cannot serve {model.name}.", found, "Serve a model with plain attention.")


def _held(cache: DynamicCache) -> list[Tensor]:
    """Keys and values of each layer; AttributeError where a layer keeps something else."""
    return [getattr(layer, name) for layer in cache.layers for name in ("keys", "values")]


def _hold(cache: DynamicCache, held: Sequence[Tensor]) -> None:
    for layer, keys, values in zip(cache.layers, held[::2], held[1::2], strict=True):
        vars(layer).update(keys=keys, values=values)


def _to_length(value: Tensor, length: int) -> Tensor:
    return pad(value, (0, 0, length - value.shape[-2], 0))
