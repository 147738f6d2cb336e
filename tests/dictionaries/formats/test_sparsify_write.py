import hashlib
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from hooke.dictionaries.formats.given import Given
from hooke.dictionaries.formats.sparsify_write import write_sparsify
from hooke.dictionaries.load import load_dictionary
from hooke.errors import BadRequest
from tests.dictionaries.formats.test_sparsify import GOLDEN, MODULES
from tests.golden.sparsify_written import ACROSS, CASES, PLAIN, built, made, numbers


def written(folder: Path) -> Path:
    """The only module of a run."""
    return next(path.parent for path in folder.glob("*/cfg.json"))


@pytest.mark.parametrize("case", CASES)
def test_what_is_written_is_what_the_tool_has_accepted(case: str, tmp_path: Path):
    accepted = json.loads((GOLDEN / "accepted.json").read_text())["files"]
    write_sparsify(made(case), tmp_path / case)
    files = [written(tmp_path / case) / name for name in ("cfg.json", "sae.safetensors")]
    for path in files:
        told = accepted[path.relative_to(tmp_path).as_posix()]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == told, path


@pytest.mark.parametrize("case", CASES)
def test_what_is_written_comes_back(case: str, tmp_path: Path):
    one, x = made(case), numbers((200, 6), seed=5)
    write_sparsify(one, tmp_path / case)
    again = load_dictionary(tmp_path / case)
    for name in ("kind", "k", "reads", "writes", "skip", "model"):
        assert getattr(again.config, name) == getattr(one.config, name)
    torch.testing.assert_close(again.encode(x).dense(), one.encode(x).dense(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(again(x), one(x), atol=1e-5, rtol=1e-5)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), k=st.integers(1, 10), is_grouped=st.booleans())
def test_any_dictionary_comes_back(seed: int, k: int, is_grouped: bool, tmp_path_factory: pytest.TempPathFactory):
    one = built("any", seed=seed, **PLAIN, **({"kind": "groupmax", "k": 5} if is_grouped else {"kind": "topk", "k": k}))
    folder, x = tmp_path_factory.getbasetemp() / "any", numbers((20, 6), seed=seed + 1)
    write_sparsify(one, folder)
    again = load_dictionary(folder)
    torch.testing.assert_close(again(x), one(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("module", MODULES)
def test_the_tools_own_files_come_back_with_their_numbers(module: str, tmp_path: Path):
    golden = load_file(GOLDEN / module / "golden.safetensors")
    one = load_dictionary(GOLDEN / module, given=Given(model="tiny"))
    write_sparsify(one, tmp_path / "run", module=module.split("/")[1])
    again = load_dictionary(tmp_path / "run")
    torch.testing.assert_close(again.encode(golden["x"]).dense(), golden["acts"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(again(golden["x"]), golden["x_hat"], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"kind": "relu", **PLAIN}, "topk and groupmax only"),
        ({"kind": "jumprelu", **PLAIN}, "topk and groupmax only"),
        ({"signed": True, **PLAIN}, "topk and groupmax only"),
        ({"d_out": 5, **ACROSS}, "same width"),
        ({"reads": ("resid_mid.1",), "writes": ("mlp_out.1",)}, "from resid_mid.1 to mlp_out.1"),
        ({"reads": ("mlp_in.1",), "writes": ("mlp_out.2",)}, "to mlp_out.2"),
        ({"reads": ("attn_out.1",), "writes": ("attn_out.1",)}, "Give the module"),
        ({"reads": ("resid_post.0", "resid_post.1"), "writes": ("resid_post.1",)}, "one place each"),
        ({"models": ("a", "b"), **PLAIN}, "one place each"),
    ],
)
def test_what_the_format_cannot_express_is_refused(settings: dict, told: str, tmp_path: Path):
    with pytest.raises(BadRequest, match=told):
        write_sparsify(built("small", **{"kind": "topk", "k": 3} | settings), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_module_may_be_named(tmp_path: Path):
    one = built("small", kind="topk", k=3, reads=("attn_out.1",), writes=("attn_out.1",))
    write_sparsify(one, tmp_path / "x", module="h.1.attn", model="openai-community/gpt2")
    again = load_dictionary(tmp_path / "x")
    assert (again.config.reads, again.config.model) == (("attn_out.1",), "openai-community/gpt2")
