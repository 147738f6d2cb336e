"""How many unlike contexts there are among some tokens of a text.

The effective number of things among n (Friedman & Dieng 2023, the Vendi score) is the exponential of the entropy of the
eigenvalues of their similarities over n: 1 where all are alike, n where nothing is like anything else. What is alike
is said by the model's input embedding, which knows nothing of the layer that is asked about: cosines between the
embedded tokens themselves, those before, those behind, and the texts before them (the sum of their last 32 tokens, each
by its rarity).
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor
from torch.nn import functional

from hooke.errors import BadRequest

VIEWS = ("token", "token before", "token behind", "text before")

_SPAN = 32
_LEAST_SPAN = 8
_DRAWS = 256
_AT_ONCE = 4096


def effective_number(rows: Float[Tensor, "*set n d"]) -> Float[Tensor, "*set"]:
    """The effective number of unlike rows; they have length 1."""
    shares = torch.linalg.eigvalsh((rows @ rows.mT / rows.shape[-2]).double()).clamp_min(0)
    return torch.special.entr(shares / shares.sum(-1, keepdim=True)).sum(-1).exp()


class Contexts:
    """A text whose tokens can be asked how unlike they are."""

    def __init__(
        self,
        tokens: Int[ndarray, " place"],
        document: Int[ndarray, " place"],
        counted: Bool[ndarray, " place"],
        embedding: Float[Tensor, "vocab d"],
        *,
        n: int,
        generator: np.random.Generator,
    ) -> None:
        """Every set of tokens has `n`, no two from one document.

        Raises:
            BadRequest: the text has fewer documents.
        """
        self.n = n
        self._document = document
        self.usable = _usable(document, counted)
        self._tokens = torch.from_numpy(tokens)
        share = torch.bincount(self._tokens, minlength=len(embedding)).double() / len(tokens)
        self._rarity = -share.clamp_min(1e-12).log().float()
        self._embedding = embedding - share.float() @ embedding
        places = np.flatnonzero(self.usable)
        n_documents = len(np.unique(document[places]))
        if n_documents < n:
            raise BadRequest(
                f"Contexts cannot be told apart on {n_documents} documents.",
                f"Each unit is judged by {n} tokens of different ones.",
                "Give more text, or fewer examples.",
            )
        drawn = [self._of_different_documents(generator.permutation(places)) for _ in range(2 * _DRAWS)]
        sets = np.stack([one for one in drawn if one is not None])
        self._centre = self._texts_before(sets.ravel()).mean(0)
        numbers = self._numbers(sets)
        self.by_chance: Float[ndarray, " view"] = numbers[:_DRAWS].mean(0)
        """Effective numbers of tokens that were drawn at random."""
        self.at_random: Float[ndarray, "set view"] = numbers[_DRAWS:] / self.by_chance
        """Shares of further tokens that were drawn at random: what the measure says of a unit without any meaning."""

    def chosen(self, places: Int[ndarray, " place"]) -> Int[ndarray, " n"] | None:
        """The first `n` usable places of different documents; None where there are fewer."""
        return self._of_different_documents(places[self.usable[places]])

    def shares(self, sets: Int[ndarray, "set n"]) -> Float[ndarray, "set view"]:
        """The effective number of unlike contexts of each set, over that of tokens drawn at random."""
        return self._numbers(sets) / self.by_chance

    def _of_different_documents(self, places: Int[ndarray, " place"]) -> Int[ndarray, " n"] | None:
        _, first = np.unique(self._document[places], return_index=True)
        return places[np.sort(first)[: self.n]] if len(first) >= self.n else None

    def _numbers(self, sets: Int[ndarray, "set n"]) -> Float[ndarray, "set view"]:
        found = []
        for some in np.array_split(sets, max(1, sets.size // _AT_ONCE)):
            flat = torch.from_numpy(some).flatten()
            views = [self._embedding[self._tokens[flat + step]] for step in (0, -1, 1)]
            views.append(self._texts_before(flat.numpy()) - self._centre)
            rows = torch.stack([functional.normalize(one, dim=-1) for one in views])
            found.append(effective_number(rows.unflatten(1, (-1, self.n))).T)
        return torch.cat(found).numpy()

    def _texts_before(self, places: Int[ndarray, " place"]) -> Float[Tensor, "place d"]:
        before = places[:, None] - np.arange(1, _SPAN + 1)
        inside = (before >= 0) & (self._document[before] == self._document[places][:, None])
        tokens = self._tokens[torch.from_numpy(np.maximum(before, 0))]
        weights = self._rarity[tokens] * torch.from_numpy(inside)
        return functional.embedding_bag(tokens, self._embedding, per_sample_weights=weights, mode="sum")


def _usable(document: Int[ndarray, " place"], counted: Bool[ndarray, " place"]) -> Bool[ndarray, " place"]:
    """Counted tokens with some of their own document before them and one behind."""
    same = np.zeros(len(document), bool)
    same[_LEAST_SPAN:-1] = (document[_LEAST_SPAN:-1] == document[: -_LEAST_SPAN - 1]) & (
        document[_LEAST_SPAN:-1] == document[_LEAST_SPAN + 1 :]
    )
    return same & counted
