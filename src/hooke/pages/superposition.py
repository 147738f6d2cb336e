"""Pictures of toy models of superposition, and the page that holds them beside their claims."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from hooke.findings import Finding
from hooke.pages.charts import mark, svg
from hooke.pages.numerals import number
from hooke.pages.page import Section, fragment, page
from hooke.specimens.superposition import FATES, Experiment

_SIDE = 96.0
_GAP = 12.0
_WIDTH, _HEIGHT = 460.0, 220.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 48.0, 100.0, 14.0, 40.0


def pictures(experiments: Sequence[Experiment]) -> dict[str, Markup]:
    """An SVG for each experiment that has one, by name."""
    drawn = {"layouts": _layouts, "phases": _phases, "bodies": _bodies, "attacks": _attacks}
    drawn |= {"pairs": _pairs, "learning": _learning}
    return {one.name: drawn[one.name](one.data) for one in experiments if one.name in drawn}


def superposition_page(experiments: Sequence[Experiment], *, provenance: dict[str, str]) -> str:
    """The whole page: each experiment with its picture and its claims."""
    drawn = pictures(experiments)
    sections = [
        Section(name=one.name, title=one.title, about=one.about, body=_body(one, drawn.get(one.name, Markup(""))))
        for one in experiments
    ]
    lead = (
        "More features than dimensions, where features are sparse: toy models after Elhage et al. 2022, trained here, "
        "with their controls."
    )
    return page("Superposition in toy models", sections, lead=lead, provenance=provenance)


def _body(experiment: Experiment, picture: Markup) -> Markup:
    rows = [
        (one.finding.claim, *_measured(one.finding), one.finding.control_name, one.published)
        for one in experiment.claims
    ]
    return fragment("superposition.html", picture=picture, rows=rows)


def _measured(finding: Finding) -> tuple[str, str]:
    return (
        f"{number(finding.value)} {_interval(finding.interval)}",
        f"{number(finding.control)} {_interval(finding.control_interval)}" if finding.control_interval else "",
    )


def _interval(bounds: tuple[float, float]) -> str:
    return f"[{number(bounds[0])}, {number(bounds[1])}]"


def _layouts(data: dict[str, Any]) -> Markup:
    names = [f"density {one:g}" for one in data["densities"]]
    return _rows_of_arrows(
        "Feature directions, with a relu above and without below", names, [data["relu"], data["linear"]]
    )


def _pairs(data: dict[str, Any]) -> Markup:
    names = list(data["relu"])
    rows = [[data[arm][one] for one in names] for arm in ("relu", "linear")]
    return _rows_of_arrows(
        "Directions of two pairs of features, with a relu above and without below", names, rows, n_of=2
    )


def _rows_of_arrows(
    title: str, names: Sequence[str], rows: Sequence[Sequence[Sequence[Sequence[float]]]], *, n_of: int = 1
) -> Markup:
    """Panels with a line for each feature; features of one group, `n_of` in a row, are drawn alike."""
    parts = []
    for down, row in enumerate(rows):
        for along, weights in enumerate(row):
            x, y = _SIDE * (along + 0.5) + _GAP, _SIDE * (down + 0.5) + 20 + down * _GAP
            longest = max(1.0, *(sum(part**2 for part in one) ** 0.5 for one in weights))
            scale = 0.45 * _SIDE / max(longest, 1.2)
            parts += [
                mark(
                    '<polyline class="{0} line-{5}" points="{1},{2} {3},{4}"/>'
                    '<circle class="{0}" cx="{3}" cy="{4}" r="3"/>',
                    "treated" if down == 0 else "control",
                    x,
                    y,
                    x + scale * one[0],
                    y - scale * one[1],
                    place // n_of if n_of > 1 else 0,
                )
                for place, one in enumerate(weights)
            ]
    parts += [
        mark('<text class="quiet middle" x="{}" y="14">{}</text>', _SIDE * (along + 0.5) + _GAP, name)
        for along, name in enumerate(names)
    ]
    return svg(_SIDE * len(names) + 2 * _GAP, (_SIDE + _GAP) * len(rows) + 20, title, parts)


def _phases(data: dict[str, Any]) -> Markup:
    """Trained and closed form side by side, a row for each shape."""
    cell, parts = 15.0, []
    for down, diagram in enumerate(data["diagrams"]):
        for along, name in enumerate(("trained", "closed_form")):
            left, top = 40 + along * 215.0, 26 + down * 205.0
            said = f"{diagram['n_features']} in {diagram['n_hidden']}, {name.replace('_', ' ')}"
            parts.append(mark('<text x="{}" y="{}">{}</text>', left, top - 8, said))
            parts += [
                mark(
                    '<rect class="fate-{}" x="{}" y="{}" width="{}" height="{}"/>',
                    fate,
                    left + x * cell,
                    top + y * cell,
                    cell - 1,
                    cell - 1,
                )
                for y, row in enumerate(diagram[name])
                for x, fate in enumerate(row)
            ]
            axes = ((left, "density 1", ""), (left + 10 * cell, "0.01", "end"))
            parts += [
                mark('<text class="quiet {}" x="{}" y="{}">{}</text>', side, x, top + 10 * cell + 14, word)
                for x, word, side in axes
            ]
            parts += [
                mark('<text class="quiet end" x="{}" y="{}">{}</text>', left - 5, top + y, word)
                for y, word in ((11.0, "0.1×"), (10 * cell - 2, "10×"))
            ]
    bottom = 26 + 205.0 * len(data["diagrams"])
    for fate, word in enumerate(FATES):
        parts.append(
            mark(
                '<rect class="fate-{0}" x="{1}" y="{2}" width="12" height="12"/>', fate, 40 + 150.0 * fate, bottom - 10
            )
        )
        parts.append(mark('<text x="{}" y="{}">{}</text>', 57 + 150.0 * fate, bottom, word))
    return svg(470.0, bottom + 8, "What becomes of the last feature, by density and relative importance", parts)


def _bodies(data: dict[str, Any]) -> Markup:
    names = [f"{one['name'].split()[-1]} {one['level']:.3g}" for one in data["bodies"]]
    half = [len(one["dimensionality"]) // 2 for one in data["bodies"]]
    relu = [_flat(one["dimensionality"][:n]) for one, n in zip(data["bodies"], half, strict=True)]
    linear = [_flat(one["dimensionality"][n:]) for one, n in zip(data["bodies"], half, strict=True)]
    return _columns("Dimensionality of each feature", names, relu, linear, [one["level"] for one in data["bodies"]], "")


def _attacks(data: dict[str, Any]) -> Markup:
    names = [f"{one:g}" for one in data["densities"]]
    relu, linear = data["worst"]
    return _columns("Rise of the squared error under attack", names, relu, linear, (), "density of the features")


def _flat(rows: Sequence[Sequence[float]]) -> list[float]:
    return [value for row in rows for value in row]


def _columns(
    title: str,
    names: Sequence[str],
    relu: Sequence[Sequence[float]],
    linear: Sequence[Sequence[float]],
    levels: Sequence[float],
    x_title: str,
) -> Markup:
    """A column of dots for each name, with a relu and beside it without, and dotted levels to compare with."""
    top = max(_flat([*relu, *linear, levels]))
    floor = _HEIGHT - _BOTTOM
    step = (_WIDTH - _LEFT - _RIGHT) / len(names)
    parts = _frame(top, title, x_title)
    for at, name in enumerate(names):
        middle = _LEFT + (at + 0.5) * step
        parts.append(
            mark('<text class="quiet middle" x="{}" y="{}">{}</text>', middle, floor + 15 + 11 * (at % 2), name)
        )
        for role, values, shift in (("control", linear[at], 5.0), ("treated", relu[at], -5.0)):
            parts += [
                mark('<circle class="{}" cx="{}" cy="{}" r="2.5"/>', role, middle + shift, _height(one, top))
                for one in values
            ]
    parts += [
        mark(
            '<line class="level" x1="{}" x2="{}" y1="{}" y2="{}"/>',
            _LEFT + at * step,
            _LEFT + (at + 1) * step,
            _height(one, top),
            _height(one, top),
        )
        for at, one in enumerate(levels)
    ]
    return svg(_WIDTH, _HEIGHT, title, [*parts, *_legend()])


def _learning(data: dict[str, Any]) -> Markup:
    """How the dimensionality of each feature of two models goes while they are trained."""
    last, floor = data["steps"][-1], _HEIGHT - _BOTTOM
    parts = _frame(1.0, "dimensionality of each feature", "steps of training")
    for role, features in zip(("control", "treated"), reversed(data["dimensionality"]), strict=True):
        for feature in features:
            path = " ".join(
                f"{_LEFT + step / last * (_WIDTH - _LEFT - _RIGHT):.1f},{_height(value, 1.0):.1f}"
                for step, value in zip(data["steps"], feature, strict=True)
            )
            parts.append(mark('<polyline class="{}" points="{}"/>', role, path))
    for step in (0, last):
        x = _LEFT + step / last * (_WIDTH - _LEFT - _RIGHT)
        parts.append(mark('<text class="quiet middle" x="{}" y="{}">{}</text>', x, floor + 15, number(step)))
    return svg(_WIDTH, _HEIGHT, "Dimensionality while learning", [*parts, *_legend()])


def _frame(top: float, title: str, x_title: str) -> list[Markup]:
    parts = [mark('<text class="quiet" x="4" y="10">{}</text>', title)]
    for share in (0.0, 0.5, 1.0):
        y = _height(share * top, top)
        parts.append(mark('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>', _LEFT, _WIDTH - _RIGHT, y, y))
        parts.append(mark('<text class="quiet end" x="{}" y="{}">{}</text>', _LEFT - 7, y + 4, number(share * top, 2)))
    parts.append(
        mark('<text class="quiet middle" x="{}" y="{}">{}</text>', (_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 3, x_title)
    )
    return parts


def _legend() -> list[Markup]:
    x = _WIDTH - _RIGHT + 8
    return [
        mark('<text class="treated" x="{}" y="{}">with a relu</text>', x, _TOP + 16),
        mark('<text class="control" x="{}" y="{}">without</text>', x, _TOP + 32),
    ]


def _height(value: float, top: float) -> float:
    floor = _HEIGHT - _BOTTOM
    return floor - (floor - _TOP - 8) * value / top
