"""`hooke study ...`: questions to a real model that anyone can put again."""

from typing import Annotated

from cyclopts import Parameter

from hooke.cli.answer import Answer
from hooke.cli.claims import claims
from hooke.cli.options import Everywhere, ModelOptions, ModelRef
from hooke.cli.terminal import table, title


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
    seed: int = 0,
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Run a study on a model: each finding with its interval, beside its control.

    Parameters
    ----------
    seed
        Seed of controls and intervals.
    """
    from hooke.studies.study import STUDIES, run_study

    opened = loading.load(model, everywhere.lab)
    found = run_study(name, opened, seed=seed)
    return Answer(
        data={"study": name, "model": opened.name, "findings": found},
        shown=(title(STUDIES[name].about, opened.name), *claims(found)),
    )
