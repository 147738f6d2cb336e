"""Dictionaries on the hub, by reference: `hf:owner/repository/folder@revision`, fetched into the lab's cache.

A copy is kept by its commit, never by a branch's name, and appears complete or not at all.
"""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from hooke.configs import content_hash
from hooke.errors import BadRequest, UnknownName, did_you_mean
from hooke.lab import Lab, read_json, require_space, staged, write_json, writing
from hooke.progress import track

PREFIX = "hf:"
_REFERENCE = re.compile(r"hf:/{0,2}([\w.-]+/[\w.-]+)((?:/[\w.+=-]+)*)/?(?:@([\w.+/-]+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_DESCRIBING = (".json", ".yaml", ".yml")
_WEIGHTS = (".safetensors", ".npz", ".pt", ".pth")
MOST_BYTES = 40 * 10**9
_RECORD = "fetched.json"


@dataclass(frozen=True, slots=True)
class HubRef:
    """A place on the hub."""

    repository: str
    """owner/name."""
    inside: str
    """A folder or file of the repository; empty for all of it."""
    revision: str | None
    """Branch, tag or commit."""

    def __str__(self) -> str:
        inside = f"/{self.inside}" if self.inside else ""
        return f"{PREFIX}{self.repository}{inside}" + (f"@{self.revision}" if self.revision else "")


def is_hub_ref(ref: str) -> bool:
    """Whether a reference is one to the hub."""
    return ref.startswith(PREFIX)


def parse_hub_ref(ref: str) -> HubRef:
    """The place that `hf:owner/repository/folder@revision` names.

    Raises:
        BadRequest: it is not of that form.
    """
    match = _REFERENCE.fullmatch(ref)
    if match is None or ".." in PurePosixPath(ref.partition("@")[0].removeprefix(PREFIX)).parts:
        raise BadRequest(
            f"'{ref:.200}' is no reference to the hub.",
            "",
            "Write it like hf:owner/repository/folder or hf:owner/repository/folder/file@revision.",
        )
    return HubRef(match[1], match[2].strip("/"), match[3])


def fetched(ref: str, lab: Lab) -> Path:
    """The folder or file of a reference, fetched unless it is here. A commit that is here needs no network.

    Raises:
        UnknownName: the hub was not reached, broke off, or has no such thing.
        BadRequest: it is no reference, or all of it would be too much.
        OutOfSpace: the disk cannot hold it.
    """
    place = parse_hub_ref(ref)
    if place.revision and _COMMIT.fullmatch(place.revision):
        kept = _kept(place, place.revision, lab)
        if kept.is_dir():
            return _inside(kept, place)
    _require_network(place, lab)
    commit, sizes = _listing(place)
    kept = _kept(place, commit, lab)
    if not kept.is_dir():
        files = _chosen(place, sizes)
        require_space(kept, sum(files.values()))
        with writing(kept), staged(kept) as aside:
            _fetch(place, commit, files, aside / _folder(place))
            write_json(aside / _RECORD, {"repository": place.repository, "commit": commit, "files": files})
    return _inside(kept, place)


def _folder(place: HubRef) -> str:
    """A folder of the repository's name: formats read model and site from it."""
    return place.repository.replace("/", "--")


def _kept(place: HubRef, commit: str, lab: Lab) -> Path:
    return lab.path("cache", f"hub-{content_hash([place.repository, place.inside, commit])}")


def _inside(kept: Path, place: HubRef) -> Path:
    return kept / _folder(place) / place.inside if place.inside else kept / _folder(place)


def _require_network(place: HubRef, lab: Lab) -> None:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() not in ("1", "TRUE", "ON", "YES"):
        return
    kept = [folder / _RECORD for folder in (lab.root / "cache").glob("hub-*") if (folder / _RECORD).is_file()]
    records = [read_json(path) for path in kept]
    commits = sorted({one["commit"] for one in records if one.get("repository") == place.repository})
    here = f"Of it these commits are here: {', '.join(commits)}." if commits else "Nothing of it is here."
    raise UnknownName(
        f"'{place}' was not fetched.",
        f"This machine is set to work offline. {here}",
        "Name one of those after '@'." if commits else "Unset HF_HUB_OFFLINE, or give a folder with its files.",
    )


def _listing(place: HubRef) -> tuple[str, dict[str, int]]:
    """The commit, and the size of every file in it."""
    from huggingface_hub import HfApi

    try:
        info: Any = HfApi().model_info(place.repository, revision=place.revision, files_metadata=True, timeout=30)
    except _network_errors() as error:
        raise _unreached(place, error) from error
    files = {one.rfilename: int(one.size or 0) for one in info.siblings or ()}
    return str(info.sha), {name: size for name, size in files.items() if _is_plain(name)}


def _is_plain(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _chosen(place: HubRef, sizes: dict[str, int]) -> dict[str, int]:
    """Weights and descriptions of a folder; of a file, it and the descriptions beside it."""
    wanted = (*_DESCRIBING, *_WEIGHTS)
    if place.inside in sizes:
        beside = PurePosixPath(place.inside).parent
        return {
            name: size
            for name, size in sizes.items()
            if name == place.inside or (PurePosixPath(name).parent == beside and name.endswith(_DESCRIBING))
        }
    under = f"{place.inside}/" if place.inside else ""
    files = {name: size for name, size in sizes.items() if name.startswith(under) and name.endswith(wanted)}
    folders = sorted({str(PurePosixPath(name).parent) for name in sizes if name.endswith(_WEIGHTS)})
    if not any(name.endswith(_WEIGHTS) for name in files):
        near = did_you_mean(place.inside, folders)
        raise UnknownName(
            f"There are no weights at '{place}'.",
            near or f"{place.repository} has some in {', '.join(folders[:8]) or 'no folder'}.",
            "Name a folder of weights.",
        )
    if sum(files.values()) > MOST_BYTES:
        raise BadRequest(
            f"'{place}' is {sum(files.values()) / 1e9:.0f} GB in {len(files)} files.",
            f"It has {', '.join(folder for folder in folders if folder.startswith(place.inside))[:200]}, ...",
            f"Name a folder inside it, of at most {MOST_BYTES / 1e9:.0f} GB.",
        )
    return files


def _fetch(place: HubRef, commit: str, files: dict[str, int], folder: Path) -> None:
    from huggingface_hub import HfApi

    hub = HfApi()
    folder.mkdir(parents=True)
    try:
        for name in track(sorted(files), "fetch", total=len(files), unit="files"):
            hub.hf_hub_download(place.repository, name, revision=commit, local_dir=folder)
    except _network_errors() as error:
        raise _unreached(place, error) from error
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    short = [name for name, size in files.items() if (folder / name).stat().st_size != size]
    if short:
        raise _unreached(place, ValueError(f"{short[0]} came with another size than the hub says"))


def _network_errors() -> tuple[type[Exception], ...]:
    from huggingface_hub.errors import (
        HFValidationError,
        HTTPError,  # pyright: ignore[reportPrivateImportUsage]
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
    )

    return (HTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError, ValueError)


def _unreached(place: HubRef, error: Exception) -> UnknownName:
    told = str(error).splitlines()
    return UnknownName(
        f"'{place}' was not fetched; nothing of it was kept.",
        f"{type(error).__name__}: {told[0] if told else 'no answer'}",
        "Check the reference and the connection, then try again; or give a folder with its files.",
    )
