"""The whole way from labelled texts to a probe with its verdict, where it is known what the model knows."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hooke.directions import fit_probe as room
from hooke.directions.evidence import EMBEDDING, FORMAT, SHUFFLED, WORDS, load_evidence
from hooke.directions.fit_probe import FitConfig, fit_probe
from hooke.directions.probe import load_probe, text_scores
from hooke.directions.splits import split_by_group
from hooke.directions.token_rows import read_rows
from hooke.errors import BadRequest
from hooke.lab import Lab
from hooke.models.model import Model
from hooke.sites import parse_site
from hooke.specimens import build
from hooke.specimens.evaluation_aware import ACTS, CUES, SETTINGS, planted_directions, prompt
from hooke.text.concepts import Labelled
from tests.features.planted import planted_model

LEADS = ("this", "is", "just", "a", "what", "to do")
# The planted direction is all that this MLP writes; the stream holds the word that was noticed beside it.
LAST = FitConfig(sites=("mlp_out.1",), poolings=("last",))


def told() -> list[Labelled]:
    """Prompts that name a test or not, in groups by all the rest."""
    return [
        Labelled(text=f"{lead} {prompt(setting, thing)}", label=setting in CUES, group=f"{lead}/{thing}", style="")
        for lead in LEADS
        for thing in ACTS
        for setting in (*CUES, *SETTINGS)
    ]


def fitted(model: Model, lab: Lab, config: FitConfig = LAST, items: list[Labelled] | None = None, **settings: str):
    items = told() if items is None else items
    return fit_probe(model, items, name="told", concept="told", lab=lab, config=config, **settings)


def cosine(first: Tensor, second: Tensor) -> float:
    return float(torch.cosine_similarity(first, second, dim=0))


@pytest.mark.parametrize("method", ["means", "pca"])
def test_a_planted_direction_is_found(tmp_path: Path, method: str) -> None:
    specimen = build("evaluation-aware")
    config = FitConfig(sites=LAST.sites, poolings=LAST.poolings, methods=(method,))  # pyright: ignore[reportArgumentType]
    probe, evidence = fitted(specimen.model, Lab(tmp_path), config)
    assert evidence.area.value > 0.99
    (planted,) = planted_directions()
    assert cosine(probe.vectors[0], planted.vector) > 0.9
    by_name = {one.name: one for one in evidence.baselines}
    # The word stands in the text, so that words tell it as well, and the last token's embedding does not.
    assert (by_name[WORDS].is_beaten, by_name[EMBEDDING].is_beaten, by_name[SHUFFLED].is_beaten) == (False, True, True)
    assert evidence.verdict.level == "L1"
    assert "bag of words" in evidence.verdict.words


def test_of_its_twin_no_more_is_said_than_of_random_weights(tmp_path: Path) -> None:
    # A trace of every word reaches the last token through small random weights, in a model drawn anew as well.
    probe, evidence = fitted(build("evaluation-aware").twin, Lab(tmp_path))
    assert evidence.verdict.level != "L2"
    assert "weights drawn anew" in evidence.verdict.words
    assert cosine(probe.vectors[0], planted_directions()[0].vector) < 0.5


@pytest.mark.parametrize(("how", "is_there"), [("mean", True), ("last", False)])
def test_what_is_not_there_is_not_found(tmp_path: Path, how: str, is_there: bool) -> None:
    # The stream of this model is its token: the mean of a text has the word, the last token never does.
    model = planted_model()
    words = ("river", "song", "album", "stone", "water", "piano", "Paris", "London")
    items = [
        Labelled(text=f"the {a} {word} {b} .", label=word == "music", group=a + b, style="")
        for a in words
        for b in words[:4]
        for word in ("music", "bridge")
    ]
    config = FitConfig(poolings=(how,), methods=("means",))  # pyright: ignore[reportArgumentType]
    probe, evidence = fitted(model, Lab(tmp_path), config, items)
    assert evidence.verdict.words.startswith("not found") == (not is_there)
    music, bridge = (model.tokenizer.convert_tokens_to_ids(f"Ġ{word}") for word in ("music", "bridge"))
    planted = torch.zeros(model.d_model)
    planted[music], planted[bridge] = 1, -1
    assert (cosine(probe.vectors[0], planted) > 0.9) == is_there


def test_a_set_that_differs_in_length_is_flagged(tmp_path: Path) -> None:
    words = ("bridge", "river", "music", "song", "album", "stone", "water", "piano", "Paris", "London")
    items = [
        Labelled(
            text=" ".join(["the", first, second] * (1 + label)), label=bool(label), group=f"{first} {second}", style=""
        )
        for first in words
        for second in words
        for label in (0, 1)
    ]
    config = FitConfig(methods=("logistic",), poolings=("mean",))
    _, evidence = fitted(planted_model(), Lab(tmp_path), config, items)
    by_name = {one.name: one for one in evidence.baselines}
    assert by_name[FORMAT].is_beaten is False
    assert "length and format" in evidence.verdict.words


def test_what_was_measured_is_kept_and_each_opening_is_counted(tmp_path: Path) -> None:
    lab, specimen = Lab(tmp_path), build("evaluation-aware")
    config = FitConfig(sites=LAST.sites, poolings=LAST.poolings, methods=("means",))
    probe, evidence = fitted(specimen.model, lab, config, about="This is a test.")
    assert load_evidence(lab, "told") == evidence
    kept = load_probe(lab, "told")
    torch.testing.assert_close(kept.vectors, probe.vectors)
    assert kept.made.settings["level"] == evidence.verdict.level
    assert "cannot be asked" in evidence.baselines[-1].about
    (ledger,) = (tmp_path / "probes" / ".opened").iterdir()
    (line,) = map(json.loads, ledger.read_text().splitlines())
    assert line["choice"]["candidate"]["method"] == "means"
    assert [evidence.opened, fitted(specimen.model, lab, config)[1].opened] == [1, 2]


def test_the_choice_stands_before_the_confirmation_part_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items, ledger = told(), tmp_path / "probes" / ".opened"
    held = {items[at].text for at in split_by_group(items).confirmation}
    calls: list[tuple[bool, bool]] = []

    def reading(model: Model, some: list[Labelled], sites: list, **settings: str):
        calls.append((ledger.exists(), bool(held & {one.text for one in some})))
        return read_rows(model, some, sites, **settings)

    monkeypatch.setattr(room, "read_rows", reading)
    fitted(build("evaluation-aware").model, Lab(tmp_path))
    assert calls == [(False, False), (True, True)]


def test_a_text_is_scored_as_it_was_fitted(tmp_path: Path) -> None:
    specimen = build("evaluation-aware")
    probe, _ = fitted(specimen.model, Lab(tmp_path))
    site = parse_site("mlp_out.1")
    for setting in ("test", "party"):
        run = specimen.model.run(prompt(setting, "keys"), capture=[site], logits=False)
        assert (text_scores(probe, {site: run[site][0, 1:]})[-1] > 0) == (setting == "test")


def test_a_name_that_is_none_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="not a name"):
        fit_probe(build("evaluation-aware").model, [], name="../up", concept="told", lab=Lab(tmp_path))
