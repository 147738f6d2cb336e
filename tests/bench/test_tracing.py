"""What the benchmark of tracing says about edges: agreement with a reference, and the reference itself."""

import numpy as np
import pytest
import torch
import tracing
import tracing_autograd
import tracing_tables

from hooke.circuits.frozen import freeze
from hooke.circuits.rows import edges_into
from hooke.circuits.transcoder_basis import transcoder_basis
from tests.circuits.random_transcoders import random_set
from tests.models.tiny import tiny_model

PROMPT = torch.arange(7)[None] * 5 + 3


@pytest.mark.parametrize("batch", [5, 64])
@pytest.mark.parametrize("architecture", ["llama", "gemma2", "gpt_neox"])
def test_the_reference_gives_the_edges_of_the_sweep(architecture: str, batch: int):
    with torch.no_grad():
        frozen = freeze(tiny_model(architecture), PROMPT)
        basis = transcoder_basis(frozen, random_set("mlp_in", skip=False))
        rows = basis.inputs(torch.randperm(len(basis.features), generator=torch.Generator().manual_seed(0))[:40])
        swept = edges_into(frozen, basis, rows).features
        found = tracing_autograd.autograd_edges(frozen, basis, rows, batch)
    assert swept.abs().max() > 0.01
    torch.testing.assert_close(found, swept, rtol=1e-4, atol=1e-6)


def test_the_first_token_is_silent():
    silent = tracing.WithoutFirst(random_set("mlp_in", skip=False))
    basis = transcoder_basis(freeze(tiny_model(), PROMPT), silent)
    assert set(basis.features.position.tolist()) == set(range(1, 7))


def test_agreement_looks_at_the_edges_that_make_the_mass():
    theirs = np.array([[100.0, -50.0], [0.001, 0.0]], np.float32)
    ours = theirs * np.float32(1.01) + np.array([[0, 0], [5, 0]], np.float32)
    found = tracing.edge_agreement(ours, theirs)
    assert found["compared_edges"] == 2
    assert found["largest_relative_difference"] == pytest.approx(0.01, rel=1e-3)
    assert found["difference_of_mass"] == pytest.approx(6.5 / 150, rel=1e-3)


def one_report(tool: str, **facts: object) -> dict[str, object]:
    numbers = {"n_rows": 40, "n_active": 90, "seconds": 2.0, "rows_per_second": 20.0, "own_megabytes": 100.0}
    of_tool = {"tool": tool, "versions": {tool: "1.2"}, "n_tokens": 13, "asked_rows": 40, "matmul_gflops": 150.0}
    return of_tool | numbers | facts


def test_ratios_stand_beside_the_same_number_of_rows():
    agreement = {
        "shared_nodes": 39,
        "compared_edges": 700,
        "largest_relative_difference": 2e-5,
        "median_relative_difference": 1e-6,
    }
    everything = {"asked_rows": tracing_tables.ALL_ROWS}
    (text,) = tracing_tables.tracing_tables(
        [
            one_report("circuit-tracer", part="peer"),
            one_report("circuit-tracer", part="peer", seconds=80.0, own_megabytes=400.0, **everything),
            one_report("hooke", part="peer", seconds=0.5, own_megabytes=20.0, agreement=agreement),
            one_report("hooke", part="peer", seconds=8.0, agreement=agreement | {"shared_nodes": 90}, **everything),
        ]
    )
    assert "| hooke | 1.2 | 40 | 40 | 0.50 | 20 | 0.250 | 20 | 0.200 | 150 |" in text
    assert "| hooke | 1.2 | all | 40 | 8.00 | 20 | 0.100 | 100 | 0.250 | 150 |" in text
    assert "| all | 90 | 700 | 2.0e-05 | 1.0e-06 |" in text
