"""Each format's fixture is known as that format and no other, and damaged bytes are refused or give sound weights."""

import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from hooke.dictionaries.formats.foreign import open_foreign
from hooke.dictionaries.formats.published import FORMATS, Given
from hooke.errors import HookeError
from tests.dictionaries.formats import (
    test_bluelight,
    test_gemma_scope_single,
    test_goodfire,
    test_llama_scope,
    test_openai,
    test_openmoss,
    test_openmoss_crosslayer,
    test_qwen_scope,
)

SINGLE: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "first suite": ("Gemma Scope", test_gemma_scope_single.write_first),
    "crosscoder": ("Gemma Scope", test_gemma_scope_single.write_crosscoder),
    "recipe": ("Llama Scope", test_llama_scope.write),
    "reasoning": ("Llama Scope", test_llama_scope.write_reasoning),
    "library": ("OpenMOSS", test_openmoss.write),
    "layers": ("Qwen-Scope", test_qwen_scope.write),
    "linear": ("Goodfire", test_goodfire.write),
    "small": ("OpenAI", test_openai.write),
}
SEVERAL: dict[str, Callable[[Path], Path]] = {
    "parts": lambda root: test_bluelight.write_parts(root / "clt", "output_layer"),
    "whole": lambda root: test_bluelight.write_whole(root, "input_layer"),
    "targets": test_openmoss_crosslayer.write,
}
GIVEN = Given(model="tiny")
N_DAMAGES = 60


@pytest.mark.parametrize("name", SINGLE)
def test_a_fixture_is_of_one_format_only(tmp_path: Path, name: str):
    due, write = SINGLE[name]
    path = write(tmp_path)
    assert [one for one, how in FORMATS.items() if how.recognises(path)] == [due]
    assert FORMATS[due].load(path, GIVEN).n_features > 0


def test_no_format_takes_what_is_nothing(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.pt").write_bytes(b"\x80\x02}")
    for path in (tmp_path, tmp_path / "notes.txt", tmp_path / "model.pt", tmp_path / "none"):
        assert [one for one, how in FORMATS.items() if how.recognises(path)] == []


def damages(path: Path, seed: int) -> Iterator[bytes]:
    """A file cut short, and with a byte changed, most of them where names and shapes are."""
    content, chance = path.read_bytes(), random.Random(seed)
    for turn in range(N_DAMAGES):
        if turn % 4 == 0:
            yield content[: chance.randrange(len(content))]
            continue
        changed = bytearray(content)
        reach = len(content) if turn % 4 == 1 else min(len(content), 700)
        changed[chance.randrange(reach)] ^= 1 << chance.randrange(8)
        yield bytes(changed)


def files_of(path: Path) -> list[Path]:
    folder = path if path.is_dir() else path.parent
    return sorted(one for one in folder.rglob("*") if one.is_file())


@pytest.mark.parametrize("name", SINGLE)
def test_damaged_bytes_are_refused_or_give_sound_weights(tmp_path: Path, name: str):
    due, write = SINGLE[name]
    path, n_refused = write(tmp_path), 0
    for file in files_of(path):
        sound = file.read_bytes()
        for content in damages(file, seed=len(name)):
            file.write_bytes(content)
            try:
                if not FORMATS[due].recognises(path):
                    n_refused += 1
                    continue
                found = FORMATS[due].load(path, GIVEN)
                assert all(bool(one.isfinite().all()) for one in found.parameters())
            except HookeError:
                n_refused += 1
        file.write_bytes(sound)
    assert n_refused > N_DAMAGES // 4


@pytest.mark.parametrize("name", SEVERAL)
def test_damaged_bytes_of_several_layers_are_refused_or_give_sound_weights(tmp_path: Path, name: str):
    path, n_refused = SEVERAL[name](tmp_path), 0
    for file in files_of(path):
        sound = file.read_bytes()
        for content in damages(file, seed=len(name)):
            file.write_bytes(content)
            try:
                found = open_foreign(path, model="tiny")
                for layer in found.layers if found else ():
                    rows = found.decoder_rows(layer, torch.arange(found.n_features(layer)), layer) if found else None
                    assert rows is not None
                    assert bool(rows.isfinite().all())
            except HookeError:
                n_refused += 1
        file.write_bytes(sound)
    assert n_refused > N_DAMAGES // 4


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path):
    class Evil:
        def __reduce__(self) -> tuple:
            return pytest.fail, ("a pickle was loaded",)

    for name in ("layers", "linear", "small"):
        due, write = SINGLE[name]
        path = write(tmp_path / name) if name != "layers" else write(tmp_path)
        file = path if path.is_file() else next(path.glob("*.pt"))
        state = torch.load(file, weights_only=True)
        torch.save({**state, "more": Evil()}, file)
        assert zipfile.is_zipfile(file)
        with pytest.raises(HookeError, match="could run code"):
            FORMATS[due].load(path, GIVEN)
