"""What hooke writes for SAELens: it comes back as it was, and SAELens has read it."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig, weight_shapes
from hooke.dictionaries.formats.saelens import recognises
from hooke.dictionaries.formats.saelens_write import write_saelens
from hooke.dictionaries.load import load_dictionary
from hooke.errors import BadRequest, UnknownSite
from tests.dictionaries.formats.test_saelens import CASES, GOLDEN
from tests.golden.saelens_written import CASES as WRITTEN
from tests.golden.saelens_written import made

ACCEPTED = json.loads((GOLDEN / "accepted.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", WRITTEN)
def test_saelens_has_read_these_bytes_and_computed_the_same(case: str, tmp_path: Path):
    # Where this fails because the layout was changed on purpose: tests/golden/saelens.py says how to ask SAELens again.
    write_saelens(made(case), tmp_path / case)
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / case).iterdir()}
    assert found == ACCEPTED["files"][case]


def require_same(found: Dictionary, wanted: Dictionary) -> None:
    assert found.state_dict().keys() == wanted.state_dict().keys()
    for name, tensor in wanted.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name
    assert replace(found.config, name="", claims=None) == replace(wanted.config, name="", claims=None)


@pytest.mark.parametrize("case", CASES)
def test_what_was_read_is_written_and_comes_back(case: str, tmp_path: Path):
    read = load_dictionary(GOLDEN / case)
    write_saelens(read, tmp_path / case)
    back = load_dictionary(tmp_path / case)
    require_same(back, read)
    assert (back.config.claims and back.config.claims.l0) == (read.config.claims and read.config.claims.l0)


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["relu", "topk", "batchtopk", "jumprelu", "matryoshka", "gated"]))
    n, d_in = draw(st.integers(1, 9)), draw(st.integers(1, 7))
    across = kind != "topk" and draw(st.booleans())
    reads, skip = draw(st.sampled_from(["resid_pre.7", "mlp_in.0", "neurons.3"])), across and draw(st.booleans())
    return {
        "name": "made",
        "model": draw(st.sampled_from(["tiny", "owner/model-1b"])),
        "kind": kind,
        "reads": (reads,),
        "writes": ("mlp_out.0",) if across else (reads,),
        "n_features": n,
        "d_in": d_in,
        "d_out": draw(st.integers(1, 7)) if across else d_in,
        "k": draw(st.integers(1, n)) if kind in ("topk", "batchtopk", "matryoshka") else None,
        "groups": tuple(sorted({*draw(st.lists(st.integers(1, n), max_size=3)), n})) if kind == "matryoshka" else (),
        "folded": tuple(draw(st.lists(st.sampled_from(["b_dec", "input_scale=0.5", "norm_gain"]), max_size=2))),
        "skip": skip,
    }


@given(config=configs(), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_every_dictionary_comes_back(config: dict[str, Any], seed: int, tmp_path_factory: pytest.TempPathFactory):
    generator = torch.Generator().manual_seed(seed)
    made_of = DictionaryConfig(**config)
    shapes = weight_shapes(made_of)
    one = Dictionary(made_of, **{key: torch.randn(shape, generator=generator) for key, shape in shapes.items()})
    folder = tmp_path_factory.mktemp("out") / "made"
    write_saelens(one, folder)
    assert recognises(folder)
    require_same(load_dictionary(folder), one)


def test_the_model_may_have_another_name_there(tmp_path: Path):
    write_saelens(made("relu"), tmp_path / "out", model="owner/tiny")
    assert load_dictionary(tmp_path / "out").config.model == "owner/tiny"


def changed(case: str, **changes: Any) -> Dictionary:
    one = made(case)
    one.describe(replace(one.config, **changes))
    return one


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (changed("jumprelu", signed=True), "activations below zero"),
        (changed("relu", reads=("resid_post.1", "resid_post.2")), "reads one site and writes one"),
        (changed("relu", models=("a", "b")), "reads one site and writes one"),
        (changed("topk", writes=("mlp_out.1",)), "relu or jumprelu"),
        (changed("z", writes=("attn_out.1",)), "not of heads"),
    ],
)
def test_what_the_format_cannot_express_is_refused(one: Dictionary, said: str, tmp_path: Path):
    with pytest.raises(BadRequest, match=said):
        write_saelens(one, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_site_without_a_name_there_is_refused(tmp_path: Path):
    with pytest.raises(UnknownSite, match=r"attn_in\.1"):
        write_saelens(changed("relu", reads=("attn_in.1",), writes=("attn_in.1",)), tmp_path / "out")
