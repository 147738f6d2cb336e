"""Tables, and tokens as heat maps."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text
from rich.theme import Theme

from hooke.cli.terminal import ON_DARK, ON_LIGHT, Heat, bars, is_light_ground, size, table, terminal


def shown(part: object, *, color_system: str | None = None, no_color: bool = False) -> str:
    out = Console(
        file=io.StringIO(), width=60, force_terminal=color_system is not None, theme=ON_DARK, no_color=no_color,
        color_system=color_system,  # pyright: ignore[reportArgumentType]
    )  # fmt: skip
    out.print(part)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


TOKENS = ["The", " Golden", " Gate", "\n", "!"]
VALUES = [0.0, 8.0, 3.0, 0.1, 0.0]


def test_heat_without_colour_is_brackets():
    assert shown(Heat(TOKENS, VALUES)).rstrip() == "The [[Golden]] [Gate]↵!"


def test_a_weak_peak_is_marked_too():
    assert shown(Heat(["a", "b", "c"], [0.1, 0.2, 0.0], top=8.0, peak=1)).rstrip() == "a[b]c"
    assert shown(Heat(["a", "b"], [0.0, 0.0], top=8.0, peak=1)).rstrip() == "ab"


def test_heat_with_colour_is_lightness_and_underline():
    text = shown(Heat(TOKENS, VALUES, peak=1), color_system="truecolor")
    assert "[" not in text.replace("\x1b[", "")
    assert "\x1b[1;4;38;2;0;0;0;48;2;255;184;102m Golden" in text
    assert "\x1b[38;2;255;255;255;48;2;112;67;27m Gate" in text
    assert text.startswith("The")


def test_heat_falls_back_to_brackets_where_colour_is_not_wanted():
    assert "[[Golden]]" in shown(Heat(TOKENS, VALUES), color_system="truecolor", no_color=True)


def test_lightness_moves_away_from_the_ground():
    def lightness(theme: Theme) -> list[float]:
        colours = [theme.styles[f"heat.{level}"].bgcolor for level in range(1, 5)]
        found = [colour.get_truecolor() for colour in colours if colour is not None]
        return [0.299 * one.red + 0.587 * one.green + 0.114 * one.blue for one in found]

    dark, light = lightness(ON_DARK), lightness(ON_LIGHT)
    assert dark == sorted(dark)
    assert light == sorted(light, reverse=True)


@given(st.lists(st.floats(-1, 1e6), min_size=1, max_size=30))
def test_levels_follow_the_values(values: list[float]):
    levels = Heat(["x"] * len(values), values).levels
    assert all(0 <= level <= 4 for level in levels)
    assert all((level == 0) == (value <= 0) for level, value in zip(levels, values, strict=True))
    order = sorted(range(len(values)), key=lambda place: values[place])
    assert [levels[place] for place in order] == sorted(levels)


def test_a_table_shows_its_cells_literally():
    text = shown(table(("name", "n>"), [("[red]a\x1b", 12), ("b", 3)]))
    assert text.splitlines()[0].split() == ["name", "n"]
    assert "[red]a␛" in text
    assert "  3" in text.splitlines()[2]


def test_a_table_without_names_has_no_head():
    assert shown(table(("", ""), [("a", Text("b"))])).split() == ["a", "b"]


def test_sizes():
    assert (size(9_600_000), size(1.23e9)) == ("9.6 MB", "1.2 GB")


def test_bars_are_as_high_as_their_counts():
    assert bars([0, 1, 50, 100]) == " ▁▅█"
    assert bars([]) == ""
    assert bars([0, 0]) == "  "


@pytest.mark.parametrize(("ground", "is_light"), [("15;0", False), ("0;15", True), ("", False), ("0;default;7", True)])
def test_the_ground_is_what_the_terminal_says(ground: str, is_light: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLORFGBG", ground)
    assert is_light_ground() == is_light


def test_piped_output_is_wide_enough_and_columns_is_obeyed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert terminal().width == 120
    monkeypatch.setenv("COLUMNS", "70")
    assert terminal().width == 70
