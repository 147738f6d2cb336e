"""A labelled text is plain data."""

import dataclasses

import pytest

from hooke.text.concepts.labelled import Labelled


def test_a_text_is_english_and_no_near_one_unless_it_says_so():
    one = Labelled(text="x", label=True, group="g", style="s")
    assert (one.language, one.is_near) == ("en", False)
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.label = False  # pyright: ignore[reportAttributeAccessIssue]
