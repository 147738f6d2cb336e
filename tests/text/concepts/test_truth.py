"""Statements are true as they are labelled, denied or not."""

from hooke.text.concepts.truth import items

_KNOWN = {"France": "Paris", "Japan": "Tokyo", "Egypt": "Cairo", "Peru": "Lima"}
_NUMBERS = {"five": 5, "eight": 8, "seven": 7, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "sixteen": 16}


def test_capitals_are_right_where_the_label_says_so():
    seen = 0
    for one in items():
        country = one.group.removeprefix("capital ")
        if one.language == "en" and country in _KNOWN:
            is_right, is_denied = _KNOWN[country] in one.text, " is not " in one.text
            assert one.label == (is_right != is_denied), one.text
            seen += 1
    assert seen == 16


def test_sums_are_right_where_the_label_says_so():
    for one in items():
        if one.style.startswith("sum"):
            first, second = map(int, one.group.removeprefix("sum ").split("+"))
            said = one.text.rstrip(".").split()[-1]
            is_right = _NUMBERS.get(said) == first + second
            assert one.label == (is_right != (" is not " in one.text)), one.text


def test_a_fact_comes_with_its_falsehood():
    for group in {one.group for one in items()}:
        own = [one.label for one in items() if one.group == group]
        assert sum(own) * 2 == len(own)
