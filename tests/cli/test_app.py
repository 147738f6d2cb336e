"""The grammar, the exit codes and the one line that a user's mistake gets."""

import importlib
import inspect
import json
import subprocess
import sys

import pytest
from cyclopts import App

from hooke.cli import app as command_line
from hooke.cli.answer import Answer
from hooke.cli.app import NOUNS, VERBS, build_app, main
from hooke.errors import BadArtefact, UnknownName

VERB_NAMES = {
    "quickstart", "model list", "model info", "model check", "model chat", "harvest", "train", "dictionary list",
    "dictionary eval", "dictionary finetune", "dictionary exclusives", "dictionary quality",
    "dictionary results", "dictionary match", "dictionary polysemanticity", "dictionary check",
    "dictionary pull", "dictionary import", "dictionary export", "index", "search", "feature", "read", "lens", "steer",
    "fit-lens", "interactions", "label", "serve", "doctor", "specimen list", "specimen recover", "specimen score",
    "specimen show", "specimen build", "specimen superposition", "specimen dictionaries",
    "specimen crosscoders", "specimen concept", "concept list", "concept features", "concept translations",
    "trace", "patch", "path-patch", "discover", "heads", "study list", "study run", "graph list",
    "monitor list", "monitor fit", "monitor calibrate", "monitor eval", "monitor run", "monitor follow",
    "monitor redteam", "monitor drift", "monitor card", "monitor verify-log", "monitor export-log",
    "monitor erase-text", "monitor new-key",
    "graph show", "graph validate", "graph intervene", "graph prune", "graph paths", "graph groups",
    "gateway serve", "gateway key add", "gateway key list", "gateway key remove",
    "graph group", "graph ungroup", "graph aggregate", "graph diff", "graph export", "graph attention", "graph heads",
    "probe fit", "probe list", "probe show", "probe score", "direction make", "direction board",
    "direction list", "direction show",
}  # fmt: skip


def fail_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """`hooke doctor` raises this."""

    def verb() -> Answer:
        raise error

    def one_verb() -> App:
        app = App(name="hooke", result_action="return_value")
        app.command(verb, name="doctor")
        return app

    monkeypatch.setattr(command_line, "build_app", one_verb)


def test_the_verbs_are_frozen():
    assert set(VERBS) == VERB_NAMES
    nouns = {words.rpartition(" ")[0] for words in VERBS if " " in words}
    assert nouns | {noun.split()[0] for noun in nouns} == set(NOUNS)


@pytest.mark.parametrize("words", sorted(VERBS))
def test_each_verb_is_there_and_its_line_in_the_table_is_its_docstring(words: str):
    place, about = VERBS[words]
    module, _, name = place.partition(":")
    verb = getattr(importlib.import_module(f"hooke.cli.{module}"), name)
    assert (inspect.getdoc(verb) or "").splitlines()[0] == about


@pytest.mark.parametrize("words", [[], ["--help"], ["model"], ["dictionary", "--help"], ["--version"]])
def test_help_and_version_are_no_failure(words: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(words) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("words", sorted(VERBS))
def test_each_verb_explains_itself_and_its_options(words: str, capsys: pytest.CaptureFixture[str]):
    assert main([*words.split(), "--help"]) == 0
    out = capsys.readouterr().out
    assert VERBS[words][1].split()[0] in out
    for option in ("--json", "--lab", "--debug"):
        assert option in out


def test_each_option_has_a_sentence():
    for words in VERBS:
        verb = build_app()
        for word in words.split():
            verb = verb[word]
        for argument in verb.assemble_argument_collection(parse_docstring=True):
            if argument.parse and argument.show:
                assert argument.parameter.help, f"{words} {argument.name}"


def test_help_and_a_wrong_verb_import_nothing_heavy():
    for words, code in ((["--help"], 0), (["doktor"], 2)):
        script = f"import sys; from hooke.cli.app import main; assert main({words}) == {code}; print(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert not {"torch", "transformers", "pyarrow"} & set(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["doktor"], "hooke: No verb 'doktor'. Did you mean 'doctor'? See `hooke --help`."),
        (["model", "lst"], "hooke: No verb 'lst'. Did you mean 'list'? See `hooke model --help`."),
        (["doctor", "--jsn"], "hooke: Unknown option: --jsn. Did you mean --json? See `hooke doctor --help`."),
        (["index"], 'hooke: Command "index" parameter DICTIONARY requires an argument. See `hooke index --help`.'),
        (
            ["index", "x", "--tokens", "ten"],
            'hooke: Invalid value for --tokens: unable to convert "ten" into int. See `hooke index --help`.',
        ),
        (["doctor", "now", "please"], "hooke: Too many words: now please. See `hooke doctor --help`."),
        (
            ["--lab", "doctor"],
            "hooke: '--lab' stands where a verb should. Put options behind the verb; see `hooke --help`.",
        ),
        (
            ["model", "-x"],
            "hooke: '-x' stands where a verb should. Put options behind the verb; see `hooke model --help`.",
        ),
    ],
)
def test_wrong_words_get_one_line_and_exit_code_2(words: list[str], said: str, capsys: pytest.CaptureFixture[str]):
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", said + "\n")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UnknownName("No model 'x'.", "There are y.", "Take y."), 2, "hooke: No model 'x'. There are y. Take y.\n"),
        (BadArtefact("It is\ncut short.", "", "\x1b[31mFetch it."), 1, "hooke: It is cut short. ␛[31mFetch it.\n"),
        (KeyboardInterrupt(), 130, "hooke: interrupted.\n"),
    ],
)
def test_each_error_has_its_exit_code_and_one_line(
    error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    fail_with(error, monkeypatch)
    assert main(["doctor"]) == code
    out, err = capsys.readouterr()
    assert (out, err) == ("", said)


def test_a_mistake_of_ours_is_one_line_too_and_debug_shows_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    fail_with(ZeroDivisionError("division by zero"), monkeypatch)
    assert main(["doctor"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "ZeroDivisionError: division by zero" in err
    assert "--debug" in err


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]):
    assert main(["feature", "nonsense", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_json_is_one_object_also_when_it_fails(capsys: pytest.CaptureFixture[str]):
    assert main(["feature", "nonsense", "--json"]) == 2
    out, err = capsys.readouterr()
    error = json.loads(out)["error"]
    assert error["kind"] == "UnknownName"
    assert error["asked"] == "No feature 'nonsense'."
    assert err.startswith("hooke: No feature 'nonsense'.")


def test_what_a_verb_prints_stays_off_standard_output_with_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def verb(*, json: bool = False) -> Answer:
        """A verb."""
        sys.stdout.write("a library says something\n")
        return Answer(data={"json": json}, shown=())

    app = App(name="hooke", result_action="return_value")
    app.command(verb, name="doctor")
    monkeypatch.setattr(command_line, "build_app", lambda: app)
    assert main(["doctor", "--json"]) == 0
    out, err = capsys.readouterr()
    assert out == '{"json": true}\n'
    assert "a library says something" in err


def test_a_reader_that_leaves_early_is_no_error():
    script = "import sys; from hooke.cli.app import main; sys.exit(main(['--help']))"
    command = f'{sys.executable} -c "{script}" | head -c 1'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""
