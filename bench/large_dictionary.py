"""Opening a dictionary of a million features, and reading one decoder row of it. Prints one JSON object.

    python bench/large_dictionary.py FOLDER [--features 1000000]

The dictionary is made up where it is not there (4.6 GB at 576 numbers a row: one block of random rows, repeated). Cold
is with the file put out of the page cache, warm right after that.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import torch

from hooke.dictionaries import Dictionary, DictionaryConfig, load_dictionary, save_dictionary

D, K, BLOCK = 576, 32, 4096
N_ROWS = 200


def make(folder: Path, n_features: int) -> None:
    """Write it."""
    block = torch.randn(BLOCK, D, generator=torch.Generator().manual_seed(0)) / D**0.5
    rows = block.repeat(-(-n_features // BLOCK), 1)[:n_features]
    config = DictionaryConfig(
        name=folder.name, model="smollm2-135m", kind="topk", activation="topk", k=K,
        reads=("resid_post.15",), writes=("resid_post.15",), n_features=n_features, d_in=D, d_out=D,
    )  # fmt: skip
    weights = {"W_enc": rows.T, "b_enc": torch.zeros(n_features), "W_dec": rows, "b_dec": torch.zeros(D)}
    save_dictionary(Dictionary(config, **weights), folder)


def memory() -> dict[str, int]:
    """Megabytes of this process: its own, and pages of mapped files that are resident."""
    status = Path("/proc/self/status").read_text()
    names = {"RssAnon": "own", "RssFile": "mapped"}
    return {names[name]: round(int(kb) * 1024 / 1e6) for name, kb in re.findall(r"(RssAnon|RssFile):\s+(\d+)", status)}


def opened(folder: Path) -> dict[str, object]:
    """What opening it and reading rows of it takes in this process."""
    before, started = memory(), time.perf_counter()
    dictionary = load_dictionary(folder)
    loaded, taken = memory(), time.perf_counter() - started
    draw = torch.randint(dictionary.n_features, (N_ROWS + 1,), generator=torch.Generator().manual_seed(1))
    rows = []
    for one in draw:
        started = time.perf_counter()
        dictionary.decoder_rows(one[None])
        rows.append(time.perf_counter() - started)
    started = time.perf_counter()
    dictionary.encode(torch.randn(1, D))
    return {
        "load_seconds": taken,
        "own_megabytes": loaded["own"] - before["own"],
        "mapped_megabytes": loaded["mapped"] - before["mapped"],
        "first_row_ms": 1000 * rows[0],
        "row_ms": 1000 * median(rows[1:]),
        "encode_token_seconds": time.perf_counter() - started,
    }


def forget(folder: Path) -> None:
    """Put the file out of the page cache."""
    with (folder / "weights.safetensors").open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main() -> None:
    """Make it, then open it cold and warm, each time in a process of its own."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--features", type=int, default=1_000_000)
    parser.add_argument("--open", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.open:
        print(json.dumps(opened(asked.folder)))
        return
    if not asked.folder.exists():
        make(asked.folder, asked.features)
    found = {}
    for name in ("cold", "warm", "warm again"):
        if name == "cold":
            forget(asked.folder)
        command = [sys.executable, __file__, str(asked.folder), "--open"]
        found[name] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    size = (asked.folder / "weights.safetensors").stat().st_size
    print(json.dumps({"features": asked.features, "megabytes": round(size / 1e6), **found}))


if __name__ == "__main__":
    main()
