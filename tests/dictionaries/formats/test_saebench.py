"""The form of SAEBench's result files."""

from typing import Any

import pytest

from hooke.dictionaries.dictionary import DictionaryConfig
from hooke.dictionaries.formats.saebench import result_of
from hooke.errors import UnknownSite


def result(site: str) -> dict[str, Any]:
    config = DictionaryConfig(
        name="mine", model="m", kind="relu", reads=(site,), writes=(site,), n_features=6, d_in=4, d_out=4
    )
    return result_of(
        config, model="m", dtype="float32", kind="core", settings={"context_size": 8},
        metrics={"sparsity": {"l0": 2.0}}, details=[{"index": 0}], said={"tokens": "all"},
    )  # fmt: skip


def test_a_file_says_of_what_it_is():
    found = result("resid_post.3")
    assert found["eval_config"] == {"model_name": "m", "context_size": 8}
    assert (found["sae_lens_id"], found["eval_result_metrics"]) == ("mine", {"sparsity": {"l0": 2.0}})
    assert found["sae_cfg_dict"]["hook_name"] == "blocks.3.hook_resid_post"
    assert found["sae_cfg_dict"]["d_sae"] == 6
    assert found["eval_result_unstructured"]["tokens"] == "all"
    assert found["eval_id"] != result("resid_post.3")["eval_id"]


def test_a_site_that_others_have_no_name_for_is_refused():
    with pytest.raises(UnknownSite, match="no name for the same numbers"):
        result("pattern.3")
