"""The text that an audit log keeps of a request, where it keeps one and its key is not lost."""

from pathlib import Path

from pydantic_core import from_json

from hooke.monitors.append_file import whole_lines
from hooke.monitors.audit_log import LOG
from hooke.monitors.sealed_texts import opened_texts


def kept_text(folder: Path, request: str) -> str | None:
    """The text around the token at which a monitor acted on a request; None where none is kept, or it was erased.

    Raises:
        BadArtefact: a text was changed.
    """
    wanted = request.encode()
    for line in whole_lines(folder / LOG):
        if wanted not in line:
            continue
        entry = from_json(line)
        if entry["event"] == "verdict" and entry["text"] is not None and entry["body"].get("request") == request:
            return opened_texts(folder).get(entry["text"]["record"])
    return None
