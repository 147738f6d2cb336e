"""The check tells a ranking that knows who meets from one that only knows weights, where both are planted."""

from pathlib import Path

import pytest
import torch

from hooke.dictionaries import save_dictionary
from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig
from hooke.errors import BadRequest
from hooke.evaluate import weight_filter as module
from hooke.evaluate.weight_filter import check_filter
from hooke.features.index import build_index
from hooke.features.interactions import compute_interactions
from hooke.features.query import Index
from hooke.lab import Lab
from tests.features.planted import World, planted_world


def dictionary(world: World, name: str, site: str, reads: list[dict[str, float]], writes: list[dict[str, float]]):
    """Features that read and write words, as strongly as is said."""

    def rows(some: list[dict[str, float]]) -> torch.Tensor:
        found = torch.zeros(len(some), world.model.d_model)
        for feature, words in enumerate(some):
            for word, strength in words.items():
                for token in (word, f"Ġ{word}"):
                    found[feature, world.model.tokenizer.convert_tokens_to_ids(token)] = strength
        return found

    d, n = world.model.d_model, len(reads)
    config = DictionaryConfig(
        name=name, model="planted", kind="relu", reads=(site,), writes=(site,), n_features=n, d_in=d, d_out=d
    )
    weights = {"b_enc": torch.zeros(n), "b_dec": torch.zeros(d)}
    return Dictionary(config, W_enc=rows(reads).T.contiguous(), W_dec=rows(writes), **weights)


@pytest.fixture(scope="module")
def world() -> World:
    return planted_world(n_documents=200)


@pytest.fixture(scope="module")
def lab(world: World, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """What 'bridge' writes overlaps with what 'stone' reads, and more than with what 'bridge' reads."""
    lab = Lab(tmp_path_factory.mktemp("filter") / "lab")
    early = [{"bridge": 1.0}, {"music": 1.0}]
    late = [{"bridge": 8.0}, {"stone": 30.0}, {"music": 6.0}, {"song": 3.0}]
    written = [{"bridge": 1.0, "stone": 1.0}, {"music": 1.0}]
    for one in (
        dictionary(world, "early", "resid_pre.0", early, written),
        dictionary(world, "late", "resid_post.0", late, late),
    ):
        save_dictionary(one, lab.path("dictionaries", one.name))
        build_index(world.model, one, world.corpus, name=one.name, n_tokens=800, windows=world.windows, lab=lab)
    return lab


def checked(world: World, lab: Lab, *, n_tokens: int = 1600, n_sources: int = 1):
    one, other = Index.open("early", lab=lab), Index.open("late", lab=lab)
    settings = {"n_tokens": n_tokens, "windows": world.windows, "lab": lab}
    run = compute_interactions(world.model, one, world.corpus, other=other, **settings)
    return check_filter(world.model, run, (one, other), world.corpus, n_sources=n_sources)


def test_interference_moves_nothing_and_the_filter_knows(world: World, lab: Lab, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "N_FIRST", 1)
    told = {one.claim.rpartition(" by ")[2]: one for one in checked(world, lab, n_sources=2)}
    assert told["TWERA"].value == pytest.approx(1)
    # Of two sources one has its largest weight where nothing happens.
    assert told["|V| alone"].value == pytest.approx(0.5)
    assert told["TWERA less |V| alone"].value == pytest.approx(0.5)
    assert told["TWERA"].control is not None
    assert told["TWERA"].n == 2
    assert told["co-firing alone"].control_name == "1 random features that fire"


def test_a_text_that_was_read_to_its_end_is_refused(world: World, lab: Lab):
    with pytest.raises(BadRequest, match="ends with what the run has read"):
        checked(world, lab, n_tokens=1_000_000)


def test_two_dictionaries_of_one_site_are_refused(world: World, tmp_path: Path, lab: Lab):
    other = Index.open("late", lab=lab)
    run = compute_interactions(
        world.model, Index.open("early", lab=lab), world.corpus, other=other, n_tokens=800, windows=world.windows,
        lab=lab,
    )  # fmt: skip
    with pytest.raises(BadRequest, match="nothing to check"):
        check_filter(world.model, run, (other, other), world.corpus, n_sources=1)
