"""What the routes of prompts take: limits that are refused before anything runs."""

import pytest
from pydantic import ValidationError

from hooke.server.routes.prompt_answers import MAX_TEXT, MessageIn, PromptBody, TargetsBody


def test_too_much_is_refused():
    with pytest.raises(ValidationError):
        PromptBody(model="m", text="a" * (MAX_TEXT + 1))
    with pytest.raises(ValidationError):
        PromptBody(model="m", text="a", dictionaries=["d"] * 9)
    with pytest.raises(ValidationError):
        MessageIn.model_validate({"role": "robot", "content": ""})


def test_a_number_in_words_is_a_token_s_text_not_an_id():
    body = TargetsBody.model_validate({"target": "7", "distractor": 7})
    assert body.target == "7"
    assert body.distractor == 7
