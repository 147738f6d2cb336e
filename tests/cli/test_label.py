"""`hooke label`."""

import json
from pathlib import Path

import pytest

from hooke.cli.app import main
from hooke.cli.label import features_in
from hooke.dictionaries import Dictionary, load_dictionary, save_dictionary
from hooke.errors import BadRequest, UnknownName
from hooke.lab import Lab, writing
from tests.cli.tiny_lab import SENTENCES, TinyLab, write_dictionary, write_model
from tests.fake_endpoint import Reply, endpoint, in_turn, says


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> TinyLab:
    """A lab of its own, since labels change an index."""
    root = tmp_path_factory.mktemp("label")
    lab, corpus = Lab(root / "lab"), root / "corpus.jsonl"
    rows = [SENTENCES[number % 4] + " " + SENTENCES[(number * 7) % 3] for number in range(160)]
    corpus.write_text("\n".join(json.dumps({"text": row}) for row in rows))
    made = TinyLab(lab, write_model(root / "tiny-model"), corpus)
    write_dictionary(lab, "tiny", str(made.model))
    assert main(made.words("index tiny --tokens 1500 --corpus CORPUS --context 32")) == 0
    return made


def call(own: TinyLab, capsys: pytest.CaptureFixture[str], words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    tokens = "" if "--tokens" in words else "--tokens 1000"
    code = main(own.words(f"label tiny --model MODEL {tokens} {words}"))
    out, err = capsys.readouterr()
    return code, out, err


def answer(asked: dict) -> Reply:
    """What a model that likes bridges and says yes to everything says; its label is hostile."""
    if "JSON alone" in asked["messages"][0]["content"]:
        return says('{"label": "bridges <img src=x onerror=alert(1)> \\u001b[31m\\u202e"}')
    n = int(asked["messages"][0]["content"].split("list of ")[1].split()[0])
    return says(json.dumps([1] * n))


def test_rules_are_scored_and_shown_everywhere(own: TinyLab, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    code, out, _ = call(own, capsys, "--features 0-7 --json")
    assert code == 0
    data = json.loads(out)
    assert {one["scorer"] for one in data["scores"]} == {"detection", "fuzzing", "intruder", "simulation"}
    assert data["n_labels"] >= 4
    shown = ""
    for number in range(8):
        main(own.words(f"feature {number} --html {tmp_path / 'card.html'}"))
        shown = capsys.readouterr().out
        if "detection" in shown:
            break
    assert "others' labels" in shown
    assert "n = " in shown
    assert "others" in shown
    main(own.words("search token"))
    assert "others" in capsys.readouterr().out
    assert "others’ labels" in (tmp_path / "card.html").read_text()


def test_hostile_labels_are_shown_as_text(own: TinyLab, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    with endpoint(answer) as there:
        code, _, err = call(
            own, capsys, f"--explainer endpoint --endpoint {there.url} --endpoint-model m --features 0-3"
        )
    assert code == 0, err
    assert "calls that read" in err
    assert main(own.words("search onerror --json")) == 0
    (first, *_) = json.loads(capsys.readouterr().out)["features"]
    number = first["feature"]
    for command in (f"feature {number}", "search onerror", "read bridge --model MODEL"):
        assert main(own.words(f"{command} --html {tmp_path / 'page.html'}")) == 0
        shown, page = capsys.readouterr().out, (tmp_path / "page.html").read_text()
        assert "\x1b[31m" not in shown + page
        assert "\u202e" not in shown + page
        assert "<img" not in page


def test_an_endpoint_that_answers_nonsense_leaves_all_as_it_was(own: TinyLab, capsys: pytest.CaptureFixture[str]):
    before = {path.name: path.read_bytes() for path in own.lab.path("features", "tiny").iterdir() if path.is_file()}
    with endpoint(in_turn(says("I cannot help with that."))) as there:
        options = f"--explainer endpoint --endpoint {there.url} --endpoint-model nonsense --features 8-40"
        import hooke.chat

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(hooke.chat, "LONGEST_WAIT", 0.0)
            code, _, err = call(own, capsys, options)
    assert code == 1
    assert "No usable label came for any of the first 5 features" in err
    after = {path.name: path.read_bytes() for path in own.lab.path("features", "tiny").iterdir() if path.is_file()}
    assert after == before


@pytest.mark.parametrize(
    ("reply", "said"),
    [(Reply(hangs=True), "did not answer"), (Reply(status=429, headers={"Retry-After": "3600"}), "429")],
)
def test_an_endpoint_that_hangs_or_refuses_stops_the_job(
    own: TinyLab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, reply: Reply, said: str
):
    monkeypatch.setattr("hooke.chat.LONGEST_WAIT", 0.0)
    before = (own.lab.path("features", "tiny") / "labels.sqlite").read_bytes()
    with endpoint(in_turn(reply)) as there:
        options = f"--explainer endpoint --endpoint {there.url} --endpoint-model {said[:3]} --features 0-3 --at-once 1"
        code, _, err = call(own, capsys, f"{options} --timeout 0.05")
    assert (code, "Traceback" in err) == (1, False)
    assert said in err
    assert (own.lab.path("features", "tiny") / "labels.sqlite").read_bytes() == before


def test_a_second_job_and_an_index_of_other_weights_are_refused(own: TinyLab, capsys: pytest.CaptureFixture[str]):
    with writing(own.lab.path("features", "tiny")):
        code, _, err = call(own, capsys, "--features 0-3")
    assert code == 1
    assert err.startswith("hooke: 'tiny' cannot be labelled now.")
    folder = own.lab.path("dictionaries", "tiny")
    known = load_dictionary(folder)
    save_dictionary(Dictionary(known.config, **(known.state_dict() | {"b_enc": known.b_enc + 1})), folder)
    try:
        code, _, err = call(own, capsys, "--features 0-3")
    finally:
        write_dictionary(own.lab, "tiny", str(own.model))
    assert code == 1
    assert "other weights" in err


def test_the_limit_of_cost_stops_it_and_the_rest_goes_on_later(own: TinyLab, capsys: pytest.CaptureFixture[str]):
    with endpoint(answer) as there:
        options = (
            f"--explainer endpoint --endpoint {there.url} --endpoint-model dear --features 0-3 --at-once 1 "
            "--price-in 1000000 --price-out 1000000"
        )
        code, _, err = call(own, capsys, f"{options} --limit-cost 2000")
        assert code == 1
        assert "run it again with a higher limit" in err
        n_before = len(there.asked)
        assert n_before >= 1
        code, out, err = call(own, capsys, f"{options} --limit-cost 10000000 --json")
        assert code == 0, err
        assert json.loads(out)["spent"]["n_kept"] >= n_before


def test_an_estimate_asks_nobody(own: TinyLab, capsys: pytest.CaptureFixture[str]):
    with endpoint(answer) as there:
        options = (
            f"--explainer endpoint --endpoint {there.url} --endpoint-model m --price-in 1 --price-out 2 --estimate"
        )
        code, out, _ = call(own, capsys, f"{options} --json")
    data = json.loads(out)
    assert code == 0
    assert there.asked == []
    assert data["n_calls"] > 0
    assert data["cost"] == pytest.approx((data["n_in"] + 2 * data["n_out"]) / 1e6)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--explainer endpoint", "No model of the endpoint"),
        ("--explainer endpoint --endpoint-model m", "No endpoint was given"),
        ("--explainer local --judge rules", "Rules judge rules only"),
        ("--features 99", "No feature 99"),
        ("--features some", "names no features"),
        ("--tokens 0", "no text"),
        ("--estimate", "Only asking an endpoint costs"),
    ],
)
def test_wrong_words_are_said(
    own: TinyLab, capsys: pytest.CaptureFixture[str], words: str, said: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("HOOKE_ENDPOINT_URL", raising=False)
    code, _, err = call(own, capsys, words)
    assert code == 2
    assert said in err


def test_features_are_named_by_numbers_ranges_and_at_random():
    assert features_in("all", 3, 0) == (0, 1, 2)
    assert features_in("0-2,5", 6, 0) == (0, 1, 2, 5)
    assert features_in("random:3", 100, 0) == features_in("random:3", 100, 0)
    assert len(set(features_in("random:3", 100, 0))) == 3
    with pytest.raises(UnknownName):
        features_in("7", 7, 0)
    with pytest.raises(BadRequest):
        features_in("3-1", 7, 0)
