"""The neurons as a dictionary, on made-up output rows."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hooke.dictionaries import DictionaryConfig, SparseActs, load_dictionary, save_dictionary
from hooke.dictionaries.neurons import Neurons, NeuronsRef, kept_name, neurons_name, parse_neurons
from hooke.errors import ShapeMismatch, UnknownName
from hooke.lab import Lab

N_UNITS, D_STREAM = 12, 5


def neurons(k: int = 4, seed: int = 0, name: str = "neurons.1-tiny") -> Neurons:
    config = DictionaryConfig(
        name=name,
        model="tiny",
        kind="neurons",
        reads=("neurons.1",),
        writes=("neurons.1",),
        n_features=2 * N_UNITS,
        d_in=N_UNITS,
        d_out=N_UNITS,
        d_stream=D_STREAM,
        k=k,
    )
    return Neurons(config, outputs=torch.randn(N_UNITS, D_STREAM, generator=torch.Generator().manual_seed(seed)))


def hidden(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, N_UNITS, generator=torch.Generator().manual_seed(seed))


def test_with_all_units_kept_nothing_is_lost():
    made, x = neurons(k=N_UNITS), hidden(3, 7)
    assert torch.equal(made(x), x)


@given(k=st.integers(1, N_UNITS), seed=st.integers(0, 100))
def test_kept_are_the_units_that_add_most_to_the_stream(k: int, seed: int):
    made, x = neurons(k=k), hidden(6, seed=seed)
    acts = made.encode(x)
    added = x.abs() * made.outputs.norm(dim=-1)
    for row, indices in zip(added, acts.indices, strict=True):
        kept = set((indices % N_UNITS).tolist())
        assert len(kept) == k
        assert min(row[list(kept)]) >= max([0.0, *(row[unit] for unit in range(N_UNITS) if unit not in kept)])


@given(seed=st.integers(0, 100))
def test_activations_are_positive_ordered_and_of_the_sign_of_the_unit(seed: int):
    made, x = neurons(), hidden(6, seed=seed)
    acts = made.encode(x)
    assert bool((acts.values > 0).all())
    assert torch.equal(acts.values, acts.values.sort(dim=-1, descending=True).values)
    assert torch.equal(acts.indices >= N_UNITS, x.gather(-1, acts.indices % N_UNITS) < 0)
    assert torch.equal(made.decode(acts), torch.where(acts.dense()[:, :N_UNITS] + acts.dense()[:, N_UNITS:] > 0, x, 0))


def test_one_feature_is_exact_whether_or_not_it_is_kept():
    made, x = neurons(k=1), hidden(20)
    every = torch.stack([made.encode_feature(x, index) for index in range(2 * N_UNITS)], dim=-1)
    assert torch.equal(every, torch.relu(made.pre_activations(x)))


def test_decoder_rows_are_single_units_and_output_rows_what_they_add():
    made, x = neurons(k=N_UNITS), hidden(9)
    rows = made.decoder_rows(torch.arange(2 * N_UNITS))
    assert torch.equal(rows, torch.cat([torch.eye(N_UNITS), -torch.eye(N_UNITS)]))
    assert torch.allclose(made.encode(x).dense() @ made.output_rows, x @ made.outputs, atol=1e-5)


def test_the_bar_parts_kept_from_left_out():
    made, x = neurons(), hidden(30)
    for index in range(2 * N_UNITS):
        acts = made.encode(x)
        active = (torch.where(acts.indices == index, acts.values, 0)).sum(-1) > 0
        # A kept unit reaches the bar, one that is left out stays below it; rounding blurs the least kept one itself.
        pre, bar = made.pre_activations(x)[:, index], made.bar(x, index)
        assert bool((pre[active] >= bar[active] * (1 - 1e-5)).all())
        assert bool((pre[~active] <= bar[~active]).all())


def test_it_comes_back_from_disk(tmp_path):
    lab = Lab(tmp_path)
    made = neurons()
    save_dictionary(made, lab.path("dictionaries", made.name))
    for ref in (made.name, "neurons.1@tiny", "neurons.1"):
        kept = load_dictionary(ref, lab=lab)
        assert isinstance(kept, Neurons)
        assert kept.config == made.config
        assert torch.equal(kept.outputs, made.outputs)


def test_neurons_that_are_not_kept_yet_are_refused_with_what_to_do(tmp_path):
    with pytest.raises(UnknownName, match=r"hooke index neurons\.3 --model tiny"):
        load_dictionary("neurons.3@tiny", lab=Lab(tmp_path))


def test_rows_of_another_shape_are_refused():
    made = neurons()
    with pytest.raises(ShapeMismatch):
        Neurons(made.config, outputs=torch.zeros(N_UNITS, D_STREAM + 1))


def test_references():
    assert parse_neurons("neurons.15") == NeuronsRef(15, None)
    assert parse_neurons("neurons.15@owner/name") == NeuronsRef(15, "owner/name")
    assert parse_neurons("neurons.15-tiny") is None
    assert parse_neurons("neurons.") is None
    assert neurons_name(3, "owner/name") == "neurons.3-owner-name"
    assert kept_name("neurons.3", ["neurons.3-a", "neurons.30-a"]) == "neurons.3-a"
    assert kept_name("neurons.3", ["neurons.3-a", "neurons.3-b"]) == "neurons.3", "which of them is not plain"
    assert kept_name("smollm2-res", ["a"]) == "smollm2-res"


def test_padding_is_nothing():
    made = neurons()
    acts = SparseActs(torch.tensor([[2.0, 0.0]]), torch.tensor([[N_UNITS + 3, 3]]), 2 * N_UNITS)
    assert made.decode(acts)[0, 3] == -2.0


def test_margins_are_what_each_neuron_is_above_its_bar():
    made, x = neurons(), hidden(6)
    margins = made.margins(x)
    for index in range(made.n_features):
        assert torch.allclose(margins[:, index], made.pre_activations(x)[:, index] - made.bar(x, index), atol=1e-5)
