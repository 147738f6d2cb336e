"""What hooke measures, as fragments of a page: one function for each kind of thing."""

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Literal

from markupsafe import Markup

from hooke.directions.arms import Said
from hooke.directions.response import Arm, Dose, DoseResponse
from hooke.evaluate.reconstruction import Reconstruction
from hooke.features.card import Card, Example
from hooke.features.query import Hit
from hooke.features.reading import Reading
from hooke.findings import Estimate
from hooke.pages.charts import Line, Point, histogram, line_chart
from hooke.pages.marks import heat, heat_legend
from hooke.pages.numerals import interval, number
from hooke.pages.page import fragment
from hooke.prompts.lens import LensRow

_N_EFFECTS = 10
LARGEST_RATIO = 16.0
"""Perplexity ratios are cut off here."""


def hits_view(hits: Sequence[Hit]) -> Markup:
    """Features that answer a search."""
    return fragment("hits.html", hits=hits)


def feature_view(card: Card, *, n_strongest: int = 10, n_weaker: int = 2) -> Markup:
    """Everything about one feature."""
    relatives = [
        ("Writes alike", "cosine", [(one.feature, f"{one.cosine:.2f}", one.label) for one in card.neighbours[:6]]),
        ("Fires together", "overlap", [(one.feature, f"{one.jaccard:.2f}", one.label) for one in card.partners[:6]]),
    ]
    effects = list(zip_longest(card.suppressed[:_N_EFFECTS], card.promoted[:_N_EFFECTS]))
    examples = [
        (
            group.name,
            [(one, _example(one, card.max)) for one in group.examples[: n_strongest if place == 0 else n_weaker]],
        )
        for place, group in enumerate(card.groups)
    ]
    return fragment(
        "feature.html",
        card=card,
        histogram=_activations(card),
        effects=effects,
        widest=max([1e-9, *(abs(one.value) for one in (*card.promoted, *card.suppressed))]),
        relatives=[one for one in relatives if one[2]],
        examples=examples,
        legend=heat_legend("the feature's largest activation"),
    )


def _example(example: Example, top: float) -> Markup:
    return heat(example.tokens, example.activations[: len(example.tokens)], top=top, peak=example.peak)


def _activations(card: Card) -> Markup:
    filled = [place for place, count in enumerate(card.histogram.counts) if count]
    if not filled:
        return Markup("")
    first, last = filled[0], filled[-1] + 1
    counts, edges = card.histogram.counts[first:last], card.histogram.edges[first : last + 1]
    step = max(1, round(len(counts) / 6))
    words = [number(edge, 2) if place % step == 0 else "" for place, edge in enumerate(edges)]
    return histogram(counts, words, title=f"Activations of {card.name}", x_title="activation")


def reading_view(reading: Reading, labels: Mapping[int, str], *, per_token: int = 3) -> Markup:
    """A text as features: what it brings out most, then the strongest features of each token.

    Args:
        labels: the labels of the features that fire, where they have one.
    """
    features = [
        (one, heat(reading.tokens, _counted(one.activations, reading.counted), top=one.max)) for one in reading.features
    ]
    tokens = [
        (token, counted, [(one.feature, one.value, labels.get(one.feature, "")) for one in firings[:per_token]])
        for token, counted, firings in zip(reading.tokens, reading.counted, reading.firings, strict=True)
    ]
    legend = heat_legend("each feature's largest activation in the index")
    return fragment("reading.html", features=features, tokens=tokens if per_token else [], legend=legend)


def _counted(activations: Sequence[float], counted: Sequence[bool]) -> list[float]:
    return [value if counts else 0.0 for value, counts in zip(activations, counted, strict=True)]


def dictionary_view(facts: Mapping[str, str], measured: Reconstruction | None) -> Markup:
    """A dictionary: what it is, and what was measured of it."""
    if measured is None:
        return fragment("dictionary.html", facts=facts.items(), measured=None)
    own, control, losses = measured.own, measured.control, measured.losses
    rows: list[tuple[str, Estimate, Estimate, int]] = [
        ("fraction of variance unexplained", own.fvu, control.fvu, 3),
        ("the same, in the median window", own.typical_fvu, control.typical_fvu, 3),
        ("cosine of the reconstruction", own.cosine, control.cosine, 3),
        ("active features per token", own.l0, control.l0, 1),
        ("share of features that never fired", own.dead_share, control.dead_share, 4),
    ]
    if losses is not None:
        rows += [
            ("loss recovered, against zero ablation", losses.own.recovered_zero, losses.control.recovered_zero, 3),
            ("loss recovered, against mean ablation", losses.own.recovered_mean, losses.control.recovered_mean, 3),
            ("loss on the reconstruction, nats", losses.own.loss, losses.control.loss, 3),
        ]
    edges = measured.densities.edges
    words = [f"{100 * 10**edge:g} %" if place % 2 == 0 else "" for place, edge in enumerate(edges)]
    densities = histogram(measured.densities.counts, words, title="Firing densities", x_title="share of tokens")
    return fragment(
        "dictionary.html", facts=facts.items(), measured=measured, rows=rows, densities=densities, interval=interval
    )


def response_view(response: DoseResponse, *, label: str = "") -> Markup:
    """A dose-response: the verdict, the two curves beside their controls, and what the model says at each dose."""
    gain = line_chart(
        _lines(response, lambda dose: dose.gain),
        title=f"Rise in probability of the tokens of {response.name} by strength, beside random directions",
        x_title="strength",
    )
    price = line_chart(
        _lines(response, lambda dose: dose.perplexity_ratio),
        title=f"Perplexity relative to no edit by strength for {response.name}, beside random directions",
        x_title="strength",
        levels=[1.0],
        is_log=True,
        y_top=LARGEST_RATIO,
    )
    return fragment(
        "response.html", response=response, label=label, gain=gain, price=price, largest_ratio=number(LARGEST_RATIO)
    )


def _lines(response: DoseResponse, quantity: Callable[[Dose], Estimate]) -> list[Line]:
    # One name stands for all random directions: apart from being random, nothing tells them from each other.
    n_controls = len(response.controls)
    middle = sorted(range(n_controls), key=lambda place: quantity(response.controls[place].doses[-1]).value)[
        n_controls // 2 :
    ][:1]
    names = [f"{n_controls} random" if place in middle else "" for place in range(n_controls)]
    treated = _line(response.treated, "feature", "treated", quantity)
    return [
        treated,
        *(_line(arm, name, "control", quantity) for arm, name in zip(response.controls, names, strict=True)),
    ]


def _line(arm: Arm, name: str, role: Literal["treated", "control"], quantity: Callable[[Dose], Estimate]) -> Line:
    points = tuple(
        Point(x=dose.strength, y=found.value, low=found.interval[0], high=found.interval[1])
        for dose in sorted(arm.doses, key=lambda dose: dose.strength)
        for found in (quantity(dose),)
    )
    return Line(name=name, role=role, points=points)


def arms_view(prompt: str, arms: Sequence[Said], *, control: str) -> Markup:
    """One prompt continued without edits, with them and with their control.

    Args:
        control: what the control is; empty where these edits have none.
    """
    return fragment("arms.html", prompt=prompt, arms=arms, control=control)


def lens_view(tokens: Sequence[str], rows: Sequence[LensRow], *, note: str) -> Markup:
    """What the logit lens says of each token, layer by layer."""
    return fragment("lens.html", tokens=tokens, rows=rows, note=note)
