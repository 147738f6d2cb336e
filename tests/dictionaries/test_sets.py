import pytest
import torch

from hooke.dictionaries.sets import TranscoderSet, is_transcoder, set_of
from hooke.errors import BadArtefact, UnknownName
from hooke.sites import Site
from tests.dictionaries.test_dictionary import config
from tests.dictionaries.transcoders import LAYERS, transcoder, transcoder_set


def test_a_transcoder_is_opened_when_it_is_asked_for_and_once():
    made = [transcoder(layer) for layer in LAYERS]
    asked = []
    lazy = TranscoderSet(
        "s", "tiny", {at: one.config for at, one in enumerate(made)}, lambda at: asked.append(at) or made[at]
    )
    assert (lazy.reads(1), lazy.n_features(1), lazy.targets(1)) == (Site("mlp_in", 1), 10, (1,))
    assert asked == []
    torch.testing.assert_close(lazy.bias(1), made[1].b_dec)
    lazy.encoder_rows(1, torch.tensor([0]))
    assert asked == [1]


def test_rows_are_those_of_the_transcoder():
    made, chosen = transcoder_set(), torch.tensor([7, 2, 2])
    own = made.transcoder(2)
    assert torch.equal(made.encoder_rows(2, chosen), own.W_enc.T[chosen])
    assert torch.equal(made.encoder_biases(2, chosen), own.b_enc[chosen])
    assert torch.equal(made.decoder_rows(2, chosen, 2), own.W_dec[chosen])
    assert made.skip(2) is own.skip
    with pytest.raises(UnknownName, match="do not write to layer 1"):
        made.decoder_rows(2, chosen, 1)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": "other"}, "of 'other'; the set is of 'tiny'"),
        ({"reads": "resid_pre"}, "reads resid_pre.2 and writes"),
    ],
)
def test_what_does_not_belong_is_refused(changes: dict, told: str):
    with pytest.raises(BadArtefact, match=told):
        set_of("s", [transcoder(0), transcoder(2, **changes)])


def test_a_transcoder_at_another_layers_place_is_refused():
    with pytest.raises(BadArtefact, match="no transcoder for layer 1"):
        TranscoderSet("s", "tiny", {1: transcoder(2).config}, lambda _: transcoder(2))


def test_what_a_transcoder_is():
    assert is_transcoder(config())
    assert is_transcoder(transcoder(1, reads="resid_mid").config)
    assert not is_transcoder(transcoder(1, reads="resid_pre").config)
