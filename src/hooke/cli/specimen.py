"""`hooke specimen ...`: small models whose mechanism is known by construction."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import RenderableType

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere
from hooke.cli.terminal import note, table, title
from hooke.pages.numerals import measured

if TYPE_CHECKING:
    import hooke.evaluate.specimen_scores
    import hooke.findings
    import hooke.specimens

SpecimenName = Annotated[str, Parameter(help="A name from `hooke specimen list`.")]


def list_specimens(*, everywhere: Everywhere = Everywhere()) -> Answer:
    """List the models whose mechanism is known by construction."""
    from hooke.specimens import SPECIMENS

    kept = everywhere.lab.names("models")
    found = [
        {"name": name, "about": recipe.about, "kept": f"specimen-{name}" in kept} for name, recipe in SPECIMENS.items()
    ]
    rows = [
        (one["name"], "yes" if one["kept"] else f"hooke specimen build {one['name']}", one["about"]) for one in found
    ]
    return Answer(data={"specimens": found}, shown=(table(("name", "in the lab", "about"), rows),))


def show(name: SpecimenName, /, *, everywhere: Everywhere = Everywhere()) -> Answer:
    """Show what a specimen does, and what was planted in it, prompt by prompt.

    Beside each prompt stands how probable its answer is to the specimen, to its twin, which lacks the mechanism, and to
    a model with random weights.
    """
    from hooke.specimens import SPECIMENS, build
    from hooke.specimens.collection import answer_probabilities, is_outdated, truth

    specimen = build(name, lab=everywhere.lab)
    models = specimen.models
    chances = {arm: answer_probabilities(specimen, model) for arm, model in models.items()}
    cases = [
        case | {"probability": {arm: chances[arm][at] for arm in models}} for at, case in enumerate(truth(specimen))
    ]
    rows = [(case["prompt"], case["answer"], *(f"{case['probability'][arm]:.3f}" for arm in models)) for case in cases]
    shown: list[RenderableType] = [
        title(name, SPECIMENS[name].about),
        table(("prompt", "answer", "specimen>", "twin>", "random>"), rows),
        "",
        table(("planted on the first prompt", "meaning", "leads to"), _nodes(specimen.planted[0])),
    ]
    if specimen.directions:
        rows = [(one.name, one.site, one.about) for one in specimen.directions]
        shown += ["", table(("direction", "site", "meaning"), rows)]
    outdated = is_outdated(specimen, lab=everywhere.lab)
    if outdated:
        shown.append(note(f"The lab keeps it as another version made it. Make it anew: hooke specimen build {name}"))
    shown.append(note("All prompts: --json."))
    directions = [one.data() for one in specimen.directions]
    data = {"name": name, "about": SPECIMENS[name].about, "cases": cases, "directions": directions}
    data["outdated"] = outdated
    return Answer(data=data, shown=tuple(shown))


def recover(name: SpecimenName, /, *, seed: int = 0, everywhere: Everywhere = Everywhere()) -> Answer:
    """Trace a specimen and see whether what was planted is found, and found nowhere else.

    Parameters
    ----------
    seed
        Seed of the intervals.
    """
    from hooke.evaluate.recovery import ARMS, PASSED, spread_thin
    from hooke.evaluate.recovery import recover as recovered
    from hooke.specimens import build

    specimen = build(name, lab=everywhere.lab)
    found = [recovered(specimen, arm, seed=seed) for arm in ARMS]
    measures = ("node_recall", "node_precision", "edge_recall", "edge_precision")
    rows = [(one.arm, *(_mean(getattr(one, measure)) for measure in measures)) for one in found]
    most = spread_thin(specimen)
    thin = f" Here {most} neurons of a layer share the work, more than can pass as much each: recall is bounded."
    return Answer(
        data={"name": name, "passed": PASSED, "spread_thin": most, "found": found},
        shown=(
            title(f"What was planted in {name}, and what the tracer finds", f"{len(specimen.prompts)} prompts"),
            table(("model", *(f"{measure.replace('_', ' ')}>" for measure in measures)), rows),
            note(
                f"Found is what passes at least {PASSED:.0%} of the answer's influence. The twin and the random model "
                f"lack what was planted: there, recall should be 0.{thin if most else ''}"
            ),
        ),
    )


def score(
    *names: SpecimenName,
    method: Annotated[list[str] | None, Parameter(negative="", consume_multiple=True)] = None,
    seed: int = 0,
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Score hooke's methods of finding circuits against specimens whose circuit is known.

    Each method is given the same pairs on the specimen, on its twin and on random weights. It claims what it scores at
    least a tenth as high as its strongest. AUROC is the chance that a planted item is scored above one that is not.

    Parameters
    ----------
    names
        Names from `hooke specimen list`; without any, all.
    method
        Only these: eap, eap-ig-inputs, eap-ig-activations, exact, acdc, masks, random (edges between components),
        patch-exact, patch-attribution (components), graph-neurons, graph-edges.
    seed
        Seed of intervals, masks and random scores.
    """
    from hooke.evaluate.specimen_scores import SCORED_METHODS, effects, score_all
    from hooke.specimens import SPECIMENS, build

    chosen = tuple(method) if method else SCORED_METHODS
    data, shown = [], []
    for name in names or SPECIMENS:
        specimen = build(name, lab=everywhere.lab)
        found, gaps = score_all(specimen, chosen, seed=seed), effects(specimen)
        data.append(
            {"name": name, "effects": gaps, "scores": [one for arms in found.values() for one in arms.values()]}
        )
        apart = ", ".join(f"{arm} {gap:+.3f}" for arm, gap in gaps.items())
        rows = [_score_row(method, arms) for method, arms in found.items()]
        shown += [
            title(f"Circuits found in {name}", f"{len(specimen.pairs)} pairs"),
            table(("method", "of", "precision>", "recall>", "AUROC>", "in twin>", "in random>"), rows),
            note(f"What separates the prompts of a pair, in logits: {apart}."),
        ]
    shown.append(note("In the twin and in random weights: recall, which is of false positives there."))
    return Answer(data={"specimens": data}, shown=tuple(shown))


