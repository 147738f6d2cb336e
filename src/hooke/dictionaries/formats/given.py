"""What a format's files may leave out, and the reader was told."""

from dataclasses import dataclass

from hooke.dictionaries.formats.folding import Norms


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What was told."""

    model: str | None = None
    """Name of the model that it belongs to; goes before what the files say."""
    site: str | None = None
    """The site that it reads and writes."""
    norms: Norms | None = None
    """The norm before each layer's MLP, for what reads the stream normalised without its gain."""
    input_scale: float | None = None
    """What inputs were multiplied by while it was trained."""
