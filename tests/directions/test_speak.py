"""Texts side by side: each is what it would be alone, and is judged as a second pass would judge it."""

import math

import pytest
import torch

from hooke.directions.speak import Voice, Watch, Word, speak, voices_of
from hooke.errors import BadRequest, PromptTooLong
from hooke.models.edits import Add, Clamp, Edit, Patch
from hooke.models.generate import Sampling
from hooke.models.model import Model
from tests.features.planted import SITE, planted_dictionary, planted_model
from tests.models.tiny import tiny_model

PROMPT = torch.tensor([3, 14, 15, 92, 65])
STRONG = (Add(site="resid_post.1", vector=torch.linspace(-3, 3, 32), scale=2.0, positions="1:"),)
VOICES = [
    Voice(arm="base", sample=0),
    Voice(arm="treated", sample=0, edits=STRONG),
    Voice(arm="random", sample=0, edits=(Add(site="resid_post.0", vector=torch.ones(32)),)),
]


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model()


def said(model: Model, voices: list[Voice], *, temperature: float = 0.0, seed: int = 0, n: int = 6) -> list[Word]:
    steps = speak(
        model,
        model.tokenize(PROMPT),
        voices,
        max_tokens=n,
        sampling=Sampling(temperature=temperature),
        seed=seed,
        dictionaries={},
        watch=Watch(promoted=(7, 8)),
    )
    return [word for step in steps for word in step]


def tokens(words: list[Word], arm: str, sample: int = 0) -> list[int]:
    return [word.token for word in words if (word.arm, word.sample) == (arm, sample)]


def test_every_text_is_what_it_would_be_alone(model: Model):
    words = said(model, VOICES)
    for voice in VOICES:
        ids = PROMPT
        for token in tokens(words, voice.arm):
            logits = model.run(ids, edits=voice.edits, positions=[-1]).logits
            assert logits is not None
            assert int(logits[0, -1].argmax()) == token
            ids = torch.cat([ids, torch.tensor([token])])
    assert tokens(words, "treated") != tokens(words, "base"), "the edit must matter for this to mean anything"


def test_words_are_judged_as_a_second_pass_would(model: Model):
    words = [word for word in said(model, VOICES) if word.arm == "treated"]
    whole = torch.cat([PROMPT, torch.tensor([word.token for word in words])])
    logits = [model.run(whole, edits=edits).logits for edits in (STRONG, ())]
    own, base = (one[0, len(PROMPT) - 1 : -1].log_softmax(-1) for one in logits if one is not None)
    for step, word in enumerate(words):
        # Cached and whole passes sum in another order, in single precision.
        assert word.logprob == pytest.approx(float(own[step, word.token]), abs=1e-3)
        assert word.base_logprob == pytest.approx(float(base[step, word.token]), abs=1e-3)
        assert word.kl == pytest.approx(float((own[step].exp() * (own[step] - base[step])).sum()), abs=1e-3)
        assert word.promoted_mass == pytest.approx(float(own[step, [7, 8]].exp().sum()), abs=1e-4)


def test_without_edits_there_is_no_divergence(model: Model):
    words = [word for word in said(model, VOICES) if word.arm == "base"]
    assert words
    assert all(word.kl == 0 and word.logprob == word.base_logprob for word in words)


def test_the_same_seed_says_the_same_and_another_does_not(model: Model):
    voices = [Voice(arm="base", sample=sample) for sample in range(2)]
    first = said(model, voices, temperature=2.0)
    again = said(model, voices, temperature=2.0)
    assert [word.token for word in again] == [word.token for word in first]
    assert [word.token for word in said(model, voices, temperature=2.0, seed=1)] != [word.token for word in first]
    assert tokens(first, "base", 0) != tokens(first, "base", 1)


