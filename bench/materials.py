"""What all tools are measured on, made once by hooke into bench/.data/: model folder, tokens, activations, noise.

    python bench/materials.py [--rows 262144]

model/             SmolLM2-135M-Instruct as a plain Hugging Face folder, float32
tokens.npy         int64 [64, 256], the first windows of the default corpus
noise.npy          float32 [16384, 576], normally distributed
train-N.npy        float32 [N, 576], the residual stream behind block 15 over the default corpus
held-out-N.npy     a sixteenth as many, over the documents that the default corpus leaves out

Position 0 and special tokens are left out, and one factor scales both files to a mean square norm of 576 over train-N.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hooke.activations.harvest import stream
from hooke.lab import writing
from hooke.models.load import load
from hooke.models.model import Model
from hooke.text.corpora import open_corpus
from hooke.text.windows import WindowConfig, windows

DATA = Path(__file__).resolve().parent / ".data"
MODEL, TOKENS, NOISE = DATA / "model", DATA / "tokens.npy", DATA / "noise.npy"
SITE = "resid_post.15"
WINDOWS = WindowConfig(context=256, batch=8)


def train_file(n_rows: int) -> Path:
    """Where that many training rows lie."""
    return DATA / f"train-{n_rows}.npy"


def held_out_file(n_rows: int) -> Path:
    """Where the held-out rows for that many training rows lie."""
    return DATA / f"held-out-{n_rows}.npy"


def save_model(model: Model) -> None:
    """Write model and tokenizer where every tool can read them."""
    aside = DATA / "model.tmp"
    hf: Any = model.hf
    hf.save_pretrained(aside)
    model.tokenizer.save_pretrained(aside)
    aside.rename(MODEL)


def save_tokens(model: Model) -> None:
    """Write the windows that every harvest reads."""
    batches = windows(open_corpus("default"), model.tokenizer, WINDOWS, stop=64)
    _save(TOKENS, torch.cat([batch.tokens for batch in batches]).numpy())


def save_noise() -> None:
    """Write normally distributed rows, on which the speed of training is measured."""
    _save(NOISE, np.random.default_rng(0).standard_normal((16384, 576), dtype=np.float32))


def save_rows(model: Model, n_rows: int) -> None:
    """Write training and held-out activations, both scaled by the same factor."""
    rows = np.concatenate(list(_rows(model, "default", n_rows)))
    scale = np.float32(np.sqrt(rows.shape[1] / np.square(rows, dtype=np.float64).sum(1).mean()))
    rows *= scale
    _save(train_file(n_rows), rows)
    _save(held_out_file(n_rows), np.concatenate(list(_rows(model, "default:heldout", n_rows // 16))) * scale)


def _rows(model: Model, corpus: str, n_rows: int) -> Iterator[np.ndarray]:
    left = n_rows
    for batch in stream(model, open_corpus(corpus), [SITE], windows=WINDOWS, n_tokens=2 * n_rows):
        (values,) = batch.sites.values()
        rows = values[batch.counted][:left].numpy()
        yield rows
        left -= len(rows)
        if not left:
            return
    raise SystemExit(f"The corpus {corpus} ends {left} rows too early.")


def _save(path: Path, content: np.ndarray) -> None:
    aside = path.with_suffix(".tmp")
    with aside.open("wb") as handle:
        np.save(handle, content)
    aside.rename(path)


def main() -> None:
    """Make what is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=262144, help="0 makes no activations")
    asked = parser.parse_args()
    DATA.mkdir(exist_ok=True)
    with writing(DATA / "materials"):
        model = load("smollm2-135m", device="cpu")
        if not MODEL.exists():
            save_model(model)
        if not TOKENS.exists():
            save_tokens(model)
        if not NOISE.exists():
            save_noise()
        if asked.rows and not (train_file(asked.rows).exists() and held_out_file(asked.rows).exists()):
            save_rows(model, asked.rows)


if __name__ == "__main__":
    main()
