"""The ordinary traffic that a monitor was calibrated on: what drift is measured against, and where new texts begin."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from safetensors import safe_open
from safetensors.numpy import save_file

from hooke.lab import Lab, staged
from hooke.models.model import Model
from hooke.monitors.stream import OpenMonitor
from hooke.monitors.transcripts import LONGEST, Text, known, read_rows

_FILE = "traffic.safetensors"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """What ordinary texts scored when the thresholds were set."""

    corpus: str
    """Reference of the corpus."""
    n: int
    """Its first documents that were read; any others are new."""
    peaks: tuple[float | None, ...]
    """Peak of each; None where nothing was judged."""

    @staticmethod
    def of(corpus: str, peaks: Sequence[float]) -> "Reference":
        """The reference of the first documents of a corpus, by their peaks."""
        kept = tuple(one if math.isfinite(one) else None for one in peaks)
        return Reference(corpus=corpus, n=len(kept), peaks=kept)

    def known(self) -> list[float]:
        """The peaks, below all numbers where nothing was judged."""
        return [float("-inf") if one is None else one for one in self.peaks]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TrafficRows:
    """What a monitor's parts and sites held on ordinary texts, a row for each text: what drift is described by."""

    names: tuple[str, ...]
    """Its probes and features."""
    fired: Bool[ndarray, "text unit"]
    """Whether each was above 0 at any token."""
    means: dict[str, Float[ndarray, "text _width"]]
    """By site, the mean over a text's tokens."""

    def save(self, lab: Lab, name: str) -> None:
        """Keep them beside a monitor.

        Raises:
            UnknownName: there is no such monitor.
        """
        with staged(lab.find("monitors", name) / _FILE) as path:
            tensors = {"fired": self.fired, **{site: one.astype(np.float16) for site, one in self.means.items()}}
            save_file(tensors, path, metadata={"names": json.dumps(self.names)})

    @staticmethod
    def load(lab: Lab, name: str) -> "TrafficRows | None":
        """Those of a monitor's calibration; None where it kept none.

        Raises:
            UnknownName: there is no such monitor.
        """
        path = lab.find("monitors", name) / _FILE
        if not path.is_file():
            return None
        with safe_open(path, "numpy") as file:
            names = tuple(json.loads(file.metadata()["names"]))
            means = {site: file.get_tensor(site).astype(np.float32) for site in file.keys() if site != "fired"}  # noqa: SIM118
            return TrafficRows(names=names, fired=file.get_tensor("fired"), means=means)


def read_traffic(
    model: Model, monitor: OpenMonitor, texts: Sequence[Text], *, longest: int = LONGEST
) -> tuple[list[float], TrafficRows]:
    """The peak of each text, and what the monitor's parts and sites held, in one pass."""
    peaks: dict[int, float] = {}
    fired: dict[int, ndarray] = {}
    means: dict[int, dict[str, ndarray]] = {}
    for at, rows, n_prompt in read_rows(model, texts, monitor.sites, longest=longest, name="score ordinary texts"):
        peaks[at] = known(monitor.follow(rows, n_prompt=n_prompt)[1])
        counted = {
            site: one[monitor.spec.skip :] if len(one) > monitor.spec.skip else one for site, one in rows.items()
        }
        fired[at] = np.concatenate([one.fires(counted).any(0).cpu().numpy() for one in monitor.scorers])
        means[at] = {str(site): one.mean(0).cpu().numpy() for site, one in counted.items()}
    order = range(len(texts))
    found = TrafficRows(
        names=tuple(name for one in monitor.scorers for name in one.names),
        fired=np.stack([fired[at] for at in order]),
        means={str(site): np.stack([means[at][str(site)] for at in order]) for site in monitor.sites},
    )
    return [peaks[at] for at in order], found
