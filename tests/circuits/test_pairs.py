"""Pairs as a model reads them, and the metrics of runs on them."""

from dataclasses import replace

import pytest
import torch

from hooke.circuits.pairs import open_pairs
from hooke.errors import BadRequest
from hooke.specimens import Specimen, build


@pytest.fixture(scope="module")
def two_hop() -> Specimen:
    return build("two-hop")


def test_a_specimen_is_right_on_the_clean_and_wrong_on_the_corrupted(two_hop: Specimen):
    pairs = open_pairs(two_hop.model, two_hop.pairs)
    for side, sign in ((pairs.clean, 1), (pairs.corrupted, -1)):
        logits = two_hop.model.run(side).logits
        assert logits is not None
        assert float((sign * pairs.judge(pairs.last(logits))).min()) > 5


def test_metrics_are_means_of_logits_and_sums_of_probabilities(two_hop: Specimen):
    pair = replace(two_hop.pairs[0], answers=("Velmish", "Ostric"), wrong=("crown", "ducat"))
    logits = torch.randn(1, two_hop.model.d_vocab, generator=torch.Generator().manual_seed(0))
    right, wrong = (list(two_hop.model.tokenizer.convert_tokens_to_ids(side)) for side in (pair.answers, pair.wrong))
    found = open_pairs(two_hop.model, [pair]).judge(logits)
    assert float(found) == pytest.approx(float(logits[0, right].mean() - logits[0, wrong].mean()))
    chances = logits[0].softmax(-1)
    found = open_pairs(two_hop.model, [pair], metric="probability").judge(logits)
    assert float(found) == pytest.approx(float(chances[right].sum() - chances[wrong].sum()))


def test_some_of_them_are_padded_no_further_than_they_need():
    specimen = build("induction")
    pairs = open_pairs(specimen.model, specimen.pairs)
    shortest = int(pairs.clean.lengths.argmin())
    found = pairs.some([shortest])
    assert found.clean.ids.shape[1] == int(pairs.clean.lengths[shortest]) < pairs.clean.ids.shape[1]
    assert found.answers == (pairs.answers[shortest],)
    assert len(pairs.some(slice(2, 5))) == 3


def test_pairs_that_cannot_be_compared_are_refused(two_hop: Specimen):
    model, pair = two_hop.model, two_hop.pairs[0]
    for bad, says in (
        (replace(pair, corrupted="the language of Besk is"), "have 9 and 6 tokens"),
        (replace(pair, corrupted=pair.clean), "are the same"),
        (replace(pair, answers=("Velmish Ostric",)), "is not one token"),
        (replace(pair, answers=("nonsense",)), "is not one token"),
        (replace(pair, wrong=pair.answers), "right and wrong"),
    ):
        with pytest.raises(BadRequest, match=says):
            open_pairs(model, [pair, bad])
    with pytest.raises(BadRequest, match="no pairs"):
        open_pairs(model, [])
    with pytest.raises(BadRequest, match="Metrics: logit"):
        open_pairs(model, [pair], metric="accuracy")
