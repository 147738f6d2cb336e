"""Indexes of the planted world that several tests read and none changes."""

from pathlib import Path

import pytest

from hooke.features.evidence import read_evidence
from hooke.features.labelling import Bench
from hooke.features.query import Index
from hooke.features.trials import TrialMaker
from hooke.lab import Lab
from tests.features.interacting import Pair, copy_pair, make_pair
from tests.features.planted import World, planted_corpus, planted_world


@pytest.fixture(scope="session")
def world() -> World:
    return planted_world()


@pytest.fixture(scope="session")
def features_lab(tmp_path_factory: pytest.TempPathFactory, world: World) -> Lab:
    lab = Lab(tmp_path_factory.mktemp("features") / "lab")
    world.build("full", lab, posting="full")
    return lab


@pytest.fixture(scope="session")
def index(features_lab: Lab) -> Index:
    return Index.open("full", lab=features_lab)


@pytest.fixture
def copied(features_lab: Lab, tmp_path: Path) -> Path:
    """A copy of the index's folder that a test may damage."""
    import shutil

    return Path(shutil.copytree(features_lab.path("features", "full"), tmp_path / "copied"))


@pytest.fixture(scope="session")
def bench(index: Index, world: World) -> Bench:
    """Both readings of the planted world: labels are made from one text and scored on another one."""
    held = planted_corpus(60, seed=1, name="held")
    readings = [
        read_evidence(
            world.model, world.dictionary, corpus, n_tokens=world.n_tokens, windows=world.windows, lab=index.lab
        )
        for corpus in (world.corpus, held)
    ]
    makers = [TrialMaker(one, index.vocabulary, seed=place) for place, one in enumerate(readings)]
    return Bench(index, world.model, *makers)


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory, world: World) -> Pair:
    """Two dictionaries with both runs."""
    made = make_pair(world, Lab(tmp_path_factory.mktemp("pair") / "lab"))
    made.compute()
    made.compute(alone=True)
    return made


@pytest.fixture
def own_pair(pair: Pair, tmp_path: Path) -> Pair:
    """A copy that a test may change."""
    return copy_pair(pair, Lab(tmp_path / "own"))
