"""The specimens by name: building them, and keeping them in the lab where every verb can load them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from hooke.errors import UnknownName, did_you_mean
from hooke.lab import Lab, open_lab, provenance, read_json, staged, write_json, writing
from hooke.models.edits import Edit
from hooke.models.model import Model
from hooke.specimens import (
    brackets,
    carry,
    evaluation_aware,
    gated_refusal,
    greater_than,
    induction,
    modular_addition,
    password_locked,
    reasoner,
    sorted_list,
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
    """Prompts, answers and the truth about each; of several right words, parted by blanks, the first is traced."""
    corruptions: Callable[[], list[tuple[str, str, str]]]
    """For each prompt another of as many tokens, its answer (or answers that are wrong for the prompt), and what was
    changed."""
    circuit: frozenset[str]
    """Edges between components along which such a change comes to the answer; see `Specimen`."""
    directions: Callable[[], tuple[PlantedDirection, ...]] = tuple
    """Directions that decide what it does."""


def _recipe(module: Any) -> Recipe:
    decide = getattr(module, "planted_directions", tuple)
    return Recipe(module.ABOUT, module.WORDS, module.weights, module.cases, module.corruptions, module.CIRCUIT, decide)


SPECIMENS: dict[str, Recipe] = {
    "induction": _recipe(induction),
    "two-hop": _recipe(two_hop),
    "greater-than": _recipe(greater_than),
    "brackets": _recipe(brackets),
    "sorted-list": _recipe(sorted_list),
    "carry": _recipe(carry),
    "modular-addition": _recipe(modular_addition),
    "gated-refusal": _recipe(gated_refusal),
    "sycophancy": _recipe(sycophancy),
    "evaluation-aware": _recipe(evaluation_aware),
    "password-locked": _recipe(password_locked),
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
        PromptPair(
            clean=prompt,
            corrupted=other,
            answers=tuple(answer.split()),
            wrong=tuple(said.split()),
            name=str(at),
            group=changed,
        )
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
        answers=tuple(answer.split()[0] for answer in answers),
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


def is_outdated(specimen: Specimen, *, lab: Lab | None = None) -> bool:
    """Whether the lab keeps one of the specimen's models with other weights, made by another version of hooke."""
    lab = lab or open_lab()
    for model in (specimen.model, specimen.twin, specimen.random):
        if model.name in lab.names("models"):
            made = read_json(lab.path("models", model.name) / "provenance.json")
            if made.get("inputs", {}).get("weights") != model.fingerprint:
                return True
    return False


def truth(specimen: Specimen) -> list[dict[str, Any]]:
    """What was planted, prompt by prompt, as plain data."""
    cases = zip(specimen.prompts, specimen.answers, specimen.planted, strict=True)
    return [{"prompt": prompt, "answer": answer} | planted.data() for prompt, answer, planted in cases]


def answer_probabilities(specimen: Specimen, model: Model, edits: Sequence[Edit] = ()) -> list[float]:
    """How probable each prompt's right answers together are to one of the specimen's models, with edits in force."""
    run = model.run(list(specimen.prompts), edits=edits)
    assert run.logits is not None
    last = run.logits[torch.arange(len(specimen.prompts)), run.tokens.lengths - 1].softmax(-1)
    answers = [model.tokenizer.convert_tokens_to_ids(list(pair.answers)) for pair in specimen.pairs]
    return [float(row[ids].sum()) for row, ids in zip(last, answers, strict=True)]
