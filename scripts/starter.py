"""Make the starter pack anew: the dictionary and index of SmolLM2-135M-Instruct that come with hooke.

    python scripts/starter.py            # about an hour on two quiet cores
    hooke label starter && python scripts/starter.py --labels      # its labels alone: some ten minutes

Harvests the residual stream after block 15 over the default corpus, trains a TopK dictionary on it, stores it with
8-bit weights in src/hooke/starter/, and builds its index with the stored weights. The index holds no text of the
corpus: examples are references into windows that are made again from the installed corpus packages.

`--labels` takes the labels of the lab's index into the packaged one, each with its detection score beside its null;
the other scores and their parts stay in the lab, where they are as large as all the rest.
"""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

import torch

from hooke.activations.harvest import harvest
from hooke.activations.sampler import ActivationStore
from hooke.dictionaries import load_dictionary, save_dictionary
from hooke.dictionaries.load import STARTERS
from hooke.features.index import build_index
from hooke.features.labelling import LABELS
from hooke.features.labels import Label, Score, write_labels
from hooke.features.query import Index
from hooke.features.store import file_hash
from hooke.lab import Lab, open_lab, read_json, write_json
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", action="store_true", help="put the lab's labels into the packaged index")
    asked = parser.parse_args()
    lab = open_lab()
    if asked.labels:
        put_labels(lab, STARTERS / NAME / "index")
        return
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


def put_labels(lab: Lab, packed: Path) -> None:
    """Replace the labels of the packaged index; its other files are not touched."""
    made = Index.open(lab.path("features", NAME), lab=lab)
    labels = [replace(label, scores=_kept(label)) for label in made.labels.each()]
    write_labels(packed / LABELS, labels)
    manifest = read_json(packed / "index.json")
    manifest["files"][LABELS] = {
        "bytes": (packed / LABELS).stat().st_size,
        "sha256": file_hash(packed / LABELS),
    }
    (how,) = made.manifest.provenance["labels"]
    manifest["provenance"]["labels"] = [how | {"scorers": ["detection"], "command": "hooke label starter"}]
    write_json(packed / "index.json", manifest)
    _report(packed)


def _kept(label: Label) -> tuple[Score, ...]:
    return (replace(label.main, detail={}),) if label.main else ()


def _report(pack: Path) -> None:
    for path in sorted(pack.rglob("*")):
        if path.is_file():
            print(f"{path.stat().st_size / 1e6:8.2f} MB  {path.relative_to(pack)}")


if __name__ == "__main__":
    main()
