"""What an answer warns of: what its client should know, could not see otherwise, and did occur."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hooke.lab import Lab
from hooke.monitors.digests import Digests
from hooke.monitors.redteam import RedTeam
from hooke.monitors.results import load_result, spec_digest
from hooke.monitors.spec import MonitorSpec, monitor_names
from hooke.server.gateway.verdicts import Verdict

Code = Literal[
    "fields-ignored",
    "length-bounded",
    "verdicts-hidden",
    "monitor-failed",
    "monitor-judged-nothing",
    "monitor-not-valid",
    "monitor-not-calibrated",
    "monitor-expired",
    "monitor-not-attacked",
    "monitor-broken",
    "steering-bounded",
    "canary-silent",
]
_MOST_FIELDS = 10


@dataclass(frozen=True, slots=True)
class Warned:
    """One warning."""

    code: Code
    """What kind it is."""
    of: str
    """The monitor's or the recipe's name; empty where it is about the answer."""
    message: str
    """In plain words."""


def of_fields(names: Sequence[str]) -> tuple[Warned, ...]:
    """Of fields that have no effect."""
    if not names:
        return ()
    told = ", ".join(f"{name[:80]!a}" for name in names[:_MOST_FIELDS])
    more = f" and {len(names) - _MOST_FIELDS} more" if len(names) > _MOST_FIELDS else ""
    return (Warned("fields-ignored", "", f"These fields of the request have no effect here: {told}{more}."),)


def of_bound(most: int) -> Warned:
    """Of an answer that ends where the gateway says, and the request did not."""
    return Warned("length-bounded", "", f"The request named no limit: the answer ends at the gateway's, {most} tokens.")


def of_hidden(n: int) -> Warned:
    """Of monitors whose findings the key may not see."""
    return Warned("verdicts-hidden", "", f"{n} monitors watched this request; this key may not see what they found.")


def of_canary() -> Warned:
    """Of monitors that do not see what they must."""
    told = "The gateway's last test request was not scored as it must be: what monitors say here may be wrong."
    return Warned("canary-silent", "", told)


def of_monitor(lab: Lab, spec: MonitorSpec, model: Digests) -> tuple[Warned, ...]:
    """Of a monitor as it is, whatever the request.

    Raises:
        BadArtefact, BadConfig: the file of its attacks is damaged.
    """
    found = []
    other = spec.valid_for.differing(model)
    if other:
        found.append(
            Warned(
                "monitor-not-valid",
                spec.name,
                f"'{spec.name}' was made for another {', '.join(other)}, and was forced: its error rates do not hold.",
            )
        )
    if spec.watch is None and spec.act is None:
        told = f"'{spec.name}' has no thresholds: it is quiet at any score."
        found.append(Warned("monitor-not-calibrated", spec.name, told))
    elif spec.calibration is None:
        told = f"The thresholds of '{spec.name}' were set by hand: how often it is wrong is not known."
        found.append(Warned("monitor-not-calibrated", spec.name, told))
    return (*found, *_of_attacks(lab, spec))


def _of_attacks(lab: Lab, spec: MonitorSpec) -> tuple[Warned, ...]:
    attacked = load_result(lab, spec.name, "redteam", RedTeam) if spec.name in monitor_names(lab) else None
    if attacked is None:
        return (Warned("monitor-not-attacked", spec.name, f"'{spec.name}' was not attacked by anybody who tries."),)
    if attacked.spec_digest != spec_digest(spec):
        told = f"'{spec.name}' was not attacked since it was last changed."
        return (Warned("monitor-not-attacked", spec.name, told),)
    if attacked.broken_by:
        told = (
            f"'{spec.name}' caught less than half of what it catches otherwise under: {', '.join(attacked.broken_by)}."
        )
        return (Warned("monitor-broken", spec.name, told),)
    return ()


def of_verdict(verdict: Verdict, spec: MonitorSpec, *, is_over: bool, strength: float = 1.0) -> tuple[Warned, ...]:
    """Of a monitor on one request.

    Args:
        is_over: whether the answer has ended; what it judged is not known before.
        strength: at which its action's recipe is applied.
    """
    found = []
    if spec.calibration is not None and spec.is_expired():
        told = f"The calibration of '{spec.name}' held to {spec.calibration.expires}: its error rates are out of date."
        found.append(Warned("monitor-expired", spec.name, told))
    if verdict.n_failed:
        passed = {"open": "they passed as if nothing were there", "closed": "they count as if it had acted"}
        told = f"The scorer of '{spec.name}' failed at {verdict.n_failed} tokens: {passed[spec.on_error]}."
        found.append(Warned("monitor-failed", spec.name, told))
    if is_over and math.isnan(verdict.peak):
        told = f"'{spec.name}' judged no token of this request: its level says nothing."
        found.append(Warned("monitor-judged-nothing", spec.name, told))
    if spec.action.do == "steer" and verdict.act_at is not None and strength != 1.0:
        told = f"'{spec.name}' steers by '{spec.action.recipe}' at {strength:g}, its bound, and not at strength 1."
        found.append(Warned("steering-bounded", spec.action.recipe, told))
    return tuple(found)
