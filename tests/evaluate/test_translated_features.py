"""Features of one sentence's translations are told from features of one language and from luck."""

import numpy as np
import pytest
import torch

from hooke.dictionaries import Dictionary, DictionaryConfig
from hooke.errors import BadRequest, ShapeMismatch
from hooke.evaluate.translated_features import discovered, translated_features
from hooke.models.model import Model
from hooke.specimens.planted_concept import ANIMALS, FEATURE, SITE, THINGS, planted_concept
from hooke.text.translations import Translated
from tests.features.planted import planted_model

LANGUAGES = ("en", "aa", "bb", "cc")
# What is said, in each language by a word that no other language has.
SAID = np.array([*ANIMALS, *THINGS]).reshape(8, len(LANGUAGES))


@pytest.fixture(scope="module")
def model() -> Model:
    """Its stream has a direction for each word, and none that two words share."""
    return planted_concept().models["twin"]


def sentences() -> list[Translated]:
    """One word each."""
    return [
        Translated(text=f"here is a {word}", sentence=number, language=language)
        for number, words in enumerate(SAID)
        for language, word in zip(LANGUAGES, words, strict=True)
    ]


def dictionary(model: Model) -> Dictionary:
    """A feature for each thing said, in whatever language, then one for each word of English, then silence."""
    given = planted_concept().dictionary.W_dec
    place = {word: FEATURE - 1 + model.tokenizer.convert_tokens_to_ids(word) for word in SAID.reshape(-1).tolist()}
    rows = [given[[place[word] for word in words]].sum(0) for words in SAID.tolist()]
    rows += [given[place[words[0]]] for words in SAID.tolist()]
    weight = torch.stack([*rows, torch.zeros(model.d_model)])
    n = len(weight)
    config = DictionaryConfig(name="said", model=model.name, kind="relu", reads=(SITE,), writes=(SITE,), n_features=n,
                              d_in=model.d_model, d_out=model.d_model)  # fmt: skip
    return Dictionary(
        config,
        W_enc=weight.T.contiguous(),
        b_enc=torch.full((n,), -0.5),
        W_dec=weight,
        b_dec=torch.zeros(model.d_model),
    )


def test_features_of_what_is_said_are_multilingual_and_features_of_english_words_are_not(model: Model):
    found = translated_features(sentences(), dictionary(model), model)
    own, random, neurons = found.counts
    assert (own.n, own.n_found) == (16, 8)
    assert sorted(one.feature for one in found.features) == list(range(8))
    assert all(one.languages == LANGUAGES for one in found.features)
    assert {one.sentence for one in found.features} == {f"here is a {words[0]}" for words in SAID}
    assert found.features[0].address.endswith("@said")
    assert (random.n_found, neurons.n_found) == (0, 0)
    assert found.verdict.startswith("8 of 16 features fire on one sentence's translations; 0 of ")
    for row in found.languages:
        # Of the two features that an English sentence fires, one fires on its translation, too, and on no other.
        assert row.kept.value == pytest.approx(0.5)
        assert row.by_chance.value == pytest.approx(0)
        assert row.lift.value == pytest.approx(0.5)
        assert row.above.value == pytest.approx(row.lift.value - row.control_lift.value)
    assert [one.value for one in found.findings()] == pytest.approx([0.5] * 3)


def test_sentences_that_are_no_translations_share_nothing(model: Model):
    shuffled = [
        Translated(
            text=one.text,
            sentence=(one.sentence + LANGUAGES.index(one.language)) % len(SAID),
            language=one.language,
        )
        for one in sentences()
    ]
    found = translated_features(shuffled, dictionary(model), model)
    assert found.counts[0].n_found == 0
    assert found.verdict.startswith("none of 16 features")
    # Each thing is said in another sentence of the language, and that is chance.
    assert found.languages[0].kept.value == 0
    assert found.languages[0].by_chance.value == pytest.approx(0.5 / 7)


def test_discoveries_are_as_many_as_the_rate_allows():
    assert discovered(np.array([0.001, 0.5, 0.024, 0.9])).tolist() == [True, False, True, False]
    # The second is not below its own line, but the third is below a later one.
    assert discovered(np.array([0.001, 0.034, 0.036, 0.9])).tolist() == [True, True, True, False]
    assert not discovered(np.array([0.2, 0.9])).any()
    assert not discovered(np.array([])).any()


def test_what_cannot_be_compared_is_refused(model: Model):
    with pytest.raises(BadRequest, match="31 texts of 8 sentences"):
        translated_features(sentences()[1:], dictionary(model), model)
    with pytest.raises(ShapeMismatch, match="does not fit"):
        translated_features(sentences(), dictionary(model), planted_model())