def test_arms_of_a_sample_draw_the_same_numbers(model: Model):
    weak = (Add(site="resid_post.1", vector=torch.full((32,), 1e-7)),)
    words = said(model, [Voice(arm="base", sample=0), Voice(arm="treated", sample=0, edits=weak)], temperature=2.0)
    assert tokens(words, "base") == tokens(words, "treated")


def test_the_watched_feature_is_read_without_edits():
    model = planted_model()
    dictionary = planted_dictionary(model)
    row = torch.zeros(model.d_model)
    row[model.tokenizer.convert_tokens_to_ids("Ġmusic")] = 50.0
    steps = speak(
        model,
        model.tokenize("the stone"),
        [Voice(arm="treated", sample=0, edits=(Add(site=SITE, vector=row, positions="1:"),))],
        max_tokens=3,
        sampling=Sampling(),
        seed=0,
        dictionaries={"planted": dictionary},
        watch=Watch(dictionary=dictionary, feature=1),
    )
    words = [word for step in steps for word in step]
    assert [model.tokenizer.convert_ids_to_tokens(word.token) for word in words] == ["Ġmusic"] * 3
    assert math.isnan(words[0].activation)
    # Feature 1 fires with 6 on 'music'; with the edit it would be three hundred.
    assert [word.activation for word in words[1:]] == pytest.approx([6.0, 6.0], rel=1e-3)


def test_closing_it_leaves_the_model_as_it_was(model: Model):
    before = model.run(PROMPT).logits
    steps = speak(
        model,
        model.tokenize(PROMPT),
        VOICES,
        max_tokens=8,
        sampling=Sampling(),
        seed=0,
        dictionaries={},
        watch=Watch(),
    )
    next(steps)
    steps.close()  # pyright: ignore[reportAttributeAccessIssue]
    after = model.run(PROMPT).logits
    assert before is not None
    assert after is not None
    assert torch.equal(before, after)


def test_edits_of_keys_run_without_a_cache(model: Model):
    edit = Add(site="k.1", vector=torch.ones(model.width(next(s for s in model.sites() if s.kind == "k"))), scale=5.0)
    words = said(model, [Voice(arm="treated", sample=0, edits=(edit,))], n=4)
    whole = torch.cat([PROMPT, torch.tensor([word.token for word in words])])
    logits = model.run(whole, edits=[edit]).logits
    assert logits is not None
    assert logits[0, len(PROMPT) - 1 : -1].argmax(-1).tolist() == [word.token for word in words]


def test_too_long_a_text_is_refused(model: Model):
    with pytest.raises(PromptTooLong, match="at most 59"):
        said(model, VOICES, n=60)


def voices(edits: tuple[Edit, ...], *, samples: int, is_greedy: bool) -> list[Voice]:
    arms = ["base", "treated", "random"]
    return voices_of(
        edits, {"planted": planted_dictionary(planted_model())}, arms=arms, samples=samples, seed=0, is_greedy=is_greedy
    )


def test_each_random_text_has_directions_of_its_own():
    edits = (Add(site=SITE, vector=f"{SITE}/1@planted", scale=2.0, positions="1:"),)
    found = voices(edits, samples=3, is_greedy=False)
    assert [(one.arm, one.sample) for one in found] == [
        (arm, sample) for arm in ("base", "treated", "random") for sample in range(3)
    ]
    drawn = [one.edits for one in found if one.arm == "random"]
    assert len(set(drawn)) == 3
    assert drawn == [one.edits for one in voices(edits, samples=3, is_greedy=False) if one.arm == "random"]


def test_without_sampling_only_the_random_arm_has_several_texts():
    found = voices((Clamp(feature=f"{SITE}/1@planted", value=2.0),), samples=3, is_greedy=True)
    assert [one.arm for one in found] == ["base", "treated", "random", "random", "random"]


def test_edits_without_a_twin_have_no_random_arm():
    with pytest.raises(BadRequest, match="no random twin"):
        voices((Patch(site=SITE, value=torch.zeros(1, 4), positions=(0,)),), samples=1, is_greedy=True)
