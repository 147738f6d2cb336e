"""`hooke path-patch`: what components carry to an answer by way of chosen readers."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import RenderableType

from hooke.cli.answer import Answer
from hooke.cli.claims import claims
from hooke.cli.options import Everywhere, ModelOptions, ModelRef
from hooke.cli.pair_sets import chosen_pairs, readable_pairs_of
from hooke.cli.terminal import note, table, title

if TYPE_CHECKING:
    from hooke.circuits.path_patching import PathPatching

_MOST_HEADS = 24


def path_patch(
    model: ModelRef,
    /,
    *,
    task: str | None = None,
    pairs: Path | None = None,
    to: list[str] | None = None,
    through: str = "mlps",
    way: str = "denoising",
    metric: str | None = None,
    top: int = 8,
    seed: int = 0,
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Let chosen components alone read what another one would write on the pair's other prompt.

    Every head and MLP before the receivers is tried on every pair. The strongest are shown with 95 % intervals over
    pairs, beside a random direction as long as what the sender changed, by the same paths. 1 is the whole way from
    one answer to the other.

    Parameters
    ----------
    task
        A set that comes with hooke: indirect-object, capitals, two-hop, agreement, greater-than, repeated-words,
        opinion.
    pairs
        Instead of a task: a file with lines {"clean", "corrupted", "answers", "wrong"}.
    to
        Receivers: logits (the default), m5 (an MLP), a5.h2 (a head), a5.h2<q> (its query; <k>, <v>).
    through
        What answers to the change between sender and receivers: mlps, or nothing.
    way
        denoising (clean values into the corrupted run: what is enough) or noising (the other way: what is needed).
    metric
        logit (difference of means) or probability (difference of sums); the task's own, else logit.
    top
        How many senders to show beside their control.
    seed
        Seed of controls and intervals.
    """
    from hooke.circuits.path_patching import PathSettings, path_findings
    from hooke.circuits.path_patching import path_patch as patched

    settings = PathSettings(receivers=tuple(to or ("logits",)), through=through, way=way, seed=seed)
    given = chosen_pairs(task, pairs, metric)
    opened = loading.load(model, everywhere.lab)
    some, refused = readable_pairs_of(opened, given)
    found = patched(opened, some, settings)
    findings = path_findings(opened, some, found, found.strongest(max(0, top))) if top > 0 else []
    unfit = f" ({len(refused)} more do not fit this tokenizer)" if refused else ""
    return Answer(
        data={
            "model": opened.name,
            "set": given.name,
            "settings": settings,
            "metric": some.metric,
            "n_pairs": len(some),
            "refused": refused,
            "base": found.base.tolist(),
            "other": found.other.tolist(),
            "effects": dict(zip(found.senders, found.effects.tolist(), strict=True)),
            "strongest": findings,
        },
        shown=(
            title(f"Paths to {', '.join(settings.receivers)}, {way}", f"{opened.name}, {given.name}"),
            note(
                f"{len(some)} pairs{unfit}. Mean {some.metric} difference: {found.base.mean():.3f} of the run that is "
                f"patched, {found.other.mean():.3f} of the other."
            ),
            *_grid(found),
            *(claims(findings) if findings else ()),
        ),
    )


def _grid(found: "PathPatching") -> tuple[RenderableType, ...]:
    """Layers down, heads and the MLP across."""
    rows: dict[int, dict[str, str]] = {}
    for sender, effect in zip(found.senders, found.effects, strict=True):
        if sender != "input":
            layer, _, head = sender[1:].partition(".h")
            rows.setdefault(int(layer), {})[head or "mlp"] = f"{effect:+.2f}"
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    if not rows or len(columns) > _MOST_HEADS:
        return ()
    table_rows = [(layer, *(row.get(name, "") for name in columns)) for layer, row in rows.items()]
    return (table(("layer>", *(f"{name}>" for name in columns)), table_rows), "")
