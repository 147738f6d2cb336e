"""hooke's metrics of a dictionary against SAEBench's own code, on the same dictionary, tokens, texts and probes.

    python bench/saebench.py --lab LAB [--windows 16] [--context 128] [--threads 1]

Three evaluations: core (its `run_evals`, the whole of it, on the model in TransformerLens' bridge), sparse probing (its
means over tokens, its choice of features and its probes, on the activations that hooke read) and absorption (its
calculator, on hooke's words, probes and main features). Then hooke's result files are held against its schemas. Prints
one JSON object; ends with 1 where a number lies further apart than its tolerance.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from environments import ensure, environment_python
from sklearn.model_selection import GroupKFold
from torch.nn.utils.rnn import pad_sequence

from hooke.dictionaries import load_dictionary
from hooke.evaluate.absorption import acts_and_decoder, against_read, by_letter, main_features, read_words, words_of
from hooke.evaluate.core_scores import core_scores
from hooke.evaluate.quality import Subject
from hooke.evaluate.result_files import results_of, write_results
from hooke.evaluate.sparse_probing import PLAIN, mean_features, read_texts, told
from hooke.lab import Lab
from hooke.models.load import load
from hooke.text.concepts import CONCEPTS, concept
from hooke.text.corpora import open_corpus
from hooke.text.windows import WindowConfig, Windows, windows

BATCH, KS = 8, (1, 2, 5)
TOLERANCE = {"core": 2e-3, "features": 2e-3, "probing": 0.01, "absorption": 0.0}
"""Relative for core metrics, absolute for densities of features, accuracies and shares of words."""
_PEER = Path(__file__).parent / "peers" / "measure_sae_bench.py"


def tokens_of(own: Subject, n_windows: int, context: int) -> list[Windows]:
    """Windows that begin with BOS, as SAEBench's do."""
    cut = WindowConfig(context=context, batch=BATCH)
    found = windows(open_corpus("default:heldout"), own.model.tokenizer, cut, stop=n_windows)
    batches = []
    for batch in found:
        tokens = batch.tokens.clone()
        tokens[:, 0] = own.model.tokenizer.bos_token_id
        batches.append(replace(batch, tokens=tokens))
    return batches


def texts_of(own: Subject) -> tuple[dict[str, Any], dict[str, dict[str, float]]]:
    """Activations of each set's texts with folds of as many texts of both labels, and hooke's accuracies on them."""
    sets, accuracies = {}, {}
    for name in CONCEPTS:
        items = list(concept(name).items())
        labels, groups = np.array([one.label for one in items]), np.array([one.group for one in items])
        rows = read_texts([own], [one.text for one in items])[own.model.name, own.dictionary.reads[0]]
        values = mean_features(own.dictionary, rows)
        folds = []
        for fold, parts in enumerate(GroupKFold(5, shuffle=True, random_state=0).split(values, labels, groups)):
            even = [_even(part, labels) for part in parts]
            folds.append([[torch.from_numpy(one) for one in part] for part in even])
            both = [np.concatenate(part) for part in even]
            for k in KS:
                said = told(values[both[0]], labels[both[0]], values[both[1]], k, PLAIN)
                accuracies.setdefault(name, {})[f"{fold} {k}"] = float((said == labels[both[1]]).mean())
        sets[name] = {"acts": pad_sequence(rows, batch_first=True), "folds": folds}
    return sets, accuracies


