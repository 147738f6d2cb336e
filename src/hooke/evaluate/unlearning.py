"""What forgetting costs: features of one kind of text turned down, dose by dose, and what that does to other text.

    chosen    the n features that fire most on the text to forget, of those that fire on at most 1 % of other tokens
    dose      wherever a chosen feature fires, it is set to -dose times the strength that it has there (0: taken out)
    rise      of the loss, in nats per token, on the text to forget and on the rest

Features are chosen on windows that nothing is measured on. SAEBench clamps to a fixed strength and asks a model
questions of biology (WMDP) and of other things; a small model answers none, so that its losses on text are taken. What
is forgotten here is a kind of text, not knowledge.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from hooke.dictionaries import Dictionary
from hooke.errors import BadRequest
from hooke.evaluate.loss_recovered import window_losses
from hooke.evaluate.quality import Subject, UnitScores
from hooke.models.model import Model
from hooke.models.split import split_run
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig, Windows, windows

DOSES = (0.0, 1.0, 4.0)
N_CHOSEN = 10
RETAIN = 0.01
"""Share of other tokens on which a chosen feature may fire."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Windows of one kind of text and of others, in two halves: to choose on and to measure on."""

    forget: tuple[Sequence[Windows], Sequence[Windows]]
    retain: tuple[Sequence[Windows], Sequence[Windows]]


def unlearning(
    subject: Subject, texts: Texts, *, doses: Sequence[float] = DOSES, n_chosen: int = N_CHOSEN
) -> dict[str, UnitScores]:
    """Rise of the loss on what is to be forgotten and on the rest, dose by dose, by window.

    Raises:
        BadRequest: the dictionary writes elsewhere than it reads.
    """
    dictionary = subject.dictionary
    if dictionary.reads != dictionary.writes:
        raise BadRequest(
            f"'{dictionary.name}' cannot be turned down where it reads.",
            f"It reads {dictionary.reads[0]} and writes {dictionary.writes[0]}.",
            "Give a dictionary that writes the site that it reads.",
        )
    chosen = choose(subject, texts, n_chosen)
    rises = [_all_rises(subject, some, chosen, doses) for some in (texts.forget[1], texts.retain[1])]
    found: dict[str, UnitScores] = {}
    for place, dose in enumerate(doses):
        (forget, n_forget), (retain, n_retain) = ((one[0][place], one[1]) for one in rises)
        beyond = forget / n_forget - retain / n_retain
        found[f"rise of loss on the text to forget, dose {dose:g}"] = UnitScores(parts=forget, wholes=n_forget)
        found[f"rise of loss on other text, dose {dose:g}"] = UnitScores(parts=retain, wholes=n_retain)
        found[f"the first beyond the second, dose {dose:g}"] = UnitScores(parts=beyond, wholes=np.ones(len(beyond)))
    return found


def texts_of(corpus: Corpus, model: Model, source: str, *, config: WindowConfig, n_windows: int) -> Texts:
    """Windows of one source of a corpus, and of all others; half of `n_windows` of each to choose on, half to measure.

    Raises:
        BadRequest: one of both does not fill as many.
    """
    half = max(1, n_windows // 2)

    def halves(is_wanted: bool) -> tuple[list[Windows], list[Windows]]:
        part = Corpus(
            name=f"{corpus.name}, {'only' if is_wanted else 'without'} {source}",
            fingerprint=f"{corpus.fingerprint}-{source}-{is_wanted}",
            read=lambda: (one for one in corpus.documents() if (one.source == source) == is_wanted),
        )
        found = list(windows(part, model.tokenizer, replace(config, batch=1), stop=2 * half))
        if len(found) < 2 * half:
            raise BadRequest(
                f"{part.name} does not fill {2 * half} windows of {config.context} tokens.",
                f"It fills {len(found)}.",
                "Name another source with --forget, or give fewer --windows or more text.",
            )
        return found[:half], found[half:]

    return Texts(halves(True), halves(False))


def _all_rises(
    subject: Subject, batches: Sequence[Windows], chosen: Int[Tensor, " chosen"], doses: Sequence[float]
) -> tuple[list[Float[ndarray, " window"]], Float[ndarray, " window"]]:
    """By dose, the rise of each window's summed loss; and its scored tokens."""
    found = [_rises(subject, batch, chosen, doses) for batch in batches]
    by_dose = [np.concatenate([one[0][place] for one in found]) for place in range(len(doses))]
    return by_dose, np.concatenate([one[1] for one in found])


def choose(subject: Subject, texts: Texts, n_chosen: int) -> Int[Tensor, " chosen"]:
    """The features that fire most on the text to forget, of those that fire on little else; there may be none."""
    often, seldom = (_densities(subject, some) for some in (texts.forget[0], texts.retain[0]))
    usable = (seldom <= RETAIN) & (often > seldom)
    n = min(n_chosen, int(usable.sum()))
    return torch.where(usable, often, -1.0).topk(n).indices


def _densities(subject: Subject, batches: Sequence[Windows]) -> Float[Tensor, " feature"]:
    dictionary = subject.dictionary
    fired, n = torch.zeros(dictionary.n_features), 0
    for batch in batches:
        run = subject.model.run(batch.tokens, capture=[dictionary.reads[0]], logits=False)
        rows = run[dictionary.reads[0]].flatten(2).float()[batch.counted.to(run[dictionary.reads[0]].device)]
        acts = dictionary.encode(rows.to(dictionary.device))
        fired += torch.bincount(acts.indices[acts.values > 0].cpu(), minlength=dictionary.n_features)
        n += len(rows)
    return fired / max(n, 1)


def _rises(
    subject: Subject, batch: Windows, chosen: Int[Tensor, " chosen"], doses: Sequence[float]
) -> tuple[list[Float[ndarray, " window"]], Float[ndarray, " window"]]:
    """The same of one batch."""
    dictionary = subject.dictionary
    run = split_run(subject.model, batch.tokens, dictionary.writes[0])
    value = run.value.flatten(2).float()
    counted = batch.counted.to(value.device)
    written = _written(dictionary, value[counted], chosen)
    own = window_losses(run, run.final, counted)
    found = []
    for dose in doses:
        put = value.clone()
        put[counted] = value[counted] - (1 + dose) * written
        found.append(window_losses(run, run.final_after(put.reshape(run.value.shape).to(run.value)), counted) - own)
    return found, (counted[:, 1:] & counted[:, :-1]).sum(-1).double().cpu().numpy()


def _written(
    dictionary: Dictionary, x: Float[Tensor, "token d"], chosen: Int[Tensor, " chosen"]
) -> Float[Tensor, "token d"]:
    """What the chosen features write at each token."""
    acts = dictionary.encode(x.to(dictionary.device)).dense()[:, chosen]
    return (acts @ dictionary.decoder_rows(chosen.to(dictionary.device)).float()).to(x)
