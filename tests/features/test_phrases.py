import pytest

from hooke.errors import BadRequest, UnknownName
from hooke.features import phrases
from hooke.features.phrases import containing
from hooke.features.query import Index
from hooke.lab import Lab
from tests.features.planted import N_FEATURES


def holding(index: Index, phrase: str) -> dict[int, int]:
    """How many examples of each feature contain a phrase, by reading them all."""
    counts = {}
    for feature in range(N_FEATURES):
        texts = ["".join(one.tokens) for group in index.card(feature).groups for one in group.examples]
        n = sum(phrase.lower() in text.lower().replace("<|endoftext|>", "\0") for text in texts)
        if n:
            counts[feature] = n
    return counts


@pytest.mark.parametrize("phrase", ["bridge", "music song", "the river", "Paris", "iver mus", "ston", "42", "7 ."])
def test_all_examples_that_contain_a_phrase_are_counted(index: Index, phrase: str):
    hits = containing(index, phrase)
    assert dict(zip(hits.features.tolist(), hits.n_examples.tolist(), strict=True)) == holding(index, phrase)
    assert not hits.is_bounded


def test_the_example_shown_contains_it(index: Index):
    hits = containing(index, "river")
    for feature, place in zip(hits.features.tolist(), hits.example.tolist(), strict=True):
        example = index.example_at(feature, place)
        assert example is not None
        assert "river" in "".join(example.tokens)


def test_features_that_peak_on_it_come_first(index: Index):
    hits = containing(index, "bridge")
    assert 0 in hits.features[:3].tolist()
    assert (hits.n_peaks[:-1] >= hits.n_peaks[1:]).all()
    assert (hits.n_peaks <= hits.n_examples).all()


def test_what_is_nowhere_is_not_found(index: Index):
    assert len(containing(index, "zeppelin").features) == 0
    assert len(containing(index, "<|endoftext|>").features) == 0, "boundaries are no text"


def test_beyond_the_bound_some_places_stand_for_all(index: Index, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(phrases, "MOST_PLACES", 5)
    hits = containing(index, "the")
    assert hits.is_bounded
    assert hits.n_places == 5


@pytest.mark.parametrize("phrase", ["", "   ", "x" * 401])
def test_no_phrase(index: Index, phrase: str):
    with pytest.raises(BadRequest):
        containing(index, phrase)


def test_without_the_text_it_says_what_to_do(world, tmp_path):
    lab = Lab(tmp_path / "lab")
    world.build("bare", lab, tokens="reference")
    bare = Index(lab.path("features", "bare"), Lab(tmp_path / "other"))
    with pytest.raises(UnknownName, match="is not here"):
        containing(bare, "bridge")
