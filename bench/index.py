"""Speed of an index against harvest in the same moments, and its memory at two lengths of corpus: one JSON object.

    python bench/index.py [--quick]

Speed: an index of the starter dictionary over the default corpus. Each batch of its pass over the text is timed between
the moments at which its progress advances, and the model's run alone of a batch of that size right after it. The merge
that follows the pass depends on the number of features and hardly on the corpus; it is timed as a whole.

Memory: processes of their own index the text of a tiny model, one ten times as much as the other, with as many active
features per token as the starter; from each peak that of a process which only loads everything is taken away. Pages of
mapped files are counted apart.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from peers.measure import paired_ratio, report, seconds, versions

from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig
from hooke.dictionaries.load import load_dictionary
from hooke.features.index import build_index
from hooke.lab import open_lab
from hooke.models.load import load
from hooke.models.model import Model
from hooke.progress import showing
from hooke.text.corpora import open_corpus
from hooke.text.documents import Corpus, Document
from hooke.text.windows import WindowConfig

MODEL = Path(__file__).resolve().parent / ".data" / "model"
SITE = "resid_post.15"
WINDOWS = WindowConfig(context=256, batch=8)
ONE_LENGTH, QUICK_LENGTH = 2**18, 2**14


class Turns:
    """A progress sink that times each batch of the pass over the text, and the model's run alone right after it."""

    def __init__(self, yardstick: Any) -> None:
        self.yardstick = yardstick
        self.job: list[float] = []
        self.bare: list[float] = []
        self.ended = 0.0

    def start(self, job: str, total: float | None, unit: str) -> None:
        self._resumed = time.perf_counter()

    def advance(self, job: str, amount: float) -> None:
        if job == "index":
            self.job.append(time.perf_counter() - self._resumed)
            self.bare.append(seconds(self.yardstick))
            self._resumed = time.perf_counter()

    def finish(self, job: str) -> None:
        if job == "index":
            self.ended = time.perf_counter()


def speed(n_tokens: int) -> list[dict[str, Any]]:
    """Tokens per second of the run alone, of the pass, and of the whole index."""
    model, dictionary = load(MODEL, device="cpu"), load_dictionary("starter")
    size = WINDOWS.batch * WINDOWS.context
    some = torch.randint(0, 1000, (WINDOWS.batch, WINDOWS.context), generator=torch.Generator().manual_seed(0))
    turns = Turns(lambda: model.run(some, capture=[SITE], logits=False))
    with tempfile.TemporaryDirectory() as place, showing(turns):
        corpus = open_corpus("default")
        build_index(
            model, dictionary, corpus, name="bench", n_tokens=n_tokens, windows=WINDOWS, lab=open_lab(Path(place))
        )
        merge = time.perf_counter() - turns.ended
    # The first batch also opens the corpus and tokenises half a million characters.
    job, bare = turns.job[1:], turns.bare[1:]
    share = 1 / paired_ratio(job, bare)
    rate, features = size / median(bare), dictionary.n_features
    rows = [
        {"part": "harvest: the model's run alone", "tokens_per_second": rate, "share_of_harvest": 1.0},
        {"part": "index: the pass over the text", "tokens_per_second": rate * share, "share_of_harvest": share},
        {"part": f"index: the merge of {features} features, in seconds", "seconds": merge},
    ]
    for millions in (1, 10):
        whole = 1 / (1 / share + merge * rate / (millions * 1e6))
        rows.append({"part": f"index of {millions} M tokens, from the rows above", "share_of_harvest": whole})
    return rows


def memory(length: int) -> list[dict[str, Any]]:
    """Peaks at two lengths of corpus, beyond those of a process that loads everything and indexes nothing."""
    peaks = {n: _peaks(n) for n in (0, length, 10 * length)}
    return [
        {
            "part": f"memory beyond what is loaded, {n} tokens",
            "own_megabytes": peaks[n]["RssAnon"] - peaks[0]["RssAnon"],
            "mapped_megabytes": peaks[n]["RssFile"] - peaks[0]["RssFile"],
        }
        for n in (length, 10 * length)
    ]


def _peaks(n_tokens: int) -> dict[str, float]:
    """The largest own memory of a process that indexes that much, and the largest part of mapped files in memory.

    The system takes pages of mapped files back whenever others need room, so the two are not added up.
    """
    peaks = {"RssAnon": 0.0, "RssFile": 0.0}
    command = [sys.executable, __file__, "--memory-of", str(n_tokens)]
    with subprocess.Popen(command) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            for name, kilobytes in re.findall(r"(RssAnon|RssFile):\s+(\d+)", status.read_text()):
                peaks[name] = max(peaks[name], int(kilobytes) * 1024 / 1e6)
            time.sleep(0.02)
    if process.returncode:
        raise SystemExit(process.returncode)
    return peaks


def tiny_index(n_tokens: int) -> None:
    """Index that much text of a tiny model with random weights, or only make everything ready for it."""
    model = _tiny_model()
    n_features, width = 4096, model.d_model
    generator = torch.Generator().manual_seed(0)
    config = DictionaryConfig(
        name="tiny",
        model="tiny",
        kind="topk",
        k=32,
        reads=("resid_post.0",),
        writes=("resid_post.0",),
        n_features=n_features,
        d_in=width,
        d_out=width,
    )
    rows = torch.randn(n_features, width, generator=generator)
    # A bias per feature makes densities as uneven as those of real dictionaries.
    bias = torch.randn(n_features, generator=generator)
    dictionary = Dictionary(config, W_enc=rows.T.contiguous(), b_enc=bias, W_dec=rows, b_dec=torch.zeros(width))
    if n_tokens:
        corpus = Corpus(name="random words", fingerprint="random words", read=_random_documents)
        with tempfile.TemporaryDirectory() as place:
            windows = WindowConfig(context=256, batch=16)
            build_index(
                model, dictionary, corpus, name="x", n_tokens=n_tokens, windows=windows, lab=open_lab(Path(place))
            )


def _tiny_model() -> Model:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    names = ["<|endoftext|>", *(f"w{number}" for number in range(1999))]
    backend = Tokenizer(models.WordLevel({name: token for token, name in enumerate(names)}, unk_token=names[0]))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=names[0])
    config = LlamaConfig(
        vocab_size=len(names),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
    )
    torch.manual_seed(0)
    return Model(LlamaForCausalLM(config), tokenizer, name="tiny", fingerprint="tiny")


def _random_documents() -> Iterator[Document]:
    rng = np.random.default_rng(0)
    while True:
        numbers = np.minimum(rng.zipf(1.3, size=300), 1999) - 1
        yield Document(" ".join(f"w{number}" for number in numbers), "words")


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="little text: shows that it works")
    parser.add_argument("--memory-of", type=int, help="index this much text of a tiny model and end")
    asked = parser.parse_args()
    if asked.memory_of is not None:
        tiny_index(asked.memory_of)
        return
    rows = [*speed(QUICK_LENGTH if asked.quick else 2**16), *memory(QUICK_LENGTH if asked.quick else ONE_LENGTH)]
    report(tool="hooke", versions=versions(), rows=rows)


if __name__ == "__main__":
    main()
