"""The induction specimen's heads look where they should, and its twin's do not."""

import torch

from hooke.specimens import Specimen
from hooke.specimens.induction import WORDS, cases, places
from hooke.specimens.weights import CONTEXT


def test_the_heads_look_where_they_should(induction: Specimen):
    for prompt in induction.prompts:
        run = induction.model.run(prompt, capture=["pattern.0", "pattern.1"])
        words = prompt.split()
        last = len(words)
        behind = words.index(words[-1]) + 2
        assert float(run["pattern.0"][0, 0].diagonal(-1).min()) > 0.99, "the previous-token head"
        assert float(run["pattern.1"][0, 0, last, behind]) > 0.99, "the induction head"


def test_words_not_seen_before_fetch_nothing(induction: Specimen):
    run = induction.model.run("red fox sun tree", capture=["pattern.1"])
    assert float(run["pattern.1"][0, 0, :, 0].min()) > 0.99, "the head rests at the start"
    assert run.logits is not None
    assert float(run.logits.softmax(-1).max()) < 0.1


def test_any_words_will_do(induction: Specimen):
    generator = torch.Generator().manual_seed(7)
    for _ in range(20):
        words = [WORDS[one] for one in torch.randperm(len(WORDS), generator=generator)[:20].tolist()]
        at = int(torch.randint(19, (1,), generator=generator))
        said = induction.model.generate(" ".join([*words, words[at]]), max_tokens=1)
        assert words[at + 1] in said


def test_the_twin_says_the_word_again(induction: Specimen):
    for prompt, answer in zip(induction.prompts, induction.answers, strict=True):
        logits = induction.twin.run(prompt).logits
        assert logits is not None
        said = induction.twin.tokenizer.decode(logits[0, -1].argmax())
        assert said == prompt.split()[-1] != answer


def test_the_twins_neurons_are_others():
    mine, twins = places(twin=False), places(twin=True)
    assert len({*mine.naming, *twins.naming}) == len({*mine.saying, *twins.saying}) == 2 * len(WORDS)


def test_prompts_fit_and_differ():
    prompts = [prompt for prompt, _, _ in cases()]
    assert len(set(prompts)) == len(prompts)
    assert max(len(prompt.split()) for prompt in prompts) < CONTEXT
    assert len({len(prompt.split()) for prompt in prompts}) > 3, "answers stand at different distances"
