"""Praise denied is no praise."""

from hooke.text.concepts.sentiment import items


def test_a_word_that_is_denied_has_the_other_label():
    plain = {(one.group, word): one.label for one in items() if not one.is_near for word in one.group.split("/")
             if f" {word}" in one.text}  # fmt: skip
    near = [one for one in items() if one.is_near]
    assert near
    for one in near:
        (word,) = {word for word in one.group.split("/") if f" {word}" in one.text}
        assert plain[one.group, word] != one.label


def test_groups_of_other_languages_have_both_labels():
    for language in ("fr", "es", "de"):
        own = [one for one in items() if one.language == language]
        assert len({one.group for one in own}) >= 4
        assert sum(one.label for one in own) * 2 == len(own)
