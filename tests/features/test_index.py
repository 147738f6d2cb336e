import dataclasses
import hashlib
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig
from hooke.errors import BadConfig, BadRequest, LabBusy, UnknownName
from hooke.features import index as index_module
from hooke.features import shards as shards_module
from hooke.features.query import Index
from hooke.features.store import read_manifest
from hooke.lab import Lab, writing
from tests.features.planted import World, planted_corpus, planted_world


def contents(folder: Path) -> dict[str, str]:
    """Hashes of the files of an index, apart from its dated manifest."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "index.json"]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("posting", ["examples", "capped:3", "full"])
def test_what_is_kept_beside_the_cards_is_what_was_asked_for(world: World, tmp_path: Path, posting: str):
    lab = Lab(tmp_path)
    folder = world.build("x", lab, posting=posting)
    assert (folder / "cols").exists() == (posting != "examples")
    assert (folder / "rows").exists() == (posting == "full")
    assert [path.name for path in folder.parent.iterdir() if not path.name.endswith(".lock")] == ["x"]
    index = Index.open("x", lab=lab)
    if posting == "capped:3":
        strongest = sorted(world.firings(0).values(), reverse=True)[:3]
        assert sorted(example.value for example in index.top(0, 50)) == pytest.approx(strongest, rel=0.023)


@pytest.mark.parametrize("settings", [{"posting": "half"}, {"posting": "capped:0"}, {"tokens": "elsewhere"}])
def test_an_unknown_setting_is_refused_before_anything_is_written(
    world: World, tmp_path: Path, settings: dict[str, str]
):
    with pytest.raises(BadConfig):
        world.build("x", Lab(tmp_path / "lab"), **settings)
    assert not (tmp_path / "lab").exists()


def test_the_same_build_again_changes_nothing_and_another_one_is_refused(world: World, tmp_path: Path):
    lab = Lab(tmp_path)
    folder = world.build("x", lab)
    before = (folder / "index.json").read_bytes()
    assert world.build("x", lab) == folder
    assert (folder / "index.json").read_bytes() == before
    with pytest.raises(BadRequest, match="another index"):
        world.build("x", lab, posting="full")


def test_a_corpus_without_a_whole_window_is_refused(world: World, tmp_path: Path):
    short = World(world.model, world.dictionary, planted_corpus(0), world.windows, world.n_tokens)
    with pytest.raises(BadRequest, match="does not fill one window"):
        short.build("x", Lab(tmp_path))
    assert Lab(tmp_path).names("features") == []


def test_two_builders_of_one_index_exclude_each_other(world: World, tmp_path: Path):
    lab = Lab(tmp_path)
    with writing(lab.path("features", "x")), pytest.raises(LabBusy):
        world.build("x", lab)


def test_a_reader_reads_while_another_index_is_being_built(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    lab = Lab(tmp_path)
    world.build("first", lab)
    seen = []
    whole = index_module.write_manifest

    def look(folder: Path, manifest: object) -> None:
        seen.append((lab.names("features"), Index.open("first", lab=lab).card(0).n_active))
        whole(folder, manifest)

    monkeypatch.setattr(index_module, "write_manifest", look)
    world.build("second", lab)
    assert seen == [(["first"], len(world.firings(0)))]
    assert lab.names("features") == ["first", "second"]


@pytest.mark.parametrize("dies_in", ["shard 0", "shard 3", "tokens of 2", "merge", "manifest"])
def test_a_build_that_was_stopped_goes_on_and_gives_the_identical_index(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_in: str
):
    monkeypatch.setattr(shards_module, "SHARD_TOKENS", 256)
    whole = world.build("x", Lab(tmp_path / "undisturbed"), posting="full")
    assert len(read_manifest(whole).token_shards) > 4

    lab = Lab(tmp_path / "stopped")
    with monkeypatch.context() as patch:
        _die(patch, dies_in)
        with pytest.raises(KeyboardInterrupt):
            world.build("x", lab, posting="full")
    assert lab.names("features") == []
    read: list[int] = []
    with monkeypatch.context() as patch:
        stream = index_module.stream
        patch.setattr(
            index_module,
            "stream",
            lambda *args, **settings: read.append(settings["start"]) or stream(*args, **settings),
        )
        folder = world.build("x", lab, posting="full")
    assert contents(folder) == contents(whole)
    windows_done = {"shard 0": [0], "shard 3": [48], "tokens of 2": [32], "merge": [], "manifest": []}
    assert read == windows_done[dies_in]


def _die(patch: pytest.MonkeyPatch, where: str) -> None:
    def die(*args: object, **settings: object) -> None:
        raise KeyboardInterrupt

    if where == "merge":
        patch.setattr(index_module, "write_labels", die)
    elif where == "manifest":
        patch.setattr(index_module, "write_manifest", die)
    elif where.startswith("shard"):
        save = shards_module.write_json
        number = f"{int(where.split()[1]):05d}.json"
        patch.setattr(
            shards_module, "write_json", lambda path, data: die() if path.name == number else save(path, data)
        )
    else:
        save = shards_module.save_tensors
        patch.setattr(
            shards_module,
            "save_tensors",
            lambda path, arrays: die() if path.parent.name == "rows" and path.stem == "00002" else save(path, arrays),
        )


def test_a_killed_process_leaves_nothing_that_opens_and_the_next_one_goes_on(world: World, tmp_path: Path):
    script = """
        import os, signal, sys
        sys.path[:0] = sys.argv[2:]
        from pathlib import Path
        from hooke.features import shards
        from hooke.lab import Lab
        from tests.features.planted import planted_world

        shards.SHARD_TOKENS = 256
        save = shards.save_tensors
        def kill(path, arrays):
            save(path, arrays)
            if path.stem == "00003":
                os.kill(os.getpid(), signal.SIGKILL)
        shards.save_tensors = kill
        planted_world().build("x", Lab(Path(sys.argv[1])), posting="full")
    """
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "lab"), root, f"{root}/src"]
    killed = subprocess.run(command, capture_output=True, check=False)
    assert killed.returncode == -9, killed.stderr.decode()
    lab = Lab(tmp_path / "lab")
    assert lab.names("features") == []
    assert len(list((lab.root / "features" / ".x.partial" / "shards").glob("*.json"))) == 3
    folder = world.build("x", lab, posting="full")
    assert Index.open("x", lab=lab).card(0).n_active == len(world.firings(0))
    assert not (folder.parent / ".x.partial").exists()


def test_a_stopped_build_of_something_else_is_not_gone_on_with(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    lab = Lab(tmp_path)
    with monkeypatch.context() as patch:
        _die(patch, "merge")
        with pytest.raises(KeyboardInterrupt):
            world.build("x", lab)
    other = planted_world(n_documents=20, n_tokens=400)
    folder = other.build("x", lab)
    assert read_manifest(folder).n_windows == 25
    assert contents(folder) == contents(other.build("y", lab))


def test_how_the_text_is_cut_into_shards_does_not_change_a_card(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    one = Index.open(world.build("one", Lab(tmp_path)), lab=Lab(tmp_path))
    monkeypatch.setattr(shards_module, "SHARD_ENTRIES", 100)
    many = Index.open(world.build("many", Lab(tmp_path)), lab=Lab(tmp_path))
    assert len(many.manifest.token_shards) > 3 * len(one.manifest.token_shards)
    for feature in range(len(one)):
        expected = one.card(feature).to_json() | {"index": "many"}
        found = many.card(feature).to_json()
        # Means are sums of float32 activations in another order.
        assert found.pop("mean") == pytest.approx(expected.pop("mean"), rel=1e-6)
        assert found == expected


def test_a_dictionary_at_a_site_of_another_width_has_no_logit_effects(world: World, tmp_path: Path):
    width = 4
    config = DictionaryConfig(
        name="neurons",
        model="planted",
        kind="relu",
        reads=("neurons.0",),
        writes=("neurons.0",),
        n_features=9,
        d_in=width,
        d_out=width,
    )
    generator = torch.Generator().manual_seed(0)
    weights = {
        name: torch.randn(shape, generator=generator) for name, shape in (("W_enc", (width, 9)), ("W_dec", (9, width)))
    }
    dictionary = Dictionary(config, **weights, b_enc=torch.zeros(9), b_dec=torch.zeros(width))
    lab = Lab(tmp_path)
    World(world.model, dictionary, world.corpus, world.windows, 320).build("neurons", lab)
    index = Index.open("neurons", lab=lab)
    assert index.card(0).promoted == ()
    with pytest.raises(UnknownName, match="does not write to the residual stream"):
        index.promoting("bridge")


def test_features_of_heads_promote_what_the_output_projection_makes_of_them(tmp_path: Path):
    # The tokens of z and those that the stream stands for are told apart by a projection that moves each by one.
    world = planted_world()
    width = world.model.d_model
    with torch.no_grad():
        world.model.hf.model.layers[0].self_attn.o_proj.weight.copy_(torch.eye(width).roll(1, 0))
    stream = world.dictionary
    config = dataclasses.replace(stream.config, reads=("z.0",), writes=("z.0",))
    weights = {name: tensor.detach().clone() for name, tensor in stream.named_parameters()}
    rows = stream.W_dec.detach()
    heads = Dictionary(config, **(weights | {"W_dec": rows}))
    moved = Dictionary(stream.config, **(weights | {"W_dec": rows.roll(1, 1)}))
    lab = Lab(tmp_path)
    World(world.model, heads, world.corpus, world.windows, 320).build("heads", lab)
    World(world.model, moved, world.corpus, world.windows, 320).build("moved", lab)
    found, due = (Index.open(name, lab=lab) for name in ("heads", "moved"))
    for feature in (0, 1, 2):
        assert found.card(feature).promoted
        assert found.card(feature).promoted[0].token == due.card(feature).promoted[0].token
    assert found.promoting("bridge")
