"""SAEBench's own code on what hooke hands over: metrics of one dictionary, and its schemas on hooke's files.

    measure_sae_bench.py FOLDER        # given.json and given.pt in it; prints one JSON object

Its `run_evals` runs on the model in TransformerLens' bridge: its own loading knows models by names of the hub only. Of
sparse probing and absorption its functions run on activations and probes that hooke made: what they would read from
data sets of the hub is not there.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import json
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from measure import versions
from pydantic import TypeAdapter, ValidationError
from sae_bench.custom_saes.topk_sae import TopKSAE
from sae_bench.evals.absorption.eval_output import AbsorptionEvalOutput
from sae_bench.evals.absorption.feature_absorption_calculator import FeatureAbsorptionCalculator
from sae_bench.evals.autointerp.eval_output import AutoInterpEvalOutput
from sae_bench.evals.core.eval_config import CoreEvalConfig
from sae_bench.evals.core.eval_output import CoreEvalOutput
from sae_bench.evals.core.main import calculate_misc_metrics, run_evals
from sae_bench.evals.ravel.eval_output import RAVELEvalOutput
from sae_bench.evals.sparse_probing.eval_output import SparseProbingEvalOutput
from sae_bench.evals.sparse_probing.probe_training import train_probe_on_activations
from sae_bench.sae_bench_utils.activation_collection import get_sae_meaned_activations
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

OUTPUTS = {
    "core": CoreEvalOutput,
    "sparse_probing": SparseProbingEvalOutput,
    "absorption_first_letter": AbsorptionEvalOutput,
    "autointerp": AutoInterpEvalOutput,
    "ravel": RAVELEvalOutput,
}


def dictionary_of(weights: dict[str, Tensor], given: dict[str, Any]) -> TopKSAE:
    """The dictionary as SAEBench holds one of this kind: its encoder reads what lies away from the decoder's bias."""
    d_in, d_sae = weights["W_enc"].shape
    found = TopKSAE(
        d_in=d_in, d_sae=d_sae, k=given["k"], model_name="smollm2-135m", hook_layer=given["layer"],
        device=torch.device("cpu"), dtype=torch.float32, hook_name=f"blocks.{given['layer']}.hook_out",
    )  # fmt: skip
    state = {"W_enc": weights["W_enc"], "W_dec": weights["W_dec"], "b_dec": weights["b_dec"]}
    state["b_enc"] = weights["b_enc"] + weights["b_dec"] @ weights["W_enc"]
    found.load_state_dict(state, strict=False)
    return found


class Store:
    """Batches of tokens, in the place of SAELens' store of activations."""

    def __init__(self, tokens: Tensor) -> None:
        self._tokens, self.context_size, self._at = tokens, tokens.shape[1], 0
        self.store_batch_size_prompts = len(tokens)

    def get_batch_tokens(self, n: int) -> Tensor:
        """The next windows."""
        self._at += n
        return self._tokens[self._at - n : self._at]

    def reset_input_dataset(self) -> None:
        """From the first window again."""
        self._at = 0


def core(sae: TopKSAE, given: dict[str, Any], tensors: dict[str, Any]) -> dict[str, Any]:
    """All core metrics."""
    bridge = TransformerBridge.boot_transformers(given["model"], device="cpu", dtype=torch.float32)
    n_batches = len(tensors["tokens"]) // given["batch"]
    flags = (
        "kl", "ce_loss", "l2_norms", "sparsity_metrics", "variance_metrics",
        "featurewise_density_statistics", "featurewise_weight_based_metrics",
    )  # fmt: skip
    config = CoreEvalConfig(
        model_name="smollm2-135m", batch_size_prompts=given["batch"], n_eval_reconstruction_batches=n_batches,
        n_eval_sparsity_variance_batches=n_batches, context_size=tensors["tokens"].shape[1],
        exclude_special_tokens_from_reconstruction=True, **{f"compute_{flag}": True for flag in flags},
    )  # fmt: skip
    metrics, features = run_evals(
        sae, Store(tensors["tokens"]), bridge, eval_config=config, ignore_tokens=set(given["special"])
    )
    metrics["misc_metrics"] = calculate_misc_metrics(features)
    return {"metrics": metrics, "features": {name: [float(one) for one in values] for name, values in features.items()}}


