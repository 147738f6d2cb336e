"""Marks inside text: tokens as heat maps, and their legend. Heat is lightness and underline, so it survives print."""

from collections.abc import Sequence
from math import ceil

from markupsafe import Markup

from hooke.pages.numerals import number, visible

N_LEVELS = 4
"""Steps of heat, each a quarter of the hottest; the terminal has the same."""


def level(value: float | int, top: float | int) -> int:
    """The step of heat of a value: 0 for nothing, 1 to `N_LEVELS` for each quarter of the top."""
    return 0 if value <= 0 or top <= 0 else min(N_LEVELS, max(1, ceil(N_LEVELS * value / top)))


def heat(
    tokens: Sequence[str],
    values: Sequence[float | int],
    *,
    top: float | int | None = None,
    peak: int | None = None,
) -> Markup:
    """Tokens in a row, each as hot as its value; the peak is framed, and hot tokens tell their value when pointed at.

    Args:
        top: the value of full heat; the hottest token unless given.
        peak: the token that the text is shown for.
    """
    highest = max([0, *values]) if top is None else top
    parts = [
        _token(token, value, level(value, highest), place == peak)
        for place, (token, value) in enumerate(zip(tokens, values, strict=True))
    ]
    return Markup('<span class="tokens">{}</span>').format(Markup("").join(parts))


def _token(token: str, value: float | int, step: int, is_peak: bool) -> Markup:
    shown = visible(token)
    if step == 0 and not is_peak:
        return Markup("{}").format(shown)
    classes = f"h{step} peak" if is_peak else f"h{step}"
    # Spaces before a word stay outside its mark, else a line break leaves a hot space at the end of a line.
    word = shown.lstrip(" ") or shown
    spaces = shown[: len(shown) - len(word)]
    return Markup('{}<span class="{}" title="{}">{}</span>').format(spaces, classes, number(value), word)


def heat_legend(of: str) -> Markup:
    """What the steps of heat mean."""
    steps = Markup(" ").join(
        Markup('<span class="tokens"><span class="h{}">&thinsp;{}&thinsp;</span></span>').format(step, f"≤ {share}")
        for step, share in zip(range(1, N_LEVELS + 1), ("¼", "½", "¾", "1"), strict=True)
    )
    return Markup('<span class="legend">heat: share of {} {}</span>').format(of, steps)
