"""What every benchmark script shares, so that all are measured alike: clocks, yardsticks, peak memory, quality.

Needs torch and numpy only, because it runs inside each peer's environment.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds that one call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def interleaved(works: dict[str, Callable[[], object]], repetitions: int) -> dict[str, list[float]]:
    """Seconds of each work, run in turns (A B C, A B C, ...) so that a drift of the machine meets all of them alike."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repetitions):
        for name, work in works.items():
            taken[name].append(seconds(work))
    return taken


def paired_ratio(taken: Sequence[float], yardstick: Sequence[float]) -> float:
    """Median over repetitions of the time taken, divided by the yardstick's time in the same turn."""
    return median(one / other for one, other in zip(taken, yardstick, strict=True))


def peak_megabytes() -> float:
    """Largest resident memory of this process so far, in MB.

    getrusage would not do: its peak begins at what the parent had when it started the process.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


def forget_peak() -> None:
    """Let `peak_megabytes` begin anew at what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")


def matmul_gflops(size: int = 2048, repetitions: int = 5) -> float:
    """Median speed of a square float32 matrix product, in GFLOP/s: what this process could get just now."""
    left, right = torch.randn(size, size), torch.randn(size, size)
    torch.mm(left, right)
    return 2 * size**3 / median(seconds(lambda: torch.mm(left, right)) for _ in range(repetitions)) / 1e9


