"""`hooke specimen dictionaries`: each kind of dictionary on data whose features are known."""

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

    if seed < 0:
        raise BadRequest(f"The seed cannot be {seed}.", "", "Give 0 or more.")
    found = [finding for kind in KINDS for finding in recover_planted(kind, seed=seed)]
    about = f"{N_PLANTED} planted directions in {D} dimensions, {N_ACTIVE} at a time"
    return Answer(data={"found": found}, shown=(title("Dictionaries on planted data", about), *claims(found)))
