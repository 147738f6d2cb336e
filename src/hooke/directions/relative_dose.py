"""How much edits change the stream, beside the stream's own length: the one number that compares all kinds of them."""

from collections.abc import Mapping, Sequence

from jaxtyping import Bool
from torch import Tensor

from hooke.dictionaries import Dictionary
from hooke.models.apply import compile_edits
from hooke.models.edits import Edit
from hooke.models.model import Model, Tokens


def relative_change(
    model: Model,
    tokens: Tokens,
    counted: Bool[Tensor, "batch pos"],
    edits: Sequence[Edit],
    dictionaries: Mapping[str, Dictionary],
) -> float:
    """At each edited site the median length of a row's change, as a share of the rows' median length; the largest.

    NaN where only logits are edited.

    Args:
        counted: which tokens are looked at.

    Raises:
        UnknownSite, UnsupportedModel, UnknownName, ShapeMismatch: an edit does not fit the model.
    """
    captured = [one for one in compile_edits(model, edits, dictionaries.values()) if one.kind != "logits"]
    if not captured:
        return float("nan")
    plain = model.run(tokens, capture=captured, logits=False)
    edited = model.run(tokens, capture=captured, logits=False, edits=edits, dictionaries=dictionaries.values())
    shares = []
    for site in captured:
        own, changed = (run[site].flatten(2)[counted.to(run[site].device)].float() for run in (plain, edited))
        shares.append(float((changed - own).norm(dim=-1).median() / own.norm(dim=-1).median()))
    return max(shares)
