import numpy as np
import pytest
import torch

from hooke.features import layout
from hooke.features.layout import edges, first_places, group_names, has_map, map_of, settle
from hooke.features.query import Index
from hooke.lab import Lab
from tests.features.planted import N_FEATURES, STRENGTH


def families(n_families: int = 6, size: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours inside families, with a weak link from each family to the next."""
    generator = np.random.default_rng(0)
    n = n_families * size
    family = np.arange(n) // size
    neighbour = family[:, None] * size + generator.integers(0, size, (n, 8))
    cosine = generator.uniform(0.3, 0.8, (n, 8)).astype(np.float32)
    neighbour[::size, 7] = (np.arange(n_families) + 1) % n_families * size
    cosine[::size, 7] = 0.1
    return neighbour, cosine


def test_families_stay_together():
    neighbour, cosine = families()
    n = len(neighbour)
    generator = torch.Generator().manual_seed(0)
    graph = edges(np.arange(n), neighbour, cosine)
    places = settle(first_places(n, *graph, generator=generator), *graph, generator=generator).numpy()
    distances = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argsort(1)[:, :5]
    same = (nearest // 40 == np.arange(n)[:, None] // 40).mean()
    # By chance one in six would be of the same family.
    assert same > 0.9


def test_an_edge_is_there_once_with_the_larger_weight():
    neighbour, cosine = np.array([[1], [0], [0]]), np.array([[0.5], [0.9], [0.01]])
    heads, tails, weights = edges(np.arange(3), neighbour, cosine)
    assert list(zip(heads.tolist(), tails.tolist(), weights.tolist(), strict=True)) == [(0, 1, pytest.approx(0.9))]


def test_features_that_are_left_out_have_no_edge():
    neighbour, cosine = np.array([[1], [2], [1]]), np.full((3, 1), 0.5)
    heads, tails, _ = edges(np.array([1, 2]), neighbour, cosine)
    assert (heads.tolist(), tails.tolist()) == ([0], [1])


def test_points_without_any_edge_have_places():
    none = torch.zeros(0, dtype=torch.int64)
    generator = torch.Generator().manual_seed(0)
    places = first_places(5, none, none, torch.zeros(0), generator=generator)
    assert torch.isfinite(settle(places, none, none, torch.zeros(0), generator=generator)).all()


def test_the_map_of_an_index_is_drawn_once(features_lab: Lab, tmp_path, monkeypatch: pytest.MonkeyPatch):
    index = Index(features_lab.path("features", "full"), Lab(tmp_path / "other"))
    assert not has_map(index)
    drawn = map_of(index)
    assert drawn.features.tolist() == [feature for feature in range(N_FEATURES) if STRENGTH[feature]]
    assert np.abs(drawn.places).max() <= 1
    assert sum(group.n for group in drawn.groups) == len(drawn.features)
    monkeypatch.setattr(layout, "map_arrays", lambda _: pytest.fail("drawn again"))
    again = map_of(Index(index.folder, index.lab))
    assert np.array_equal(again.places, drawn.places)


def test_groups_are_named_by_what_others_do_not_say():
    texts = ["the music song"] * 5 + ["the river water"] * 5
    names = group_names(texts, np.repeat([0, 1], 5))
    assert [set(name.split(", ")) for name in names] == [{"music", "song"}, {"river", "water"}]


def test_a_group_without_words_has_no_name():
    assert group_names(["", ""], np.array([0, 0])) == [""]
