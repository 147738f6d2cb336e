"""`hooke dictionary polysemanticity`: whether a dictionary's units mean one thing each."""

from functools import cache
from typing import TYPE_CHECKING

from hooke.cli.answer import Answer
from hooke.cli.claims import claims
from hooke.cli.options import Everywhere, ModelOptions, TextOptions
from hooke.cli.terminal import note, table, title
from hooke.errors import BadRequest
from hooke.pages.numerals import measured, number, percent

if TYPE_CHECKING:
    from hooke.evaluate.polysemanticity import Polysemanticity


def polysemanticity(
    *dictionaries: str,
    model: str | None = None,
    tokens: int = 65_536,
    units: int = 256,
    examples: int = 32,
    seed: int = 0,
    text: TextOptions = TextOptions(),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Measure in how many unlike contexts features fire, beside neurons and random directions.

    A unit's score is the effective number of unlike contexts among its firings, over that of tokens drawn at random:
    near 0 where it means one thing, near 1 where it means nothing. Firings may be alike by the token, by the one before
    or behind it, or by the text before; what counts is the way in which they are most alike. All units are given as
    many firings as the first dictionary's features have.

    Parameters
    ----------
    dictionaries
        Dictionaries of one model, each measured beside random directions at its site: names, folders, or neurons.15 for
        the neurons of layer 15.
    model
        The model, where it is not the one that the first dictionary names.
    tokens
        How many tokens to read.
    units
        Units of each kind, drawn at random from those that fire often enough.
    examples
        Firings that a unit is judged by, each of another document.
    seed
        Seed of what is drawn and of the intervals.
    """
    from hooke.evaluate.polysemanticity import PolysemanticityConfig
    from hooke.evaluate.polysemanticity import polysemanticity as measure
    from hooke.models.neurons import open_dictionary

    if not dictionaries:
        raise BadRequest("No dictionary was named.", "", "Give one or more; see `hooke dictionary list`.")
    config = PolysemanticityConfig(
        n_tokens=tokens, n_units=units, n_examples=examples, windows=text.windows(), seed=seed
    )
    corpus, lab = text.open(), everywhere.lab
    load = cache(lambda ref: loading.load(ref, lab))
    first, subject = open_dictionary(dictionaries[0], load, model=model, lab=lab)
    model = model or first.config.model
    others = [open_dictionary(ref, load, model=model, lab=lab)[0] for ref in dictionaries[1:]]
    found = measure(subject, [first, *others], corpus, config=config)
    return Answer(data={"measured": found, "findings": found.findings()}, shown=_shown(found))


def _shown(found: "Polysemanticity") -> tuple:
    from hooke.evaluate.distinct_contexts import VIEWS

    kinds = [one for pair in found.kinds for one in pair]
    rows = [
        (one.name, one.site, percent(one.density.value), *(percent(one.narrowest[0][view]) for view in VIEWS))
        for one in kinds
    ]
    return (
        title("Unlike contexts of a unit's firings, over those of random tokens", found.model),
        *claims(found.findings()),
        note(f"Tokens drawn at random score {measured(found.by_chance)}."),
        "",
        table(("most alike by", "at", "fires on>", *(f"{view}>" for view in VIEWS)), rows),
        note(f"on {number(found.n_tokens)} tokens of {found.corpus}; seed {found.seed}"),
    )
