"""sparsify's TopK coder, through its own `Trainer.fit`, on rows from a file. Prints one JSON object.

Its trainer takes activations from a language model only, so it is given one whose single module hands out the rows.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from arguments import training_arguments, training_parser
from measure import Clock, quality, report, rows_file, step_facts, versions
from sparsify import SparseCoder, SparseCoderConfig, TrainConfig, Trainer
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import PretrainedConfig, PreTrainedModel


class Rows(nn.Module):
    """In place of a decoder block: gives the next batch of rows, whatever it is shown."""

    def __init__(self, batches: Iterator[Tensor], width: int) -> None:
        super().__init__()
        self.batches, self.width = batches, width

    def forward(self, ids: Tensor) -> Tensor:
        """Rows as [batch, 1, width]; zeros for the trial run in which the trainer learns the width."""
        if len(ids) == 1:
            return torch.zeros(1, 1, self.width)
        return next(self.batches)[:, None]


class RowModel(PreTrainedModel):
    """The language model that sparsify asks for."""

    config_class = PretrainedConfig

    def __init__(self, rows: Rows) -> None:
        super().__init__(PretrainedConfig())
        self.rows = rows
        # The trainer reads the model's device from a parameter.
        self.place = nn.Parameter(torch.zeros(1))

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """What the trainer calls the model with to learn the width."""
        return {"input_ids": torch.zeros(1, 1, dtype=torch.int64)}

    def forward(self, input_ids: Tensor) -> Tensor:
        """The rows."""
        return self.rows(input_ids)


class Numbers(Dataset):
    """As many ids as there are rows to train on."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"input_ids": torch.tensor([index])}


def train(asked: argparse.Namespace, clock: Clock, folder: str) -> SparseCoder:
    """The trained coder, as saved: the weights in memory are not the averaged ones that signum's wrapper saves."""
    config = TrainConfig(
        SparseCoderConfig(num_latents=asked.features, k=asked.k),
        batch_size=asked.batch,
        optimizer=asked.optimizer,
        lr=asked.lr if asked.optimizer == "adam" else None,
        lr_warmup_steps=0,
        hookpoints=["rows"],
        save_dir=folder,
        log_to_wandb=False,
    )
    model = RowModel(Rows(iter(clock), clock.rows.shape[1]))
    trainer = Trainer(config, Numbers(asked.steps * asked.batch), model)
    # Its Adam decays linearly to zero; the others hold their rate, and so must it, for equal rates to mean the same.
    trainer.lr_schedulers = []
    trainer.fit()
    return SparseCoder.load_from_disk(Path(folder) / "unnamed" / "rows")


def main() -> None:
    """Train as the command line says and report speed, or speed and quality."""
    parser = training_parser()
    parser.add_argument(
        "--optimizer", choices=["adam", "signum"], default="adam", help="signum is its default, used with its own rate"
    )
    asked = training_arguments(parser)
    rows = rows_file(asked.rows)
    clock = Clock(rows, asked.batch, asked.steps)
    with tempfile.TemporaryDirectory() as folder:
        coder = train(asked, clock, folder)
    facts = step_facts(clock, asked.warm_up, asked.features)
    if asked.held_out:

        def encode(x: Tensor) -> Tensor:
            values, indices, _ = coder.encode(x)
            return x.new_zeros(len(x), asked.features).scatter_(1, indices, values)

        def decode(acts: Tensor) -> Tensor:
            return acts @ coder.W_dec + coder.b_dec

        facts |= quality(encode, decode, rows_file(asked.held_out), rows)
    variant = "TopK"
    if asked.optimizer == "signum":
        variant, asked.facts["lr"] = "TopK, signum at its own rate", None
    report(task="training", tool="sparsify", variant=variant, versions=versions("eai-sparsify"), **asked.facts, **facts)


if __name__ == "__main__":
    main()