def _even(part: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As many texts with the concept as without."""
    both = part[labels[part]], part[~labels[part]]
    n = min(map(len, both))
    return both[0][:n], both[1][:n]


def letters_of(own: Subject) -> tuple[dict[str, Any], dict[str, dict[str, list[float]]]]:
    """Words that a probe gets right, by letter, with its direction and the main features, and hooke's verdicts."""
    words = words_of(own.model)
    read = read_words(own.model, own.dictionary.reads[0], words)
    acts, decoder = acts_and_decoder(own, read)
    letters, verdicts = {}, {}
    for letter in by_letter(own, words, read):
        probe, first = read.probes[letter], words.is_first
        main = main_features(acts[first], words.letters[first] == letter)
        at = np.flatnonzero(~first)[probe.right]
        rows = read.read[torch.from_numpy(at)]
        cosine = decoder @ probe.direction / np.linalg.norm(decoder, axis=1)
        full, share = against_read(acts[at], cosine, rows.numpy() @ probe.direction, main)
        verdicts[letter] = {"full": full.tolist(), "share": share.tolist()}
        letters[letter] = {
            "read": rows,
            "words": [words.texts[place] for place in at],
            "direction": torch.from_numpy(probe.direction).float(),
            "main": main,
        }
    return letters, verdicts


def compared(own: dict[str, Any], peer: dict[str, Any]) -> dict[str, Any]:
    """Every pair of numbers with its difference."""
    core = {
        name: {"hooke": value, "SAEBench": (other := peer["core"]["metrics"][part][name]),
               "apart": abs(value - other) / max(abs(other), 1e-9)}
        for part, some in own["core"].metrics.items() if part != "token_stats" for name, value in some.items()
    }  # fmt: skip
    features = {
        name: float(np.abs(values - np.nan_to_num(np.array(peer["core"]["features"][name]), nan=-1)).max())
        for name, values in own["core"].features.items()
    }
    probing = {
        name: {
            f"k = {k}": {
                who: float(np.mean([some[name][f"{fold} {k}"] for fold in range(5)]))
                for who, some in (("hooke", own["probing"]), ("SAEBench", peer["probing"]))
            }
            for k in KS
        }
        for name in own["probing"]
    }
    absorption = {
        kind: {
            who: float(np.mean([np.mean(some[letter][kind]) for letter in own["absorption"]]))
            for who, some in (("hooke", own["absorption"]), ("SAEBench", peer["absorption"]))
        }
        for kind in ("full", "share")
    }
    words = [
        sum(a != b for a, b in zip(own["absorption"][letter]["full"], peer["absorption"][letter]["full"], strict=True))
        for letter in own["absorption"]
    ]
    share = max(
        abs(a - b)
        for letter in own["absorption"]
        for a, b in zip(own["absorption"][letter]["share"], peer["absorption"][letter]["share"], strict=True)
    )
    worst = {
        "core": max(one["apart"] for one in core.values()),
        "features": features["feature_density"],
        "probing": max(abs(one["hooke"] - one["SAEBench"]) for some in probing.values() for one in some.values()),
        "absorption": sum(words) / sum(len(one["full"]) for one in own["absorption"].values()),
    }
    return {
        "core": core, "features, largest difference": features, "probing": probing, "absorption": absorption,
        "absorption, words told otherwise": sum(words), "absorption, largest difference of a share": share,
        "furthest apart": worst, "tolerance": TOLERANCE,
        "within": {name: worst[name] <= TOLERANCE[name] for name in TOLERANCE},
    }  # fmt: skip


def hand_over(own: Subject, folder: Path, *, n_windows: int, context: int, threads: int) -> dict[str, Any]:
    """Write what SAEBench is given into a folder; what hooke says of the same."""
    batches = tokens_of(own, n_windows, context)
    sets, accuracies = texts_of(own)
    letters, verdicts = letters_of(own)
    hf: Any = own.model.hf
    hf.save_pretrained(folder / "model")
    own.model.tokenizer.save_pretrained(folder / "model")
    files = write_results(results_of(own, batches, corpus="default:heldout"), folder, own.name)
    given = {
        "k": own.dictionary.config.k, "layer": own.dictionary.reads[0].layer, "batch": BATCH, "ks": KS,
        "model": str(folder / "model"), "files": [str(path) for path in files], "threads": threads,
        "special": sorted({int(id) for batch in batches for id in batch.tokens[~batch.counted]}),
    }  # fmt: skip
    (folder / "given.json").write_text(json.dumps(given))
    weights = {name: getattr(own.dictionary, name).detach() for name in ("W_enc", "b_enc", "W_dec", "b_dec")}
    tokens = torch.cat([batch.tokens for batch in batches])
    torch.save({"tokens": tokens, "weights": weights, "sets": sets, "letters": letters}, folder / "given.pt")
    return {"core": core_scores(own, batches), "probing": accuracies, "absorption": verdicts}


def judged_by_peer(folder: Path) -> dict[str, Any]:
    """What SAEBench says of what lies in a folder."""
    command = [environment_python("sae-bench"), _PEER, folder]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure both and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", type=Path, required=True)
    parser.add_argument("--windows", type=int, default=16)
    parser.add_argument("--context", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    ensure("sae-bench")
    torch.set_num_threads(asked.threads)
    lab = Lab(asked.lab.resolve())
    own = Subject("smollm2-res", load_dictionary("starter", lab=lab), load("smollm2-135m", lab=lab))
    with tempfile.TemporaryDirectory() as folder:
        ours = hand_over(own, Path(folder), n_windows=asked.windows, context=asked.context, threads=asked.threads)
        peer = judged_by_peer(Path(folder))
    found = compared(ours, peer)
    schemas = {str(Path(path).parent.name): problem or "holds" for path, problem in peer["files"].items()}
    print(json.dumps(found | {"schemas": schemas, "versions": peer["versions"]}, indent=1))
    sys.exit(not all(found["within"].values()) or any(problem != "holds" for problem in schemas.values()))


if __name__ == "__main__":
    main()
