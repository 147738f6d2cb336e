"""The specimens by name: building them, and keeping them in the lab where every verb can load them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from hooke.errors import UnknownName, did_you_mean
from hooke.lab import Lab, open_lab, provenance, staged, write_json, writing
from hooke.models.edits import Edit
from hooke.models.model import Model
from hooke.specimens import (
    evaluation_aware,
    gated_refusal,
    induction,
    password_locked,
    reasoner,
    sycophancy,
    two_hop,
)
from hooke.specimens.planted import Planted, PlantedDirection, Specimen
from hooke.specimens.weights import Weights, opened, random_like, weights_hash
from hooke.specimens.words import word_tokenizer
from hooke.text.pairs import PromptPair


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a specimen is made."""

    about: str
    """One sentence for people."""
    words: tuple[str, ...]
    weights: Callable[..., Weights]
    """Its weights; with `twin=True` its twin's."""
    cases: Callable[[], list[tuple[str, str, Planted]]]
    """Prompts, answers and the truth about each."""
    corruptions: Callable[[], list[tuple[str, str, str]]]
    """For each prompt another of as many tokens, its answer, and what was changed."""
    circuit: frozenset[str]
    """Edges between components along which such a change comes to the answer; see `Specimen`."""
    directions: Callable[[], tuple[PlantedDirection, ...]] = tuple
    """Directions that decide what it does."""


SPECIMENS: dict[str, Recipe] = {
    "induction": Recipe(
        induction.ABOUT, induction.WORDS, induction.weights, induction.cases, induction.corruptions, induction.CIRCUIT
    ),
    "two-hop": Recipe(
        two_hop.ABOUT, two_hop.WORDS, two_hop.weights, two_hop.cases, two_hop.corruptions, two_hop.CIRCUIT
    ),
    "gated-refusal": Recipe(
        gated_refusal.ABOUT,
        gated_refusal.WORDS,
        gated_refusal.weights,
        gated_refusal.cases,
        gated_refusal.corruptions,
        gated_refusal.CIRCUIT,
        gated_refusal.planted_directions,
    ),
    "sycophancy": Recipe(
        sycophancy.ABOUT,
        sycophancy.WORDS,
        sycophancy.weights,
        sycophancy.cases,
        sycophancy.corruptions,
        sycophancy.CIRCUIT,
        sycophancy.planted_directions,
    ),
    "evaluation-aware": Recipe(
        evaluation_aware.ABOUT,
        evaluation_aware.WORDS,
        evaluation_aware.weights,
        evaluation_aware.cases,
        evaluation_aware.corruptions,
        evaluation_aware.CIRCUIT,
        evaluation_aware.planted_directions,
    ),
    "password-locked": Recipe(
        password_locked.ABOUT,
        password_locked.WORDS,
        password_locked.weights,
        password_locked.cases,
        password_locked.corruptions,
        password_locked.CIRCUIT,
        password_locked.planted_directions,
    ),
    "faithful-reasoner": Recipe(
        reasoner.ABOUT_FAITHFUL,
        reasoner.WORDS,
        reasoner.faithful_weights,
        reasoner.faithful_cases,
        reasoner.faithful_corruptions,
        reasoner.CIRCUIT_FAITHFUL,
    ),
    "unfaithful-reasoner": Recipe(
        reasoner.ABOUT_UNFAITHFUL,
        reasoner.WORDS,
        reasoner.unfaithful_weights,
        reasoner.unfaithful_cases,
        reasoner.unfaithful_corruptions,
        reasoner.CIRCUIT_UNFAITHFUL,
    ),
}


def build(name: str, *, lab: Lab | None = None) -> Specimen:
    """The specimen of this name with its twin and its random control, made in memory on the CPU in a second.

    Raises:
        UnknownName: there is no such specimen.
    """
    recipe = recipe_of(name)
    tokenizer = word_tokenizer(recipe.words)
    planted, twin = recipe.weights(), recipe.weights(twin=True)
    drawn = random_like(planted, torch.Generator().manual_seed(0))
    prompts, answers, truths = zip(*recipe.cases(), strict=True)
    pairs = tuple(
        PromptPair(clean=prompt, corrupted=other, answers=(answer,), wrong=(said,), name=str(at), group=changed)
        for at, (prompt, answer, (other, said, changed)) in enumerate(
            zip(prompts, answers, recipe.corruptions(), strict=True), 1
        )
    )
    return Specimen(
        name=name,
        model=_model(planted, tokenizer, f"specimen-{name}", lab),
        twin=_model(twin, tokenizer, f"specimen-{name}-twin", lab),
        random=_model(drawn, tokenizer, f"specimen-{name}-random", lab),
        prompts=prompts,
        answers=answers,
        planted=truths,
        pairs=pairs,
        circuit=recipe.circuit,
        directions=recipe.directions(),
    )


def recipe_of(name: str) -> Recipe:
    """How the specimen of this name is made.

    Raises:
        UnknownName: there is no such specimen.
    """
    if name not in SPECIMENS:
        raise UnknownName(
            f"No specimen '{name}'.", did_you_mean(name, SPECIMENS), f"There are: {', '.join(SPECIMENS)}."
        )
    return SPECIMENS[name]


def _model(weights: Weights, tokenizer: Any, name: str, lab: Lab | None) -> Model:
    hf = opened(weights)
    return Model(hf, tokenizer, name=name, fingerprint=weights_hash(hf), lab=lab)


def keep(specimen: Specimen, *, lab: Lab | None = None) -> list[str]:
    """Write the specimen's three models into the lab, with the truth beside the first; their names, for `hooke.load`.

    Raises:
        LabBusy: another process is writing one of them.
        OutOfSpace: the disk is full.
    """
    lab = lab or open_lab()
    for model in (specimen.model, specimen.twin, specimen.random):
        target = lab.path("models", model.name)
        with writing(target), staged(target) as aside:
            model.hf.save_pretrained(aside)  # pyright: ignore[reportCallIssue]
            model.tokenizer.save_pretrained(aside)
            write_json(aside / "provenance.json", provenance(inputs={"weights": model.fingerprint}))
            if model is specimen.model:
                write_json(aside / "planted.json", truth(specimen))
                write_json(aside / "directions.json", [one.data() for one in specimen.directions])
    return [specimen.model.name, specimen.twin.name, specimen.random.name]


def truth(specimen: Specimen) -> list[dict[str, Any]]:
    """What was planted, prompt by prompt, as plain data."""
    cases = zip(specimen.prompts, specimen.answers, specimen.planted, strict=True)
    return [{"prompt": prompt, "answer": answer} | planted.data() for prompt, answer, planted in cases]


def answer_probabilities(specimen: Specimen, model: Model, edits: Sequence[Edit] = ()) -> list[float]:
    """How probable each prompt's answer is to the specimen, its twin or its random control, with edits in force."""
    run = model.run(list(specimen.prompts), edits=edits)
    assert run.logits is not None
    rows = torch.arange(len(specimen.prompts))
    answers = torch.tensor(model.tokenizer.convert_tokens_to_ids(list(specimen.answers)))
    return run.logits[rows, run.tokens.lengths - 1].softmax(-1)[rows, answers].tolist()
