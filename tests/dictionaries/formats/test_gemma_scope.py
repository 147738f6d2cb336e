from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

from hooke.dictionaries.formats.folding import Norm
from hooke.dictionaries.formats.gemma_scope import is_gemma_scope, open_gemma_scope
from hooke.dictionaries.load import load_replacement
from hooke.errors import BadArtefact, BadRequest
from tests.dictionaries.formats.test_circuit_tracer import numbers

N, D = 10, 6
GAIN, BIAS = numbers(D, seed=1).abs() + 0.5, torch.zeros(D)


def norms(layer: int) -> Norm:
    return Norm(GAIN, BIAS)


def arrays(layer: int) -> dict[str, Tensor]:
    threshold = numbers(N, seed=layer + 4).abs()
    threshold[0] = -0.5
    made = {"W_enc": numbers(D, N, seed=layer), "b_enc": numbers(N, seed=layer + 1), "threshold": threshold}
    return made | {"W_dec": numbers(N, D, seed=layer + 2), "b_dec": numbers(D, seed=layer + 3)}


def write_archive(folder: Path, layer: int, l0: int = 7, **changes: Tensor) -> Path:
    path = folder / f"layer_{layer}" / "width_16k" / f"average_l0_{l0}" / "params.npz"
    path.parent.mkdir(parents=True)
    np.savez(path, **{name: one.numpy() for name, one in (arrays(layer) | changes).items()})
    return path


def expected(layer: int, x: Tensor) -> Tensor:
    """What the suite computes: clamped at zero, strictly above the threshold."""
    file = arrays(layer)
    pre = x @ file["W_enc"] + file["b_enc"]
    return torch.relu(pre) * (pre > file["threshold"])


def test_the_first_suite_reads_the_stream_without_gain(tmp_path: Path):
    for layer in (0, 1):
        write_archive(tmp_path, layer)
    assert is_gemma_scope(tmp_path)
    with pytest.raises(BadRequest, match="does not say of which model"):
        load_replacement(tmp_path)
    with pytest.raises(BadRequest, match="gains of the model are needed"):
        load_replacement(tmp_path, model="tiny")
    found = load_replacement(tmp_path, model="tiny", norms=norms)
    assert (found.layers, str(found.reads(1)), found.n_features(1)) == ((0, 1), "mlp_in.1", N)
    x = numbers(40, D, seed=9)
    torch.testing.assert_close(found.encode(1, x * GAIN).dense(), expected(1, x))
    assert torch.equal(found.bias(1), arrays(1)["b_dec"])
    assert torch.equal(found.decoder_rows(1, torch.tensor([3]), 1), arrays(1)["W_dec"][[3]])


def test_the_second_suite_has_gain_and_a_skip_from_the_right(tmp_path: Path):
    path = tmp_path / "layer_1_width_16k_l0_small_affine" / "params.safetensors"
    path.parent.mkdir()
    skip = numbers(D, D, seed=8)
    lower = {name.lower(): one for name, one in arrays(1).items()}
    save_file(lower | {"affine_skip_connection": skip}, path)
    found, x = open_gemma_scope(tmp_path, model="tiny"), numbers(40, D, seed=9)
    torch.testing.assert_close(found.encode(1, x).dense(), expected(1, x))
    assert torch.equal(found.skip(1), skip)
    torch.testing.assert_close(
        found.transcoder(1)(x), expected(1, x) @ arrays(1)["W_dec"] + arrays(1)["b_dec"] + x @ skip
    )


