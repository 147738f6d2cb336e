"""What is said of lenses on held-out text, against its definition."""

import pytest
import torch

from hooke.errors import BadConfig, BadRequest
from hooke.prompts.lens_scores import ScoreConfig, lens_scores
from hooke.sites import Site
from hooke.text.documents import Corpus, Document
from hooke.text.windows import WindowConfig, windows
from tests.prompts.lens_models import sentences, spoken_model

CUT = WindowConfig(context=16, batch=4)


def same(stream: torch.Tensor, _: int) -> torch.Tensor:
    """The logit lens."""
    return stream


def test_scores_are_means_over_the_chosen_tokens():
    model = spoken_model()
    first, last = Site("resid_post", 0), Site("resid_post", 2)
    divergences, agreements = [], []
    for batch in windows(sentences(100), model.tokenizer, CUT, start=3, stop=11):
        run = model.run(batch.tokens, capture=[first, last], logits=False)
        for row in range(len(batch.tokens)):
            chosen = batch.counted[row].nonzero()[:, 0][::2]
            p, q = (model.unembed(run[site][row, chosen]).detach().log_softmax(-1) for site in (last, first))
            divergences += (p.exp() * (p - q)).sum(-1).tolist()
            agreements += (p.argmax(-1) == q.argmax(-1)).float().tolist()
    config = ScoreConfig(n_windows=8, every=2, windows=CUT)
    found = lens_scores(model, sentences(100), {"as it is": same}, config=config, start=3)
    assert found.n_tokens == len(divergences)
    assert found.n_windows == 8
    own = found.lenses["as it is"][0]
    assert own.kl.value == pytest.approx(sum(divergences) / len(divergences), rel=1e-4)
    assert own.agreement.value == pytest.approx(sum(agreements) / len(agreements))
    assert own.kl.interval[0] < own.kl.value < own.kl.interval[1]


def test_a_lens_that_knows_the_end_is_right_and_one_that_knows_nothing_is_not(monkeypatch: pytest.MonkeyPatch):
    model = spoken_model()
    seen: list[torch.Tensor] = []
    plain = model.run

    def run(*args: object, **settings: object) -> object:
        found = plain(*args, **settings)  # pyright: ignore[reportArgumentType]
        seen[:] = [found[Site("resid_post", 2)]]
        return found

    monkeypatch.setattr(model, "run", run)
    config = ScoreConfig(n_windows=4, every=1, windows=WindowConfig(context=16, batch=1))

    def knows(stream: torch.Tensor, layer: int) -> torch.Tensor:
        assert layer < 2
        return seen[0][0, -len(stream) :]

    lenses = {"knows": knows, "nothing": lambda stream, _: torch.zeros_like(stream)}
    text = "a cat sat on the mat and looked at the river of iron and stone " * 40
    corpus = Corpus(name="one", fingerprint="one", read=lambda: iter([Document(text, "made")]))
    found = lens_scores(model, corpus, lenses, config=config)
    assert found.lenses["knows"][1].kl.value == pytest.approx(0, abs=1e-5)
    assert found.lenses["knows"][1].agreement.value == 1
    assert found.lenses["nothing"][1].kl.value > 0.5
    (first, second) = found.findings("knows", "nothing", "agreement")
    assert (first.value, second.claim[:8], second.control_name) == (1, "Layer 1,", "nothing")
    assert second.control is not None
    assert second.control < 0.5


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch):
    config = ScoreConfig(n_windows=4, windows=CUT)
    whole = lens_scores(spoken_model(), sentences(60), {"as it is": same}, config=config)
    monkeypatch.setattr("hooke.prompts.lens_scores._CHUNK_ELEMENTS", 2 * spoken_model().d_vocab)
    parts = lens_scores(spoken_model(), sentences(60), {"as it is": same}, config=config)
    for one, other in zip(whole.lenses["as it is"], parts.lenses["as it is"], strict=True):
        assert one.kl.value == pytest.approx(other.kl.value, rel=1e-5)
        assert one.agreement == other.agreement


def test_too_little_text_and_impossible_settings_are_refused():
    config = ScoreConfig(n_windows=4, windows=CUT)
    with pytest.raises(BadRequest, match="from window 500 on"):
        lens_scores(spoken_model(), sentences(20), {"as it is": same}, config=config, start=500)
    with pytest.raises(BadConfig, match="cannot be measured"):
        ScoreConfig(n_windows=1)
    with pytest.raises(BadConfig, match="cannot be measured"):
        ScoreConfig(every=0)
