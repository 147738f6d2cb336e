from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor

from hooke.dictionaries.formats.circuit_tracer import is_circuit_tracer, open_circuit_tracer, write_circuit_tracer
from hooke.dictionaries.formats.folding import Norm
from hooke.dictionaries.load import load_replacement
from hooke.dictionaries.replacement import reconstruct
from hooke.dictionaries.sets import set_of
from hooke.errors import BadArtefact, BadRequest
from tests.dictionaries.transcoders import LAYERS, crosslayer, streams, transcoder, transcoder_set

N, D = 10, 6


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def write_config(folder: Path, kind: str = "transcoder_set", **changes) -> None:
    data = {"model_name": "tiny", "model_kind": kind} | changes
    data |= {"feature_input_hook": "hook_resid_mid", "feature_output_hook": "hook_mlp_out"} | changes
    (folder / "config.yaml").write_text(yaml.safe_dump(data))


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """ReLU, JumpReLU with one threshold below zero, and one with a skip; as the format's own writer lays it out."""
    write_config(tmp_path)
    for layer in LAYERS:
        tensors = {"W_enc": numbers(N, D, seed=layer), "W_dec": numbers(N, D, seed=layer + 10)}
        tensors |= {"b_enc": numbers(N, seed=layer + 20), "b_dec": numbers(D, seed=layer + 30)}
        if layer == 1:
            threshold = numbers(N, seed=40).abs()
            threshold[0] = -0.7
            tensors["activation_function.threshold"] = threshold
        if layer == 2:
            tensors["W_skip"] = numbers(D, D, seed=50)
        save_file(tensors, tmp_path / f"layer_{layer}.safetensors")
    return tmp_path


def their_output(folder: Path, layer: int, x: Tensor) -> Tensor:
    """What the format says the tool computes, written out."""
    file = load_file(folder / f"layer_{layer}.safetensors")
    pre = x @ file["W_enc"].T + file["b_enc"]
    threshold = file.get("activation_function.threshold")
    acts = torch.relu(pre) if threshold is None else pre * (pre > threshold)
    written = acts @ file["W_dec"] + file["b_dec"]
    return written + x @ file["W_skip"].T if "W_skip" in file else written


def test_a_set_is_read_as_its_tool_computes_it(theirs: Path):
    found = load_replacement(theirs)
    assert (found.model, found.layers, str(found.reads(1))) == ("tiny", LAYERS, "resid_mid.1")
    x = numbers(200, D, seed=9)
    for layer in LAYERS:
        acts = {layer: found.encode(layer, x)}
        torch.testing.assert_close(
            reconstruct(found, acts, x, layer), their_output(theirs, layer, x), atol=1e-4, rtol=0
        )
    # The threshold below zero lets activations below zero through.
    assert bool((found.encode(1, x).values < 0).any())


def test_the_skip_is_turned_round(theirs: Path):
    skip = load_replacement(theirs).skip(2)
    assert skip is not None
    assert torch.equal(skip, load_file(theirs / "layer_2.safetensors")["W_skip"].T)


def test_half_precision_and_one_threshold_for_all_are_read(theirs: Path):
    path = theirs / "layer_1.safetensors"
    half = {name: one.bfloat16() for name, one in load_file(path).items()}
    save_file(half | {"activation_function.threshold": torch.tensor([0.5]).bfloat16()}, path)
    opened = open_circuit_tracer(theirs)
    assert opened.encoder_rows(1, torch.tensor([0])).dtype == torch.float32
    assert opened.transcoder(1).threshold.tolist() == [0.5] * N


def test_topk_keeps_what_is_below_zero(theirs: Path):
    save_file(load_file(theirs / "layer_0.safetensors") | {"k": torch.tensor(8)}, theirs / "layer_0.safetensors")
    acts = load_replacement(theirs).encode(0, numbers(50, D))
    assert acts.values.shape == (50, 8)
    assert bool((acts.values < 0).any())
    write_config(theirs, activation="topk", k=3)
    assert load_replacement(theirs).encode(2, numbers(50, D)).values.shape == (50, 3)


def test_files_may_be_listed_by_path_or_by_address(theirs: Path):
    (theirs / "sub").mkdir()
    (theirs / "layer_1.safetensors").rename(theirs / "sub" / "other.safetensors")
    files = ["layer_2.safetensors", "hf://owner/repo/sub/other.safetensors?revision=main"]
    write_config(theirs, transcoders=files)
    found = load_replacement(theirs)
    assert found.layers == (0, 1)
    assert found.skip(0) is not None
    for bad in ("../layer_0.safetensors", "hf://owner/repo/none.safetensors", "/etc/passwd"):
        write_config(theirs, transcoders=[bad])
        with pytest.raises(BadArtefact, match="not in it"):
            load_replacement(theirs)


@pytest.mark.parametrize(
    "text",
    ["", "[", "model_kind: transcoder_set", "model_name: m\nmodel_kind: other", "- a", "a: " + "[" * 3000],
)
def test_damaged_configs_are_refused(theirs: Path, text: str):
    (theirs / "config.yaml").write_text(text)
    with pytest.raises(BadArtefact, match=r"config\.yaml"):
        load_replacement(theirs)


def test_a_config_does_not_run_code(theirs: Path):
    (theirs / "config.yaml").write_text("model_name: !!python/object/apply:os.getcwd []\nmodel_kind: transcoder_set")
    with pytest.raises(BadArtefact, match=r"config\.yaml"):
        load_replacement(theirs)


