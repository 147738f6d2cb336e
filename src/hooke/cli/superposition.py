"""`hooke specimen superposition`: toy models of superposition beside what was published."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import RenderableType

from hooke.cli.answer import Answer
from hooke.cli.folders import require_folder
from hooke.cli.options import Everywhere
from hooke.cli.terminal import note, table, title
from hooke.errors import BadRequest
from hooke.pages.numerals import number

if TYPE_CHECKING:
    import hooke.specimens.superposition
    from hooke.findings import Finding, Interval


def superposition(
    *, out: Path | None = None, quick: bool = False, seed: int = 0, everywhere: Everywhere = Everywhere()
) -> Answer:
    """Train toy models of superposition, and hold what they do against what was published.

    Phase diagrams, the room that each feature has, adversarial attacks, correlated and anticorrelated features, and
    learning, after Elhage et al. 2022; each with its interval and beside a control. One or two minutes.

    Parameters
    ----------
    out
        Folder for the page and its pictures (SVG).
    quick
        Train fewer models for fewer steps: a quarter of the time, and more models end in worse minima.
    seed
        Seed of weights, data and intervals; 0 or more.
    """
    from hooke.specimens.superposition import FULL, QUICK
    from hooke.specimens.superposition import superposition as experiments

    if seed < 0:
        raise BadRequest(f"The seed cannot be {seed}.", "", "Give 0 or more.")
    if out is not None:
        require_folder(out)
    found = experiments(effort=QUICK if quick else FULL, seed=seed)
    written = _write(out, found, quick, seed) if out is not None else []
    shown: list[RenderableType] = [title("Superposition in toy models", f"seed {seed}{', quick' if quick else ''}")]
    for one in found:
        shown += ["", title(one.title, one.about), _claims(one.claims)]
    shown.append(note("Brackets: 95 % intervals over models or cells. Published: Elhage et al. 2022."))
    shown.append(note("Written: " + ", ".join(map(str, written)) if written else "Pictures and a page: --out FOLDER."))
    return Answer(data={"experiments": found, "written": written}, shown=tuple(shown))


def _claims(claims: "tuple[hooke.specimens.superposition.Claim, ...]") -> RenderableType:
    rows = [(one.finding.claim, *_measured(one.finding), one.finding.control_name, one.published) for one in claims]
    return table(("", "ours>", "control>", "which control", "published"), rows)


def _measured(finding: "Finding") -> tuple[str, str]:
    control = "" if finding.control is None else _beside(finding.control, finding.control_interval)
    return _beside(finding.value, finding.interval), control


def _beside(value: float, interval: "Interval | None") -> str:
    return f"{number(value)} [{number(interval[0])}, {number(interval[1])}]" if interval else number(value)


def _write(
    out: Path, found: "tuple[hooke.specimens.superposition.Experiment, ...]", quick: bool, seed: int
) -> list[Path]:
    import hooke
    from hooke.pages.page import write_page
    from hooke.pages.picture_files import standalone
    from hooke.pages.superposition import pictures, superposition_page

    provenance = {"hooke": hooke.__version__, "seed": str(seed), "effort": "quick" if quick else "full"}
    files = {"superposition.html": superposition_page(found, provenance=provenance)}
    files |= {f"superposition-{name}.svg": standalone(picture) for name, picture in pictures(found).items()}
    for name, text in files.items():
        write_page(out / name, text)
    return [out / name for name in files]
