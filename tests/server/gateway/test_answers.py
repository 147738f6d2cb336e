from types import SimpleNamespace
from typing import Any

import pytest

from hooke.server.gateway.answers import Form, headers_of
from hooke.server.gateway.asks import Ask, Ended, Said
from hooke.server.gateway.front import Applied, Hearing, Prepared
from tests.server.gateway.test_verdicts import Bank, along, width

END = Ended("length", 3, 2, ())
SAID = (Said(1, -0.5, ((1, -0.5), (2, -1.5))), Said(0, -0.25, ((0, -0.25), (1, -3.0))))


def hearing(*, hides: bool = False, top: int | None = 2) -> Hearing:
    """A request's events as far as an answer asks for them."""
    model = SimpleNamespace(
        name="m",
        fingerprint="f" * 20,
        tokenizer=SimpleNamespace(decode=lambda ids: "".join(" abc"[one] for one in ids)),
    )
    watched = Bank([along("calm", "resid_post.1", act=1.0)], width).watched(along("calm", "resid_post.1", act=1.0))
    watched.see([2.0], 0, is_prompt=True)
    found = object.__new__(Hearing)
    settings = {
        "gateway": SimpleNamespace(model=model),
        "request": "req-7",
        "key": SimpleNamespace(hides_verdicts=hides),
        "verdicts": (watched.verdict(),),
        "prepared": Prepared(
            ask=Ask(ids=(1, 2, 3), max_tokens=2, top=top),
            applied=(Applied(name="push", strength=0.5, dose=0.25),),
            digest="",
        ),
    }
    for name, value in settings.items():
        setattr(found, name, value)
    return found


def test_a_whole_answer_has_text_numbers_probabilities_and_verdicts():
    found = Form("chat", hearing()).whole("a ", SAID, END)
    assert found["choices"][0]["message"]["content"] == "a "
    assert found["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    first = found["choices"][0]["logprobs"]["content"][0]
    assert (first["token"], first["bytes"], first["logprob"]) == ("a", [97], -0.5)
    assert [one["token"] for one in first["top_logprobs"]] == ["a", "b"]
    assert found["hooke"]["monitors"][0]["level"] == "act"
    assert found["hooke"]["steering"] == [{"name": "push", "strength": 0.5, "dose": 0.25}]
    text = Form("text", hearing()).whole("a ", SAID, END)["choices"][0]["logprobs"]
    assert (text["tokens"], text["text_offset"]) == (["a", " "], [0, 1])
    assert text["top_logprobs"][1] == {" ": -0.25, "a": -3.0}


@pytest.mark.parametrize("kind", ["chat", "text"])
def test_chunks_are_of_one_answer(kind: Any):
    form = Form(kind, hearing(top=None))
    chunks = [form.chunk("a", SAID[:1], is_first=True), form.last(END), form.numbers(END)]
    assert len({one["id"] for one in chunks}) == 1
    assert chunks[1]["choices"][0]["finish_reason"] == "length"
    assert "hooke" in chunks[1]
    assert chunks[2]["choices"] == []
    assert chunks[0]["choices"][0]["logprobs"] is None


def test_a_key_that_may_not_see_verdicts_sees_none():
    assert headers_of(hearing()) == {"x-hooke-verdicts": "calm=act", "x-hooke-steering": "push=0.5"}
    assert headers_of(hearing(hides=True)) == {"x-hooke-steering": "push=0.5"}
    assert Form("chat", hearing(hides=True)).last(END)["hooke"]["monitors"] == []
