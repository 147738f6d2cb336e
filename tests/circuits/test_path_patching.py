"""Path patching is a run with frozen heads, an edge where nothing lies between, and finds the planted paths."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from hooke.circuits.components import open_batch, open_components, run_plainly
from hooke.circuits.edge_scores import exact
from hooke.circuits.pairs import Pairs, open_pairs
from hooke.circuits.path_patching import PathSettings, path_findings, path_patch
from hooke.errors import BadRequest, HookeError, UnknownName
from hooke.models.edits import Patch
from hooke.specimens import Specimen, build
from tests.circuits.test_edge_scores import tiny_pairs
from tests.models.tiny import tiny_model


@pytest.fixture(scope="module")
def induction() -> Specimen:
    return build("induction")


@pytest.fixture(scope="module")
def of_order(induction: Specimen) -> Pairs:
    """Pairs whose order of tokens differs: what follows is told by the previous-token head."""
    return open_pairs(induction.model, [pair for pair in induction.pairs if pair.group == "order"])


EDGES = ("input->a0.h1<v>", "m0->a1.h2<k>", "a0.h3->a1.h1<q>", "a1.h0->m2", "m1->logits")


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma2", "gpt_neox"])
def test_with_nothing_between_one_sender_and_one_receiver_are_an_edge(architecture: str):
    model = tiny_model(architecture)
    model.tokenizer = None
    pairs = tiny_pairs()
    scores = exact(model, pairs, EDGES)
    for edge in EDGES:
        sender, receiver = edge.split("->")
        settings = PathSettings(receivers=(receiver,), through="nothing", way="noising")
        found = path_patch(model, pairs, settings, senders=[sender])
        expected = -scores.by_pair[:, *scores.graph.places(edge)]
        assert np.abs(expected).max() > 1e-6, edge
        np.testing.assert_allclose(found.changes[:, 0], expected, atol=1e-4 * np.abs(expected).max() + 1e-6)


@pytest.mark.parametrize("architecture", ["llama", "gemma2"])
@pytest.mark.parametrize("way", ["noising", "denoising"])
def test_through_mlps_it_is_a_run_in_which_all_other_heads_write_what_they_wrote(architecture: str, way: str):
    model = tiny_model(architecture)
    model.tokenizer = None
    pairs = tiny_pairs()
    prompts = (pairs.clean, pairs.corrupted) if way == "noising" else (pairs.corrupted, pairs.clean)
    found = path_patch(model, pairs, PathSettings(way=way), senders=["a0.h1"])
    components = open_components(model)
    base, other = (run_plainly(components, open_batch(components, prompt)) for prompt in prompts)
    sites = [f"attn_out.{layer}" for layer in range(model.n_layers)]
    held = model.run(prompts[0], capture=sites, logits=False)
    values = {site: held[site].clone() for site in sites}
    sender = components.graph.senders.index("a0.h1")
    values["attn_out.0"] += other.written[sender] - base.written[sender]
    logits = model.run(prompts[0], edits=[Patch(site, value) for site, value in values.items()]).logits
    assert logits is not None
    expected = pairs.judge(pairs.last(logits)).detach().numpy() - found.base
    assert np.abs(expected).max() > 1e-6
    np.testing.assert_allclose(found.changes[:, 0], expected, atol=1e-4 * np.abs(expected).max() + 1e-6)


def test_the_planted_path_runs_by_the_keys_of_the_later_head(induction: Specimen, of_order: Pairs):
    def effect(receiver: str) -> float:
        settings = PathSettings(receivers=(receiver,))
        return float(path_patch(induction.model, of_order, settings, senders=["a0.h0"]).effects[0])

    assert effect("a1.h0<k>") == pytest.approx(1, abs=0.05)
    assert effect("a1.h0") == pytest.approx(1, abs=0.05)
    for elsewhere in ("a1.h0<q>", "a1.h0<v>", "a1.h1", "logits"):
        assert abs(effect(elsewhere)) < 0.05, elsewhere


def test_the_later_head_speaks_to_the_logits_by_an_mlp(induction: Specimen, of_order: Pairs):
    for through, expected in (("mlps", {"a1.h0", "m1"}), ("nothing", {"m1"})):
        found = path_patch(induction.model, of_order, PathSettings(through=through))
        assert set(found.strongest(len(expected))) == expected
        effects = dict(zip(found.senders, found.effects, strict=True))
        for sender, effect in effects.items():
            assert effect == pytest.approx(float(sender in expected), abs=0.05), (through, sender)


def test_a_random_direction_by_the_same_path_does_little(induction: Specimen, of_order: Pairs):
    found = path_patch(induction.model, of_order, PathSettings(receivers=("a1.h0<k>",)))
    (finding,) = path_findings(induction.model, of_order, found, ["a0.h0"])
    assert finding.value == pytest.approx(1, abs=0.05)
    assert finding.control is not None
    assert abs(finding.control) < 0.5 < finding.interval[0]
    assert finding.n == len(of_order)
    assert "through mlps" in finding.method
    with pytest.raises(UnknownName, match="was not patched"):
        path_findings(induction.model, of_order, found, ["a9.h0"])


def test_receivers_behind_one_another_read_through_each_other(induction: Specimen, of_order: Pairs):
    settings = PathSettings(receivers=("a1.h0", "logits"))
    both = path_patch(induction.model, of_order, settings, senders=["a0.h0", "a1.h0"])
    np.testing.assert_allclose(both.effects, 1, atol=0.05)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (lambda: PathSettings(receivers=()), "No receiver is given"),
        (lambda: PathSettings(through="heads"), "mlps, nothing"),
        (lambda: PathSettings(way="up"), "denoising, noising"),
    ],
)
def test_settings_without_meaning_are_refused(asked: Callable[[], PathSettings], says: str):
    with pytest.raises(BadRequest, match=says):
        asked()


def test_paths_that_are_not_there_are_refused(induction: Specimen, of_order: Pairs):
    for receivers, senders, says in (
        (("a1.h0<w>",), None, "No receiver 'a1.h0<w>'.*<q>"),
        (("logits",), ["a0.h99"], "No sender"),
        (("a0.h0",), ["a1.h0"], "does not come before a0.h0<v>"),
    ):
        with pytest.raises((BadRequest, UnknownName), match=says):
            path_patch(induction.model, of_order, PathSettings(receivers=receivers), senders=senders)


def test_numbers_that_are_not_finite_are_named(of_order: Pairs):
    broken = build("induction").model
    with torch.no_grad():
        broken.hf.transformer.wte.weight[of_order.corrupted.ids[0, 0]] = float("nan")  # pyright: ignore
    with pytest.raises(HookeError, match="of pair 1 gives numbers that are not finite"):
        path_patch(broken, of_order, senders=["a0.h0"])
