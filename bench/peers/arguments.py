"""The command lines of the benchmark scripts, the same for hooke and its peers."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch


def training_parser() -> argparse.ArgumentParser:
    """What to train on and for how long."""
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", type=Path, help="float32 .npy, [n, d]: what is trained on")
    parser.add_argument(
        "--held-out", type=Path, help="float32 .npy, [n, d]: measure the quality on these rows after training"
    )
    parser.add_argument("--features", type=int, default=4608)
    parser.add_argument("--k", type=int, default=32)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--warm-up", type=int, default=2, help="steps left out of the median")
    parser.add_argument("--lr", type=float, default=1e-3, help="held constant from the first step to the last")
    return parser


def training_arguments(parser: argparse.ArgumentParser | None = None) -> argparse.Namespace:
    """The parsed command line; `facts` are the numbers that belong into the report."""
    asked = (parser or training_parser()).parse_args()
    asked.facts = _facts(asked, "features", "k", "batch", "steps", "lr") | {"n_tokens": asked.steps * asked.batch}
    return asked


def harvest_arguments() -> argparse.Namespace:
    """The model folder, the token file and the block behind which the residual stream is taken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path, help="a Hugging Face folder: config.json, safetensors, tokenizer")
    parser.add_argument("tokens", type=Path, help="int64 .npy, [windows, pos]; the first --batch windows are used")
    parser.add_argument("--block", type=int, default=15)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--repetitions", type=int, default=5)
    asked = parser.parse_args()
    asked.facts = _facts(asked, "block", "batch", "context")
    return asked


def encoding_arguments() -> argparse.Namespace:
    """The folder with one dictionary in each tool's format; `rows` is what is encoded, the same in each environment."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="has hooke/, saelens/ and sparsify/")
    parser.add_argument("--make", type=int, help="write a dictionary of so many features there instead")
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--width", type=int, default=576)
    parser.add_argument("--repetitions", type=int, default=9)
    asked = parser.parse_args()
    asked.rows = torch.randn(asked.batch, asked.width, generator=torch.Generator().manual_seed(0))
    asked.facts = _facts(asked, "batch")
    return asked


def tracing_parser() -> argparse.ArgumentParser:
    """The model folder, the prompt, and how many features get rows of their own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path, help="a Hugging Face folder: config.json, safetensors, tokenizer")
    parser.add_argument("prompt", type=Path, help="int64 .npy, [pos]; the first --length tokens are traced")
    parser.add_argument("--length", type=int, default=13)
    parser.add_argument("--rows", type=int, default=1000, help="features that are expanded; more than there are: all")
    parser.add_argument("--repetitions", type=int, default=3)
    return parser


def tracing_arguments(parser: argparse.ArgumentParser | None = None) -> argparse.Namespace:
    """The parsed command line; `prompt` is read, and `facts` are the numbers that belong into the report."""
    asked = (parser or tracing_parser()).parse_args()
    asked.prompt = torch.from_numpy(np.load(asked.prompt)[: asked.length])
    asked.facts = {"n_tokens": len(asked.prompt), "asked_rows": asked.rows}
    return asked


def _facts(asked: argparse.Namespace, *names: str) -> dict[str, Any]:
    return {name: getattr(asked, name) for name in names}
