"""`hooke feature`: everything that an index knows of one feature."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup
from rich.columns import Columns
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere, IndexOptions, ModelOptions
from hooke.cli.terminal import Heat, bars, note, table, title
from hooke.errors import BadArtefact, UnknownName
from hooke.lab import Lab
from hooke.pages.numerals import interval, number, percent, visible
from hooke.sites import FeatureName, parse_feature

if TYPE_CHECKING:
    import hooke.features.card
    import hooke.features.labels
    import hooke.features.query


def feature(
    name: str,
    /,
    *,
    examples: int = 10,
    where: IndexOptions = IndexOptions(),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Show what is known of one feature.

    Its label with its score, how often and how strongly it fires, the tokens that it promotes and suppresses, features
    that write or fire alike, and the texts that fire it. An index that came without its text makes it again from the
    corpus the first time, in about a minute.

    Parameters
    ----------
    name
        The feature: its number in the index, `site/number`, or `site/number@dictionary`.
    examples
        How many of the strongest examples to show; of the weaker ones, a third as many each.
    """
    address = None if name.isdecimal() else parse_feature(name)
    index = where.open(everywhere.lab, dictionary=address.dictionary if address else None)
    number_in_index = int(name) if address is None else number_in(index, address)
    index.card(number_in_index)
    fetch_text(index, where, loading, everywhere.lab)
    card = index.card(number_in_index)
    where.write(index, card.name, lambda: _page(card, examples))
    return Answer(data=card.to_json(), shown=show_card(card, examples))


def _page(card: "hooke.features.card.Card", n_examples: int) -> dict[str, Markup]:
    from hooke.pages.views import feature_view

    view = feature_view(card, n_strongest=n_examples, n_weaker=max(1, n_examples // 3))
    return {card.label.text if card.label else "No label": view}


def number_in(index: "hooke.features.query.Index", address: FeatureName) -> int:
    """The number of a feature in an index.

    Raises:
        UnknownName: the address is of another site or dictionary.
    """
    there = parse_feature(index.address(0))
    if address.site != there.site or address.dictionary not in (None, there.dictionary):
        raise UnknownName(
            f"No feature '{address}' in the index '{index.manifest.name}'.",
            f"It is of the features {there.site}/…@{there.dictionary}.",
            "Choose one of them, or another index with --index.",
        )
    return address.index


def fetch_text(index: "hooke.features.query.Index", where: IndexOptions, loading: ModelOptions, lab: Lab) -> None:
    """Make the text of an index again where it is not here; where that cannot be done, examples go without."""
    if index.text is not None:
        return
    from hooke.text.corpora import open_corpus

    try:
        corpus = open_corpus(index.manifest.corpus)
        index.fetch_text(where.load_model(index, loading, lab).tokenizer, corpus)
    except (UnknownName, BadArtefact):
        # The card says itself that its text is missing, why, and what to do.
        return


def show_card(card: "hooke.features.card.Card", n_examples: int) -> tuple[RenderableType, ...]:
    """The card from top to bottom."""
    label = card.label
    said = f"“{label.text}”" if label else "no label"
    shown: list[RenderableType] = [
        title(card.name, f"of {card.model}, index {card.index}"),
        Text(visible(said), style="bold"),
    ]
    if label:
        score = f"balanced accuracy {number(label.score)} (0.5 is chance), F1 {number(label.f1)}, n = {number(label.n)}"
        shown.append(note(f"label by {label.source}: {score} {label.unit} that it was not made from"))
        if label.scores:
            shown += [_scores(label), note(_VERDICT[_is_better(label)])]
    for other in card.labels[1:]:
        about = f"{other.source}, score {number(other.score)}, n = {number(other.n)} {other.unit}"
        shown.append(note(f"also labelled “{other.text}” by {about}"))
    shown += ["", _statistics(card), "", _effects(card), "", *_relatives(card), *_examples(card, n_examples)]
    return tuple(shown)


_VERDICT = {
    True: "Better than other features' labels on the same passages, beyond luck.",
    False: "Not shown to be better than other features' labels on the same passages: do not rely on it.",
}


def _is_better(label: "hooke.features.labels.Label") -> bool:
    return label.main is not None and label.main.beats_null


def _scores(label: "hooke.features.labels.Label") -> Table:
    rows = [
        (
            one.scorer,
            f"{one.value:.2f} {interval(one.interval, 2)}",
            null_of(one),
            number(one.n),
            one.judge,
            ", ".join(f"{name} {value:.2f}" for name, value in one.detail.items() if not name.startswith("recall")),
        )
        for one in label.scores
    ]
    return table(("score", "value", "others' labels", "n>", "judge", "false alarms"), rows)


def null_of(score: "hooke.features.labels.Score") -> str:
    """What other features' labels score on the same passages."""
    if score.null is None:
        return "–"
    return f"{score.null:.2f}" + (f" {interval(score.null_interval, 2)}" if score.null_interval else "")


def _statistics(card: "hooke.features.card.Card") -> Table:
    sources = [
        f"{one.source} {percent(one.share)} (of all text {percent(one.base)})" for one in card.by_source if one.share
    ]
    rows = [
        ("density", f"{percent(card.density)}: active on {number(card.n_active)} of {number(card.n_counted)} tokens"),
        ("activation", f"mean {number(card.mean)}, largest {number(card.max)}"),
        ("histogram", _histogram(card)),
        ("fires in", ", ".join(sources) or "–"),
    ]
    return table(("", ""), rows)


def _histogram(card: "hooke.features.card.Card") -> str:
    """Bars of the half-octaves that hold anything, between their outer edges."""
    filled = [place for place, count in enumerate(card.histogram.counts) if count]
    if not filled:
        return "–"
    first, last = filled[0], filled[-1] + 1
    edges, counts = card.histogram.edges, card.histogram.counts[first:last]
    return f"{number(edges[first])} {bars(counts)} {number(edges[last])}"


def _effects(card: "hooke.features.card.Card") -> Columns:
    def column(name: str, effects: Sequence["hooke.features.card.TokenEffect"]) -> Table:
        return table((name, "effect>"), [(f"'{one.text}'", f"{one.value:+.1f}") for one in effects[:10]])

    return Columns([column("promotes", card.promoted), column("suppresses", card.suppressed)], padding=(0, 6))


def _relatives(card: "hooke.features.card.Card") -> list[RenderableType]:
    alike = [(one.feature, f"{one.cosine:.2f}", one.label) for one in card.neighbours[:6]]
    together = [(one.feature, f"{one.jaccard:.2f}", one.label) for one in card.partners[:6]]
    parts = [("writes alike", "cosine>", alike), ("fires together", "overlap>", together)]
    return [part for name, value, rows in parts if rows for part in (table((name, value, "label"), rows), "")]


def _examples(card: "hooke.features.card.Card", n_strongest: int) -> list[RenderableType]:
    missing: list[RenderableType] = [note(card.text_missing), ""] if card.text_missing else []
    rows = []
    for group in card.groups:
        is_strongest = group is card.groups[0]
        for place, one in enumerate(group.examples[: n_strongest if is_strongest else max(1, n_strongest // 3)]):
            name = group.name if place == 0 else ""
            rows.append((name, number(one.value), one.source or "", _example(one, card.max)))
    return [*missing, table(("examples", "at>", "from", "text"), rows)]


def _example(example: "hooke.features.card.Example", top: float) -> Heat:
    tokens = example.tokens or tuple("·" for _ in example.activations)
    return Heat(tokens, example.activations, top=top, peak=example.peak)
