import os
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from hooke.dictionaries.formats.native import save_dictionary
from hooke.errors import BadArtefact, BadRequest, ShapeMismatch, UnknownName
from hooke.features.query import Index, find_index
from hooke.features.store import file_hash, map_tensors, save_tensors
from hooke.lab import Lab
from tests.features.planted import N_FEATURES, SITE, STRENGTH, World, planted_corpus, planted_dictionary, planted_model

FIRING = [feature for feature, tokens in STRENGTH.items() if tokens]


@pytest.mark.parametrize("feature", range(N_FEATURES))
def test_density_mean_and_maximum_are_those_of_the_planted_firings(index: Index, world: World, feature: int):
    expected = world.firings(feature)
    card = index.card(feature)
    assert card.n_counted == len(world.words())
    assert card.n_active == len(expected)
    assert card.density == len(expected) / card.n_counted
    assert card.max == max(expected.values(), default=0)
    assert card.mean == pytest.approx(np.mean(list(expected.values())) if expected else 0, rel=1e-6)


@pytest.mark.parametrize("feature", FIRING)
def test_the_histogram_counts_every_firing_between_the_edges_around_it(index: Index, world: World, feature: int):
    expected = list(world.firings(feature).values())
    histogram = index.card(feature).histogram
    assert sum(histogram.counts) == len(expected)
    for low, high, count in zip(histogram.edges[:-1], histogram.edges[1:], histogram.counts, strict=True):
        assert count == sum(low <= value < high for value in expected)


@pytest.mark.parametrize("feature", FIRING)
def test_the_strongest_examples_are_where_the_feature_is_strongest(index: Index, world: World, feature: int):
    expected = world.firings(feature)
    examples = index.card(feature).examples
    assert examples
    best = max(expected.values())
    n_windows_at_best = len({window for (window, _), value in expected.items() if value == best})
    at_best = [example for example in examples if example.value == pytest.approx(best, rel=0.023)]
    # Contexts that repeat are dropped, so nearly all and not all windows come up.
    assert len(at_best) >= min(0.9 * n_windows_at_best, 20)
    for example in examples:
        assert example.value == pytest.approx(expected[example.window, example.position], rel=0.023)


@pytest.mark.parametrize("feature", FIRING)
def test_every_example_shows_its_own_text_and_activations(index: Index, world: World, feature: int):
    strength, words = STRENGTH[feature], {(window, position): word for window, position, word, _ in world.words()}
    for group in index.card(feature).groups:
        for example in group.examples:
            assert len(example.tokens) == len(example.activations) == len(example.token_ids)
            assert example.activations[example.peak] == example.value
            for place, (token, value) in enumerate(zip(example.tokens, example.activations, strict=True)):
                word = words.get((example.window, example.position - example.peak + place))
                assert word is None or token.strip() == word
                assert value == pytest.approx(strength.get(word or "", 0), rel=0.023)


def test_groups_of_examples_are_fifths_of_the_firings(index: Index):
    groups = {group.name: [example.value for example in group.examples] for group in index.card(1).groups}
    assert list(groups) == ["strongest", "80–100 %", "60–80 %", "40–60 %", "20–40 %", "0–20 %"]
    # Music, song and album are equally common: the fifths go 6, 6 or 3, 3, 3 or 1.5, 1.5.
    assert groups["80–100 %"] == pytest.approx([6] * len(groups["80–100 %"]), rel=0.023)
    assert groups["0–20 %"] == pytest.approx([1.5] * len(groups["0–20 %"]), rel=0.023)
    assert all(len(values) <= 4 for name, values in groups.items() if name != "strongest")


def test_no_window_and_no_context_is_shown_twice(index: Index):
    for feature in FIRING:
        examples = [example for group in index.card(feature).groups for example in group.examples]
        assert len({example.window for example in examples}) == len(examples)
        for group in index.card(feature).groups:
            contexts = [example.token_ids[max(0, example.peak - 7) : example.peak + 3] for example in group.examples]
            assert len(set(contexts)) == len(contexts)


