"""Numbers and tokens as people read them, the same on every page."""

import unicodedata
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    import hooke.findings

_PICTURES = {"\n": "↵", "\t": "→", "\x7f": "␡"}


def number(value: float | int | None, digits: int = 3) -> str:
    """A number to a few significant digits; a dash where there is none."""
    if value is None or value != value:
        return "–"
    if value == int(value) and abs(value) < 10**15:
        return _minus(f"{int(value):,}")
    return _minus(f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}")


def percent(share: float | int) -> str:
    """A share in percent, with digits enough to tell rare from never."""
    if share == 0:
        return "0 %"
    return f"{share:.1%}".replace("%", " %") if share >= 0.001 else f"{share * 100:.2g} %"


def signed(value: float | int, digits: int = 3) -> str:
    """A number with a fixed count of decimals and its sign."""
    return _minus(f"{round(value, digits) + 0.0:+.{digits}f}")


def measured(estimate: "hooke.findings.Estimate", decimals: int = 3) -> str:
    """A number with its interval: 0.159 [0.152, 0.166]; a dash where there is none."""
    if estimate.value != estimate.value:
        return number(estimate.value)
    return f"{_minus(f'{estimate.value:.{decimals}f}')} {interval(estimate.interval, decimals)}"


def interval(bounds: tuple[float, float], decimals: int = 3) -> str:
    """An interval: [0.152, 0.166]."""
    return _minus(f"[{bounds[0]:.{decimals}f}, {bounds[1]:.{decimals}f}]")


def visible(text: str) -> str:
    """The text with nothing in it that acts on its surroundings: line ends and control characters become pictures.

    Marks that turn the direction of writing would reorder a whole line of tokens, so they are shown as their numbers.
    """
    return "".join(character if _is_harmless(character) else _picture(character) for character in text)


def harmless(value: Any) -> Any:
    """Text made visible; markup and everything else as it is."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def token_text(text: str) -> str:
    """A token by itself: its spaces are shown, since ' the' and 'the' are two tokens."""
    return visible(text).replace(" ", "␣")


def _is_harmless(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp") or character == "\u200d"


def _picture(character: str) -> str:
    code = ord(character)
    if character in _PICTURES:
        return _PICTURES[character]
    return chr(0x2400 + code) if code < 0x20 else f"‹{code:04x}›"


def _minus(text: str) -> str:
    return text.replace("-", "−")
