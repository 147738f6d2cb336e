import pytest
from pydantic import ValidationError

from hooke.server.gateway.refusals import Unsupported
from hooke.server.gateway.words import ChatBody, TextBody, ignored_fields, refuse_unsupported

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


def test_the_newer_name_of_a_limit_counts_and_parts_are_one_text():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    body = ChatBody.model_validate(
        {"model": "m", "messages": [{"role": "user", "content": parts}], "max_tokens": 3, "max_completion_tokens": 5}
    )
    assert (body.most, body.messages[0].text) == (5, "ab")
    assert ChatBody.model_validate(CHAT).most is None
    assert TextBody.model_validate({"model": "m", "prompt": "a"}).most == 16


def test_stops_and_probabilities():
    assert ChatBody.model_validate(CHAT | {"stop": "a"}).stops == ("a",)
    assert ChatBody.model_validate(CHAT | {"stop": ["a", ""]}).stops == ("a",)
    assert ChatBody.model_validate(CHAT).top is None
    assert ChatBody.model_validate(CHAT | {"logprobs": True}).top == 0
    assert ChatBody.model_validate(CHAT | {"logprobs": True, "top_logprobs": 3}).top == 3
    with pytest.raises(ValidationError, match="200 characters"):
        ChatBody.model_validate(CHAT | {"stop": "x" * 201})


@pytest.mark.parametrize(
    "extra", [{"n": 1}, {"tools": None}, {"presence_penalty": 0.0}, {"something": [1]}, {"echo": False}]
)
def test_what_asks_for_nothing_is_ignored(extra: dict):
    refuse_unsupported(ChatBody.model_validate(CHAT | extra))


@pytest.mark.parametrize(
    "extra", [{"n": 2}, {"tools": [{}]}, {"presence_penalty": 0.5}, {"response_format": {"type": "json"}}]
)
def test_what_cannot_be_done_is_refused(extra: dict):
    with pytest.raises(Unsupported) as refused:
        refuse_unsupported(ChatBody.model_validate(CHAT | extra))
    assert refused.value.param == next(iter(extra))


@pytest.mark.parametrize("prompt", [[], ["a", "b"], [[1], [2]], 3, {}])
def test_one_prompt_only(prompt: object):
    with pytest.raises(ValidationError):
        TextBody.model_validate({"model": "m", "prompt": prompt})


def test_fields_without_effect_are_named_and_those_that_ask_for_nothing_are_not():
    assert ignored_fields(ChatBody.model_validate(CHAT | {"n": 1, "flavour": None, "logprobs": True})) == ()
    message = {"role": "user", "name": "Jo", "content": [{"type": "text", "text": "a", "cache_control": {}}]}
    given = {"model": "m", "messages": [message, message], "flavour": 1, "user": "me", "top_logprobs": 2}
    streamed = {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}}
    assert ignored_fields(ChatBody.model_validate(given | streamed)) == (
        "flavour",
        "user",
        "stream_options.include_obfuscation",
        "top_logprobs",
        "messages.name",
        "messages.content.cache_control",
    )
    text = {"model": "m", "prompt": "a", "stream_options": {"include_usage": True}}
    assert ignored_fields(TextBody.model_validate(text)) == ("stream_options",)
