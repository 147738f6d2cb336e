"""How things look in a terminal: tables, titles, and tokens as heat maps, with colour and without."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console, ConsoleOptions
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from hooke.pages.marks import N_LEVELS, level
from hooke.pages.numerals import visible

# Heat is lightness: from near the ground to far from it, so the strongest stands out most on either ground.
ON_DARK = Theme(
    {
        "heat.1": "#f0e6dc on #3d2a1a",
        "heat.2": "#ffffff on #70431b",
        "heat.3": "#000000 on #c9762a underline",
        "heat.4": "#000000 on #ffb866 underline",
    }
)
ON_LIGHT = Theme(
    {
        "heat.1": "#1a1a1a on #fdebd8",
        "heat.2": "#1a1a1a on #fbcf9f",
        "heat.3": "#000000 on #f0963c underline",
        "heat.4": "#ffffff on #b4530a underline",
    }
)


def terminal() -> Console:
    """Standard output, as wide as the terminal; 120 characters where it is none and $COLUMNS says nothing."""
    columns = os.environ.get("COLUMNS", "")
    piped = int(columns) if columns.isdigit() and int(columns) > 0 else 120
    width = None if sys.stdout.isatty() else piped
    return Console(theme=ON_LIGHT if is_light_ground() else ON_DARK, highlight=False, markup=False, width=width)


def is_light_ground() -> bool:
    """Whether the terminal says that its ground is light; most say nothing, and most are dark."""
    return os.environ.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> Table:
    """A table without frames. A name that ends in '>' sets its column to the right; without names there is no head."""
    found = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=any(columns), title_justify="left")
    found.title = title or None
    for column in columns:
        is_number = column.endswith(">")
        name = column.removesuffix(">")
        side = "right" if is_number else "left"
        found.add_column(name, justify=side, header_style="dim", overflow="fold", no_wrap=is_number)
    for row in rows:
        found.add_row(*(cell if isinstance(cell, Text | Heat) else Text(visible(str(cell))) for cell in row))
    return found


def title(text: str, about: str = "") -> Text:
    """A bold heading, with something said quietly behind it."""
    return Text.assemble((visible(text), "bold"), (f"  {visible(about)}" if about else "", "dim"))


def note(text: str) -> Text:
    """A quiet line."""
    return Text(visible(text), style="dim")


def size(n_bytes: float | int) -> str:
    """Bytes as people say them."""
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:.1f} MB"


class Heat:
    """Tokens in a row, each as hot as its value: lightness and underline with colour, brackets without.

    Without colour `[token]` is above a quarter of the hottest, or the peak, and `[[token]]` above three quarters.
    """

    def __init__(
        self, tokens: Sequence[str], values: Sequence[float], *, top: float | None = None, peak: int | None = None
    ) -> None:
        assert len(tokens) == len(values)
        self._tokens, self._peak = tokens, peak
        highest = max([0.0, *values]) if top is None else top
        self.levels = [level(value, highest) for value in values]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        has_colour = console.color_system is not None and not console.no_color
        yield self.coloured() if has_colour else self.plain()

    def coloured(self) -> Text:
        """The tokens in the styles of the console's theme, the peak in bold."""
        text = Text()
        for place, (token, step) in enumerate(zip(self._tokens, self.levels, strict=True)):
            start = len(text)
            text.append(visible(token), style=f"heat.{step}" if step else None)
            if place == self._peak:
                text.stylize("bold", start)
        return text

    def plain(self) -> Text:
        """The tokens with brackets for heat."""
        text = Text()
        for place, (token, step) in enumerate(zip(self._tokens, self.levels, strict=True)):
            shown = visible(token)
            spaces = shown[: len(shown) - len(shown.lstrip(" "))]
            n_brackets = (step > 1 or (place == self._peak and step > 0)) + (step == N_LEVELS)
            text.append(spaces + "[" * n_brackets + shown.removeprefix(spaces) + "]" * n_brackets)
        return text


def bars(counts: Sequence[float | int]) -> str:
    """Counts as a row of small bars, the largest at full height; what is not zero never vanishes."""
    most = max([0, *counts])
    return "".join(" " if count <= 0 else _BARS[min(7, int(8 * count / most))] for count in counts)


_BARS = "▁▂▃▄▅▆▇█"
