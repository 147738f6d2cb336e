"""Neurons read off real architectures with random weights."""

import pytest
import torch

from hooke.dictionaries import check_fits
from hooke.errors import BadRequest, UnknownSite, UnsupportedModel
from hooke.lab import Lab
from hooke.models.edits import Ablate, Clamp
from hooke.models.model import Model
from hooke.models.neurons import keep_neurons, neurons_of, open_dictionary
from hooke.sites import Site
from tests.models.tiny import tiny_hf, tiny_model

PROMPT = torch.arange(3, 19)[None]


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gpt_neox", "phi3"])
def test_what_all_neurons_add_is_what_the_mlp_puts_out(architecture: str):
    model = tiny_model(architecture)
    neurons = neurons_of(model, 1)
    check_fits(neurons, model)
    run = model.run(PROMPT, capture=["neurons.1", "mlp_out.1"], logits=False)
    x, out = run["neurons.1"], run["mlp_out.1"]
    bias = out - x @ neurons.outputs
    # What is left is the bias of the down projection, the same on each token.
    assert torch.allclose(bias, bias[:, :1].expand_as(bias), atol=1e-4)


def test_behind_a_norm_each_row_is_true_in_direction():
    model = tiny_model("gemma2")
    neurons = neurons_of(model, 1)
    assert neurons.config.folded == ("post_norm_gain",)
    run = model.run(PROMPT, capture=["neurons.1", "mlp_out.1"], logits=False)
    cosine = torch.cosine_similarity(run["neurons.1"] @ neurons.outputs, run["mlp_out.1"], dim=-1)
    assert torch.allclose(cosine, torch.ones_like(cosine), atol=1e-4)


def test_an_edit_changes_that_neuron_alone():
    model = tiny_model()
    neurons = neurons_of(model, 1)
    plain = model.run(PROMPT, capture=["neurons.1"])["neurons.1"]
    name = f"neurons.1/7@{neurons.name}"
    below = f"neurons.1/{7 + neurons.n_units}@{neurons.name}"
    edits = [Ablate(below), Clamp(name, 3.0)]
    edited = model.run(PROMPT, capture=["neurons.1"], edits=edits, dictionaries=[neurons])["neurons.1"]
    assert torch.allclose(edited[..., 7], torch.full_like(edited[..., 7], 3.0), atol=1e-6)
    others = torch.arange(neurons.n_units) != 7
    assert torch.equal(edited[..., others], plain[..., others])


def test_they_are_kept_once_and_those_of_another_model_refused(tmp_path):
    lab = Lab(tmp_path)
    first = keep_neurons(tiny_model(), 1, lab=lab)
    assert lab.names("dictionaries") == [first.name]
    assert torch.equal(keep_neurons(tiny_model(), 1, lab=lab).outputs, first.outputs)
    with pytest.raises(BadRequest, match="not those of this model"):
        keep_neurons(tiny_model(seed=5), 1, lab=lab)


def test_a_dictionary_by_any_reference(tmp_path):
    lab, asked = Lab(tmp_path), []

    def load(ref: str):
        asked.append(ref)
        return tiny_model()

    by_ref, model = open_dictionary("neurons.2@some", load, lab=lab)
    assert by_ref.reads == (Site("neurons", 2),)
    assert open_dictionary(by_ref.name, load, lab=lab)[0].name == by_ref.name
    assert asked == ["some", model.name]
    with pytest.raises(BadRequest, match="does not say of which model"):
        open_dictionary("neurons.2", load, lab=lab)


def test_what_a_model_does_not_have_is_refused():
    with pytest.raises(UnknownSite):
        neurons_of(tiny_model(), 9)
    with pytest.raises(UnsupportedModel):
        neurons_of(tiny_model("mixtral"), 1)


def test_the_tiny_model_is_not_changed():
    hf = tiny_hf("llama")
    before = {name: value.clone() for name, value in hf.state_dict().items()}
    neurons_of(Model(hf, None, name="tiny"), 0)
    assert all(torch.equal(before[name], value) for name, value in hf.state_dict().items())


@pytest.mark.slow
def test_the_neurons_of_the_real_model_are_exact(real_model: Model, tmp_path):
    neurons = keep_neurons(real_model, 15, lab=Lab(tmp_path))
    assert (neurons.name, neurons.n_features) == ("neurons.15-smollm2-135m", 2 * 1536)
    run = real_model.run("The capital of France is Paris, a city", capture=["neurons.15", "mlp_out.15"], logits=False)
    x = run["neurons.15"]
    assert torch.allclose(x @ neurons.outputs, run["mlp_out.15"], atol=1e-3)
    kept = neurons.decode(neurons.encode(x))
    assert bool(((kept != 0).sum(-1) == 64).all())
    assert torch.equal(kept[kept != 0], x[kept != 0])
