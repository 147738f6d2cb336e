"""A dictionary's scores as the result files of SAEBench: one JSON for each kind of evaluation, by its schema.

    FOLDER/core/hooke_NAME_eval_results.json · FOLDER/sparse_probing/... · FOLDER/absorption/...

Names, categories and definitions are SAEBench's; texts are hooke's. Each file says what it was measured on in
`eval_result_unstructured`. Numbers in these files have no intervals and no nulls: read `hooke dictionary quality`. Of
interpretability, unlearning and disentanglement there are none: hooke defines them otherwise.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hooke.dictionaries.formats.saebench import RELEASE, result_of
from hooke.errors import BadRequest
from hooke.evaluate.absorption import by_letter, read_words, words_of
from hooke.evaluate.core_scores import core_scores
from hooke.evaluate.quality import Subject, UnitScores
from hooke.evaluate.sparse_probing import PLAIN, Reads, judged, mean_features, read_texts
from hooke.lab import write_json
from hooke.progress import track
from hooke.text.concepts import CONCEPTS, Labelled, concept
from hooke.text.windows import Windows

KINDS = ("core", "sparse-probing", "absorption")
KS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Result:
    """One file: which evaluation it is of, in which folder, and what is in it."""

    folder: str
    data: dict[str, Any]


def results_of(
    own: Subject, batches: Sequence[Windows], *, corpus: str, kinds: Sequence[str] = KINDS, seed: int = 0
) -> tuple[Result, ...]:
    """The files of a dictionary that writes where it reads.

    Raises:
        BadRequest: it does not, or there is no text, or absorption cannot be measured on the model.
    """
    make: dict[str, Callable[[], Result]] = {
        "core": lambda: _core(own, batches, corpus),
        "sparse-probing": lambda: _sparse_probing(own, seed),
        "absorption": lambda: _absorption(own, seed),
    }
    return tuple(make[kind]() for kind in kinds)


def write_results(results: Sequence[Result], folder: Path, name: str) -> list[Path]:
    """Write them below a folder, each in the folder of its kind.

    Raises:
        BadRequest: a file is there already.
    """
    paths = [folder / one.folder / f"{RELEASE}_{name}_eval_results.json" for one in results]
    for path in paths:
        if path.exists():
            raise BadRequest(f"'{path}' is there already.", "", "Give another folder, or move it away.")
    for one, path in zip(results, paths, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, one.data)
    return paths


def _result(
    own: Subject, kind: str, folder: str, config: dict[str, Any], metrics: Any, details: list[Any], said: dict[str, Any]
) -> Result:
    data = result_of(
        own.dictionary.config,
        model=own.model.name,
        dtype=str(own.dictionary.W_enc.dtype).removeprefix("torch."),
        kind=kind,
        settings=config,
        metrics=metrics,
        details=details,
        said=said,
    )
    return Result(folder, data)


def _core(own: Subject, batches: Sequence[Windows], corpus: str) -> Result:
    found = core_scores(own, batches)
    n_windows, context = len(batches[0].tokens), batches[0].tokens.shape[1]
    flags = (
        "kl", "ce_loss", "l2_norms", "sparsity_metrics", "variance_metrics",
        "featurewise_density_statistics", "featurewise_weight_based_metrics",
    )  # fmt: skip
    config = {f"compute_{flag}": True for flag in flags} | {
        "llm_dtype": str(own.model.dtype).removeprefix("torch."),
        "batch_size_prompts": n_windows,
        "n_eval_reconstruction_batches": len(batches),
        "n_eval_sparsity_variance_batches": len(batches),
        "dataset": corpus,
        "context_size": context,
        "exclude_special_tokens_from_reconstruction": True,
    }
    columns = {name: values.round(10).tolist() for name, values in found.features.items()}
    details = [dict(zip(["index", *columns], row, strict=True)) for row in zip(
        range(own.dictionary.n_features), *columns.values(), strict=True
    )]  # fmt: skip
    said = {"tokens": "special tokens and the first position of each window are neither counted nor rebuilt"}
    return _result(own, "core", "core", config, found.metrics, details, said)


def _sparse_probing(own: Subject, seed: int) -> Result:
    details = []
    for name in track(CONCEPTS, "sparse probing", unit="sets"):
        items = list(concept(name).items())
        reads = read_texts([own], [one.text for one in items])
        details.append({"dataset_name": f"{RELEASE}/{name}"} | _probed(own, items, reads, seed))
    means = {key: float(np.mean([one[key] for one in details])) for key in details[0] if key != "dataset_name"}
    metrics = {
        part: {key: value for key, value in means.items() if key.startswith(f"{part}_")} for part in ("llm", "sae")
    }
    config = {
        "random_seed": seed,
        "dataset_names": [one["dataset_name"] for one in details],
        "k_values": list(KS),
        "llm_dtype": str(own.model.dtype).removeprefix("torch."),
    }
    said = {
        "accuracy": "balanced, five folds by group of texts; each text is judged once by a probe that saw none of its "
        "group; texts are hooke's concept sets; the first token of a text is left out of its mean; the probe of all "
        "numbers of the model is a regularised logistic regression of standardised ones"
    }
    return _result(own, "sparse_probing", "sparse_probing", config, metrics, details, said)


def _probed(own: Subject, items: Sequence[Labelled], reads: Reads, seed: int) -> dict[str, float]:
    rows = reads[own.model.name, own.dictionary.reads[0]]
    values = {
        "llm": torch.stack([one.mean(0) for one in rows]).numpy(),
        "sae": mean_features(own.dictionary, rows),
    }
    # A probe of all numbers at once is a matter of its own in SAEBench, too; of all features its schema asks for none.
    found = {"llm_test_accuracy": _share(judged(values["llm"], items, best=None, seed=seed))}
    for part, pooled in values.items():
        for k in KS:
            accuracy = _share(judged(pooled, items, best=k, seed=seed, recipe=PLAIN))
            found[f"{part}_top_{k}_test_accuracy"] = accuracy
    return found


def _share(scores: UnitScores) -> float:
    return float(scores.parts.sum() / scores.wholes.sum())


def _absorption(own: Subject, seed: int) -> Result:
    words = words_of(own.model, seed=seed)
    found = by_letter(own, words, read_words(own.model, own.dictionary.reads[0], words))
    details = [
        {
            "first_letter": letter,
            "mean_absorption_fraction": one.share / one.n_right,
            "full_absorption_rate": one.n_full / one.n_right,
            "num_full_absorption": one.n_full,
            "num_probe_true_positives": one.n_right,
            "num_split_features": one.n_main,
        }
        for letter, one in found.items()
    ]
    if len(details) < 2:
        raise BadRequest(
            f"Absorption of '{own.dictionary.name}' cannot be told.",
            f"A probe tells {len(details)} letters at {own.dictionary.reads[0]}.",
            "Leave absorption out.",
        )
    told = {
        "absorption_fraction": "mean_absorption_fraction",
        "full_absorption": "full_absorption_rate",
        "num_split_features": "num_split_features",
    }
    columns = {name: np.array([one[key] for one in details]) for name, key in told.items()}
    names = {"absorption_fraction": "_score", "full_absorption": "_score", "num_split_features": ""}
    mean = {f"mean_{name}{names[name]}": float(column.mean()) for name, column in columns.items()}
    mean |= {f"std_dev_{name}{names[name]}": float(column.std(ddof=1)) for name, column in columns.items()}
    config = {
        "random_seed": seed,
        "prompt_template": "The word is {word}",
        "prompt_token_pos": -1,
        "min_feats_for_eval": len(details),
        "llm_dtype": str(own.model.dtype).removeprefix("torch."),
    }
    said = {
        "words": f"{len(words.texts)} words of one token, half of them for probes; features that share a letter are "
        "chosen by a difference of means in standard deviations"
    }
    return _result(own, "absorption_first_letter", "absorption", config, {"mean": mean}, details, said)