def probed(sae: TopKSAE, given: dict[str, Any], sets: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Accuracy of the probe of the best k features, by set of texts and fold."""
    found: dict[str, dict[str, float]] = {}
    for name, one in sets.items():
        acts = get_sae_meaned_activations({"all": one["acts"]}, sae, 32)["all"]
        for fold, parts in enumerate(one["folds"]):
            both = [{"with": acts[part[0]], "without": acts[part[1]]} for part in parts]
            for k in given["ks"]:
                _, told = train_probe_on_activations(*both, select_top_k=k)
                found.setdefault(name, {})[f"{fold} {k}"] = float(told["with"])
    return found


class Words:
    """Hands out what was read at each word, in the place of a model that reads it."""

    def __init__(self, read: Tensor) -> None:
        self._read, self._at = read, 0

    def to_tokens(self, _: str) -> Tensor:
        """Every prompt is as long as any other."""
        return torch.zeros(1, 1)

    def run_with_cache(self, prompts: list[str], names_filter: list[str]) -> tuple[None, dict[str, Tensor]]:
        """The next words."""
        self._at += len(prompts)
        return None, {names_filter[0]: self._read[self._at - len(prompts) : self._at, None]}


def absorbed(sae: TopKSAE, given: dict[str, Any], letters: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By letter: which words are fully absorbed, and the absorbed share of each."""
    found = {}
    for letter, one in letters.items():
        calculator = FeatureAbsorptionCalculator(
            model=Words(one["read"]), icl_word_list=one["words"], max_icl_examples=0, base_template="{word}",
            word_token_pos=-1,
        )  # fmt: skip
        told = calculator.calculate_absorption(
            sae, one["words"], one["direction"], one["main"], given["layer"], show_progress=False
        )
        found[letter] = {
            "full": [bool(word.is_full_absorption) for word in told.word_results],
            "share": [float(word.absorption_fraction) for word in told.word_results],
        }
    return found


def validated(paths: list[str]) -> dict[str, str]:
    """By file: empty where its schema holds and nothing in it is unknown there, else what is wrong."""
    found = {}
    for path in paths:
        data = json.loads(Path(path).read_text())
        try:
            known = asdict(TypeAdapter(OUTPUTS[data["eval_type_id"]]).validate_python(data))
        except ValidationError as error:
            found[path] = str(error)
            continue
        found[path] = ", ".join(_unknown(data, known))
    return found


def _unknown(data: Any, known: Any, at: str = "") -> list[str]:
    """Keys that the schema dropped."""
    if isinstance(data, list):
        return [] if not data else _unknown(data[0], known[0], f"{at}[0]")
    if not isinstance(data, dict):
        return []
    free = ("eval_result_unstructured", "sae_cfg_dict")
    return [
        found
        for key, value in data.items()
        if key not in free
        for found in ([f"{at}.{key}"] if key not in known else _unknown(value, known[key], f"{at}.{key}"))
    ]


def main() -> None:
    """Measure what the folder asks for."""
    folder = Path(sys.argv[1])
    given, tensors = json.loads((folder / "given.json").read_text()), torch.load(folder / "given.pt")
    torch.set_num_threads(given["threads"])
    # Its functions tell their progress on the standard output.
    told, sys.stdout = sys.stdout, sys.stderr
    with torch.no_grad():
        sae = dictionary_of(tensors["weights"], given)
        found = SimpleNamespace(core=core(sae, given, tensors), absorption=absorbed(sae, given, tensors["letters"]))
    found.probing = probed(sae, given, tensors["sets"])
    found.files = validated(given["files"])
    found.versions = versions("sae-bench", "sae-lens", "transformer-lens", "torch", "numpy")
    sys.stdout = told
    print(json.dumps(vars(found)))


if __name__ == "__main__":
    main()
