"""`hooke search`: features by words, meaning, a text that fires them, a token that they move, or example text."""

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from markupsafe import Markup
from rich.console import RenderableType

from hooke.cli.answer import Answer
from hooke.cli.feature import fetch_text
from hooke.cli.options import Everywhere, IndexOptions, ModelOptions
from hooke.cli.terminal import Heat, note, table, title
from hooke.errors import BadRequest, HookeError
from hooke.pages.numerals import number, percent

if TYPE_CHECKING:
    import hooke.features.labels
    import hooke.features.query
    import hooke.features.reading


_VALUES = {
    "token": ("effect", "+.1f"),
    "suppressed": ("effect", "+.1f"),
    "meaning": ("cosine", ".2f"),
    "examples": ("examples", ".0f"),
}
"""What a mode orders by: the name of the column, and how its numbers are written."""


def search(
    *words: str,
    text: str | None = None,
    promotes: str | None = None,
    mode: Literal["words", "meaning", "token", "suppressed", "examples"] = "words",
    n: int = 20,
    where: IndexOptions = IndexOptions(),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Find features by words, meaning, a text that fires them, a token they move, or their examples' text.

    Parameters
    ----------
    words
        Words, or beginnings of words, of labels and examples; a feature must have all of them.
    text
        Features that fire on this text instead.
    promotes
        Features that make this token more likely instead.
    mode
        How the words are looked for: words, as words of labels and examples; meaning, labels that say something like
        it; token, features that promote the token; suppressed, features that make it less likely; examples, features
        whose stored examples contain the phrase.
    n
        How many to show.
    """
    if (bool(words) + (text is not None) + (promotes is not None)) != 1:
        raise BadRequest("A search has one question.", "", "Give words, or --text TEXT, or --promotes TOKEN.")
    if n < 1:
        raise BadRequest(f"{n} features cannot be shown.", "", "Give a number above 0.")
    index = where.open(everywhere.lab)
    if text is not None:
        reading = index.active_on(where.load_model(index, loading, everywhere.lab), text, n=n)
        write_reading(index, reading, where, per_token=0)
        data = {"index": index.manifest.name, "text": text, "features": reading.features}
        return Answer(data=data, shown=by_text(index, reading))
    if mode != "words":
        return _by_mode(index, " ".join(words), mode, n, where, loading, everywhere)
    hits = index.promoting(promotes, n) if promotes is not None else index.search(" ".join(words), n)
    question = f"that promote '{promotes}'" if promotes is not None else " ".join(words)
    data = {"index": index.manifest.name, "words": list(words), "promotes": promotes, "features": hits}
    where.write(index, f"Features: {question}", lambda: _page(hits))
    return Answer(data=data, shown=_by_words(index, question, hits, value_of="token" if promotes is not None else ""))


def _by_mode(
    index: "hooke.features.query.Index",
    question: str,
    mode: Literal["meaning", "token", "suppressed", "examples"],
    n: int,
    where: IndexOptions,
    loading: ModelOptions,
    everywhere: Everywhere,
) -> Answer:
    from hooke.features.meaning import keep_embedding, needs_embedding
    from hooke.features.search import search as find

    if not question:
        raise BadRequest("There is nothing to search for.", "", "Give some words before --mode.")
    if mode == "meaning" and needs_embedding(index):
        # Without its model the search goes by spelling, and says so.
        with suppress(HookeError):
            keep_embedding(index, where.load_model(index, loading, everywhere.lab))
    if mode == "examples":
        fetch_text(index, where, loading, everywhere.lab)
    is_token = mode in ("token", "suppressed")
    found = find(
        index,
        question,
        "token" if is_token else mode,
        direction="suppressed" if mode == "suppressed" else "promoted",
    )
    hits = [
        replace(index.hit(feature), value=value)
        for feature, value in zip(found.features[:n].tolist(), found.values[:n].tolist(), strict=True)
    ]
    data = {"index": index.manifest.name, "words": [question], "mode": mode, "note": found.note, "features": hits}
    where.write(index, f"Features: {question}", lambda: _page(hits))
    return Answer(data=data, shown=_by_words(index, question, hits, value_of=mode, said=found.note))


def _page(hits: list["hooke.features.query.Hit"]) -> dict[str, Markup]:
    from hooke.pages.views import hits_view

    return {f"{len(hits)} features": hits_view(hits)}


def write_reading(
    index: "hooke.features.query.Index",
    reading: "hooke.features.reading.Reading",
    where: IndexOptions,
    *,
    per_token: int,
) -> None:
    """Write a text as features as an HTML page, where one was asked for."""

    def parts() -> dict[str, Markup]:
        from hooke.pages.views import reading_view

        return {"Features that fire on it": reading_view(reading, labels_of(index, reading), per_token=per_token)}

    where.write(index, "A text as features", parts)


def labels_of(index: "hooke.features.query.Index", reading: "hooke.features.reading.Reading") -> dict[int, str]:
    """The best label of each feature that fires on a text, where it has one."""
    firing = {firing.feature for firings in reading.firings for firing in firings}
    found = {feature: index.label(feature) for feature in sorted(firing)}
    return {feature: label.text for feature, label in found.items() if label is not None}


def _by_words(
    index: "hooke.features.query.Index",
    question: str,
    hits: list["hooke.features.query.Hit"],
    *,
    value_of: str,
    said: str = "",
) -> tuple[RenderableType, ...]:
    head = title(f"Features: {question}", index.manifest.name)
    if not hits:
        return head, note(said or "None has these words. Try fewer words, or the beginning of one.")
    column, form = _VALUES.get(value_of, ("", ""))
    rows = [
        (
            hit.name,
            hit.label.text if hit.label else "",
            number(hit.label.score if hit.label else None),
            number(hit.label.null if hit.label else None),
            number(hit.label.n if hit.label else None),
            percent(hit.density),
            number(hit.max),
            *([format(hit.value, form)] if column else []),
        )
        for hit in hits
    ]
    columns = ("feature", "label", "score>", "others>", "n>", "density>", "max>", *([f"{column}>"] if column else []))
    keys = (
        "score: balanced accuracy of the label on n tokens or passages not used to make it, 0.5 is chance · others: "
        "that of other features' labels on the same passages · density: share of tokens"
    )
    effect = " · effect: deviations above what features do to this token" if column == "effect" else ""
    return head, table(columns, rows), note(keys + effect), *([note(said)] if said else [])


def scored(label: "hooke.features.labels.Label | None") -> str:
    """How good a label is, behind something else on the same line; empty where it has no score."""
    if label is None or label.score is None:
        return ""
    beside = "" if label.null is None else f", other features' labels {number(label.null)}"
    return f"; label's balanced accuracy {number(label.score)}{beside}, n = {number(label.n)} {label.unit}"


def by_text(
    index: "hooke.features.query.Index", reading: "hooke.features.reading.Reading"
) -> tuple[RenderableType, ...]:
    """The features that a text brings out, each with the text as a heat map."""
    shown: list[RenderableType] = [title("Features that fire on this text", index.manifest.name)]
    for one in reading.features:
        label = one.label.text if one.label else "no label"
        values = [value if counted else 0.0 for value, counted in zip(one.activations, reading.counted, strict=True)]
        strength = (
            f"at most {number(one.value)} here, {number(one.max)} in the index, on {percent(one.density)} of tokens"
        )
        heat = Heat(reading.tokens, values, top=max(one.max, one.value), peak=one.peak)
        shown += [title(one.name, label), heat, note(strength + scored(one.label)), ""]
    if not reading.features:
        shown.append(note("No feature fires on it beyond its first token."))
    return tuple(shown)
