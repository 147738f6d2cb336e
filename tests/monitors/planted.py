"""A specimen whose direction of being evaluated is known, and the monitor that reads it."""

from pathlib import Path

from hooke.directions.direction import Made
from hooke.directions.pooling import Pooling
from hooke.directions.probe import Probe, save_probe
from hooke.lab import Lab
from hooke.models.model import Model
from hooke.monitors.digests import digests_of
from hooke.monitors.scorers import probe_digest
from hooke.monitors.spec import MonitorSpec, Scorer
from hooke.monitors.transcripts import Text
from hooke.specimens.collection import build
from hooke.specimens.evaluation_aware import CUES
from hooke.specimens.planted import Specimen

LAST = Pooling(how="last")


def specimen() -> Specimen:
    return build("evaluation-aware")


def texts_of(found: Specimen) -> list[Text]:
    """Its prompts: those that speak of a test have the concept. What is asked about is the group."""
    return [
        Text(text=one, label=any(cue in one for cue in CUES), source="planted", group=one.split()[-2], style="ask")
        for one in found.prompts
    ]


def planted_probe(found: Specimen, model: Model) -> Probe:
    """The planted direction as a probe: above 0 where the direction is more than half there."""
    (planted,) = found.directions
    made = Made(method="planted", concept="evaluated", model=model.name, model_fingerprint=model.fingerprint)
    return Probe(name="planted", sites=(planted.site,), vectors=(planted.vector,), bias=-0.5, pooling=LAST, made=made)


def planted_spec(found: Specimen, model: Model, folder: Path) -> tuple[MonitorSpec, Lab]:
    """A monitor of it on one of the specimen's models, with its threshold set by hand."""
    lab = Lab(folder)
    probe = planted_probe(found, model)
    save_probe(lab, probe)
    spec = MonitorSpec(
        name="planted",
        about="It is tested.",
        scorers=(Scorer(probe=probe.name, digest=probe_digest(probe)),),
        pooling=probe.pooling,
        warm_up=0,
        valid_for=digests_of(model),
        watch=0.0,
        act=0.25,
    )
    return spec, lab