def _score_row(method: str, arms: "dict[str, hooke.evaluate.specimen_scores.SpecimenScore]") -> tuple[str, ...]:
    own = arms["specimen"]
    planted = "" if own.n_planted is None else f"{own.n_planted} of {own.n_items} "
    return (
        method,
        f"{planted}{own.items}",
        measured(own.precision, 2),
        measured(own.recall, 2),
        measured(own.auroc, 2) if own.auroc else "",
        f"{arms['twin'].recall.value:.2f}",
        f"{arms['random'].recall.value:.2f}",
    )


def _mean(finding: "hooke.findings.Finding") -> str:
    low, high = finding.interval
    return "nothing found" if finding.n == 0 else f"{finding.value:.2f} [{low:.2f}, {high:.2f}]"


def _nodes(planted: "hooke.specimens.Planted") -> list[tuple[str, str, str]]:
    leads = {node: [_name(target) for source, target in planted.edges if source == node] for node in planted.nodes}
    return [(_name(node), planted.labels[node], ", ".join(leads[node])) for node in planted.nodes]


def _name(node: "hooke.specimens.Node") -> str:
    if len(node) == 3:
        layer, index, position = node
        return f"neurons.{layer}/{index} at {position}"
    kind, number = node
    return f"token at {number}" if kind == "token" else f"logit {number}"


def build(name: SpecimenName, /, *, everywhere: Everywhere = Everywhere()) -> Answer:
    """Keep a specimen, its twin and its random control in the lab.

    They can be loaded by name from then on, by every verb. What was planted is written beside the specimen, in
    planted.json, and directions that decide what it does in directions.json.
    """
    from hooke.specimens import build as build_specimen
    from hooke.specimens import keep

    names = keep(build_specimen(name, lab=everywhere.lab), lab=everywhere.lab)
    folders = [everywhere.lab.path("models", one) for one in names]
    rows = list(zip(names, folders, strict=True))
    shown = (table(("model", "folder"), rows), note(f"Try: hooke model check {names[0]}"))
    return Answer(data={"models": names, "folders": folders}, shown=shown)
