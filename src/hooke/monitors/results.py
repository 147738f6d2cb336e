"""What was measured of a monitor, kept beside its spec; each kind of result in a file of its own."""

from typing import TypeVar

from hooke.configs import content_hash, from_dict, to_dict
from hooke.lab import Lab, read_json, write_json
from hooke.monitors.spec import MonitorSpec

T = TypeVar("T")


def spec_digest(spec: MonitorSpec) -> str:
    """Identifies a spec as it is: what was measured of another is out of date."""
    return content_hash(to_dict(spec))


def save_result(lab: Lab, name: str, kind: str, result: object) -> None:
    """Keep a result of a monitor; one of its kind is replaced.

    Raises:
        UnknownName: there is no such monitor.
    """
    write_json(lab.find("monitors", name) / f"{kind}.json", to_dict(result))


def load_result(lab: Lab, name: str, kind: str, cls: type[T]) -> T | None:
    """A result of a monitor; None where nothing of this kind was measured.

    Raises:
        UnknownName: there is no such monitor.
        BadArtefact, BadConfig: its file is damaged.
    """
    path = lab.find("monitors", name) / f"{kind}.json"
    return from_dict(cls, read_json(path)) if path.is_file() else None
