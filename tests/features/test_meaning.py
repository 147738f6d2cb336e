import numpy as np
import pytest

from hooke.errors import BadRequest
from hooke.features import aids, meaning
from hooke.features.encoders import Spelling
from hooke.features.meaning import (
    Vectors,
    encoder_of,
    keep_embedding,
    needs_embedding,
    said,
    vector_arrays,
    word_weights,
)
from hooke.features.query import Index
from hooke.lab import Lab
from tests.features.planted import World


@pytest.fixture
def fresh(features_lab: Lab, tmp_path, monkeypatch: pytest.MonkeyPatch) -> Index:
    monkeypatch.setattr(meaning, "has_static", lambda: False)
    return Index(features_lab.path("features", "full"), Lab(tmp_path / "other"))


def test_a_label_is_nearest_to_its_own_words(fresh: Index):
    vectors = Vectors.of(fresh, Spelling())
    for feature in range(len(fresh)):
        for label in fresh.labels.of(feature):
            features, cosines = vectors.nearest(said(label.text, label.source, label.words))
            if len(features):
                # The query lacks no word of the label, so nothing can be nearer.
                assert cosines[features.tolist().index(feature)] == pytest.approx(cosines[0], abs=0.02)
                assert (np.diff(cosines) <= 0).all()


def test_a_query_of_unknown_signs_finds_nothing(fresh: Index):
    features, cosines = Vectors.of(fresh, Spelling()).nearest("42 !?")
    assert len(features) == len(cosines) == 0


def test_many_labels_lie_in_cells_and_are_found_there(fresh: Index, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(meaning, "LEAST_FOR_CELLS", 3)
    monkeypatch.setattr(meaning, "_SAMPLE", 6)
    monkeypatch.setattr(meaning, "N_CENTRES", 3)
    whole = Vectors.of(fresh, Spelling())
    arrays = vector_arrays(fresh, Spelling())
    assert arrays["centres"].shape[0] == 3
    assert arrays["starts"][-1] == len(arrays["codes"])
    celled = Vectors.read(arrays, Spelling())
    for query in ("bridge river", "music song"):
        # All three cells are looked into, so the answers are the same.
        assert sorted(celled.nearest(query)[0]) == sorted(whole.nearest(query)[0])
        assert celled.nearest(query)[1] == pytest.approx(whole.nearest(query)[1], abs=1e-5)


def test_with_the_models_words_kept_they_are_used(fresh: Index, world: World):
    assert encoder_of(fresh).name == "spelling"
    assert needs_embedding(fresh)
    keep_embedding(fresh, world.model)
    assert not needs_embedding(fresh)
    assert encoder_of(Index(fresh.folder, fresh.lab)).name == "model"


def test_a_large_index_is_not_made_to_wait(fresh: Index, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(aids, "AT_ONCE", 2)
    with pytest.raises(BadRequest, match="'meaning' of the index 'full' is not ready"):
        Vectors.of(fresh)


def test_what_a_label_says():
    assert said('tokens "york", "new" in "newton"', "rule", "a b").split() == [
        *["york", "new", "newton"] * 2,
        "a",
        "b",
    ]
    assert said("no simple rule (best: context: rex, tyr)", "rule", "").split() == ["rex,", "tyr"] * 2
    assert said("cities of the north", "someone", "x").startswith("cities of the north")


def test_rare_words_count_more():
    weights = word_weights(["the bridge", "the river", "the song"])
    assert weights["bridge"] == weights["song"] > weights["the"] > 0
