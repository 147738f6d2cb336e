"""Attack, fit anew with the attacks among the positives, attack again: does a monitor learn to see what hides?"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hooke.directions.probe import Probe
from hooke.errors import BadRequest
from hooke.monitors.attacks import AttackConfig, Target, rows_embedded, unattacked
from hooke.monitors.calibrate import certify
from hooke.monitors.fit import Method, fitted
from hooke.monitors.redteam import Curve, curve
from hooke.monitors.scorers import opened_probe
from hooke.monitors.stream import OpenMonitor
from hooke.monitors.transcripts import Text, score_texts, tokens_of
from hooke.sites import parse_site

Prefix = Float[Tensor, "place d_model"]
Refit = Callable[[Sequence[Prefix]], tuple[OpenMonitor, float]]


def hardened(target: Target, config: AttackConfig, *, rounds: int, refit: Refit) -> tuple[Curve, ...]:
    """A curve of T3 for the monitor as it is, and one for each round of fitting it anew; each beside no attack at all.

    Args:
        refit: a monitor with its threshold, fitted on the prefixes found so far.
    """
    prefixes: list[Prefix] = []
    found = []
    for number in range(rounds + 1):
        one, prefix = curve("T3", target, replace(config, seed=config.seed + number), {})
        found.append(replace(one, alone=unattacked(target)))
        prefixes.append(prefix)
        if number < rounds:
            monitor, threshold = refit(prefixes)
            target = replace(target, monitor=monitor, threshold=threshold)
    return tuple(found)


def refitting(
    target: Target,
    fit: Sequence[Text],
    traffic: Sequence[Text],
    *,
    share: float,
    method: Method = "means",
    longest: int = 64,
    longest_traffic: int = 256,
) -> Refit:
    """How a monitor of one probe at one site is fitted anew.

    Texts with the concept come as they are and behind every prefix; the threshold is set anew on ordinary traffic, for
    the same share of false alarms.

    Raises:
        BadRequest: the monitor is not one probe at one site.
    """
    probe = target.monitor.scorers[0].probe
    if len(target.monitor.scorers) != 1 or probe is None or len(probe.sites) != 1:
        raise BadRequest("Only a probe at one site is fitted anew here.", f"'{target.monitor.name}' is another.", "")
    site, model = parse_site(probe.sites[0]), target.model

    def means(ids: Sequence[int], prefixes: Sequence[Float[Tensor, "_place d_model"]]) -> list[np.ndarray]:
        embedded = [torch.cat([prefix.to(model.dtype), target.embed(ids)]) for prefix in prefixes]
        with torch.no_grad():
            return [rows[site][1:].mean(0).cpu().double().numpy() for rows in rows_embedded(model, embedded, [site])]

    def refit(prefixes: Sequence[Prefix]) -> tuple[OpenMonitor, float]:
        rows, labels = [], []
        for text in fit:
            own = (target.table[:0], *(prefixes if text.label else ()))
            rows += means(tokens_of(model, text, longest=longest)[0], own)
            labels += [bool(text.label)] * len(own)
        vector, bias = fitted(np.stack(rows), np.array(labels), method=method)
        monitor = _with(target.monitor, probe, torch.from_numpy(vector).float(), bias)
        scored = score_texts(model, [monitor], traffic, longest=longest_traffic, name="score ordinary texts anew")
        return monitor, certify([one.peaks[0] for one in scored], share).threshold

    return refit


def _with(monitor: OpenMonitor, probe: Probe, vector: Float[Tensor, " width"], bias: float) -> OpenMonitor:
    return OpenMonitor(monitor.spec, (opened_probe(replace(probe, vectors=(vector,), bias=bias)),))
