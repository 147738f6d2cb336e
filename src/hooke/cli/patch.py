"""`hooke patch`: which components carry what decides an answer."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import RenderableType

from hooke.cli.answer import Answer
from hooke.cli.claims import claims
from hooke.cli.options import Everywhere, ModelOptions, ModelRef
from hooke.cli.pair_sets import chosen_pairs, readable_pairs_of
from hooke.cli.terminal import note, table, title
from hooke.pages.numerals import percent

if TYPE_CHECKING:
    from hooke.circuits.patch import Patching
    from hooke.findings import Finding

_MOST_COLUMNS = 24


def patch(
    model: ModelRef,
    /,
    *,
    task: str | None = None,
    pairs: Path | None = None,
    kind: str = "resid_post",
    way: str = "denoising",
    value: str = "counterfactual",
    method: str = "exact",
    by: str = "parts",
    metric: str | None = None,
    top: int = 8,
    seed: int = 0,
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Put into one run what a component was on another prompt, and see what becomes of it.

    Every cell is patched on every pair of the set. The strongest are shown with 95 % intervals over pairs, beside a
    random direction of the same length put in at the same place. 1 is the whole way from one answer to the other.

    Parameters
    ----------
    task
        A set that comes with hooke: indirect-object, capitals, two-hop, agreement, greater-than, repeated-words,
        opinion.
    pairs
        Instead of a task: a file with lines {"clean", "corrupted", "answers", "wrong"}.
    kind
        What is patched: resid_pre, resid_mid, resid_post, attn_out, mlp_out, heads, or neurons (by attribution).
    way
        denoising (clean values into the corrupted run: what is enough) or noising (the other way: what is needed).
    value
        What the corrupted side is: counterfactual (the pair's other prompt), noise on the changed tokens' embeddings,
        or, when noising, mean over the set or zero.
    method
        exact (a run for each cell) or attribution (first order, one backward pass).
    by
        Rows of tokens: parts (where the prompts differ, what comes before, after, last) or positions.
    metric
        logit (difference of means) or probability (difference of sums); the task's own, else logit.
    top
        How many cells to show beside their control.
    seed
        Seed of noise, controls and intervals.
    """
    from hooke.circuits.patch import PatchSettings, cell_findings
    from hooke.circuits.patch import patch as patched

    settings = PatchSettings(kind=kind, way=way, value=value, method=method, by=by, seed=seed)
    given = chosen_pairs(task, pairs, metric)
    opened = loading.load(model, everywhere.lab)
    some, refused = readable_pairs_of(opened, given)
    found = patched(opened, some, settings)
    cells = found.strongest(max(0, top))
    findings = cell_findings(opened, some, found, cells) if cells and kind != "neurons" else []
    head = (
        title(f"Patching of {kind}, {way}", f"{opened.name}, {given.name}"),
        note(_words(found, some.metric, len(refused))),
    )
    return Answer(
        data={
            "model": opened.name,
            "set": given.name,
            "settings": settings,
            "metric": some.metric,
            "n_pairs": len(some),
            "refused": refused,
            "clean": found.clean.tolist(),
            "corrupted": found.corrupted.tolist(),
            "right": found.right,
            "columns": list(found.columns),
            "effects": [[None if cell != cell else float(cell) for cell in row] for row in found.effects],
            "strongest": findings or [{"layer": layer, "column": column} for layer, column in cells],
        },
        shown=(*head, *_grid(found), *_strongest(found, cells, findings)),
    )


def _words(found: "Patching", metric: str, n_refused: int) -> str:
    clean, corrupted = found.clean, found.corrupted
    unfit = f" ({n_refused} more do not fit this tokenizer)" if n_refused else ""
    return (
        f"{len(clean)} pairs{unfit}. Mean {metric} difference: {clean.mean():.3f} clean, {corrupted.mean():.3f} "
        f"corrupted ({found.settings.value}). On {percent(found.right)} of the pairs the clean prompt prefers its "
        "answer and the corrupted one the other."
    )


def _grid(found: "Patching") -> tuple[RenderableType, ...]:
    if len(found.columns) > _MOST_COLUMNS:
        return ()
    rows = [
        (layer, *("" if cell != cell else f"{cell:+.2f}" for cell in row)) for layer, row in enumerate(found.effects)
    ]
    return (table(("layer>", *(f"{column}>" for column in found.columns)), rows), "")


def _strongest(
    found: "Patching", cells: list[tuple[int, int]], findings: "list[Finding]"
) -> tuple[RenderableType, ...]:
    if found.settings.kind == "neurons":
        rows = [(f"neurons.{layer}/{unit}", f"{found.effects[layer, unit]:+.3f}") for layer, unit in cells]
        return (table(("neuron", "estimated effect>"), rows), note("First-order estimates: no run has tried them."))
    return claims(findings) if findings else ()