def test_sources_of_a_feature_are_counted(index: Index, world: World):
    about_music = {number for number in range(60) if number % 3 == 0}
    words = world.words()
    fired = world.firings(1)
    in_songs = sum((window, position) in fired and document in about_music for window, position, _, document in words)
    shares = {one.source: one for one in index.card(1).by_source}
    assert shares["songs"].share == in_songs / len(fired)
    assert shares["songs"].base == sum(document in about_music for *_, document in words) / len(words)
    assert index.card(1).by_source[0].source == "songs"


def test_partners_fire_on_the_same_tokens(index: Index, world: World):
    bridges, towns = world.firings(3), world.firings(0)
    both = len(bridges.keys() & towns.keys())
    partner = next(one for one in index.card(3).partners if one.feature == 0)
    n = len(world.words())
    assert partner.count == both == len(bridges)
    assert partner.jaccard == pytest.approx(both / len(bridges.keys() | towns.keys()), abs=1e-3)
    assert partner.pmi == pytest.approx(np.log2(both * n / (len(bridges) * len(towns))), abs=5e-3)
    assert {one.feature for one in index.card(3).partners} == {0, 4}


def test_neighbours_write_alike(index: Index, world: World):
    rows = world.dictionary.W_dec / world.dictionary.W_dec.norm(dim=-1, keepdim=True)
    cosines = (rows @ rows[0]).tolist()
    neighbours = index.neighbours(0)
    assert [one.feature for one in neighbours] == sorted(range(1, N_FEATURES), key=lambda other: -cosines[other])
    for one in neighbours:
        assert one.cosine == pytest.approx(cosines[one.feature], abs=1e-3)
        assert one.label == index.labels.of(one.feature)[0].text


def test_promoted_tokens_are_those_that_the_decoder_row_points_at(index: Index):
    # Four more than the rest: 'bridge' and 'river', each with and without its space.
    assert {one.text.strip() for one in index.card(0).promoted[:4]} == {"bridge", "river"}
    hits = index.promoting("music")
    assert hits[0].feature == 1
    assert [hit.value for hit in hits] == sorted((hit.value for hit in hits), reverse=True)


def test_search_finds_features_by_words_and_beginnings_of_words(index: Index):
    assert {hit.feature for hit in index.search("bridge", 2)} == {0, 3}
    assert {hit.feature for hit in index.search("BRID", 2)} == {0, 3}
    assert index.search("song music")[0].feature == 1
    assert index.search("zebra") == []
    assert [hit.feature for hit in index.search('42"')] == [hit.feature for hit in index.search("42")]
    with pytest.raises(BadRequest, match="no word"):
        index.search(' "*( ')


def test_features_come_in_the_order_asked_for(index: Index):
    assert [hit.feature for hit in index.ranked("max")] == [0, 1, 2, 3, 4]
    assert [hit.feature for hit in index.ranked("density", 2)] == [4, 1]
    assert [hit.feature for hit in index.ranked("density", 1, ascending=True)] == [3]
    assert [hit.feature for hit in index.ranked("density", 1, max_density=0.5)] == [1]
    scores = [hit.value for hit in index.ranked("score")]
    assert scores == sorted(scores, reverse=True)
    with pytest.raises(BadRequest, match="Did you mean 'density'"):
        index.ranked("densty")


def test_the_strongest_tokens_beyond_the_card_come_from_the_postings(index: Index, world: World):
    expected = world.firings(1)
    best_of_window: dict[int, float] = {}
    for (window, _), value in expected.items():
        best_of_window[window] = max(value, best_of_window.get(window, 0))
    examples = index.top(1, 1000)
    assert {example.window for example in examples} == set(best_of_window)
    values = [example.value for example in examples]
    assert values == pytest.approx(sorted(best_of_window.values(), reverse=True), rel=0.023)
    shown = {example.window: example for example in index.card(1).examples}
    for example in examples:
        if example.window in shown and shown[example.window].position == example.position:
            assert example == shown[example.window]


