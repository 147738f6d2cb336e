"""Sets of pairs by name or file, and what each verb that reads them says of sets that cannot be used."""

import json
from pathlib import Path

import pytest
import torch

from hooke.cli.pair_sets import chosen_pairs
from hooke.errors import BadRequest
from hooke.specimens import build
from hooke.text.pairs import PromptPair, pairs_to_jsonl
from hooke.text.tasks import task
from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import TinyLab

VERBS = (
    "patch {model} --pairs {file}",
    "path-patch {model} --pairs {file}",
    "discover {model} --pairs {file} --method eap",
)
GOOD = build("two-hop").pairs[:4]
UNEQUAL = {"corrupted": "the language of Besk is"}
SEVERAL = {"answers": ["Velmish Ostric"]}
ALIKE = {"corrupted": GOOD[0].clean.replace("country of", "country the"), "wrong": ["crown"]}


def test_a_task_brings_its_own_metric():
    given = chosen_pairs("greater-than", None, None)
    assert (given.name, given.metric) == ("greater-than", "probability")
    assert given.pairs == task("greater-than").pairs()
    assert chosen_pairs("greater-than", None, "logit").metric == "logit"


def test_a_file_is_judged_by_logits(tmp_path: Path):
    file = tmp_path / "set.jsonl"
    pair = PromptPair(clean="a", corrupted="b", answers=("x",), wrong=("y",))
    file.write_text(pairs_to_jsonl([pair]))
    given = chosen_pairs(None, file, None)
    assert (given.name, given.metric, given.pairs) == (str(file), "logit", [pair])


def test_one_of_both_is_needed():
    for task_name, file in ((None, None), ("capitals", Path("set.jsonl"))):
        with pytest.raises(BadRequest, match="either --task NAME or --pairs FILE"):
            chosen_pairs(task_name, file, None)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The specimen, and the same with one word whose embedding is no number."""
    folder, specimen = tmp_path_factory.mktemp("models"), build("two-hop")
    made = folder / "whole", folder / "broken"
    for path in made:
        specimen.model.hf.save_pretrained(path)  # pyright: ignore[reportCallIssue]
        specimen.model.tokenizer.save_pretrained(path)
        row = specimen.model.tokenizer.convert_tokens_to_ids("Besk")
        with torch.no_grad():
            specimen.model.hf.get_input_embeddings().weight[row] = torch.nan  # pyright: ignore
    return made


def pairs_with(**changes: object) -> str:
    """Pairs each changed like this."""
    lines = [json.loads(line) for line in pairs_to_jsonl(GOOD).splitlines()]
    return "\n".join(json.dumps(line | changes) for line in lines)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("lines", "code", "said"),
    [
        ("", 2, "It has 0 pairs"),
        (pairs_with(**UNEQUAL), 2, "have 9 and 6 tokens"),
        (pairs_with(**SEVERAL), 2, "is not one token"),
        (pairs_with(clean=GOOD[0].clean, **ALIKE), 1, "no effect to share out"),
    ],
    ids=["empty", "unequal", "several tokens", "no effect"],
)
def test_sets_that_cannot_be_used_are_refused(
    hooke: Hooke, models: tuple[Path, Path], tmp_path: Path, verb: str, lines: str, code: int, said: str
):
    file = tmp_path / "pairs.jsonl"
    file.write_text(lines)
    done = hooke(verb.format(model=models[0], file=file))
    assert (done.code, done.out) == (code, "")
    assert said in " ".join(done.err.split())


@pytest.mark.parametrize("verb", VERBS)
def test_a_prompt_whose_numbers_are_none_is_named(hooke: Hooke, models: tuple[Path, Path], tmp_path: Path, verb: str):
    file = tmp_path / "pairs.jsonl"
    file.write_text(pairs_to_jsonl(some_with("Besk")))
    done = hooke(verb.format(model=models[1], file=file))
    assert (done.code, done.out) == (1, "")
    assert "pair" in done.err
    assert "not a number" in done.err or "not finite" in done.err


def some_with(word: str) -> list[PromptPair]:
    """Pairs one of which has the word."""
    every = build("two-hop").pairs
    having = [pair for pair in every if word in pair.clean.split()]
    others = [pair for pair in every if word not in f"{pair.clean} {pair.corrupted}".split()]
    return [*others[:3], having[0]]


def test_a_lens_and_heads_on_numbers_that_are_none(hooke: Hooke, models: tuple[Path, Path]):
    done = hooke(f"lens Besk --model {models[1]}")
    assert done.code == 1
    assert "has numbers that are not finite" in done.err
    done = hooke(f"heads {models[1]} --sequences 3 --length 8")
    assert done.code == 1
    assert "cannot be scored" in done.err


def test_a_lens_that_was_fitted_to_numbers_that_are_none_is_not_kept(hooke: Hooke, tiny: TinyLab, tmp_path: Path):
    from hooke.models.load import load

    model, broken = load(str(tiny.model)), tmp_path / "broken"
    with torch.no_grad():
        model.hf.get_input_embeddings().weight[-10:] = torch.nan  # pyright: ignore
    model.hf.save_pretrained(broken)  # pyright: ignore[reportCallIssue]
    model.tokenizer.save_pretrained(broken)
    words = "--kind jacobian --corpus CORPUS --heldout CORPUS --windows 2 --measure 0 --name broken"
    done = hooke(f"fit-lens {broken} {words}")
    assert done.code == 1
    assert "not finite" in done.err
    assert "broken" not in tiny.lab.names("lenses")


def test_a_study_on_numbers_that_are_none(hooke: Hooke, models: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch):
    from hooke.circuits.pairs import open_pairs
    from hooke.studies.evidence import gather
    from hooke.studies.study import STUDIES, Study

    def run(model, *, seed: int):
        pairs = open_pairs(model, some_with("Besk"))
        return gather(model, "two-hop", pairs, pairs, seed=seed)

    monkeypatch.setitem(STUDIES, "two-hop", Study(about="Why?", run=run))
    done = hooke(f"study run two-hop --model {models[1]}")
    assert (done.code, done.out) == (1, "")
    assert "not a number" in done.err or "not finite" in done.err
