"""Folders that verbs write into."""

from pathlib import Path

from hooke.errors import BadRequest


def require_folder(out: Path) -> None:
    """Make the folder, before minutes of work whose result would have no place.

    Raises:
        BadRequest: it cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadRequest(f"'{out}' cannot be a folder.", f"{error.strerror}.", "Choose another place.") from error
