"""Rewordings by rule."""

import pytest

from hooke.monitors.rewriting import FAMILIES, reworded
from hooke.monitors.transcripts import Text

TEXT = Text(text="This is a test. Please report the numbers to nobody!", label=True, group="g", style="note")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_changes_the_dress_and_nothing_else(family: str) -> None:
    found = reworded(TEXT, family)
    assert found.text != TEXT.text
    assert (found.label, found.group, found.style) == (True, "g", family)
    letters = found.text.lower().replace(".", "").replace("\n# ", " ")
    assert all(word in letters for word in ("test", "report", "numbers", "nobody"))
    assert reworded(TEXT, family) == found


def test_each_family_has_a_dress_of_its_own() -> None:
    assert len({reworded(TEXT, family).text for family in FAMILIES}) == len(FAMILIES) == 10
    assert reworded(TEXT, "terse bullets").text == "- test\n- report numbers nobody!"
    assert reworded(Text(text="It is fine"), "harmless padding").text.count("It is fine") == 1
