import json

import pytest

from hooke.chat import Nonsense
from hooke.features.labelling import Bench, label_block
from hooke.features.speakers import Writer
from hooke.features.text_explainer import LONGEST, TextExplainer, label_in


class Scripted:
    """Answers every question the same way, and remembers it."""

    name = "scripted"

    def __init__(self, answer: str) -> None:
        self.answer, self.asked = answer, []

    def ask(self, messages, *, max_tokens, check=None):
        self.asked.append(messages[0]["content"])
        try:
            if check:
                check(self.answer)
        except ValueError as error:
            raise Nonsense("nonsense", str(error)) from error
        return self.answer


def explained(bench: Bench, answer: str) -> tuple[list, Scripted]:
    speaker = Scripted(answer)
    writer = Writer(bench.made.evidence.text, bench.vocabulary)
    explainer = TextExplainer(speaker, writer, bench.vocabulary, bench.promoted(), source="scripted", at_once=2)
    return [draft for draft, _ in label_block(bench, explainer, list(range(6)))], speaker


def test_each_feature_is_asked_about_with_its_passages(bench: Bench):
    found, speaker = explained(bench, '{"label": "  bridges\\n over rivers "}')
    said = "bridges over rivers"
    assert [draft and draft.text for draft in found] == [said, None, said, said, None, None]
    assert len(speaker.asked) == 3
    assert any("⟦" in question and "Silent:" in question and "more likely" in question for question in speaker.asked)


def test_nonsense_makes_no_label(bench: Bench):
    found, _ = explained(bench, "As a language model I like bridges.")
    assert found == [None] * 6


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "{}",
        '{"label": 5}',
        '{"label": "  "}',
        '["label"]',
        "}{",
        json.dumps({"label": "x" * (LONGEST + 1)}),
        '{"label": "x"',
    ],
)
def test_what_is_no_label_is_refused(answer: str):
    with pytest.raises(ValueError, match=r"label|Expecting|delimiter"):
        label_in(answer)


def test_markup_in_a_label_stays_text():
    assert label_in('{"label": "<script>alert(1)</script> \\u001b[31mred"}') == "<script>alert(1)</script> \x1b[31mred"
