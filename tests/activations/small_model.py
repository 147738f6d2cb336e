"""A model that is a table: activations are a plain function of token and position, and every run is counted."""

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from hooke import lab as lab_module
from hooke.activations import shards
from hooke.activations.harvest import harvest
from hooke.lab import open_lab
from hooke.sites import Site
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig
from tests.text.small_tokenizer import small_corpus, small_tokenizer

POST, HEADS = Site("resid_post", 1), Site("z", 0)
SITES = ["resid_post.1", "z.0"]
WINDOWS = WindowConfig(context=16, batch=2)
N_TOKENS = 16 * 21  # 21 windows: ten whole batches and one window


class SmallModel:
    """Two layers; `resid_post.1` is 8 wide, `z.0` has two heads of 3."""

    def __init__(self, *, slow: float = 0.0, fingerprint: str = "weights-1", d_vocab: int = 64) -> None:
        self.name, self.fingerprint = "small", fingerprint
        self.tokenizer = small_tokenizer(eos="</s>")
        self.n_layers, self.d_vocab = 2, d_vocab
        self.slow = slow
        self.first_token_scale = 1.0
        self.runs: list[tuple[Sequence[Site], bool]] = []
        self._table = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))

    def run(self, prompts: Tensor, *, capture: Sequence[Site], logits: bool) -> dict[Site, Tensor]:
        """Captures by site, [batch, pos, ...]."""
        self.runs.append((capture, logits))
        time.sleep(self.slow)
        stream = self._table[prompts] + torch.arange(prompts.shape[1])[:, None] / 8
        stream[:, 0] *= self.first_token_scale
        values = {POST: stream, HEADS: stream[..., :6].unflatten(-1, (2, 3))}
        return {site: values[site] for site in capture}


def corpus_of(n_documents: int = 60) -> Corpus:
    """Enough text for N_TOKENS."""
    words = ["crown of stars.", "a kettle sings", "rain on slate"]
    return small_corpus(*(words[n % 3][n % 5 :] for n in range(n_documents)))


def use_small_shards() -> None:
    """Shards of two batches in this process, so that a small harvest has several."""
    shards._SHARD_BYTES = 2 * 32 * (2 * 14 + 4 * 4 + 1)


def slow_harvest(root: str, name: str, dtype: str = "float16") -> None:
    """For another process: a harvest that can be killed in the model and between writing a shard and renaming it."""
    use_small_shards()
    in_place = lab_module._put_in_place

    def slowly(aside: Path, target: Path) -> None:
        time.sleep(0.03)
        in_place(aside, target)

    lab_module._put_in_place = slowly
    model = SmallModel(slow=0.02)
    harvest(model, corpus_of(), SITES, name=name, n_tokens=N_TOKENS, windows=WINDOWS, dtype=dtype, lab=open_lab(root))
