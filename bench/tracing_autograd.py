"""The sweep beside autograd on the same rows of the same prompt: their edges and their times. Prints one JSON object.

    python bench/tracing_autograd.py MODEL_FOLDER PROMPT.npy --length 13 --transcoders FOLDER [--rows 1000]

The reference is a frozen forward pass of a batch of copies of the prompt, one target row in each, differentiated by
torch. Its graph is built once, and it is given the rows deepest first, so that it too begins no deeper than it must.
"""

from pathlib import Path
from statistics import median

import torch
from peers.arguments import tracing_arguments, tracing_parser
from peers.measure import interleaved, matmul_gflops, paired_ratio, report, versions
from torch import Tensor
from tracing import edge_agreement, open_model, open_transcoders

from hooke.circuits.basis import Basis
from hooke.circuits.frozen import FrozenModel, attend, freeze
from hooke.circuits.rows import edges_into
from hooke.circuits.sweep import Rows, deepest_first
from hooke.circuits.transcoder_basis import transcoder_basis


def frozen_streams(frozen: FrozenModel, embed: Tensor, mlp_out: list[Tensor]) -> list[Tensor]:
    """The stream at every depth, [copy, pos, d_model], as a function of the leaves."""
    streams = [embed + frozen.place]
    for block, written in zip(frozen.blocks, mlp_out, strict=True):
        streams.append(streams[-1] + attend(block, streams[-1]))
        streams.append(streams[-1] + written)
    return streams


def autograd_edges(frozen: FrozenModel, basis: Basis, rows: Rows, batch: int) -> Tensor:
    """What each feature gives each row, [row, feature], by torch's own derivative."""
    edges = torch.zeros(len(rows), len(basis.features))

    def leaf(x: Tensor) -> Tensor:
        return x.expand(batch, *x.shape).clone().requires_grad_()

    with torch.enable_grad():
        mlp_out = [leaf(written) for written in frozen.mlp_out]
        streams = frozen_streams(frozen, leaf(frozen.embed), mlp_out)
        for numbers in deepest_first(rows).split(batch):
            some = rows.take(numbers)
            value = torch.zeros(())
            for depth in some.depth.unique().tolist():
                here = (some.depth == depth).nonzero()[:, 0]
                value = value + (streams[depth][here, some.position[here]] * some.vector[here]).sum()
            below = mlp_out[: int(some.depth.max()) // 2]
            gradients = torch.autograd.grad(value, below, retain_graph=True) if below else ()
            for gradient, parts in zip(gradients, basis.written, strict=False):
                for part in parts:
                    run = slice(part.first, part.first + len(part.vectors))
                    edges[numbers, run] = gradient[: len(numbers), part.position] @ part.vectors.T
    return edges


def main() -> None:
    """Compare and report."""
    parser = tracing_parser()
    parser.add_argument("--transcoders", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=128, help="rows of one backward pass of the reference")
    asked = tracing_arguments(parser)
    with torch.no_grad():
        frozen = freeze(open_model(asked.model), asked.prompt[None])
        basis = transcoder_basis(frozen, open_transcoders(asked.transcoders))
        n = min(asked.rows, len(basis.features))
        chosen = torch.randperm(len(basis.features), generator=torch.Generator().manual_seed(0))[:n]
        rows = basis.inputs(chosen)
        swept = edges_into(frozen, basis, rows).features
        facts = edge_agreement(swept.numpy(), autograd_edges(frozen, basis, rows, asked.batch).numpy())
        taken = interleaved(
            {
                "sweep": lambda: edges_into(frozen, basis, rows),
                "autograd": lambda: autograd_edges(frozen, basis, rows, asked.batch),
            },
            asked.repetitions,
        )
    report(
        task="tracing",
        part="autograd",
        tool="hooke",
        versions=versions("hooke"),
        n_rows=n,
        n_active=len(basis.features),
        sweep_seconds=median(taken["sweep"]),
        autograd_seconds=median(taken["autograd"]),
        autograd_over_sweep=paired_ratio(taken["autograd"], taken["sweep"]),
        matmul_gflops=matmul_gflops(),
        **asked.facts,
        **facts,
    )


if __name__ == "__main__":
    main()
