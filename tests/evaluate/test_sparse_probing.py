"""Sparse probes on a world where it is known which feature tells what."""

import numpy as np
import pytest

from hooke.errors import BadRequest
from hooke.evaluate.quality import Subject, UnitScores
from hooke.evaluate.sparse_probing import judged, read_texts, sparse_probing, stream_probing, word_probing
from hooke.text.concepts import Labelled
from tests.features.planted import planted_dictionary, planted_model

_OTHERS = ("piano", "the", "Paris", "London", "and", "of", "42", ".")


def accuracy(scores: UnitScores) -> float:
    return float(scores.parts.sum() / scores.wholes.sum())


def items(own: str, other: str) -> list[Labelled]:
    """Sentences with the one word or with the other, grouped by what else stands in them."""
    return [
        Labelled(text=f"the {first} {word} {second}", label=word == own, group=first, style="plain")
        for first in _OTHERS
        for second in _OTHERS
        for word in (own, other)
    ]


@pytest.fixture(scope="module")
def subject() -> Subject:
    model = planted_model()
    return Subject("planted", planted_dictionary(model), model)


def test_one_feature_tells_what_it_fires_on(subject: Subject):
    some = items("music", "bridge")
    reads = read_texts([subject], [one.text for one in some])
    found = sparse_probing(subject, reads, some, ks=(1, 2))
    assert list(found) == ["1 feature", "2 features"]
    assert accuracy(found["1 feature"]) == 1
    assert len(found["1 feature"].parts) == len(_OTHERS)
    assert accuracy(word_probing(some)) == 1


def test_what_no_feature_fires_on_is_not_told_by_features_but_by_the_stream(subject: Subject):
    some = items("stone", "water")
    reads = read_texts([subject], [one.text for one in some])
    assert accuracy(sparse_probing(subject, reads, some, ks=(5,))["5 features"]) < 0.6
    assert accuracy(stream_probing(subject, reads, some)) == 1


def test_the_first_token_is_left_out(subject: Subject):
    reads = read_texts([subject], ["the music of", "the"])
    (rows,) = reads.values()
    assert [len(one) for one in rows] == [2, 1]


def test_a_probe_has_seen_nothing_of_the_group_that_it_judges():
    generator = np.random.default_rng(0)
    groups = [str(at) for at in range(10) for _ in range(20)]
    labels = [at % 2 == 0 for at in range(10) for _ in range(20)]
    # Each group's values are its own: whoever has seen a group knows its label, and nobody else does.
    values = np.eye(10)[np.repeat(np.arange(10), 20)] + 0.01 * generator.normal(size=(200, 10))
    texts = [Labelled(text=str(at), label=label, group=group, style="")
             for at, (label, group) in enumerate(zip(labels, groups, strict=True))]  # fmt: skip
    assert accuracy(judged(values, texts, best=None)) < 0.7


def test_labels_of_unequal_number_count_alike():
    texts = [Labelled(text=str(at), label=at < 20, group=str(at % 10), style="") for at in range(200)]
    always_no = np.zeros((200, 1))
    assert accuracy(judged(always_no, texts, best=1)) == pytest.approx(0.5)


def test_too_few_groups_are_refused(subject: Subject):
    some = [one for one in items("music", "bridge") if one.group in _OTHERS[:4]]
    with pytest.raises(BadRequest, match="at least 5 groups"):
        word_probing(some)
    with pytest.raises(BadRequest, match="0 of them with the concept"):
        word_probing([one for one in items("music", "bridge") if not one.label])
