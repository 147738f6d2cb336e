"""Two models read as one: both models' numbers side by side, and what cannot be paired is refused."""

import pytest
import torch

from hooke.dictionaries import DictionaryConfig
from hooke.errors import BadRequest, UnknownSite
from hooke.models.model import Model
from hooke.models.pair import pair, pair_of
from hooke.sites import Site
from tests.cli.tiny_lab import make_tokenizer
from tests.models.tiny import tiny_hf
from tests.training.small_text import text_model

IDS = torch.tensor([[1, 5, 9, 4, 77, 30], [1, 8, 8, 60, 2, 41]])
POST, HEADS = Site("resid_post", 1), Site("z", 1)


def test_each_site_holds_both_models_numbers():
    both = pair(text_model(0), text_model(1))
    run = both.run(IDS, capture=[POST, HEADS])
    for site in (POST, HEADS):
        parts = [model.run(IDS, capture=[site], logits=False)[site].flatten(2) for model in both.models]
        assert torch.equal(run[site], torch.cat(parts, dim=-1))
        assert run[site].shape[-1] == both.row_width(site) == 64
    assert torch.equal(run.rows(HEADS, POST)[..., :64], run[HEADS])
    assert both.fingerprint != pair(text_model(1), text_model(0)).fingerprint
    assert (both.name, both.n_layers, both.d_vocab) == ("tiny-0 and tiny-1", 3, text_model(0).d_vocab)


def test_a_model_beside_itself_is_run_once(monkeypatch: pytest.MonkeyPatch):
    model, runs = text_model(0), []
    own = model.run
    monkeypatch.setattr(model, "run", lambda *args, **settings: runs.append(0) or own(*args, **settings))
    value = pair(model, model).run(IDS, capture=[POST])[POST]
    assert torch.equal(value[..., :32], value[..., 32:])
    assert len(runs) == 1


def test_other_tokenizers_are_refused():
    tokenizer = make_tokenizer()
    tokenizer.add_tokens(["<new>"])
    other = Model(tiny_hf("llama", vocab_size=len(tokenizer)), tokenizer, name="other")
    with pytest.raises(BadRequest, match=r"'tiny-0' and 'other' have different tokenizers. 1 tokens differ, such as"):
        pair(text_model(), other)


def test_other_widths_and_layers_are_refused():
    wide = text_model(2, hidden_size=48)
    with pytest.raises(BadRequest, match=r"not of one width at resid_post.1. tiny-0 has 32 numbers, tiny-2 48."):
        pair(text_model(), wide).row_width(POST)
    shallow = text_model(3, num_hidden_layers=1)
    with pytest.raises(UnknownSite, match="layers 0-0"):
        pair(text_model(), shallow).row_width(POST)


def test_the_models_of_a_crosscoder_are_found_by_name():
    def load(ref: str) -> Model:
        return text_model(int(ref[-1]))

    config = DictionaryConfig(
        name="both", model="tiny-0", kind="relu", reads=("resid_post.1",), writes=("resid_post.1",), n_features=4,
        d_in=64, d_out=64, models=("tiny-0", "tiny-1"),
    )  # fmt: skip
    for meant, place in ((None, 0), ("tiny-0", 0), ("tiny-1", 1), ("/where/tiny-1", 1)):
        found, there = pair_of(config, load, model=meant)
        assert ([model.name for model in found.models], there) == (["tiny-0", "tiny-1"], place)
    with pytest.raises(BadRequest, match="'both' is not of the model 'tiny-2'. It is of tiny-0 and tiny-1."):
        pair_of(config, load, model="tiny-2")
    with pytest.raises(BadRequest, match="trained on 'tiny-1' beside 'tiny-0', not on 'tiny-2'"):
        pair_of(config, load, other="tiny-2")
