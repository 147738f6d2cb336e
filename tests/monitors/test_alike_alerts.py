from dataclasses import replace

import pytest

from hooke.monitors.alerts import Alert, Fired
from hooke.monitors.alike_alerts import LEAST, SPAN, alike


def alert(
    name: str, scores: list[float | None], *, rose: int | None = 5, version: str = "v", monitor: str = "m"
) -> Alert:
    fired = Fired(
        monitor=monitor,
        version=version,
        level="watch",
        peak=1.0,
        watch=0.5,
        act=2.0,
        watch_at=rose,
        act_at=None,
        probability=None,
        n_failed=0,
        action="annotate",
        positions=tuple(range(len(scores))),
        scores=tuple(scores),
    )
    return Alert(id=name, time=0.0, n_prompt=4, n_new=2, reason="stop", fired=(fired,))


OWN = alert("own", [None, 0.0, 0.1, 0.2, 0.3, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5])


def test_the_nearest_run_alike_around_the_token_at_which_they_rose():
    later = alert("later", [None] * 3 + [0.0, 0.1, 0.2, 0.3, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5], rose=7)
    higher = alert("higher", [None, *(one + 0.3 for one in (0.0, 0.1, 0.2, 0.3, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5))])
    far = alert("far", [9.0] * 11)
    found = alike(OWN, "m", [OWN, far, higher, later], 2)
    assert [one.alert.id for one in found.nearest] == ["later", "higher"]
    assert found.nearest[0].distance == 0.0, "aligned where both rose"
    assert found.nearest[1].distance == pytest.approx(0.3)
    assert (found.n, found.nearest[0].n) == (3, 10)
    assert found.median == pytest.approx(0.3)


def test_what_cannot_be_compared_is_left_out_and_counted():
    few = alert("few", [1.0] * (LEAST - 1))
    lost = alert("lost", [1.0] * 20, rose=None)
    changed = alert("changed", [1.0] * 20, version="w")
    other = alert("other", [1.0] * 20, monitor="another")
    found = alike(OWN, "m", [few, lost, changed, other], 5)
    assert (found.nearest, found.n, found.median) == ((), 0, None)
    assert (found.n_short, found.n_other) == (2, 1)


def test_only_tokens_near_that_one_count():
    scores = [0.0] * (3 * SPAN)
    own = alert("own", list(scores), rose=SPAN)
    same_near = alert("near", [*scores[: 2 * SPAN + 1], *([50.0] * (SPAN - 1))], rose=SPAN)
    assert alike(own, "m", [same_near], 1).nearest[0].distance == 0.0
    acted = replace(own, id="acted", fired=(replace(own.fired[0], watch_at=None, act_at=SPAN),))
    assert alike(own, "m", [acted], 1).nearest[0].n == 2 * SPAN + 1
