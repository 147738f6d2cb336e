"""`hooke dictionary check`: what a dictionary claims, held against the model."""

from typing import TYPE_CHECKING

from rich.console import RenderableType

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere, ModelOptions, TextOptions
from hooke.cli.terminal import note, table, title
from hooke.pages.numerals import number

if TYPE_CHECKING:
    from hooke.evaluate.claims import Checked, LayerFit, Verdict

_NEAREST = 8


def check(
    dictionary: str,
    /,
    *,
    model: str | None = None,
    tokens: int = 4096,
    layer_tokens: int = 512,
    seed: int = 0,
    text: TextOptions = TextOptions(corpus="default:heldout", context=64),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Hold what a dictionary's files claim against the model, on a few thousand tokens.

    Its L0 and FVU beside what is measured; its reconstruction beside the mean and beside a random dictionary, and at
    every other layer, where it should be worse. A dictionary that is no better than the mean is refused: it belongs to
    another model or site, or was read wrongly. Special tokens and the first position are left out.

    Parameters
    ----------
    dictionary
        A dictionary's name (see `hooke dictionary list`), folder, archive or place on the hub (hf:owner/name).
    model
        The model, where it is not the one that the dictionary names.
    tokens
        Tokens that are measured.
    layer_tokens
        Tokens that the other layers are compared on; 0 for none.
    seed
        Seed of the control and of the intervals.
    """
    from hooke.dictionaries import load_dictionary
    from hooke.dictionaries.formats.published import Given
    from hooke.evaluate.claims import ClaimsConfig, check_claims
    from hooke.models.norms import norms_of

    config = ClaimsConfig(n_tokens=tokens, n_layer_tokens=layer_tokens, windows=text.windows(), seed=seed)
    corpus, lab = text.open(), everywhere.lab
    if model is not None:
        subject = loading.load(model, lab)
        opened = load_dictionary(dictionary, lab=lab, given=Given(model=subject.name, norms=norms_of(subject)))
    else:
        opened = load_dictionary(dictionary, lab=lab)
        subject = loading.load(opened.config.model, lab)
    found = check_claims(subject, opened, corpus, config=config)
    of = found.measured
    shown = (
        title(of.dictionary, f"{number(of.n_features)} features at {of.sites[0]} of {of.model}"),
        *checked(found, opened.reads[0].layer),
    )
    data = {"checked": found, "findings": found.findings()}
    return Answer(data=data, shown=shown, exit_code=1 if found.doubts else 0)


def checked(found: "Checked", layer: int | None) -> tuple[RenderableType, ...]:
    """What came of a check of a dictionary that reads this layer."""
    of = found.measured
    return (
        claimed_table(found.verdicts),
        *_layer_rows(found.layers, layer),
        "",
        *(found.doubts or ("Nothing speaks against it.",)),
        note(f"on {number(of.n_counted)} tokens of {of.corpus}, {of.n_windows} windows; seed {of.seed}"),
    )


def claimed_table(verdicts: "tuple[Verdict, ...]") -> RenderableType:
    """Claims beside what was measured."""
    columns = ("", "claimed>", "measured>", "95 % interval", "random dictionary>", "", "claimed by")
    rows = [
        (
            one.about,
            number(one.claimed),
            number(one.measured.value),
            f"{number(one.measured.interval[0])} to {number(one.measured.interval[1])}",
            number(one.control),
            one.outcome,
            one.source,
        )
        for one in verdicts
    ]
    return table(columns, rows)


def _layer_rows(layers: "tuple[LayerFit, ...]", own: int | None) -> tuple[RenderableType, ...]:
    near = sorted(layers, key=lambda one: abs(one.layer - (own or 0)))[:_NEAREST]
    rows = [
        (f"layer {one.layer}", number(one.fvu.value), number(one.worse.value), _interval(one.worse.interval))
        for one in sorted(near, key=lambda one: one.layer)
    ]
    return (table(("at another layer", "FVU>", "more than here>", "95 % interval"), rows),) if rows else ()


def _interval(interval: tuple[float, float]) -> str:
    return f"{number(interval[0])} to {number(interval[1])}"
