"""`hooke interactions`: which features fire together, write to each other, are the same, or take each other's part."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType

from hooke.cli.answer import Answer
from hooke.cli.claims import claims
from hooke.cli.feature import number_in
from hooke.cli.options import Everywhere, ModelOptions, TextOptions
from hooke.cli.terminal import note, table, title
from hooke.errors import BadRequest
from hooke.pages.numerals import interval, number, percent, signed
from hooke.sites import FeatureName, parse_feature

if TYPE_CHECKING:
    import hooke.features.feature_interactions as of_feature
    import hooke.features.interactions
    import hooke.features.query

    Says = Callable[[int], str]

_ROWS = 10


def interactions(
    dictionary: str,
    /,
    *,
    with_: str | None = None,
    tokens: int = 131_072,
    check: int = 0,
    seed: int = 0,
    model: str | None = None,
    text: TextOptions = TextOptions(),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Find which features fire together, write to each other, are the same, or take each other's part.

    One pass over the text, exact counts, each beside the same text shifted. What is found is kept in the lab, and the
    microscope shows it on each feature's page and on the map; asked for again with the same words it is only shown.

    Parameters
    ----------
    dictionary
        Name of an index in the lab, of a dictionary that has one, or `starter`; with /NUMBER behind it, one feature.
    with_
        An index of another dictionary of the same model, to be held beside this one.
    tokens
        How many tokens to read.
    check
        With another dictionary: ablate so many features, and see which ranking of virtual weights foretells what
        becomes of the later dictionary's features; 24 take some minutes.
    seed
        Seed of the controls.
    model
        Where the model is, if its name alone does not lead to it.
    """
    from hooke.features.interactions import add_findings, compute_interactions
    from hooke.features.query import Index

    lab = everywhere.lab
    name, feature = _split_name(dictionary)
    if tokens < 1 or check < 0:
        raise BadRequest(f"{tokens} tokens and {check} features cannot be read.", "", "Give numbers above 0.")
    if check and with_ is None:
        raise BadRequest("There is nothing to check.", "Virtual weights need two dictionaries.", "Add --with OTHER.")
    one = Index.open(name, lab=lab)
    other = None if with_ is None else Index.open(with_, lab=lab)
    if isinstance(feature, FeatureName):
        feature = number_in(one, feature)
    chosen = None if feature is None else one.known(feature)
    subject = loading.load(model or one.manifest.model, lab)
    run = compute_interactions(
        subject, one, text.open(), other=other, n_tokens=tokens, windows=text.windows(), lab=lab, seed=seed
    )
    if check and other is not None:
        from hooke.evaluate.weight_filter import check_filter

        run = add_findings(run, check_filter(subject, run, (one, other), text.open(), n_sources=check, seed=seed))
    indexes = (one,) if other is None else (one, other)
    return _of_all(run, indexes) if chosen is None else _of_one(run, indexes, chosen)


def _split_name(text: str) -> tuple[str, int | FeatureName | None]:
    """The index and the feature in `starter`, `starter/12` or `resid_post.15/12@smollm2-res`."""
    if "@" in text and "/" in text:
        address = parse_feature(text)
        return address.dictionary or "starter", address
    name, slash, last = text.rpartition("/")
    return (name, int(last)) if slash and last.isdecimal() and name else (text, None)


def _of_all(run: "hooke.features.interactions.Interactions", indexes: "Sequence[hooke.features.query.Index]") -> Answer:
    manifest = run.manifest
    about = f"{number(manifest.n_counted)} tokens of {manifest.spec.corpus}, {number(manifest.n_windows)} windows"
    shown: list[RenderableType] = [title(manifest.name, about), *claims(manifest.findings), ""]
    shown += [note(reason) for reason in (manifest.no_paths, manifest.no_absorbers) if reason]
    name = indexes[0].manifest.name
    shown.append(note(f"One feature: hooke interactions {name}/NUMBER{_with(indexes)}; or its page, hooke serve"))
    data = {"name": manifest.name, "folder": run.folder, "manifest": manifest}
    return Answer(data=data, shown=tuple(shown))


def _with(indexes: "Sequence[hooke.features.query.Index]") -> str:
    return f" --with {indexes[1].manifest.name}" if len(indexes) > 1 else ""


