"""Sites are found, and their contracts hold, on every architecture, without any weights."""

import pytest
import torch
from torch import nn

from hooke.errors import UnsupportedModel
from hooke.models.architectures import resolve
from hooke.models.edits import Add, Patch
from hooke.models.model import Model
from hooke.sites import Site
from tests.models.tiny import ARCHITECTURES, tiny_hf, tiny_model

IDS = torch.randint(3, 128, (2, 12), generator=torch.Generator().manual_seed(0))

REFUSED = {
    "gpt_neox": {"resid_mid"},
    "falcon": {"resid_mid", "q", "k", "v", "pattern"},
    "mixtral": {"neurons"},
    "qwen3_moe": {"neurons"},
    "gpt_oss": {"neurons"},
}
"""Kinds of site that these architectures lack: parallel blocks, experts, attention outside the common interface."""


@pytest.fixture(scope="module", params=sorted(ARCHITECTURES))
def model(request: pytest.FixtureRequest) -> Model:
    return tiny_model(request.param)


def _name(model: Model) -> str:
    return model.name.removeprefix("tiny-")


def test_every_contract_holds(model: Model) -> None:
    report = model.check(IDS)
    assert [contract for contract in report.contracts if not contract.holds] == []
    assert len(report.worst()) >= 6


def test_only_truly_missing_sites_are_refused(model: Model) -> None:
    assert {site.split(".")[0] for site in model.refusals} == REFUSED.get(_name(model), set())


def test_refused_sites_say_why_and_what_instead(model: Model) -> None:
    for site in model.refusals:
        with pytest.raises(UnsupportedModel, match="Use "):
            model.run(IDS, capture=[site])


def test_patching_a_site_with_its_own_value_changes_nothing(model: Model) -> None:
    """To rounding: attention is computed another way (plain instead of fused) when its inside is visited."""
    plain = model.run(IDS).logits
    for site in model.sites():
        if site.kind in ("logits",):
            continue
        value = model.run(IDS, capture=[site])[site]
        if site.kind == "pattern":
            continue
        logits = model.run(IDS, edits=[Patch(site=str(site), value=value)]).logits
        assert torch.allclose(logits, plain, atol=1e-5), site


def test_an_edit_takes_effect_and_is_seen_by_the_capture(model: Model) -> None:
    plain = model.run(IDS)
    for site in model.sites():
        if site.layer != 1 or site.kind == "pattern":
            continue
        before = model.run(IDS, capture=[site])[site]
        # Adding a constant to a residual stream is invisible to a layer norm, so the vector is not constant.
        vector = torch.randn(model.width(site), generator=torch.Generator().manual_seed(1))
        # Not at all positions: one vector added to all keys alike changes no attention.
        run = model.run(IDS, edits=[Add(site=str(site), vector=vector, scale=3.0, positions=(2, 5))], capture=[site])
        change = torch.zeros_like(before)
        change[:, [2, 5]] = 3 * vector
        assert torch.allclose(run[site], before + change, atol=1e-4), site
        assert not torch.allclose(run.logits, plain.logits, atol=1e-3), site


def test_edit_of_the_middle_reaches_both_branches() -> None:
    model = tiny_model("llama")
    vector = torch.randn(model.d_model, generator=torch.Generator().manual_seed(2))
    sites = ["resid_mid.1", "mlp_out.1", "resid_post.1"]
    plain = model.run(IDS, capture=sites)
    run = model.run(IDS, edits=[Add(site="resid_mid.1", vector=vector)], capture=sites)
    assert torch.allclose(run["resid_mid.1"], plain["resid_mid.1"] + vector, atol=1e-5)
    assert torch.allclose(run["resid_post.1"], run["resid_mid.1"] + run["mlp_out.1"], atol=1e-5)
    assert not torch.allclose(run["mlp_out.1"], plain["mlp_out.1"], atol=1e-3)


def test_zeroed_queries_attend_evenly_and_leave_the_other_heads_alone() -> None:
    """Which slice of the queries is which head, verified by what it does."""
    for architecture in sorted(ARCHITECTURES):
        model = tiny_model(architecture)
        # Attention sinks and windows change what even attention looks like.
        if not model.has(Site("q", 1)) or architecture == "gpt_oss":
            continue
        ids = IDS[:, :6]
        before = model.run(ids, capture=["q.1", "pattern.1"])
        queries = before["q.1"].clone()
        queries[:, :, 2] = 0
        pattern = model.run(ids, capture=["pattern.1"], edits=[Patch(site="q.1", value=queries)])["pattern.1"]
        even = torch.tril(torch.ones(6, 6)) / torch.arange(1, 7)[:, None]
        assert torch.allclose(pattern[:, 2], even.expand(2, -1, -1), atol=1e-5), architecture
        assert torch.allclose(pattern[:, [0, 1, 3]], before["pattern.1"][:, [0, 1, 3]], atol=1e-5), architecture


def test_a_pattern_edit_changes_z_to_match() -> None:
    model = tiny_model("llama")
    run = model.run(IDS, capture=["pattern.1", "v.1"])
    even = torch.full_like(run["pattern.1"], 1 / 12)
    z = model.run(IDS, edits=[Patch(site="pattern.1", value=even)], capture=["z.1"])["z.1"]
    expected = run["v.1"].mean(1, keepdim=True).repeat_interleave(2, dim=2).expand_as(z)
    assert torch.allclose(z, expected, atol=1e-5)


def test_a_model_without_blocks_is_refused() -> None:
    hf = tiny_hf("llama")
    hf.model.layers = nn.ModuleList(list(hf.model.layers)[:2])
    with pytest.raises(UnsupportedModel, match="decoder blocks"):
        resolve(hf)


def test_broken_residual_algebra_is_refused_by_name() -> None:
    """An architecture that scales its branches has no plain attn_out; hooke must not pretend it has."""
    model = tiny_model("granite", residual_multiplier=0.3)
    assert {"attn_out.1", "mlp_out.1", "resid_mid.1"} <= set(model.refusals)
    assert model.has(Site("resid_post", 1))
