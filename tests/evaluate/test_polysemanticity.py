"""Units whose meanings are planted: features of one word each, of four words each, and random directions."""

import pytest
import torch

from hooke.dictionaries import Dictionary, DictionaryConfig
from hooke.errors import BadConfig, BadRequest, ShapeMismatch
from hooke.evaluate.polysemanticity import SAMPLES, Polysemanticity, PolysemanticityConfig, polysemanticity
from hooke.models.model import Model
from hooke.text.windows import WindowConfig
from tests.features.planted import SITE, WORDS, planted_corpus, planted_model
from tests.models.small_dictionary import small_dictionary

CONFIG = PolysemanticityConfig(n_tokens=5120, n_units=12, n_examples=8, windows=WindowConfig(context=64))
CORPUS = planted_corpus(200)


@pytest.fixture(scope="module")
def model() -> Model:
    return planted_model()


def of_words(model: Model, name: str, n_words: int, *, sites: tuple[str, ...] = (SITE,)) -> Dictionary:
    """A feature for each word, and for the next ones."""
    encoder = torch.zeros(model.d_model, len(WORDS))
    for feature in range(len(WORDS)):
        for step in range(n_words):
            word = WORDS[(feature + step * 3) % len(WORDS)]
            encoder[model.tokenizer.convert_tokens_to_ids(f"Ġ{word}"), feature] = 1 + 0.01 * step
    width = model.d_model * len(sites)
    encoder = torch.cat([encoder] * len(sites))
    config = DictionaryConfig(
        name=name, model="planted", kind="relu", reads=sites, writes=sites, n_features=len(WORDS), d_in=width,
        d_out=width,
    )  # fmt: skip
    zero = torch.zeros
    return Dictionary(config, W_enc=encoder, b_enc=zero(len(WORDS)), W_dec=encoder.T.clone(), b_dec=zero(width))


@pytest.fixture(scope="module")
def found(model: Model) -> Polysemanticity:
    return polysemanticity(model, [of_words(model, "one", 1), of_words(model, "four", 4)], CORPUS, config=CONFIG)


def test_features_of_one_word_mean_one_thing_and_those_of_four_more(found: Polysemanticity):
    (one, at_random), (four, _) = found.kinds
    assert one.n_units == CONFIG.n_units
    assert one.scores[0].interval[1] < four.scores[0].interval[0]
    assert one.scores[0].interval[1] < at_random.scores[0].interval[0]
    assert one.narrowest[0]["token"] == 1
    assert 0.8 < found.by_chance.value <= 1.05


def test_the_strongest_firings_show_one_meaning_where_there_are_four(model: Model):
    """Of four words one fires a little more: cut to its strongest, the unit looks as if it meant that word alone."""
    pair = [of_words(model, "one", 1), of_words(model, "four", 4)]
    (_, (four, _)) = polysemanticity(model, pair, CORPUS, config=CONFIG).kinds
    (alone, _), *_ = polysemanticity(model, pair[1:], CORPUS, config=CONFIG).kinds
    every, strongest = SAMPLES.index("all firings"), SAMPLES.index("strongest firings")
    assert alone.scores[strongest].value < alone.scores[every].value
    # As the second dictionary it is cut to as many firings as a feature of one word has.
    assert four.density.value < 0.4 * alone.density.value
    assert four.scores[every].value < alone.scores[every].value


def test_all_kinds_fire_as_often(found: Polysemanticity):
    densities = [kind.density.value for pair in found.kinds for kind in pair]
    assert densities == pytest.approx([densities[0]] * 4, rel=0.1)


def test_findings_stand_beside_random_directions(found: Polysemanticity):
    findings = found.findings()
    assert len(findings) == 4
    for finding in findings:
        assert finding.control is not None
        assert finding.interval[0] <= finding.value <= finding.interval[1]
    assert findings[0].claim.startswith("one: ")
    assert findings[2].claim.startswith("four: ")


def test_the_seed_decides(model: Model, found: Polysemanticity):
    pair = [of_words(model, "one", 1), of_words(model, "four", 4)]
    assert polysemanticity(model, pair, CORPUS, config=CONFIG) == found


def test_what_cannot_be_measured_is_refused(model: Model):
    with pytest.raises(BadConfig, match="4 units by 8 firings"):
        PolysemanticityConfig(n_units=4, n_examples=8)
    with pytest.raises(BadRequest, match="It reads 2 sites"):
        polysemanticity(model, [of_words(model, "two", 1, sites=(SITE, SITE))], CORPUS, config=CONFIG)
    with pytest.raises(ShapeMismatch):
        polysemanticity(model, [small_dictionary("wide", SITE, 8, 16)], CORPUS, config=CONFIG)
    silent = of_words(model, "silent", 1)
    silent.b_enc.fill_(-5)
    with pytest.raises(BadRequest, match=r"Too few features.*--tokens"):
        polysemanticity(model, [silent], CORPUS, config=CONFIG)
