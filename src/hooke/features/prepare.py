"""Everything that answers questions about an index quickly, made at once: for large indexes, before anybody asks."""

from hooke.features.aids import aid
from hooke.features.layout import map_of
from hooke.features.listing import Listing
from hooke.features.meaning import Vectors, keep_embedding
from hooke.features.moved_tokens import AID as TOKENS
from hooke.features.moved_tokens import moved_arrays
from hooke.features.phrases import AID as PHRASES
from hooke.features.phrases import phrase_arrays
from hooke.features.query import Index
from hooke.models.model import Model
from hooke.progress import track


def prepare(index: Index, model: Model | None = None, *, with_map: bool = True) -> None:
    """Make the aids of an index that are not there; with its model, search by meaning knows the model's words."""
    steps = {"listing": lambda: Listing.of(index), "tokens": lambda: aid(index, TOKENS, lambda: moved_arrays(index))}
    if model is not None:
        steps["words"] = lambda: keep_embedding(index, model)
    steps["meaning"] = lambda: Vectors.of(index, wait=True)
    text = index.text
    if text is not None:
        steps["phrases"] = lambda: aid(index, PHRASES, lambda: phrase_arrays(index, text))
    if with_map:
        steps["map"] = lambda: map_of(index)
    for step in track(list(steps), "prepare"):
        steps[step]()
