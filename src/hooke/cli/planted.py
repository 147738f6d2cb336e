"""`hooke specimen dictionaries`, `crosscoders` and `concept`: instruments on what is known to be there."""

from rich.console import RenderableType

from hooke.cli.answer import Answer
from hooke.cli.claims import claims
from hooke.cli.options import Everywhere
from hooke.cli.terminal import title
from hooke.errors import BadRequest


def dictionaries(*, seed: int = 0, everywhere: Everywhere = Everywhere()) -> Answer:
    """Train each kind of dictionary on planted directions, and see how many it finds.

    Cosines are those of the nearest rows, and those of rows matched one to one.

    Beside each kind stands a random dictionary of the same shape. About half a minute.

    Parameters
    ----------
    seed
        Seed of the directions, the data and the first weights; 0 or more.
    """
    from hooke.evaluate.planted_recovery import KINDS, recover_planted
    from hooke.specimens.planted_features import N_ACTIVE, N_PLANTED, D

    _require_seed(seed)
    found = [finding for kind in KINDS for finding in recover_planted(kind, seed=seed)]
    about = f"{N_PLANTED} planted directions in {D} dimensions, {N_ACTIVE} at a time"
    return Answer(data={"found": found}, shown=(title("Dictionaries on planted data", about), *claims(found)))


def crosscoders(*, seed: int = 0, everywhere: Everywhere = Everywhere()) -> Answer:
    """Train crosscoders on a planted pair of models, and see which features they call exclusive to one of them.

    Of the planted features some are in both models alike, some weakly in the second, some in one only. Each kind of
    crosscoder stands beside a random one, and norms beside what latent scaling bears out. Under a minute.

    Parameters
    ----------
    seed
        Seed of the directions, the data and the first weights; 0 or more.
    """
    from hooke.evaluate.planted_exclusives import KINDS, find_exclusives
    from hooke.specimens.planted_pair import COUNTS, WORDS, D

    _require_seed(seed)
    found = [finding for kind in KINDS for finding in find_exclusives(kind, seed=seed)]
    about = f"{', '.join(f'{n} {WORDS[group]}' for group, n in COUNTS.items())}, in {D} dimensions each"
    return Answer(data={"found": found}, shown=(title("Crosscoders on a planted pair", about), *claims(found)))


def concept(*, seed: int = 0, everywhere: Everywhere = Everywhere()) -> Answer:
    """Look for a planted concept in a dictionary's features, and for it in a twin that has none.

    The search, the controls and the steering check are those of `hooke concept features`. A few seconds.

    Parameters
    ----------
    seed
        Seed of the split into halves, the controls and the intervals; 0 or more.
    """
    from hooke.cli.concept import features_shown, steering_shown
    from hooke.evaluate.planted_concept import find_planted

    _require_seed(seed)
    found = find_planted(seed=seed)
    shown: list[RenderableType] = []
    for one in found:
        shown += [title(one.arm, f"planted: {one.planted}"), *features_shown(one.features)]
        shown += [*steering_shown([one.steering]), ""]
    data = [{"arm": one.arm, "planted": one.planted, "verdict": one.features.verdict, "features": one.features,
             "steering": one.steering, "steering_verdict": one.steering.verdict} for one in found]  # fmt: skip
    return Answer(data={"found": data}, shown=tuple(shown))


def _require_seed(seed: int) -> None:
    if seed < 0:
        raise BadRequest(f"The seed cannot be {seed}.", "", "Give 0 or more.")
