"""On which tokens an edit acts besides their places: on a condition (`Given`), by a plan over new tokens (`Schedule`).

Both are plain data and part of an edit's JSON. Neither looks ahead: a token's part in an edit follows from itself and
its place, so that runs with and without a cache, alone and in a batch, agree.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hooke.errors import BadConfig
from hooke.models.plain_tensors import require_finite, row_or_feature, whole_feature
from hooke.sites import Site, parse_feature, parse_site

_UNREADABLE = ("q", "k", "v", "pattern", "logits")
"""Sites that do not hold one row for each token that is read: attention's inside holds those of the cache, too."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Given:
    """Only tokens at which a feature's activation, or a direction's reading x · direction, is above a value.

    It is read before the edits at its own site, which is the edit's own or an earlier one.
    """

    above: float | int
    """The value, in the dictionary's own units or in those of the product; a negated direction gives "below"."""
    feature: str | None = None
    """The feature, `site/index@dictionary`; either this or a direction with its site."""
    site: str | None = None
    """Where the direction is read."""
    direction: Tensor | None = None
    """As wide as a row of its site; not normalised, so that a probe's weights and threshold can be used."""

    def __post_init__(self) -> None:
        require_finite("condition's above", self.above)
        if (self.feature is None) == (self.direction is None) or (self.direction is None) != (self.site is None):
            raise BadConfig(
                "A condition reads a feature, or a direction at its site.",
                f"Found feature {self.feature}, site {self.site}, {'no' if self.direction is None else 'a'} direction.",
                "Give one of the two.",
            )
        if self.feature is not None:
            object.__setattr__(self, "feature", whole_feature(self.feature))
        if self.direction is not None and self.site is not None:
            object.__setattr__(self, "direction", row_or_feature(self.direction))
            object.__setattr__(self, "site", str(parse_site(str(self.site))))
        if self.read_at.kind in _UNREADABLE:
            raise BadConfig(
                f"A condition cannot be read at '{self.read_at}'.",
                "It does not hold one row for each token.",
                "Use another site.",
            )

    @property
    def read_at(self) -> Site:
        """The site that it is read at."""
        return parse_feature(self.feature).site if self.feature is not None else parse_site(self.site or "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """How much of an edit is made, by the number of the new token: 0 before `start`, then all of it, then less.

    The change is multiplied by 1 for `hold` tokens from `start` on, then by values that fall evenly over `fade` tokens,
    0 at the last of them and ever after. The prompt's tokens, where the edit acts on them, have 1 if `start` is 0.
    """

    start: int = 0
    """The new token with which it begins, counted from 0: the first that the model has said itself."""
    hold: int | None = None
    """Tokens at full strength; None for all that follow."""
    fade: int = 0
    """Tokens over which it falls to 0 after them."""

    def __post_init__(self) -> None:
        numbers = (self.start, self.fade, self.hold or 0)
        if any(isinstance(one, bool) or not isinstance(one, int) or one < 0 for one in numbers):
            raise BadConfig("A schedule counts whole tokens.", f"Found {self}.", "Give numbers from 0 up.")
        if self.hold is None and self.fade:
            raise BadConfig("A schedule that holds for ever cannot fade.", f"Found {self}.", "Give hold, too.")

    def later(self, n_said: int) -> "Schedule":
        """The same for an edit that comes into force after so many new tokens: it counts from there."""
        return replace(self, start=self.start + n_said)

    def factors(
        self, position: Int[Tensor, "batch pos"], n_prompt: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch pos"]:
        """What the change is multiplied by at each token."""
        new = position - n_prompt[:, None]
        began = torch.where(new < 0, float(self.start == 0), (new >= self.start).float())
        if self.hold is None:
            return began
        after = new - self.start - self.hold + 1
        return began * (1 - after.float() / max(self.fade, 1)).clamp(0, 1)
