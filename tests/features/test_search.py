import numpy as np
import pytest

from hooke.errors import BadRequest, UnknownName
from hooke.features.labels import Term, search_terms
from hooke.features.query import Index
from hooke.features.search import by_text, named_feature, recalled, search, shown, spans_of
from tests.features.planted import N_FEATURES, STRENGTH, World


def test_words_find_what_the_index_finds_in_the_same_order(index: Index):
    found = search(index, "bridge", "words")
    assert found.features.tolist() == [hit.feature for hit in index.search("bridge", N_FEATURES)]
    assert {feature: index.labels.rows([row])[row].feature for feature, row in found.rows.items()} == {
        feature: feature for feature in found.features.tolist()
    }


def test_a_token_finds_what_moves_it(index: Index):
    found = search(index, "music", "token")
    assert found.features[0] == 1
    assert found.token == "music"
    below = search(index, "music", "token", direction="suppressed")
    assert (below.values <= 0).all()


def test_meaning_and_examples_find_the_planted_features(index: Index):
    assert 0 in search(index, "bridges", "meaning").features[:3].tolist()
    assert 0 in search(index, "bridge", "examples").features.tolist()


@pytest.mark.parametrize("sort", ["score", "sum", "max", "frequency"])
def test_a_text_finds_what_fires_on_it(index: Index, world: World, sort):
    words = ["the", "bridge", "music", "music", "42", "river"]
    raw = index.raw_reading(world.model, " ".join(words), dictionary=world.dictionary)
    found = by_text(index, raw, sort)
    # The first token does not count.
    fired = {one: [STRENGTH[one][word] for word in words[1:] if word in STRENGTH[one]] for one in STRENGTH}
    assert set(found.features.tolist()) == {one for one, values in fired.items() if values}
    exact = {"sum": sum, "max": max, "frequency": len}
    for feature, value in zip(found.features.tolist(), found.values.tolist(), strict=True):
        if sort in exact:
            assert value == pytest.approx(exact[sort](fired[feature]), rel=1e-5)
    assert (np.diff(found.values) <= 0).all()


def test_what_is_too_dense_is_hidden_and_counted(index: Index):
    found = search(index, "the", "examples")
    everything = shown(index, found, max_density=1.0, start=0, limit=100)
    some = shown(index, found, max_density=0.1, start=0, limit=100)
    assert everything.n_hidden == 0
    assert some.n_hidden == everything.total - some.total > 0
    assert all(index.card(feature).density <= 0.1 for feature in some.features.tolist())


def test_pages_join_to_the_whole(index: Index):
    found = search(index, "the", "examples")
    pages = [shown(index, found, max_density=1.0, start=start, limit=2).features.tolist() for start in range(0, 8, 2)]
    assert sum(pages, []) == found.features.tolist()[:8]


def test_a_question_is_remembered(index: Index):
    assert search(index, "river", "words") is search(index, "river", "words")
    assert recalled(index, ("words", "river")) is not None
    for number in range(40):
        search(index, f"river {number}", "words")
    assert recalled(index, ("words", "river")) is None, "only the last ones are"


@pytest.mark.parametrize(
    ("query", "feature"),
    [
        ("3", 3),
        (" 5 ", 5),
        ("resid_post.0/2", 2),
        ("resid_post.0/2@planted", 2),
        ("6", None),
        ("99999999999", None),
        ("resid_post.1/2", None),
        ("resid_post.0/2@other", None),
        ("bridge", None),
        ("nowhere.3/1", None),
    ],
)
def test_a_number_or_an_address_names_a_feature(index: Index, query: str, feature: int | None):
    assert named_feature(index, query) == feature


def test_nothing_is_refused(index: Index):
    for mode in ("words", "meaning", "token", "examples"):
        with pytest.raises(BadRequest, match="empty"):
            search(index, "  ", mode)
    with pytest.raises(UnknownName):
        search(index, "zeppelin", "token")


@pytest.mark.parametrize(
    ("text", "query", "spans"),
    [
        ('tokens "Bridge", "bridges"', "bridge", [(8, 14), (18, 25)]),
        ('tokens "Bridge", "bridges"', '"bridge"', [(8, 14)]),
        ("abridged", "bridge", []),
        ("École du soir", "ecole soir", [(0, 5), (9, 13)]),
        ("c++ (x)", "x", [(5, 6)]),
    ],
)
def test_where_a_label_has_the_words(text: str, query: str, spans: list[tuple[int, int]]):
    assert spans_of(text, search_terms(query)) == spans


def test_words_between_quotation_marks_are_whole():
    assert search_terms('new "york city" ham') == [
        Term("new", False),
        Term("york", True),
        Term("city", True),
        Term("ham", False),
    ]
    assert [term.word for term in search_terms("resid_post.1")] == ["resid", "post", "1"], "as the words are kept"
    assert search_terms('open "mark') == [Term("open", False), Term("mark", False)]
