"""`hooke dictionary exclusives`: what a crosscoder of two models has in one of them only."""

from typing import TYPE_CHECKING, Any

import numpy as np

from hooke.cli.answer import Answer
from hooke.cli.claims import claims
from hooke.cli.options import Everywhere, ModelOptions, TextOptions
from hooke.cli.terminal import note, table, title
from hooke.errors import BadRequest
from hooke.lab import Lab
from hooke.pages.numerals import number

if TYPE_CHECKING:
    from hooke.evaluate.exclusives import Exclusives


def exclusives(
    crosscoder: str,
    /,
    *,
    null: str | None = None,
    model: str | None = None,
    other: str | None = None,
    tokens: int = 32_768,
    n: int = 10,
    text: TextOptions = TextOptions(corpus="default:heldout"),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Show which features of a crosscoder are in one of its two models only, and which are in both after all.

    A feature counts as a model's own when it has nine tenths of its norm there. Latent scaling then asks whether it is
    absent in the other model, or was only shrunk away there (nu_error), or is written by other features (nu_other).

    Parameters
    ----------
    crosscoder
        The name of a crosscoder of two models, see `hooke train --form crosscoder --other`.
    null
        A crosscoder of two models that do not differ in what is asked, such as two copies of one: its shares stand
        beside.
    model
        One of the models, where its name does not lead to it.
    other
        The other one.
    tokens
        Tokens of text to read.
    n
        How many features of each model to list.
    """
    if n < 0 or tokens < 1:
        raise BadRequest(f"{tokens} tokens and {n} features cannot be shown.", "", "Give larger numbers.")
    found = _measured(crosscoder, model, other, tokens, text, loading, everywhere.lab)
    beside = _measured(null, None, None, tokens, text, loading, everywhere.lab) if null else None
    findings = found.findings(beside)
    listed = [_listed(found, place, n) for place in (0, 1)]
    columns = ("feature>", "share of norm>", "nu_error>", "nu_other>", "tokens>", "")
    shown = [title(crosscoder, " and ".join(found.models)), *claims(findings, prefix=f"{crosscoder}: ")]
    for name, rows in zip(found.models, listed, strict=True):
        cells = [
            (
                row["feature"],
                number(row["share"]),
                number(row["nu_error"]),
                number(row["nu_other"]),
                number(row["n_tokens"]),
                "absent in the other" if row["is_absent"] else "in the other, too",
            )
            for row in rows
        ]
        shown += [title(f"In {name} only, by their norms"), table(columns, cells)]
    about = (
        f"on {number(found.n_counted)} tokens of {found.corpus} · shares of {number(int(found.known.sum()))} features"
    )
    data = {"crosscoder": crosscoder, "models": found.models, "findings": findings}
    return Answer(data=data | {"first_only": listed[0], "second_only": listed[1]}, shown=(*shown, note(about)))


def _measured(
    name: str,
    model: str | None,
    other: str | None,
    tokens: int,
    text: TextOptions,
    loading: ModelOptions,
    lab: Lab,
) -> "Exclusives":
    from hooke.dictionaries import load_dictionary
    from hooke.evaluate.exclusives import exclusives as measure
    from hooke.evaluate.exclusives import require_two_models
    from hooke.models.pair import pair_of

    opened = load_dictionary(name, lab=lab)
    require_two_models(opened)
    both, _ = pair_of(opened.config, lambda ref: loading.load(ref, lab), model=model, other=other)
    return measure(opened, both, text.open(), n_tokens=tokens, windows=text.windows())


def _listed(found: "Exclusives", place: int, n: int) -> list[dict[str, Any]]:
    """A model's own features, those that are absent in the other first, then by how often they fire."""
    absent, called = found.borne_out(place), np.flatnonzero(found.called(place))
    order = sorted(called.tolist(), key=lambda feature: (not absent[feature], -found.fires[feature]))
    return [
        {
            "feature": feature,
            "share": float(found.shares[feature, place]),
            "nu_error": float(found.nu_error[feature, place]),
            "nu_other": float(found.nu_other[feature, place]),
            "n_tokens": int(found.fires[feature]),
            "is_absent": bool(absent[feature]),
        }
        for feature in order[:n]
    ]