def test_a_text_is_read_as_the_features_that_it_fires(index: Index, world: World):
    reading = index.active_on(world.model, "the bridge of music", dictionary=world.dictionary)
    assert reading.tokens == ("the", " bridge", " of", " music")
    assert reading.counted == (False, True, True, True)
    fired = [{one.feature: one.value for one in firings} for firings in reading.firings]
    assert fired == [{}, {0: 8.0, 3: 1.0, 4: 0.5}, {4: 0.5}, {1: 6.0, 4: 0.5}]
    # All peaks are the features' own largest, so the rarest leads.
    assert [one.feature for one in reading.features] == [3, 0, 1, 4]
    assert (reading.features[0].peak, reading.features[0].value) == (1, 1.0)
    assert reading.features[0].score == pytest.approx(-np.log2(index.card(3).density), rel=1e-6)
    assert len(index.active_on(world.model, "the bridge", dictionary=world.dictionary, n=1).features) == 1


def test_the_first_token_ranks_no_feature(index: Index, world: World):
    reading = index.active_on(world.model, "bridge", dictionary=world.dictionary)
    assert reading.features == ()
    assert {one.feature for one in reading.firings[0]} == {0, 3, 4}


def test_the_dictionary_is_taken_from_the_lab_when_it_is_the_right_one(world: World, features_lab: Lab):
    index = Index.open("full", lab=features_lab)
    target = features_lab.path("dictionaries", "planted")
    with pytest.raises(UnknownName):
        index.active_on(world.model, "the bridge")
    save_dictionary(planted_dictionary(planted_model()), target)
    assert index.active_on(world.model, "the bridge").features[0].feature == 3
    other = planted_dictionary(planted_model())
    other.W_dec[0] += 1
    save_dictionary(other, target)
    with pytest.raises(ShapeMismatch, match="other weights"):
        Index.open("full", lab=features_lab).active_on(world.model, "the bridge")


@pytest.mark.parametrize("feature", [-1, N_FEATURES, 10**9])
def test_an_unknown_feature_names_the_range(index: Index, feature: int):
    for ask in (index.card, index.label, index.top, index.neighbours):
        with pytest.raises(UnknownName, match=r"features 0–5"):
            ask(feature)


@pytest.mark.parametrize("token", ["zebra", 10**6, -1, "<|endoftext|>"])
def test_an_unknown_token_is_refused(index: Index, token: str | int):
    with pytest.raises(UnknownName):
        index.promoting(token)


def test_names_lead_to_indexes(features_lab: Lab, tmp_path: Path):
    folder = features_lab.path("features", "full")
    assert find_index("full", features_lab) == find_index(str(folder), features_lab) == folder
    with pytest.raises(UnknownName, match="Did you mean 'full'"):
        find_index("fulll", features_lab)
    with pytest.raises(BadArtefact, match=r"no index\.json"):
        find_index(tmp_path, features_lab)


def test_an_index_without_its_text_opens_says_so_and_gets_it_back(world: World, features_lab: Lab, tmp_path: Path):
    lab = Lab(tmp_path / "built")
    folder = world.build("bare", lab, tokens="reference", posting="examples")
    assert not any("tokens" in path.parts for path in folder.rglob("*"))
    assert Index.open("bare", lab=lab).card(0).examples[0].tokens

    elsewhere = Lab(tmp_path / "elsewhere")
    index = Index.open(folder, lab=elsewhere)
    card = index.card(0)
    assert card.examples[0].tokens == ()
    assert max(card.examples[0].activations) == card.examples[0].value
    assert "without the text" in card.text_missing
    with pytest.raises(UnknownName, match="not here"):
        index.fetch_text(world.model.tokenizer, planted_corpus(59))
    index.fetch_text(world.model.tokenizer, world.corpus)
    expected = Index.open("full", lab=features_lab).card(0)
    assert index.card(0).groups == expected.groups
    assert index.card(0).text_missing == ""
    assert elsewhere.names("features") == []
    index.fetch_text(world.model.tokenizer, planted_corpus(59))


