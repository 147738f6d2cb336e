"""Functions do what they say, or do not, as their label has it."""

from collections import defaultdict

from hooke.text.concepts.faulty_code import items


def test_a_right_program_differs_from_its_faulty_twin():
    by_twin = defaultdict(dict)
    for one in items():
        by_twin[one.group, one.style][one.label] = one.text
    for twins in by_twin.values():
        assert twins[True] != twins[False]
        assert twins[True].splitlines()[0] == twins[False].splitlines()[0]


def test_python_functions_do_what_their_label_says():
    inputs = {"joined": ["a", "b", "c"], "has_negative": [3, -1, 4]}
    expected = {
        "total": 15, "largest": 7, "average": 3.75, "last": 1, "evens": [4], "count": 2, "squares": [9, 16, 49, 1],
        "backwards": [1, 7, 4, 3], "product": 84, "empty": False, "first_three": [3, 4, 7], "has_negative": True,
        "positives": [3, 4, 7, 1], "joined": "a, b, c", "unique": [3, 4, 7, 1], "span": 6, "ascending": [1, 3, 4, 7],
        "doubled": [6, 8, 14, 2],
    }  # fmt: skip
    special = {"count": [7, 3, 7, 4], "unique": [3, 4, 3, 7, 1]}
    for one in items():
        if one.style != "Python":
            continue
        scope: dict = {}
        exec(one.text, scope)
        name = one.group
        given = special.get(name) or inputs.get(name) or [3, 4, 7, 1]
        try:
            found = scope[name](given)
        except IndexError:
            found = None
        assert (found != expected[name]) == one.label, one.text
