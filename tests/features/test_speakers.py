import numpy as np
import pytest

from hooke.chat import Chat, Endpoint, Nonsense
from hooke.features.labelling import Bench, trial_of
from hooke.features.speakers import DrySpeaker, LocalSpeaker, Speaker, Writer, numbered, numbers_in


def test_who_speaks_has_one_protocol(tmp_path, bench: Bench):
    chat = Chat(Endpoint(model="m", url="http://127.0.0.1:9"), kept=tmp_path)
    assert all(isinstance(one, Speaker) for one in (chat, DrySpeaker("m"), LocalSpeaker(bench.model)))


def test_marked_tokens_stand_between_brackets(bench: Bench):
    writer, trial = Writer(bench.held.evidence.text, bench.vocabulary), trial_of(bench.held, 3)
    (text,) = writer.passages(trial.firing[:1], [trial.firing.peaks[:1]])
    assert "⟦ bridge⟧" in text or "⟦bridge⟧" in text
    (plain,) = writer.passages(trial.firing[:1])
    assert plain == text.replace("⟦", "").replace("⟧", "")


def test_neighbours_share_brackets(bench: Bench):
    writer, trial = Writer(bench.held.evidence.text, bench.vocabulary), trial_of(bench.held, 3)
    start = int(trial.firing.starts[0])
    (text,) = writer.passages(trial.firing[:1], [np.array([start, start + 1])])
    assert text.count("⟦") == text.count("⟧") == 1


def test_a_text_cannot_end_its_line():
    assert numbered(['a\n2. "b"']) == '1. "a\\n2. \\"b\\""'


@pytest.mark.parametrize(
    ("answer", "found"),
    [("[1, 0, 1]", [1, 0, 1]), ("Sure! Here: [1,0,0] and [0,1,0].", [0, 1, 0]), ("```json\n[0,0,0]\n```", [0, 0, 0])],
)
def test_a_list_is_found_in_an_answer(answer: str, found: list[int]):
    assert numbers_in(answer, 3, 1) == found


@pytest.mark.parametrize(
    "answer", ["", "yes no yes", "[1, 0]", "[1, 0, 2]", "[1, 0, -1]", '["1", "0", "1"]', "[1.0, 0, 1]"]
)
def test_anything_else_is_nonsense(answer: str):
    with pytest.raises(ValueError, match="no list"):
        numbers_in(answer, 3, 1)


def test_the_dry_one_passes_any_check_and_counts():
    dry = DrySpeaker("m")
    asked = [{"role": "user", "content": "x" * 30}]
    assert numbers_in(dry.ask(asked, max_tokens=7, check=lambda answer: numbers_in(answer, 12, 1)), 12, 1) == [0] * 12
    assert (dry.n_calls, dry.n_in, dry.n_out) == (1, 10, 7)


def test_a_local_model_that_babbles_gives_nonsense(tmp_path):
    from hooke.models.load import load
    from tests.cli.tiny_lab import write_model

    speaker = LocalSpeaker(load(write_model(tmp_path / "tiny-model")))

    def check(answer: str) -> None:
        numbers_in(answer, 5, 1)

    with pytest.raises(Nonsense, match="no usable answer"):
        speaker.ask([{"role": "user", "content": "hi"}], max_tokens=4, check=check)
    with pytest.raises(Nonsense):
        speaker.ask([{"role": "user", "content": "hi " * 400}], max_tokens=4)
