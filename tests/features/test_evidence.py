import numpy as np
import pytest

from hooke.errors import BadRequest
from hooke.features import evidence as module
from hooke.features.evidence import read_evidence
from hooke.features.labelling import Bench
from hooke.lab import Lab
from hooke.text.documents import Corpus
from tests.features.planted import World


def read(world: World, lab: Lab, n_tokens: int | None = None) -> module.Evidence:
    return read_evidence(
        world.model,
        world.dictionary,
        world.corpus,
        n_tokens=n_tokens or world.n_tokens,
        windows=world.windows,
        lab=lab,
    )


def test_it_knows_where_each_feature_fires(bench: Bench, world: World):
    evidence = bench.made.evidence
    for feature in (0, 2, 3):
        postings = evidence.shards.postings(feature, feature + 1)
        found = {divmod(position, evidence.context) for position in postings.positions.tolist()}
        assert found == set(world.firings(feature))


def test_near_misses_are_silent_counted_and_one_a_window(bench: Bench, world: World):
    evidence = bench.made.evidence
    for feature in range(4):
        misses = evidence.misses(feature)
        assert len(misses)
        assert not {divmod(place, evidence.context) for place in misses.tolist()} & set(world.firings(feature))
        assert set(misses.tolist()) <= set(evidence.counted.tolist())
        assert len(np.unique(misses // evidence.context)) == len(misses)


def test_a_reading_that_was_stopped_goes_on_and_is_the_same(
    world: World, tmp_path, monkeypatch: pytest.MonkeyPatch, bench: Bench
):
    monkeypatch.setattr(module, "SHARD_WINDOWS", 16)
    whole = read(world, Lab(tmp_path / "whole"))
    lab = Lab(tmp_path / "stopped")
    write, written = module._Shard.write, []

    def die_at_the_third(self, *words):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(self.number)
        write(self, *words)

    with monkeypatch.context() as patch:
        patch.setattr(module._Shard, "write", die_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            read(world, lab)
    again = read(world, lab)
    assert again.n_counted == whole.n_counted
    for feature in range(4):
        assert np.array_equal(again.misses(feature), whole.misses(feature))
        first, second = (one.shards.postings(feature, feature + 1).positions for one in (again, whole))
        assert np.array_equal(first, second)


def test_it_is_read_once(world: World, bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "stream", lambda *_, **__: pytest.fail("it was read again"))
    assert read(world, bench.index.lab).n_counted == bench.made.evidence.n_counted


def test_too_little_text_is_refused(world: World, tmp_path):
    nothing = Corpus(name="nothing", fingerprint="0", read=lambda: iter(()))
    with pytest.raises(BadRequest, match="does not fill one window"):
        read_evidence(world.model, world.dictionary, nothing, n_tokens=64, windows=world.windows, lab=Lab(tmp_path))
