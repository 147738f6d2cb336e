"""Logs for machines: one JSON object a line. No text of a prompt or an answer is ever in them."""

import json
import logging
import math
from datetime import UTC, datetime
from typing import Any, TextIO

from hooke.server.gateway.verdicts import Verdict

LOGGER = logging.getLogger("hooke.gateway")


class Lines(logging.Formatter):
    """A record as one line of JSON. An error is named by its kind: its words may quote what somebody wrote."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["where"] = _place(record.exc_info[2])
        return json.dumps(plain(line), ensure_ascii=False)


def log(event: str, level: int = logging.INFO, **fields: Any) -> None:
    """One line."""
    LOGGER.log(level, event, extra={"fields": fields})


def log_to(stream: TextIO) -> None:
    """Send the gateway's lines, and the server's own, there."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Lines())
    for name in ("hooke", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO if name == "hooke" else logging.WARNING)


def log_verdict(request: str, model: str, verdict: Verdict) -> None:
    """A verdict as the event of OpenTelemetry's conventions for generative AI; what is hooke's own says so."""
    log(
        "gen_ai.evaluation.result",
        **{
            "event.name": "gen_ai.evaluation.result",
            "gen_ai.evaluation.name": verdict.name,
            "gen_ai.evaluation.score.value": verdict.peak,
            "gen_ai.evaluation.score.label": verdict.level,
            "gen_ai.response.id": request,
            "gen_ai.request.model": model,
            "hooke.monitor.version": verdict.version,
            "hooke.monitor.watch": verdict.watch,
            "hooke.monitor.act": verdict.act,
            "hooke.monitor.act_at": verdict.act_at,
            "hooke.monitor.failed_tokens": verdict.n_failed,
        },
    )


def plain(value: Any) -> Any:
    """The value as JSON knows it: null for what is not a number."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def _place(trace: Any) -> str:
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_globals.get('__name__', '')}:{trace.tb_lineno}"
