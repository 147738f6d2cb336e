import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from hooke.dictionaries.dictionary import Dictionary, check_fits
from hooke.dictionaries.formats import dictionary_learning
from hooke.dictionaries.formats.crosscoders import recognises
from hooke.dictionaries.formats.given import Given
from hooke.dictionaries.load import load_dictionary
from hooke.errors import BadArtefact, BadRequest, HookeError
from hooke.sites import Site
from tests.dictionaries.formats.damage import changed_bytes, cut_short

M, D, N = 3, 6, 10
SITES = "resid_post.1,resid_post.4,mlp_out.4"
GIVEN = Given(model="tiny", site=SITES)
SETTINGS = {"activation_dim": D, "dict_size": N, "num_layers": M, "same_init_for_all_layers": False}
NOTHING = torch.full((M, D), torch.nan)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(-64, 65, shape, generator=torch.Generator().manual_seed(seed)) / 64


def state(**changes: Tensor | None) -> dict[str, Tensor]:
    """The tensors of a plain one; '__' stands for the dot of a name."""
    made: dict[str, Tensor | None] = {
        "encoder.weight": numbers(M, D, N, seed=1),
        "encoder.bias": numbers(N, seed=2),
        "decoder.weight": numbers(M, N, D, seed=3),
        "decoder.bias": numbers(M, D, seed=4),
        "code_normalization_id": torch.tensor(1),
        "activation_mean": NOTHING,
        "activation_std": NOTHING,
        "activation_global_scale": torch.ones(M),
        "target_rms": torch.tensor(1.0),
    }
    made |= {name.replace("__", "."): one for name, one in changes.items()}
    return {name: one for name, one in made.items() if one is not None}


def batch_state(norm: int | None = 1, **changes: Tensor | None) -> dict[str, Tensor]:
    own = {"k": torch.tensor(4, dtype=torch.int32), "threshold": torch.tensor(1.5)}
    return state(**{"code_normalization_id": None if norm is None else torch.tensor(norm), **own, **changes})