CARD_DAMAGE = {
    "window": ("example_window", 10**6),
    "position": ("example_position", 60_000),
    "group": ("example_group", 9),
    "place": ("activation_place", 250),
    "token": ("promoted", 65_000),
    "neighbour": ("neighbour", 65_000),
    "partner": ("partner", 65_000),
    "counts": ("example_counts", 7),
}


@pytest.mark.parametrize("what", CARD_DAMAGE)
def test_a_card_that_points_outside_the_index_is_refused(copied: Path, features_lab: Lab, what: str):
    path = copied / "cards" / "00000.safetensors"
    name, value = CARD_DAMAGE[what]
    arrays = {key: np.array(array) for key, array in map_tensors(path).items()}
    arrays[name][...] = value
    save_tensors(path, arrays)
    with pytest.raises(BadArtefact):
        Index.open(copied, lab=features_lab).card(0)


@pytest.mark.parametrize("name", ["positions", "offsets", "codes"])
def test_postings_that_point_outside_the_index_are_refused(copied: Path, features_lab: Lab, name: str):
    path = copied / "cols" / "00000.safetensors"
    arrays = {key: np.array(array) for key, array in map_tensors(path).items()}
    arrays[name] = arrays[name][:-1] if name == "codes" else np.full_like(arrays[name], 10**4)
    size = path.stat().st_size
    save_tensors(path, arrays)
    data = path.read_bytes()
    path.write_bytes(data + b"\0" * (size - len(data)))
    with pytest.raises(BadArtefact):
        Index.open(copied, lab=features_lab).top(0)


def test_text_that_holds_unknown_tokens_is_refused(copied: Path, features_lab: Lab):
    path = copied / "tokens" / "00000.safetensors"
    arrays = {key: np.array(array) for key, array in map_tensors(path).items()}
    arrays["tokens"][...] = 60_000
    save_tensors(path, arrays)
    with pytest.raises(BadArtefact, match="holds the token 60000"):
        Index.open(copied, lab=features_lab).card(0)


def test_labels_that_are_no_database_are_refused(copied: Path, features_lab: Lab):
    path = copied / "labels.sqlite"
    path.write_bytes(b"x" * path.stat().st_size)
    index = Index.open(copied, lab=features_lab)
    for ask in (lambda: index.card(0), lambda: index.search("bridge"), lambda: index.ranked("score")):
        with pytest.raises(BadArtefact):
            ask()


def test_the_labels_of_an_index_cannot_be_written_by_its_readers(index: Index):
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        index.labels._connection.execute("DELETE FROM labels")


def test_the_manifest_tells_the_hash_of_every_file(index: Index):
    for name, entry in index.manifest.files.items():
        assert file_hash(index.folder / name) == entry.sha256


def test_addresses_of_features_name_site_and_dictionary(index: Index):
    assert index.address(3) == index.card(3).name == f"{SITE}/3@planted"


def test_columns_are_the_cards_below_each_other(index: Index):
    columns = index.columns("n_active", "max", "neighbour")
    for feature in range(len(index)):
        card = index.card(feature)
        assert (columns["n_active"][feature], columns["max"][feature]) == (card.n_active, np.float32(card.max))
        assert columns["neighbour"][feature].tolist() == [one.feature for one in card.neighbours]


def test_an_example_is_found_by_its_place(index: Index):
    for group in index.card(0).groups:
        for example in group.examples:
            place = example.window * index.manifest.context + example.position
            assert index.example_at(0, place) == example
            assert example.window in index.example_windows(0)
    assert index.example_at(0, 0) is None, "position 0 is never one"


def test_files_that_are_open_do_not_use_up_descriptors(index: Index):
    before = len(os.listdir("/proc/self/fd"))
    kept = [map_tensors(index.folder / "cards" / "00000.safetensors") for _ in range(5)]
    # However many arrays a file has, one descriptor holds it.
    assert len(os.listdir("/proc/self/fd")) - before <= len(kept)
