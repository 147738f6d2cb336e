"""A lie is told where deed and answer differ; neither tells by itself."""

from collections import Counter, defaultdict

from hooke.evaluate.sparse_probing import word_probing
from hooke.text.concepts.deception import items


def test_each_deed_comes_with_each_answer():
    labels = defaultdict(list)
    for one in items():
        if one.style == "file":
            did, said = one.text.split("\n")
            labels[one.group].append((did, said.split(": ")[1], one.label))
    assert len(labels) == 16
    for some in labels.values():
        assert len({did for did, _, _ in some}) == len({said for _, said, _ in some}) == 2
        for at in (0, 1):
            assert Counter((row[at], row[2]) for row in some) == {(row[at], row[2]): 1 for row in some}


def test_talk_of_lying_is_no_lie_and_a_vow_makes_no_truth():
    near = [one for one in items() if one.is_near]
    assert {("no lie" in one.text, one.label) for one in near} == {(True, False), (False, True)}
    assert all("honest truth" in one.text for one in near if one.label)


def test_words_alone_tell_little():
    scores = word_probing([one for one in items() if not one.is_near])
    assert abs(scores.parts.sum() / scores.wholes.sum() - 0.5) < 0.15
