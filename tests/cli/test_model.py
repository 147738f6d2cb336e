"""`hooke model ...`."""

import io
import sys
from pathlib import Path

import pytest

from hooke.cli.model import ChatOptions, Conversation
from hooke.errors import BadConfig, BadRequest
from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import TinyLab

FEATURE = "resid_post.1/3@tiny"


@pytest.fixture
def conversation(tiny: TinyLab) -> Conversation:
    from hooke.models.load import load

    return Conversation(load(tiny.model, lab=tiny.lab), ChatOptions(max_tokens=8), [])


def test_list(hooke: Hooke):
    models = hooke("model list --json").data["models"]
    assert [model["name"] for model in models] == ["smollm2-135m"]
    assert models[0]["licence"] == "Apache-2.0"
    assert "smollm2-135m" in hooke("model list").out


def test_info(hooke: Hooke):
    data = hooke("model info MODEL --json").data
    assert (data["layers"], data["d_model"], data["architecture"]) == (3, 32, "llama")
    widths = {site["sites"]: site["width"] for site in data["sites"]}
    assert widths["resid_post.0–2"] == 32
    assert widths["neurons.0–2"] == 56
    assert "resid_post.0–2" in hooke("model info MODEL").out


def test_check(hooke: Hooke):
    data = hooke("model check MODEL --text one --text two --json").data
    assert data["holds"] is True
    assert {contract["site"] for contract in data["contracts"]} >= {"resid_mid.0", "logits"}
    assert "Every contract holds." in hooke("model check MODEL").out


def test_a_contract_that_does_not_hold_is_exit_code_1(hooke: Hooke, monkeypatch: pytest.MonkeyPatch):
    from hooke.models import check

    monkeypatch.setattr(check, "tolerance", lambda dtype: -1.0)
    done = hooke("model check MODEL")
    assert done.code == 1
    assert "FAILS" in done.out


@pytest.mark.parametrize("command", ["model info no-such", "model check no-such", "model chat no-such --prompt hi"])
def test_an_unknown_model_is_refused(hooke: Hooke, command: str):
    done = hooke(command)
    assert done.code == 2
    assert done.err.startswith("hooke: No model 'no-such'. ")
    assert done.err.count("\n") == 1


def test_one_prompt_and_edits_that_change_the_answer(hooke: Hooke, tiny: TinyLab):
    plain = hooke("model chat MODEL --prompt bridge --max-tokens 8 --json").data
    edits = tiny.model.parent / "edits.json"
    edited = hooke(f"model chat MODEL --prompt bridge --max-tokens 8 --edits {edits} --json").data
    assert plain["edits"] == []
    assert len(edited["edits"]) == 1
    assert plain["answer"] != edited["answer"]


def test_edits_that_are_none_are_refused(hooke: Hooke, tiny: TinyLab):
    done = hooke(f"model chat MODEL --prompt hi --edits {tiny.model.parent / 'broken.json'}")
    assert (done.code, done.err) == (
        2,
        "hooke: No kind of edit 'Ad'. Did you mean 'Add'? "
        "Kinds: Add, Project, Clamp, Cap, Scale, Ablate, Patch, Splice.\n",
    )
    assert hooke("model chat MODEL --prompt hi --edits no-such.json").code == 2


def test_a_conversation_has_no_json_form(hooke: Hooke):
    assert hooke("model chat MODEL --json").code == 2


def test_a_conversation_keeps_its_turns(conversation: Conversation):
    first = "".join(conversation.answer("The bridge"))
    "".join(conversation.answer("And the river?"))
    assert [turn["role"] for turn in conversation.turns] == ["user", "assistant"] * 2
    assert conversation.turns[1]["content"] == first


def test_a_turn_that_was_broken_off_is_not_kept(conversation: Conversation):
    pieces = conversation.answer("The bridge")
    next(pieces)
    pieces.close()
    assert conversation.turns == []


def test_edits_in_a_conversation(conversation: Conversation, tiny: TinyLab):
    assert "turned up by 4" in conversation.obey(f"/steer {FEATURE} 4")
    assert "resid_post.1" in conversation.obey("/edits")
    assert conversation.obey(f"/edits {tiny.model.parent / 'edits.json'}") == "1 edits are in force."
    assert conversation.obey("/clear") == "No edits are in force."
    assert conversation.obey("/edits") == "No edits are in force."


@pytest.mark.parametrize("line", ["/stear x 1", f"/steer {FEATURE} much", f"/steer {FEATURE} nan", "/steer", "/"])
def test_a_line_that_is_no_command_is_refused(conversation: Conversation, line: str):
    with pytest.raises(BadRequest, match="is not understood"):
        conversation.obey(line)


def test_a_feature_without_a_dictionary_cannot_be_steered(conversation: Conversation):
    with pytest.raises(BadConfig, match="names no dictionary"):
        conversation.obey("/steer resid_post.1/3 4")


def test_a_whole_conversation_goes_on_after_a_mistake(hooke: Hooke, monkeypatch: pytest.MonkeyPatch):
    lines = f"hello\n\n/steer {FEATURE} lots\n/steer {FEATURE} 4\nhello\n/quit\nnever read\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    done = hooke("model chat MODEL --max-tokens 4")
    assert done.code == 0
    assert f"{FEATURE} is turned up by 4." in done.out
    assert done.err.startswith(f"hooke: '/steer {FEATURE} lots' is not understood.")
    assert done.err.count("hooke:") == 1


def test_a_model_without_a_template_cannot_chat(hooke: Hooke, tiny: TinyLab, tmp_path: Path):
    import shutil

    folder = Path(shutil.copytree(tiny.model, tmp_path / "plain"))
    (folder / "chat_template.jinja").unlink()
    done = hooke(f"model chat {folder} --prompt hi")
    assert (done.code, done.err) == (2, "hooke: plain cannot chat. It has no chat template. Use an instruct model.\n")
