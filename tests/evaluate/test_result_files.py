"""Result files of SAEBench: their keys, and that they hold what was measured."""

from pathlib import Path

import numpy as np
import pytest

from hooke.errors import BadRequest
from hooke.evaluate import result_files
from hooke.evaluate.absorption import ReadWords, Words, probe_of
from hooke.evaluate.core_scores import core_scores
from hooke.evaluate.quality import Subject
from hooke.evaluate.result_files import Result, results_of, write_results
from hooke.lab import read_json
from hooke.text.windows import WindowConfig, Windows, windows
from tests.features.planted import N_FEATURES, planted_corpus, planted_dictionary, planted_model

KEYS = {
    "eval_type_id", "eval_config", "eval_id", "datetime_epoch_millis", "eval_result_metrics", "eval_result_details",
    "sae_bench_commit_hash", "sae_lens_id", "sae_lens_release_id", "sae_lens_version", "sae_cfg_dict",
    "eval_result_unstructured",
}  # fmt: skip


@pytest.fixture(scope="module")
def own() -> Subject:
    model = planted_model()
    return Subject("planted", planted_dictionary(model), model)


@pytest.fixture(scope="module")
def batches(own: Subject) -> list[Windows]:
    return list(windows(planted_corpus(), own.model.tokenizer, WindowConfig(context=32, batch=3), stop=6))


def test_a_core_file_has_every_key_and_a_row_for_each_feature(own: Subject, batches: list[Windows], tmp_path: Path):
    (found,) = results_of(own, batches, corpus="planted", kinds=["core"])
    (path,) = write_results([found], tmp_path, "planted")
    data = read_json(path)
    assert path == tmp_path / "core" / "hooke_planted_eval_results.json"
    assert set(data) == KEYS
    assert data["eval_type_id"] == "core"
    assert data["sae_cfg_dict"]["hook_name"] == "blocks.0.hook_resid_post"
    assert [row["index"] for row in data["eval_result_details"]] == list(range(N_FEATURES))
    measured = core_scores(own, batches).metrics["sparsity"]["l0"]
    assert data["eval_result_metrics"]["sparsity"]["l0"] == pytest.approx(measured)
    with pytest.raises(BadRequest, match="is there already"):
        write_results([found], tmp_path, "planted")


def test_sparse_probing_has_each_set_and_their_mean(own: Subject, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(result_files, "CONCEPTS", ("faulty-code", "truth"))
    found = results_of(own, [], corpus="planted", kinds=["sparse-probing"])[0].data
    rows = found["eval_result_details"]
    assert [row["dataset_name"] for row in rows] == ["hooke/faulty-code", "hooke/truth"]
    metrics = found["eval_result_metrics"]
    assert set(metrics) == {"llm", "sae"}
    mean = np.mean([row["sae_top_2_test_accuracy"] for row in rows])
    assert metrics["sae"]["sae_top_2_test_accuracy"] == pytest.approx(mean)
    assert "llm_top_5_test_accuracy" in metrics["llm"]


def test_absorption_has_a_row_for_each_letter(own: Subject, monkeypatch: pytest.MonkeyPatch):
    generator = np.random.default_rng(0)
    letters = np.array(["s", "t"] * 60)
    read = 0.1 * generator.normal(size=(120, own.model.d_model))
    read[letters == "s", 1] += 2
    words = Words(tuple(letters), letters, np.arange(120) % 4 < 2)
    import torch

    probes = {letter: probe_of(letter, words, read) for letter in "st"}
    monkeypatch.setattr(result_files, "words_of", lambda *_, **__: words)
    known = ReadWords(torch.from_numpy(read).float(), probes)
    monkeypatch.setattr(result_files, "read_words", lambda *_: known)
    found = results_of(own, [], corpus="planted", kinds=["absorption"])[0].data
    rows = found["eval_result_details"]
    assert [row["first_letter"] for row in rows] == ["s", "t"]
    rates = [row["num_full_absorption"] / row["num_probe_true_positives"] for row in rows]
    mean = found["eval_result_metrics"]["mean"]
    assert mean["mean_full_absorption_score"] == pytest.approx(np.mean(rates))
    assert mean["std_dev_full_absorption_score"] == pytest.approx(np.std(rates, ddof=1))
    monkeypatch.setattr(result_files, "read_words", lambda *_: ReadWords(known.read, {"s": probes["s"]}))
    with pytest.raises(BadRequest, match="A probe tells 1 letters"):
        results_of(own, [], corpus="planted", kinds=["absorption"])


def test_each_kind_has_a_folder_of_its_own(tmp_path: Path):
    paths = write_results([Result("core", {}), Result("absorption", {})], tmp_path, "x")
    assert [path.parent.name for path in paths] == ["core", "absorption"]