@pytest.mark.parametrize(
    "changes",
    [
        {"feature_input_hook": "hook_attn_out"},
        {"feature_output_hook": "hook_resid_post"},
        {"model_name": "google/gemma-2-2b", "feature_output_hook": "mlp.hook_out"},
        {"k": "many"},
        {"transcoders": [1]},
    ],
)
def test_sites_that_are_none_of_ours_are_refused(theirs: Path, changes: dict):
    write_config(theirs, **changes)
    with pytest.raises(BadArtefact):
        load_replacement(theirs)


def test_a_missing_or_broken_layer_is_told(theirs: Path):
    path = theirs / "layer_1.safetensors"
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    with pytest.raises(BadArtefact):
        load_replacement(theirs)
    path.write_bytes(good)
    opened = load_replacement(theirs)
    save_file(load_file(path) | {"W_dec": numbers(N + 1, D)}, path)
    with pytest.raises(BadArtefact, match="W_dec"):
        opened.bias(1)
    path.unlink()
    with pytest.raises(BadArtefact, match=r"layers \[0, 2\]"):
        load_replacement(theirs)


@pytest.mark.parametrize("kind", ["relu", "jumprelu", "batchtopk", "topk"])
def test_a_set_that_is_written_comes_back(kind: str, tmp_path: Path):
    made = transcoder_set(kind)
    write_circuit_tracer(made, tmp_path / "out", model="owner/tiny")
    found = load_replacement(tmp_path / "out")
    assert (found.model, str(found.reads(2))) == ("owner/tiny", "mlp_in.2")
    x = streams()[1]
    # topk: only tokens with k positive pre-activations agree, see the docstring.
    x = x[(made.encode(1, x).values > 0).all(-1)] if kind == "topk" else x
    assert len(x) > 0
    acts = {1: found.encode(1, x)}
    torch.testing.assert_close(reconstruct(found, acts, x, 1), made.transcoder(1)(x))
    if kind in ("relu", "jumprelu"):
        torch.testing.assert_close(their_output(tmp_path / "out", 1, x), made.transcoder(1)(x))


@pytest.mark.parametrize("kind", ["relu", "jumprelu", "topk"])
def test_a_cross_layer_transcoder_that_is_written_comes_back(kind: str, tmp_path: Path):
    made, x = crosslayer(kind), streams()
    write_circuit_tracer(made, tmp_path / "out")
    assert load_file(tmp_path / "out" / "W_dec_2.safetensors")["W_dec_2"].shape == (N, 1, D)
    assert load_file(tmp_path / "out" / "W_enc_0.safetensors")["W_enc_0"].shape == (N, D)
    found = load_replacement(tmp_path / "out")
    assert (found.targets(1), found.n_features(0)) == ((1, 2), N)
    chosen = torch.tensor([5, 3])
    for target in (1, 2):
        assert torch.equal(found.decoder_rows(1, chosen, target), made.decoder_rows(1, chosen, target))
    assert torch.equal(found.bias(2), made.bias(2))
    if kind != "topk":
        torch.testing.assert_close(found.encode(1, x[1]).dense(), made.encode(1, x[1]).dense())


def test_a_cross_layer_folder_with_a_file_missing_or_of_another_shape_is_refused(tmp_path: Path):
    write_circuit_tracer(crosslayer(), tmp_path / "out")
    save_file({"W_dec_1": numbers(N, 3, D)}, tmp_path / "out" / "W_dec_1.safetensors")
    with pytest.raises(BadArtefact, match=r"W_dec_1 \(10, 2, 6\)"):
        load_replacement(tmp_path / "out").bias(1)
    (tmp_path / "out" / "W_enc_1.safetensors").unlink()
    with pytest.raises(BadArtefact, match=r"layers \[0, 2\]"):
        load_replacement(tmp_path / "out")


@pytest.mark.parametrize(
    "made",
    [
        crosslayer(skip=True),
        crosslayer(layers=(1, 2)),
        set_of("s", [transcoder(0), transcoder(1, n_features=9)]),
        transcoder_set("groupmax", k=5),
    ],
    ids=["skip", "layers", "widths", "groups"],
)
def test_what_the_format_cannot_express_is_refused(made, tmp_path: Path):
    with pytest.raises(BadRequest, match="cannot be written"):
        write_circuit_tracer(made, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["transcoder_set", "cross_layer_transcoder"])
def test_input_without_gain_is_read_with_the_models_norms(kind: str, theirs: Path, tmp_path: Path):
    folder = theirs
    if kind == "cross_layer_transcoder":
        folder = tmp_path / "cross"
        write_circuit_tracer(crosslayer(reads="mlp_in"), folder)
    plain = open_circuit_tracer(folder)
    write_config(folder, kind, feature_input_hook="ln2.hook_normalized")
    with pytest.raises(BadRequest, match="gains of the model are needed"):
        load_replacement(folder)
    gain, bias = numbers(D, seed=1).abs() + 0.5, numbers(D, seed=2)
    found = open_circuit_tracer(folder, norms=lambda layer: Norm(gain, bias))
    normalised = streams()[2]
    with_gain = normalised * gain + bias
    torch.testing.assert_close(found.encode(2, with_gain).dense(), plain.encode(2, normalised).dense())
    ours, theirs_ = ({2: one.encode(2, x)} for one, x in ((found, with_gain), (plain, normalised)))
    if kind == "transcoder_set":
        expected = reconstruct(plain, theirs_, normalised, 2)
        torch.testing.assert_close(reconstruct(found, ours, with_gain, 2), expected, atol=1e-4, rtol=1e-4)
    assert str(found.reads(2)) == "mlp_in.2"
    assert is_circuit_tracer(folder)
