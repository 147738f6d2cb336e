"""What `hooke dictionary eval` shows of a dictionary of several sites."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hooke.cli.answer import Answer
from hooke.cli.terminal import note, table, title
from hooke.pages.numerals import number, percent

if TYPE_CHECKING:
    from hooke.dictionaries import Dictionary
    from hooke.evaluate.reconstruction import Reconstruction

ALONE = 0.9
"""Share of its norm from which on a feature counts as a site's own."""


def measured_crosscoder(crosscoder: "Dictionary", at_each: Sequence["Reconstruction"]) -> Answer:
    """Site by site: what is left over there, what the model loses, and how much of the features is written there."""
    from hooke.dictionaries.crosscoders import relative_norms
    from hooke.evaluate.reconstruction import CONTROL

    norms, first = relative_norms(crosscoder), at_each[0]
    shares = [
        {"site": one.sites[1], "mean_share": float(share.mean()), "n_alone": int((share >= ALONE).sum())}
        for one, share in zip(at_each, norms.T, strict=True)
    ]
    rows = [
        (
            one.sites[1],
            number(one.own.fvu.value),
            "{:.3f} to {:.3f}".format(*one.own.fvu.interval),
            number(one.control.fvu.value),
            number(one.losses.own.recovered_mean.value) if one.losses else "",
            number(one.losses.control.recovered_mean.value) if one.losses else "",
            percent(share["mean_share"]),
            number(share["n_alone"]),
        )
        for one, share in zip(at_each, shares, strict=True)
    ]
    columns = ("site", "FVU>", "95 % interval", "random>", "loss recovered>", "random>", "share of norm>", "alone>")
    about = (
        f"random: {CONTROL} · loss recovered: against mean ablation, with this site alone replaced · share of norm: of "
        f"what features write, in units in which sites are alike; mean over features · alone: features with at least "
        f"{percent(ALONE)} of it there"
    )
    facts = [("L0", number(first.own.l0.value)), ("dead", percent(first.own.dead_share.value))]
    shown = (
        title(first.dictionary, f"{number(first.n_features)} features of {first.model}"),
        table(columns, rows),
        table(("", ""), facts),
        note(about),
        note(f"on {number(first.n_counted)} tokens of {first.corpus}, {first.n_windows} windows; seed {first.seed}"),
    )
    findings = [finding for one in at_each for finding in one.findings()]
    return Answer(data={"measured": list(at_each), "shares": shares, "findings": findings}, shown=shown)
