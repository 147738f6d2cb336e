"""A saying about all of a group is the concept; denied, or said of one, it is not."""

from hooke.text.concepts.stereotype import items


def test_a_saying_comes_denied_and_of_one_person():
    by_text = {(one.group, one.style, one.label): one for one in items()}
    groups = {one.group for one in items()}
    assert len(groups) == 16
    for group in groups:
        for style in ("column", "advice"):
            said, denied = (by_text[group, style, label] for label in (True, False))
            assert denied.is_near
            saying = said.text.rstrip(".").split(f"{group} ")[1]
            assert f"{group} {saying}" in denied.text
        one = by_text[group, "chat", False]
        assert not one.is_near
        assert group not in one.text
