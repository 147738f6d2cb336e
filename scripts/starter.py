"""Make the starter pack anew: the dictionary and index of SmolLM2-135M-Instruct that come with hooke.

    python scripts/starter.py            # about an hour on two quiet cores

Harvests the residual stream after block 15 over the default corpus, trains a TopK dictionary on it, stores it with
8-bit weights in src/hooke/starter/, and builds its index with the stored weights. The index holds no text of the
corpus: examples are references into windows that are made again from the installed corpus packages.
"""

import argparse
import shutil
from pathlib import Path

import torch

from hooke.activations.harvest import harvest
from hooke.activations.sampler import ActivationStore
from hooke.dictionaries import load_dictionary, save_dictionary
from hooke.dictionaries.load import STARTERS
from hooke.features.index import build_index
from hooke.lab import open_lab, read_json
from hooke.models.load import load
from hooke.text.corpora import open_corpus
from hooke.training import TrainConfig
from hooke.training.train import train

NAME, MODEL, SITE = "smollm2-res", "smollm2-135m", "resid_post.15"
STORE = "smollm2-resid15"
N_TOKENS = 1_802_240
CONFIG = TrainConfig(kind="topk", n_features=8192, k=32, batch=4096, n_tokens=14_417_920, lr=3e-3, seed=0)


def main() -> None:
    """Run every step that is not done yet in the lab; then replace the packaged starter."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    lab = open_lab()
    model, corpus = load(MODEL, lab=lab), open_corpus("default")
    store = ActivationStore.open(harvest(model, corpus, [SITE], name=STORE, n_tokens=N_TOKENS, lab=lab))
    trained = lab.path("dictionaries", NAME)
    if not trained.exists():
        inputs = {"activations": STORE, "corpus": corpus.name, "corpus_fingerprint": corpus.fingerprint}
        train(
            CONFIG,
            lambda skip: store.batches(
                SITE, CONFIG.batch, generator=torch.Generator().manual_seed(CONFIG.seed), epochs=None, skip=skip
            ),
            site=SITE,
            model_name=MODEL,
            folder=trained,
            inputs=inputs | {"n_tokens": store.n_tokens},
        )
    pack = STARTERS / NAME
    save_dictionary(
        load_dictionary(trained),
        pack,
        storage="int8",
        metrics=read_json(trained / "metrics.json"),
        provenance=read_json(trained / "provenance.json"),
    )
    packed = load_dictionary(pack)
    index = build_index(
        model, packed, corpus, name=NAME, n_tokens=N_TOKENS, lab=lab, posting="examples", tokens="reference"
    )
    shutil.copytree(index, pack / "index")
    _report(pack)


def _report(pack: Path) -> None:
    for path in sorted(pack.rglob("*")):
        if path.is_file():
            print(f"{path.stat().st_size / 1e6:8.2f} MB  {path.relative_to(pack)}")


if __name__ == "__main__":
    main()