def _of_one(
    run: "hooke.features.interactions.Interactions", indexes: "Sequence[hooke.features.query.Index]", feature: int
) -> Answer:
    from hooke.features.feature_interactions import feature_interactions

    found = feature_interactions(run, 0, feature)
    index, other = indexes[0], indexes[-1]

    def says(number_there: int) -> str:
        label = other.label(number_there)
        return label.text if label else "–"

    own = index.label(feature)
    about = f"{number(found.n_counted)} tokens, {number(found.n_windows)} windows"
    shown: list[RenderableType] = [
        title(index.address(feature), f"beside {other.manifest.name} at {found.site}, {about}"),
        own.text if own else "no label",
        "",
        *_together(found, says),
        *_paths(found, says, run.manifest.no_paths),
        *_match(found, says),
        *_family(found, says, run.manifest.no_absorbers),
    ]
    return Answer(data=found, shown=tuple(shown))


def _together(found: "of_feature.FeatureInteractions", says: "Says") -> list[RenderableType]:
    if not found.together:
        return [note("No feature fires with it more than chance would have it."), ""]
    rows = [
        (one.feature, signed(one.pmi, 1), interval(one.interval, 1), number(one.count), number(one.expected),
         says(one.feature))
        for one in found.together[:_ROWS]
    ]  # fmt: skip
    return [table(("fires with>", "PMI, bits>", "95 % interval", "tokens>", "by chance>", "label"), rows), ""]


def _paths(found: "of_feature.FeatureInteractions", says: "Says", why_not: str) -> list[RenderableType]:
    if found.direction is None:
        return [note(why_not), ""] if why_not else []
    rows = [
        (one.feature, signed(one.twera), signed(one.weight), number(one.rank), number(one.count), says(one.feature))
        for one in found.paths[:_ROWS]
    ]
    head = "writes to>" if found.direction == "to" else "is written to by>"
    columns = (head, "TWERA>", "virtual weight>", "rank by weight>", "tokens>", "label")
    return [table(columns, rows), ""] if rows else [note("It fires with no feature that it has a path to."), ""]


def _match(found: "of_feature.FeatureInteractions", says: "Says") -> list[RenderableType]:
    one = found.match
    if one is None:
        return [] if found.is_own else [note("It never fires with a feature there."), ""]
    about = "each the other's nearest" if one.is_match else "no match: not mutual, or no more than chance"
    cosine = f", cosine {one.cosine:.2f}" if one.cosine is not None else ""
    text = f"{one.feature}  correlation {one.correlation:.2f} {interval(one.interval, 2)}{cosine}, {about}"
    return [table(("nearest by correlation", "label"), [(text, says(one.feature))]), ""]


def _family(found: "of_feature.FeatureInteractions", says: "Says", why_not: str) -> list[RenderableType]:
    parts: list[RenderableType] = []
    if (split := found.split) is not None:
        rows = [(one.feature, percent(one.share), says(one.feature)) for one in split.children]
        verdict = "split" if split.is_split else "not shown to be split"
        text = (
            f"{verdict}: together {percent(split.recall)} {interval(split.interval, 2)} of its {number(split.n)} "
            f"firings, the first alone {percent(split.alone)}, as many features at random {percent(split.control)}"
        )
        parts += [table(("child>", "adds>", "label"), rows), note(text), ""]
    if found.part_of:
        parts += [note(f"A child of {', '.join(map(str, found.part_of))} in {found.index}."), ""]
    if (gone := found.absorbed) is not None:
        rows = [(one.feature, number(one.count), says(one.feature)) for one in gone.takers]
        text = (
            f"of {number(gone.n_strong)} strong firings its match is silent on {number(gone.n_silent)}; another takes "
            f"its part on {number(gone.n_absorbed)}, by another feature's direction on {number(gone.n_control)}"
        )
        parts += [*([table(("absorber>", "tokens>", "label"), rows)] if rows else []), note(text), ""]
    if found.takes_part_of:
        told = ", ".join(f"{one.feature} ({number(one.count)} tokens)" for one in found.takes_part_of)
        parts += [note(f"Takes the part of the match of {told} in {found.index}."), ""]
    if why_not and not found.is_own:
        parts += [note(why_not), ""]
    return parts