def versions(*names: str) -> dict[str, str]:
    """Installed versions of the named distributions and of those whose speed is being compared."""
    found = {}
    for name in (*names, "torch", "transformers", "numpy"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def report(**facts: Any) -> None:
    """Print one JSON object, the script's whole answer, on the last line of standard output."""
    facts |= {"threads": torch.get_num_threads(), "load": round(os.getloadavg()[0], 2)}
    sys.stdout.write("\n" + json.dumps(facts) + "\n")


# Harvest ------------------------------------------------------------------------------------------------------------


def bare_model(folder: Path, n_layers: int) -> torch.nn.Module:
    """The plain transformers model cut behind its first `n_layers` blocks, without final norm and unembedding."""
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
    model.layers = model.layers[:n_layers]
    model.norm = torch.nn.Identity()
    return model


def harvest_rows(
    variants: dict[str, Callable[[Tensor], Tensor]], *, folder: Path, tokens: Tensor, block: int, repetitions: int
) -> dict[str, Any]:
    """Times of each variant against the bare truncated model in the same process, and how far its activations are off.

    A variant takes tokens [batch, pos] and returns the residual stream behind `block`, [batch, pos, d_model].
    Memory is read before the yardstick's own model is loaded; variants share it, so the largest counts for all.
    """
    with torch.no_grad():
        captured = {name: variant(tokens).detach().clone() for name, variant in variants.items()}
        peak = peak_megabytes()
        bare = bare_model(folder, block + 1)

        def yardstick() -> Tensor:
            return bare(input_ids=tokens, use_cache=False).last_hidden_state

        truth = yardstick()
        works: dict[str, Callable[[], object]] = {"bare": yardstick}
        works |= {name: lambda variant=variant: variant(tokens) for name, variant in variants.items()}
        taken = interleaved(works, repetitions)
    rows = [
        {
            "variant": name,
            "seconds": taken[name],
            "tokens_per_second": tokens.numel() / median(taken[name]),
            "ratio": paired_ratio(taken[name], taken["bare"]),
            "max_abs_difference": float((captured[name].reshape(truth.shape) - truth).abs().max()),
        }
        for name in variants
    ]
    return {
        "rows": rows,
        "bare_seconds": taken["bare"],
        "bare_tokens_per_second": tokens.numel() / median(taken["bare"]),
        "largest_activation": float(truth.abs().max()),
        "peak_megabytes": peak,
    }


# Training -----------------------------------------------------------------------------------------------------------


def encoding_facts(encode: Callable[[Tensor], Tensor], W_enc: Tensor, rows: Tensor, repetitions: int) -> dict[str, Any]:
    """Speed of encoding, against the encoder's product alone in the same process and in turns.

    `encode` gives the activations, dense or the active ones alone: their number and sum show that tools agree.
    """
    with torch.no_grad():
        acts = encode(rows)
        works: dict[str, Callable[[], object]] = {"product": lambda: rows @ W_enc, "encode": lambda: encode(rows)}
        taken = interleaved(works, repetitions)
    return {
        "features": W_enc.shape[1],
        "tokens_per_second": len(rows) / median(taken["encode"]),
        "ratio": paired_ratio(taken["encode"], taken["product"]),
        "n_active": int((acts != 0).sum()),
        "sum": float(acts.double().sum()),
        "peak_megabytes": peak_megabytes(),
    }


class Clock:
    """Batches from a file of rows, and the times at which a trainer came for them.

    The time between two calls is one whole step of the trainer, whatever it does in it, including the copy of a batch.
    """

    def __init__(self, rows: np.ndarray, batch: int, n_batches: int, seed: int = 0) -> None:
        self.rows, self.batch, self.n_batches = rows, batch, n_batches
        self.asked: list[float] = []
        self.generator = np.random.Generator(np.random.PCG64(seed))

    def __iter__(self) -> Iterator[Tensor]:
        """The same shuffled batches for the same seed, pass after pass through the file."""
        while True:
            order = self.generator.permutation(len(self.rows))
            for first in range(0, len(order) - self.batch + 1, self.batch):
                self.asked.append(time.perf_counter())
                if len(self.asked) > self.n_batches:
                    return
                yield torch.from_numpy(self.rows[np.sort(order[first : first + self.batch])])

    def stop(self) -> None:
        """Note the end of the last step, for a trainer that does not come back to find the batches used up."""
        self.asked.append(time.perf_counter())

    def step_seconds(self, warm_up: int) -> list[float]:
        """Seconds of each step after the first `warm_up`."""
        return np.diff(self.asked)[warm_up:].tolist()


def rows_file(path: Path) -> np.ndarray:
    """The rows of a float32 .npy file, read from disk as they are used."""
    rows = np.load(path, mmap_mode="r")
    if rows.ndim != 2 or rows.dtype != np.float32:
        raise SystemExit(f"{path} holds {rows.dtype} {rows.shape}; float32 rows [n, d] are needed.")
    return rows


def step_facts(clock: Clock, warm_up: int, n_features: int) -> dict[str, Any]:
    """Median speed, memory, and the share of the dense roofline: five products of 2 · d · n_features per token."""
    taken = clock.step_seconds(warm_up)
    peak = peak_megabytes()
    gflops = matmul_gflops()
    speed = clock.batch / median(taken)
    dense_roof = gflops * 1e9 / (10 * clock.rows.shape[1] * n_features)
    return {
        "seconds": taken,
        "tokens_per_second": speed,
        "peak_megabytes": peak,
        "matmul_gflops": gflops,
        "share_of_dense_roof": speed / dense_roof,
    }


@torch.no_grad()
def quality(
    encode: Callable[[Tensor], Tensor],
    decode: Callable[[Tensor], Tensor],
    held_out: np.ndarray,
    train: np.ndarray,
    *,
    batch: int = 2048,
) -> dict[str, float]:
    """FVU and L0 on held-out rows, and the share of features that never fire on 65,536 training rows.

    FVU = Σ|x - x̂|² / Σ|x - mean|², the mean taken over the held-out rows. `encode` gives dense [batch, feature].
    """
    mean = torch.from_numpy(held_out.mean(0, dtype=np.float64).astype(np.float32))
    lost = total = active = 0.0
    for x in _slices(held_out, batch):
        acts = encode(x)
        lost += float((x - decode(acts)).double().square().sum())
        total += float((x - mean).double().square().sum())
        active += float((acts != 0).sum())
    fired = None
    for x in _slices(train[:65536], batch):
        now = (encode(x) != 0).any(0)
        fired = now if fired is None else fired | now
    assert fired is not None
    return {"fvu": lost / total, "l0": active / len(held_out), "dead_share": float((~fired).float().mean())}


def _slices(rows: np.ndarray, batch: int) -> Iterator[Tensor]:
    for first in range(0, len(rows), batch):
        yield torch.from_numpy(np.array(rows[first : first + batch]))
