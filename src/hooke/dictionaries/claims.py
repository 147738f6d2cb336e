"""What a dictionary's own files say of its quality. It is kept as it was said, to be held against a model."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Claims:
    """Published numbers; None where nothing is said."""

    source: str
    """Where it is said: a file and its key, or a folder's name."""
    l0: float | None = None
    """Mean number of active features per token."""
    fvu: float | None = None
    """Fraction of variance that is not explained."""
    first_token: bool | None = None
    """Whether the first token of a text was among what it was trained on."""
