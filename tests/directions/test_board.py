"""The score-board: the methods on a model that speaks by what is added."""

import pytest
import torch

from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig
from hooke.directions.board import Board, board
from hooke.directions.board_marks import Mark
from hooke.errors import BadRequest, UnknownName
from hooke.sites import Site
from hooke.text.steered_concepts import INSTRUCTIONS, SteeredConcept
from tests.directions.talking import talking_model


def letters(concept: SteeredConcept, instruction: int, answer: str, surprise: float) -> Mark:
    """Likes long answers to the second half of the instructions, and all others alike."""
    assert surprise > 0
    return Mark(concept=2.0, instruction=2.0 if instruction % 2 else 1.0, fluency=2.0)


@pytest.fixture(scope="module")
def found() -> Board:
    model, site = talking_model(256), Site("resid_post", 0)
    width = model.row_width(site)
    config = DictionaryConfig(
        name="axes", model="none", kind="relu", reads=(str(site),), writes=(str(site),), n_features=width, d_in=width,
        d_out=width,
    )  # fmt: skip
    axes = Dictionary(
        config, W_enc=torch.eye(width), b_enc=torch.zeros(width), W_dec=torch.eye(width), b_dec=torch.zeros(width)
    )
    return board(model, "sea", site, dictionary=axes, factors=(0.5, 2.0), max_tokens=4, judge=letters)


def test_all_methods_are_scored_on_the_other_half(found: Board):
    (feature,) = [one.method for one in found.rows if one.method.startswith("feature")]
    assert feature.endswith(", by AUROC")
    assert {one.method for one in found.rows} - {feature} == {
        "prompting", "difference of means", "logistic regression", "principal component", "learnt, rank 1",
        "random direction", "bag of words (tells only)",
    }  # fmt: skip
    assert found.n == len(INSTRUCTIONS) // 2
    by_name = {one.method: one for one in found.rows}
    assert by_name["difference of means"].instruction == 2
    assert by_name["difference of means"].factor == 0.5
    assert by_name["prompting"].factor is None
    assert by_name["bag of words (tells only)"].overall.value == 0
    assert found.rows[0].overall.value == 2


def test_what_tells_sentences_apart_is_measured_on_words_that_were_not_read(found: Board):
    by_name = {one.method: one for one in found.rows}
    assert by_name["prompting"].area is None
    for name in ("difference of means", "bag of words (tells only)"):
        area, interval = by_name[name].area, by_name[name].area_interval
        assert area is not None
        assert interval is not None
        assert interval[0] <= area <= interval[1]
    # All words of the sentences that are held out are new, and frames are the same on both sides.
    assert by_name["bag of words (tells only)"].area == pytest.approx(0.5)


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(UnknownName, match="Did you mean 'sea'"):
        board(talking_model(), "see", Site("resid_post", 0))
    for factors, max_tokens in (((), 8), ((0.1,), 1), ((-1.0,), 8)):
        with pytest.raises(BadRequest, match="Nothing would be scored"):
            board(talking_model(), "sea", Site("resid_post", 0), factors=factors, max_tokens=max_tokens)
