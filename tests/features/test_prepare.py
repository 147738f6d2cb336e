from hooke.features.aids import has_aid
from hooke.features.layout import has_map
from hooke.features.prepare import prepare
from hooke.features.query import Index
from hooke.lab import Lab
from tests.features.planted import World


def test_afterwards_everything_is_there(features_lab: Lab, tmp_path, world: World):
    index = Index(features_lab.path("features", "full"), Lab(tmp_path / "other"))
    prepare(index, world.model)
    again = Index(index.folder, index.lab)
    assert has_map(again)
    for name in ("listing-1", "tokens-1", "phrases-1", "embedding-1"):
        assert has_aid(again, name)


def test_without_text_and_model_what_can_be_made_is(world: World, tmp_path):
    world.build("bare", Lab(tmp_path / "lab"), tokens="reference")
    index = Index(tmp_path / "lab" / "features" / "bare", Lab(tmp_path / "other"))
    prepare(index, with_map=False)
    assert has_aid(index, "tokens-1")
    assert not has_aid(index, "phrases-1")
    assert not has_map(index)