def write(folder: Path, tensors: dict[str, Tensor], **changes: Any) -> Path:
    folder.mkdir(exist_ok=True)
    save_file({name: one.clone() for name, one in tensors.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(SETTINGS | changes))
    return folder


def expected(file: dict[str, Tensor], x: Tensor, alphas: tuple[float, float] = (1.0, 0.1)) -> tuple[Tensor, Tensor]:
    """What the fork computes of x [token, place, d], written out place by place."""
    mean, scale = file["activation_mean"], file["activation_global_scale"][:, None]
    if not bool(mean.isnan().any()):
        x = (x - mean) * scale
    pre = torch.stack([x[:, place] @ file["encoder.weight"][place] for place in range(M)]).sum(0)
    f = torch.relu(pre + file["encoder.bias"])
    decoder = file["decoder.weight"]
    if "threshold" in file:
        summed, joint = decoder.norm(dim=2).sum(0), decoder.permute(1, 0, 2).flatten(1).norm(dim=1)
        mixed = alphas[0] * joint + alphas[1] * summed
        c = {1: summed, 2: joint, 3: mixed, 4: torch.ones(N)}[int(file.get("code_normalization_id", torch.tensor(1)))]
        f = f * (f * c > file["threshold"])
    x_hat = torch.stack([f @ decoder[place] + file["decoder.bias"][place] for place in range(M)], 1)
    return f, x_hat if bool(mean.isnan().any()) else x_hat / (scale + 1e-8) + mean


def require_equal(found: Dictionary, file: dict[str, Tensor], **options: Any) -> Tensor:
    x = numbers(200, M, D, seed=9)
    f, x_hat = expected(file, x, **options)
    acts = found.encode(x.flatten(1))
    torch.testing.assert_close(acts.dense(), f, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.decode(acts), x_hat.flatten(1), atol=1e-5, rtol=1e-5)
    return f


def test_places_lie_side_by_side(tmp_path: Path):
    file = state()
    folder = write(tmp_path / "cc", file)
    assert recognises(folder)
    found = load_dictionary(folder, given=GIVEN)
    told = found.config
    assert (told.kind, told.name, told.d_in, told.d_out, told.folded) == ("relu", "cc", M * D, M * D, ())
    assert told.reads == told.writes == ("resid_post.1", "resid_post.4", "mlp_out.4")
    require_equal(found, file)


class Tiny:
    name = "tiny"

    def row_width(self, site: Site) -> int:
        return D


def test_it_fits_a_model_whose_sites_have_its_widths_together(tmp_path: Path):
    check_fits(load_dictionary(write(tmp_path / "cc", state()), given=GIVEN), Tiny())


@pytest.mark.parametrize("norm", [None, 1, 2, 3, 4])
def test_the_gate_on_the_scaled_code_is_a_threshold_of_each_feature(norm: int | None, tmp_path: Path):
    file = batch_state(norm)
    found = load_dictionary(write(tmp_path / "cc", file), given=GIVEN)
    assert (found.config.kind, found.config.k, found.config.folded) == ("batchtopk", 4, ("code_scale",))
    f = require_equal(found, file)
    pre = torch.relu(found.pre_activations(numbers(200, M, D, seed=9).flatten(1)))
    assert 0 < int((f > 0).sum()) < int((pre > 0).sum())


def test_mixed_norms_are_mixed_as_the_config_says(tmp_path: Path):
    file = batch_state(3)
    mixed = {"code_normalization_alpha_sae": 0.25, "code_normalization_alpha_cc": 0.5}
    found = load_dictionary(write(tmp_path / "cc", file, **mixed), given=GIVEN)
    require_equal(found, file, alphas=(0.25, 0.5))


def test_a_feature_without_a_decoder_never_fires(tmp_path: Path):
    decoder = numbers(M, N, D, seed=3)
    decoder[:, 2] = 0
    file = batch_state(1, decoder__weight=decoder)
    found = load_dictionary(write(tmp_path / "cc", file), given=GIVEN)
    assert int((require_equal(found, file)[:, 2] > 0).sum()) == 0


def test_statistics_of_the_inputs_are_folded(tmp_path: Path):
    deviation, target = numbers(M, D, seed=6).abs() + 0.5, torch.tensor(2.0)
    scale = target / (deviation.square().sum(-1) + 1e-8).sqrt()
    own = {"activation_mean": numbers(M, D, seed=5), "activation_std": deviation, "activation_global_scale": scale}
    file = batch_state(1, threshold=torch.tensor(0.5), target_rms=target, **own)
    found = load_dictionary(write(tmp_path / "cc", file), given=GIVEN)
    assert found.config.folded[0].startswith("input_scale=")
    assert found.config.folded[1:] == ("input_centre", "code_scale")
    require_equal(found, file)
    wrong = batch_state(1, target_rms=target, **own | {"activation_global_scale": torch.ones(M)})
    with pytest.raises(BadArtefact, match="their deviations give"):
        load_dictionary(write(tmp_path / "cc", wrong), given=GIVEN)


@pytest.mark.parametrize(("name", "is_backup"), [("model_final.pt", False), ("ae.pt", True)])
def test_pickled_and_compiled_ones_are_read(name: str, is_backup: bool, tmp_path: Path):
    file = batch_state()
    prefixed = {f"_orig_mod.{name}": one for name, one in file.items()}
    torch.save({"ae": prefixed, "step": 3} if is_backup else prefixed, tmp_path / name)
    trainer = {"trainer_class": "BatchTopKCrossCoderTrainer", "dict_class": "BatchTopKCrossCoder", "lm_name": "tiny"}
    (tmp_path / "config.json").write_text(json.dumps({"trainer": trainer}))
    found = load_dictionary(tmp_path, given=Given(site=SITES))
    assert found.config.model == "tiny"
    assert not dictionary_learning.recognises(tmp_path)
    require_equal(found, file)


@pytest.mark.parametrize("site", [None, "resid_post.1", "resid_post.1,resid_post.1,mlp_out.4", f"{SITES},embed"])
def test_places_that_are_not_told_are_asked_for(site: str | None, tmp_path: Path):
    folder = write(tmp_path / "cc", state())
    with pytest.raises(BadRequest, match=r"reads 3 places.*several models.*resid_post\.0,resid_post\.1,resid_post\.2"):
        load_dictionary(folder, given=Given(model="tiny", site=site))
    with pytest.raises(BadRequest, match="of which model"):
        load_dictionary(folder, given=Given(site=SITES))


def test_one_of_two_models_is_refused_by_what_it_is(tmp_path: Path):
    (tmp_path / "cfg.json").write_text('{"d_in": 6, "dict_size": 10}')
    torch.save({"W_enc": numbers(2, D, N)}, tmp_path / "cc_weights.pt")
    with pytest.raises(BadRequest, match="a crosscoder of two models"):
        load_dictionary(tmp_path, given=GIVEN)


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        (batch_state(5, threshold=torch.ones(M)), "DECOUPLED"),
        (batch_state(7), "code_normalization_id is 7"),
        (batch_state(1, threshold=torch.tensor(-1.0)), "never set"),
        (batch_state(1, threshold=None), "never set"),
        (batch_state(1, threshold=torch.ones(M)), "no single number"),
        (batch_state(1, k=torch.tensor(11)), "k = 11"),
        (state(encoder__weight=numbers(D, N)), "not one of several places"),
        (state(decoder__weight=numbers(M, D, N)), "W_dec"),
        (state(decoder__weight=numbers(2, N, D)), "W_dec"),
        (state(decoder__bias=numbers(D)), "b_dec"),
        (state(encoder__bias=None), "no 'encoder.bias'"),
        (state(encoder__bias=torch.full((N,), torch.nan)), "not finite"),
        (state(other=numbers(3)), "unknown 'other'"),
        (state(activation_mean=torch.zeros(M, D)), "not finite|deviations"),
        (state(activation_std=torch.zeros(D)), "activation_std"),
        (state(target_rms=None), "statistics"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(tensors: dict[str, Tensor], told: str, tmp_path: Path):
    folder = write(tmp_path / "cc", tensors)
    with pytest.raises(BadArtefact, match=told):
        load_dictionary(folder, given=GIVEN)


def test_files_cut_short_are_refused(tmp_path: Path):
    folder = write(tmp_path / "cc", batch_state())
    for _ in cut_short(folder / "model.safetensors", 101):
        with pytest.raises(BadArtefact):
            load_dictionary(folder, given=GIVEN)


def test_a_changed_byte_gives_a_dictionary_or_a_refusal(tmp_path: Path):
    folder = write(tmp_path / "cc", batch_state())
    for file in ("config.json", "model.safetensors"):
        for _ in changed_bytes(folder / file, 80):
            with suppress(HookeError):
                load_dictionary(folder, given=GIVEN)


@settings(max_examples=60, deadline=None)
@given(
    shapes=st.dictionaries(
        st.sampled_from([*batch_state()]), st.lists(st.integers(0, 4), max_size=4).map(tuple), min_size=1, max_size=3
    )
)
def test_tensors_of_any_shape_give_a_dictionary_or_a_refusal(shapes: dict, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.getbasetemp() / "shaped"
    write(folder, batch_state() | {name: torch.ones(shape) for name, shape in shapes.items()})
    with suppress(HookeError):
        load_dictionary(folder, given=GIVEN)
