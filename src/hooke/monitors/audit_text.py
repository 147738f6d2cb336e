"""The text that an audit log keeps of a request, where it keeps one and its key is not lost."""

from dataclasses import dataclass
from pathlib import Path

from pydantic_core import from_json

from hooke.monitors.append_file import whole_lines
from hooke.monitors.audit_log import LOG
from hooke.monitors.sealed_texts import opened_texts


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptText:
    """A text around the token at which a monitor acted."""

    text: str
    """It."""
    monitor: str
    """Whose action it was to keep it."""
    at: int | None
    """Where the token begins, in characters; None in logs that were written before that was kept."""
    model: str
    """The model that was served; empty where the log does not say."""


def kept_text(folder: Path, request: str) -> KeptText | None:
    """The text around the token at which a monitor acted on a request; None where none is kept, or it was erased.

    Raises:
        BadArtefact: a text was changed.
    """
    wanted, model = request.encode(), ""
    for line in whole_lines(folder / LOG):
        if wanted not in line:
            continue
        entry = from_json(line)
        body = entry["body"]
        if body.get("request") != request:
            continue
        if entry["event"] == "request":
            model = str(body.get("model", ""))
        elif entry["event"] == "verdict" and entry["text"] is not None:
            text = opened_texts(folder).get(entry["text"]["record"])
            monitor, at = str(body.get("name", "")), body.get("text_at")
            return None if text is None else KeptText(text=text, monitor=monitor, at=at, model=model)
    return None
