"""The dose-response of a feature, and any dose-response in a terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType

from hooke.cli.terminal import note, table, title
from hooke.pages.numerals import number, percent

if TYPE_CHECKING:
    import hooke.directions.response
    import hooke.directions.steer_config
    import hooke.features.query
    import hooke.models.model

_COLUMNS = ("strength>", "stream>", "gain>", "95 %>", "wrong way>", "ppl ×>", "KL>", "pairs>", "")


def respond(
    model: "hooke.models.model.Model",
    index: "hooke.features.query.Index",
    feature: int,
    *,
    config: "hooke.directions.steer_config.SteerConfig | None" = None,
    seed: int = 0,
) -> "hooke.directions.response.DoseResponse":
    """The dose-response of one feature of an index, on held-out prose of the default corpus."""
    import torch

    from hooke.dictionaries.crosscoders import rows_at
    from hooke.directions.steer import dose_response
    from hooke.directions.steer_config import SteerConfig
    from hooke.directions.typical_norm import HELD_OUT, held_out
    from hooke.sites import parse_site

    site = parse_site(index.manifest.site)
    return dose_response(
        model,
        site,
        rows_at(index.dictionary, torch.tensor([feature]), site, index.manifest.model)[0],
        held_out(model),
        name=index.address(feature),
        unit=float(index.card(feature).max),
        text_name=HELD_OUT,
        config=config or SteerConfig(seed=seed),
    )


def show_response(response: "hooke.directions.response.DoseResponse") -> tuple[RenderableType, ...]:
    """Dose by dose effect and price, the strongest random direction beneath, and between which doses it can be used."""
    from hooke.directions.usable import failures

    rows, said = [], []
    for place, dose in enumerate(response.treated.doses):
        controls = [arm.doses[place] for arm in response.controls]
        failed = failures(dose, controls, response.limits)
        rows.append(_row(number(dose.strength), dose, "".join(one[0] for one in failed).lower() or "usable"))
        if controls:
            rows.append(_row("random", max(controls, key=lambda one: one.gain.value), ""))
        if dose.continuation:
            said.append((number(dose.strength), dose.continuation))
    promoted = " ".join(repr(one.text) for one in response.treated.promoted)
    shown = [
        title(response.name, response.verdict.outcome),
        note(f"{response.verdict.reason}. Promotes {promoted}"),
        table(_COLUMNS, rows),
        usable_words(response),
        note(_about(response)),
    ]
    if said:
        shown += [note(f"no edit: {response.prompt}{response.baseline_continuation}"), table(("strength>", ""), said)]
    return tuple(shown)


def usable_words(response: "hooke.directions.response.DoseResponse") -> RenderableType:
    """Between which doses it can be used, in a line."""
    usable, limits = response.usable, response.limits
    held = (
        f"limits: gain surely above {limits.gain:g} and above all random ones, perplexity surely below "
        f"{1 + limits.perplexity:g} times, KL below {limits.kl:g}, distinct pairs not surely {limits.distinct:g} fewer"
    )
    if usable.low is None or usable.high is None or usable.relative is None:
        return title("usable: none", f"{usable.reason} · {held}")
    shares = " to ".join(dict.fromkeys(number(one) for one in usable.relative))
    ends = " to ".join(dict.fromkeys(number(one) for one in (usable.low, usable.high)))
    return title(f"usable: {ends}", f"{shares} of the stream's length; {usable.reason} · {held}")


def _row(name: str, dose: "hooke.directions.response.Dose", mark: str) -> Sequence[str]:
    low, high = dose.gain.interval
    wrong_low, wrong_high = dose.wrong_way.interval
    return (
        name,
        f"{dose.relative:.2f}",
        f"{dose.gain.value:+.3f}",
        f"{low:+.2f} {high:+.2f}",
        f"{percent(dose.wrong_way.value)} {100 * wrong_low:.0f}–{100 * wrong_high:.0f}",
        f"{dose.perplexity_ratio.value:.2f}",
        f"{dose.kl.value:.2f}",
        f"{dose.distinct.value:.2f}",
        mark,
    )


def _about(response: "hooke.directions.response.DoseResponse") -> str:
    return (
        "stream: length of what is added, as a share of the stream's median length · gain: rise in probability of the "
        f"promoted tokens on {response.n_prompts} other prompts · wrong way: share of these on which it fell · ppl ×, "
        f"KL: perplexity beside, and nats per token from, the model without the edit, {response.n_tokens} tokens of "
        f"{response.text} · pairs: distinct pairs of {response.n_continued} continuations, "
        f"{response.baseline_distinct.value:.2f} without the edit · random: of {len(response.controls)} random "
        "directions of the same norm, each with its own tokens, the one with the largest gain · e p k r: fails in "
        "effect, perplexity, KL, repetition"
    )
