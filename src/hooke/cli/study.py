"""`hooke study ...`: questions to a real model that anyone can put again."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.console import RenderableType

from hooke.cli.answer import Answer, plain_data
from hooke.cli.claims import claims
from hooke.cli.folders import require_folder
from hooke.cli.options import Everywhere, ModelOptions, ModelRef
from hooke.cli.terminal import note, table, title

if TYPE_CHECKING:
    from hooke.models.model import Model
    from hooke.studies.account import Account
    from hooke.studies.evidence import Evidence
    from hooke.studies.graphs import GraphEvidence

_EDGES = 10
_COMMON = 100


def list_studies(*, everywhere: Everywhere = Everywhere()) -> Answer:
    """List the studies that come with hooke."""
    from hooke.studies.study import STUDIES

    found = [{"name": name, "about": study.about} for name, study in STUDIES.items()]
    return Answer(
        data={"studies": found}, shown=(table(("name", "about"), [(one["name"], one["about"]) for one in found]),)
    )


def run(
    name: Annotated[str, Parameter(help="A name from `hooke study list`.")],
    /,
    *,
    model: ModelRef = "smollm2-135m",
    out: Path | None = None,
    seed: int = 0,
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Run a study on a model: each finding with its interval, beside its control.

    Heads, edges and the circuit that attribution graphs have in common are found on one half of the pairs of prompts
    and tried on the other; directions on some topics, and tried on others. Some minutes.

    Parameters
    ----------
    out
        Folder for the page, its pictures (SVG), the findings, the circuit of edges, what the graphs of all prompts have
        in common, and their circuit of named groups (JSON).
    seed
        Seed of halves, controls and intervals.
    """
    from hooke.studies.account import Account
    from hooke.studies.study import STUDIES, run_study

    if out is not None:
        require_folder(out)
    opened = loading.load(model, everywhere.lab)
    found = run_study(name, opened, seed=seed)
    if isinstance(found, Account):
        return _told(found, opened, out, seed)
    written = _write(out, found, opened, seed) if out is not None else []
    strongest = found.edges.strongest(_EDGES)
    return Answer(
        data={
            "study": name,
            "model": opened.name,
            "findings": found.findings,
            "edges": [{"edge": edge, "score": score} for edge, score in strongest],
            "named_circuit": found.graphs and found.graphs.circuit,
            "written": written,
        },
        shown=(
            title(STUDIES[name].about, opened.name),
            *claims(found.findings),
            table(("edge", "score>"), [(edge, f"{score:+.3f}") for edge, score in strongest]),
            *_groups(found),
            note("Written: " + ", ".join(map(str, written)) if written else "A page with pictures: --out FOLDER."),
        ),
    )


def _told(found: "Account", model: "Model", out: Path | None, seed: int) -> Answer:
    """An account: its findings, and the tables behind them."""
    from hooke.pages.account import account_page, account_pictures
    from hooke.pages.page import write_page
    from hooke.pages.picture_files import standalone
    from hooke.studies.study import STUDIES

    about, provenance = STUDIES[found.name].about, _provenance(model, seed)
    measured = {"level": found.level, "findings": found.findings, "tables": found.tables}
    written: list[Path] = []
    if out is not None:
        data = json.dumps(plain_data({**provenance, **measured}), indent=1)
        files = {f"{found.name}.html": account_page(found, about, provenance=provenance), f"{found.name}.json": data}
        files |= {f"{found.name}-{name}.svg": standalone(one) for name, one in account_pictures(found).items()}
        for file, text in files.items():
            write_page(out / file, text)
        written = [out / file for file in files]
    shown: list[RenderableType] = [title(about, model.name), *claims(found.findings)]
    if found.level is not None:
        shown += ["", note(f"Claim level {found.level.level}: {found.level.words}.")]
    for one in found.tables:
        shown += ["", note(one.title), table(one.heads, one.rows)]
    where = "Written: " + ", ".join(map(str, written)) if written else "A page: --out FOLDER."
    data = {"study": found.name, "model": model.name, **measured, "written": written}
    return Answer(data=data, shown=(*shown, note(where)))


def _provenance(model: "Model", seed: int) -> dict[str, str]:
    import hooke

    return {"hooke": hooke.__version__, "model": model.name, "weights": model.fingerprint, "seed": str(seed)}


def _groups(found: "Evidence") -> list[RenderableType]:
    if found.graphs is None:
        return []
    circuit = found.graphs.circuit
    rows = [
        (
            group.name,
            f"{len(group.members)}",
            f"{sum(one.share for one in group.members):.1%}",
            circuit.reads(group.name),
            circuit.feeds(group.name),
        )
        for group in circuit.groups
    ]
    return [table(("group of neurons", "neurons>", "influence>", "reads most", "feeds most"), rows)]


def _common(graphs: "GraphEvidence") -> dict[str, Any]:
    """What graphs have in common, without the thousands of features that are hardly there."""
    from hooke.circuits.places import PARTS

    return {
        "settings": graphs.settings,
        "graphs": graphs.n_graphs,
        "refused": graphs.refused,
        "features": graphs.features[:_COMMON],
        "roles": graphs.roles,
        "role_edges": graphs.role_edges[:_COMMON],
        "feature_differences": graphs.feature_differences[:_COMMON],
        "role_differences": graphs.role_differences[:_COMMON],
        "parts": PARTS,
        "influence": graphs.influence.tolist(),
        "patched": graphs.patched.tolist(),
        "only_graphs": graphs.only_graphs(),
        "only_patching": graphs.only_patching(),
    }


def _write(out: Path, found: "Evidence", model: "Model", seed: int) -> list[Path]:
    from hooke.circuits.circuit_file import Circuit, save_circuit
    from hooke.pages.page import write_page
    from hooke.pages.picture_files import standalone
    from hooke.pages.study import study_page, study_pictures
    from hooke.studies.study import STUDIES

    provenance = _provenance(model, seed)
    files = {f"{found.name}.html": study_page(found, STUDIES[found.name].about, provenance=provenance)}
    files |= {f"{found.name}-{name}.svg": standalone(picture) for name, picture in study_pictures(found).items()}
    files[f"{found.name}.json"] = json.dumps(plain_data({**provenance, "findings": found.findings}), indent=1)
    if found.graphs is not None:
        for name, data in (("graphs", _common(found.graphs)), ("named-circuit", {"circuit": found.graphs.circuit})):
            files[f"{found.name}-{name}.json"] = json.dumps(plain_data({**provenance, **data}), indent=1)
    for name, text in files.items():
        write_page(out / name, text)
    circuit = out / f"{found.name}-circuit.json"
    save_circuit(Circuit(found.edges.graph, model.d_model, found.edges.mean, found.circuit), circuit)
    return [*(out / name for name in files), circuit]
