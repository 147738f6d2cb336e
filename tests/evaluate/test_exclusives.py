"""What a crosscoder has in one of two models only."""

import dataclasses

import pytest
import torch

from hooke.dictionaries import Dictionary, DictionaryConfig
from hooke.dictionaries.crosscoders import rows_at, written_at
from hooke.errors import BadRequest, ShapeMismatch
from hooke.evaluate.exclusives import LEAST, exclusives
from hooke.evaluate.reconstruction import ReconstructionConfig, reconstruction
from hooke.models.pair import pair
from hooke.sites import Site
from hooke.text.windows import WindowConfig
from tests.models.small_dictionary import small_dictionary
from tests.training.small_text import text, text_model

WINDOWS = WindowConfig(context=24, batch=4)
SITE = Site("resid_post", 1)
MODELS = ("tiny-0", "tiny-1")


def crosscoder(models: tuple[str, str] = MODELS) -> Dictionary:
    """Features 0-15 write to the first model only, 16-31 to the second only, the others to both alike."""
    names = (str(SITE),)
    config = DictionaryConfig(
        name="both", model=models[0], kind="relu", reads=names, writes=names, n_features=48, d_in=64, d_out=64,
        models=models, site_scales=(1.0, 1.0),
    )  # fmt: skip
    rows = small_dictionary("d", str(SITE), 32, 48).W_dec
    first, second = rows.clone(), rows.clone()
    first[16:32], second[:16] = 0, 0
    encoder = torch.cat([first, second], dim=1).T.contiguous()
    return Dictionary(config, W_enc=encoder, b_enc=torch.zeros(48), W_dec=encoder.T.contiguous(), b_dec=torch.zeros(64))


def measured(made: Dictionary, first: int = 0, second: int = 1):
    both = pair(text_model(first), text_model(second))
    return exclusives(made, both, text(), n_tokens=480, windows=WINDOWS)


def test_norms_say_what_is_a_models_own_and_latent_scaling_whether_it_is_absent():
    found = measured(crosscoder())
    assert found.known.sum() > 30
    assert set(found.called(0).nonzero()[0]) <= set(range(16))
    assert set(found.called(1).nonzero()[0]) <= set(range(16, 32))
    assert set(found.alike.nonzero()[0]) <= set(range(32, 48))
    claims = {one.claim: one for one in found.findings()}
    alone = claims["both: features in tiny-0 only, by their norms"]
    assert alone.value == pytest.approx(found.called(0).sum() / found.known.sum())
    assert alone.interval[0] < alone.value < alone.interval[1]
    assert alone.control is None
    assert found.n_counted == 20 * 23 - int(480 - 20 - found.n_counted)


def test_of_two_copies_latent_scaling_takes_back_what_norms_say():
    # The same crosscoder read from one model twice: what it calls exclusive is in the other copy's error.
    null = measured(crosscoder(("tiny-0", "tiny-0")), 0, 0)
    called, absent = (sum(int(which(place).sum()) for place in (0, 1)) for which in (null.called, null.borne_out))
    assert called > 20
    # By luck a random row may point along what nothing else does.
    assert absent <= 1
    found = measured(crosscoder()).findings(null)
    assert found[1].control == pytest.approx(null.borne_out(0).sum() / null.known.sum())
    assert found[1].control_name == "'both', of tiny-0 and tiny-0"
    assert found[0].control == pytest.approx(null.called(0).sum() / null.known.sum())


def test_features_that_hardly_fire_are_not_counted():
    made = crosscoder()
    made.b_enc[:40] = -1e6
    found = measured(made)
    assert found.known.sum() <= 8
    assert LEAST > 1
    assert found.called(0).sum() == 0


def test_a_crosscoder_of_two_models_is_measured_in_each():
    made, both = crosscoder(), pair(text_model(0), text_model(1))
    config = ReconstructionConfig(n_tokens=480, n_loss_windows=4, windows=WINDOWS)
    found = [reconstruction(one, made, text(), config=config, at=SITE, pair=both) for one in both.models]
    assert [one.sites for one in found] == [
        ("resid_post.1 of tiny-0 resid_post.1 of tiny-1", f"resid_post.1 of {name}") for name in MODELS
    ]
    assert found[0].own.fvu.value != found[1].own.fvu.value
    for model, one in zip(both.models, found, strict=True):
        x = both.run(torch.tensor([[5, 6, 7, 8]]), capture=[SITE])[SITE]
        view = written_at(made, SITE, model.name)
        torch.testing.assert_close(view(x), made(x)[..., :32] if model is both.first else made(x)[..., 32:])
        assert one.losses is not None
        assert one.losses.n_windows == 4
    with pytest.raises(ShapeMismatch, match="made for the models tiny-0 and tiny-1, which it reads together"):
        reconstruction(both.first, made, text(), config=config, at=SITE)


def test_features_have_a_row_in_each_model():
    made, chosen = crosscoder(), torch.tensor([3, 20])
    assert torch.equal(rows_at(made, chosen, SITE), made.W_dec[chosen, :32])
    assert torch.equal(rows_at(made, chosen, SITE, "tiny-1"), made.W_dec[chosen, 32:])
    with pytest.raises(BadRequest, match="'both' is not of the model 'x'. It is of tiny-0, tiny-1."):
        rows_at(made, chosen, SITE, "x")


def test_other_dictionaries_are_refused():
    one = small_dictionary("one", str(SITE), 32, 48)
    with pytest.raises(BadRequest, match="'one' is of models: 1, sites: 1."):
        measured(one)
    several = crosscoder()
    several.describe(dataclasses.replace(several.config, reads=("resid_post.0", "resid_post.1")))
    with pytest.raises(BadRequest, match="sites: 2."):
        measured(several)
    narrow = crosscoder()
    both = pair(text_model(2, hidden_size=48), text_model(2, hidden_size=48))
    with pytest.raises(ShapeMismatch, match="It reads 64 numbers"):
        exclusives(narrow, both, text(), n_tokens=480, windows=WINDOWS)