def test_a_layer_with_several_variants_is_chosen_by_a_list(tmp_path: Path):
    write_archive(tmp_path, 0, 7)
    write_archive(tmp_path, 0, 99, b_dec=torch.ones(D))
    with pytest.raises(BadRequest, match=r"Layer 0: layer_0/width_16k/average_l0_7.*config\.yaml"):
        load_replacement(tmp_path, model="tiny", norms=norms)
    config = {
        "model_name": "tiny",
        "model_kind": "transcoder_set",
        "feature_input_hook": "ln2.hook_normalized",
        "transcoders": ["hf://owner/repo/layer_0/width_16k/average_l0_99/params.npz"],
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    found = load_replacement(tmp_path, norms=norms)
    assert found.bias(0).tolist() == [1] * D
    torch.testing.assert_close(found.encode(0, numbers(9, D) * GAIN).dense(), expected(0, numbers(9, D)))


def test_broken_archives_are_refused(tmp_path: Path):
    path = write_archive(tmp_path, 0)
    good = path.read_bytes()
    for broken in (b"", good[: len(good) // 2], b"PK\x03\x04" + good[10:]):
        path.write_bytes(broken)
        with pytest.raises(BadArtefact, match=r"params\.npz"):
            load_replacement(tmp_path, model="tiny", norms=norms)


def test_pickles_and_bombs_inside_an_archive_are_refused(tmp_path: Path):
    path = write_archive(tmp_path, 0)
    plain = {name: one.numpy() for name, one in arrays(0).items()}
    np.savez(path, **{**plain, "b_dec": np.array([print] * D, dtype=object)})
    with pytest.raises(BadArtefact):
        load_replacement(tmp_path, model="tiny", norms=norms).bias(0)
    np.savez_compressed(path, **{**plain, "W_dec": np.zeros((2000, 2000))})
    with pytest.raises(BadArtefact, match="unpack"):
        load_replacement(tmp_path, model="tiny", norms=norms)


@pytest.mark.parametrize("changes", [{"b_dec": torch.full((D,), torch.nan)}, {"scaling_factor": torch.full((N,), 2.0)}])
def test_poisoned_and_scaled_weights_are_refused(changes: dict, tmp_path: Path):
    write_archive(tmp_path, 0, **changes)
    with pytest.raises(BadArtefact):
        load_replacement(tmp_path, model="tiny", norms=norms).bias(0)


def test_a_scaling_of_one_is_ignored_and_an_unknown_array_is_not(tmp_path: Path):
    write_archive(tmp_path, 0, scaling_factor=torch.ones(N))
    load_replacement(tmp_path, model="tiny", norms=norms).bias(0)
    write_archive(tmp_path / "other", 0, gate=torch.ones(N))
    with pytest.raises(BadArtefact, match="gate"):
        load_replacement(tmp_path / "other", model="tiny", norms=norms)


def write_crosslayer(folder: Path) -> dict[int, dict[str, Tensor]]:
    folder.mkdir()
    made = {}
    for layer in range(3):
        made[layer] = {name.lower(): one for name, one in arrays(layer).items()}
        made[layer] |= {"w_dec": numbers(N, 3, D, seed=20 + layer), "affine_skip_connection": numbers(D, D, seed=layer)}
        # What lies before the own layer is storage that nothing may read.
        made[layer]["w_dec"][:, :layer] = torch.nan
        save_file(made[layer], folder / f"params_layer_{layer}.safetensors")
    return made


def test_a_cross_layer_transcoder_uses_the_places_from_its_own_layer_on(tmp_path: Path):
    theirs = write_crosslayer(tmp_path / "clt")
    with pytest.raises(BadRequest, match="does not say of which model"):
        load_replacement(tmp_path / "clt")
    found, chosen = load_replacement(tmp_path / "clt", model="tiny"), torch.tensor([4, 1])
    assert (found.layers, found.targets(1), str(found.reads(2))) == ((0, 1, 2), (1, 2), "mlp_in.2")
    for target in (1, 2):
        assert torch.equal(found.decoder_rows(1, chosen, target), theirs[1]["w_dec"][chosen, target])
    assert torch.equal(found.skip(2), theirs[2]["affine_skip_connection"])
    x = numbers(40, D, seed=9)
    torch.testing.assert_close(found.encode(1, x).dense(), expected(1, x))


def test_a_broken_cross_layer_transcoder_is_refused(tmp_path: Path):
    theirs = write_crosslayer(tmp_path / "clt")
    found = load_replacement(tmp_path / "clt", model="tiny")
    path = tmp_path / "clt" / "params_layer_2.safetensors"
    save_file(theirs[2] | {"w_dec": numbers(N, 2, D)}, path)
    with pytest.raises(BadArtefact, match="w_dec"):
        found.bias(2)
    save_file(theirs[2] | {"gate": numbers(N)}, path)
    with pytest.raises(BadArtefact, match="gate"):
        found.bias(2)
    (tmp_path / "clt" / "params_layer_1.safetensors").unlink()
    with pytest.raises(BadArtefact, match=r"layers \[0, 2\]"):
        load_replacement(tmp_path / "clt", model="tiny")
