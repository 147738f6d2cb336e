"""The form of SAEBench's result files: an evaluation of a dictionary, its settings, and what came of it."""

import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from hooke.configs import to_dict
from hooke.dictionaries.dictionary import DictionaryConfig
from hooke.dictionaries.formats.hooks import hook_of
from hooke.lab import provenance
from hooke.sites import parse_site

RELEASE = "hooke"
"""What stands for the release that a dictionary belongs to."""


def result_of(
    config: DictionaryConfig,
    *,
    model: str,
    dtype: str,
    kind: str,
    settings: Mapping[str, Any],
    metrics: Mapping[str, Any],
    details: Sequence[Mapping[str, Any]],
    said: Mapping[str, Any],
) -> dict[str, Any]:
    """One file's content; `said` is what its schema has no place for.

    Raises:
        UnknownSite: other tools have no name for what the dictionary reads.
    """
    site = parse_site(config.reads[0])
    described = {
        "model_name": model,
        "d_in": config.d_in,
        "d_sae": config.n_features,
        "hook_layer": site.layer or 0,
        "hook_name": hook_of(site),
        "architecture": config.kind,
        "dtype": dtype,
    }
    return {
        "eval_type_id": kind,
        "eval_config": {"model_name": model, **settings},
        "eval_id": str(uuid4()),
        "datetime_epoch_millis": int(time.time() * 1000),
        "eval_result_metrics": dict(metrics),
        "eval_result_details": [dict(one) for one in details],
        "sae_bench_commit_hash": f"measured by hooke {provenance()['versions']['hooke']}",
        "sae_lens_id": config.name,
        "sae_lens_release_id": RELEASE,
        "sae_lens_version": "",
        "sae_cfg_dict": described,
        "eval_result_unstructured": {**said, "hooke_config": to_dict(config)},
    }
