"""What the configs of Llama Scope and of its library's later releases have in common: hooks, and norms of data sets.

While these were trained, what is read at a hook was multiplied by sqrt(d) / (its mean norm over the data), and what is
written by the output hook's own such factor. The two differ by far where a transcoder reads what a norm has made large
and writes something small.
"""

from math import sqrt
from pathlib import Path

from hooke.dictionaries.formats.assemble import bad
from hooke.dictionaries.formats.folding import Norm, Norms, require_norms
from hooke.dictionaries.formats.hooks import WITHOUT_GAIN, site_of_hook
from hooke.dictionaries.formats.settings import Settings
from hooke.errors import UnknownSite
from hooke.sites import Site


def hooked_site(path: Path, hook: str, model: str) -> Site:
    """The site of a hook.

    Raises:
        BadArtefact: it is none here.
    """
    try:
        return site_of_hook(hook, model)
    except UnknownSite as error:
        raise bad(path, str(error)) from error


def norm_before(path: Path, hook: str, reads: Site, norms: Norms | None) -> Norm | None:
    """The norm whose gain has to be folded for what reads this hook, if it has to.

    Raises:
        BadRequest: the norms are needed and not given.
    """
    if not hook.endswith(WITHOUT_GAIN):
        return None
    require_norms(norms, path)
    assert norms is not None
    assert reads.layer is not None
    return norms(reads.layer)


def is_scaled(config: Settings) -> bool:
    """Whether inputs and outputs have to be scaled; not where the scales are in the weights already.

    Raises:
        BadArtefact: the normalisation is one that no weights can hold.
    """
    how = config.text("norm_activation", "dataset-wise")
    if how not in ("inference", "dataset-wise"):
        raise bad(
            config.path,
            f"It normalises '{how:.40}', by each token's or batch's own norm, which cannot be folded into weights.",
        )
    return how == "dataset-wise"


def scale(path: Path, width: int, norm: float | None, input_scale: float | None) -> float:
    """What numbers of this width were multiplied by, from their mean norm; else as it was told.

    Raises:
        BadArtefact: neither is known.
    """
    if norm is not None and norm > 0:
        return sqrt(width) / norm
    if input_scale is not None:
        return input_scale
    raise bad(path, f"The mean norm of the data that it was trained on is {norm}: inputs cannot be brought to scale.")
