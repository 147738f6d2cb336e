from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from hooke.server.gateway.answers import Form, headers_of, warnings_of
from hooke.server.gateway.asks import Ask, Ended, Said
from hooke.server.gateway.front import Applied, Hearing, Prepared
from hooke.server.gateway.warned import Warned
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
    monitor = along("calm", "resid_post.1", act=1.0)
    watched = Bank([monitor], width).watched(monitor)
    watched.see([2.0], 0, is_prompt=True)
    found = object.__new__(Hearing)
    settings = {
        "gateway": SimpleNamespace(
            model=model,
            canary=SimpleNamespace(is_well=True),
            monitors={"calm": monitor},
            standing={"calm": (Warned("monitor-not-attacked", "calm", "Not attacked."),)},
            reactions={},
        ),
        "request": "req-7",
        "key": SimpleNamespace(hides_verdicts=hides),
        "verdicts": (watched.verdict(),),
        "prepared": Prepared(
            ask=Ask(ids=(1, 2, 3), max_tokens=2, top=top, monitors=(monitor,)),
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
    assert headers_of(hearing()) == {
        "x-hooke-verdicts": "calm=act",
        "x-hooke-warnings": "monitor-not-attacked",
        "x-hooke-steering": "push=0.5",
    }
    assert headers_of(hearing(hides=True)) == {"x-hooke-warnings": "verdicts-hidden", "x-hooke-steering": "push=0.5"}
    hidden = Form("chat", hearing(hides=True)).last(END)["hooke"]
    assert hidden["monitors"] == []
    assert [one["code"] for one in hidden["warnings"]] == ["verdicts-hidden"]


def test_warnings_are_of_what_has_happened_so_far():
    found = hearing()
    assert [one.code for one in warnings_of(found)] == ["monitor-not-attacked"]
    found.gateway.canary.is_well = False
    found.prepared = replace(found.prepared, names_limit=False)
    assert [one.code for one in warnings_of(found)] == ["canary-silent", "monitor-not-attacked"]
    found.reason, found.is_over = "length", True
    assert [one.code for one in warnings_of(found)] == ["length-bounded", "canary-silent", "monitor-not-attacked"]
    assert "2 tokens" in warnings_of(found)[0].message
    found.reason = "stop"
    assert "length-bounded" not in [one.code for one in warnings_of(found)]
    found.prepared = replace(found.prepared, ask=replace(found.prepared.ask, monitors=()))
    assert warnings_of(found) == ()
