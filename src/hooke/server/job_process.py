"""A job's own process: does the work, and reports on standard output as JSON lines."""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from hooke.errors import HookeError
from hooke.lab import Lab
from hooke.progress import showing
from hooke.server.problems import problem_of

_EVERY = 0.2
"""Seconds between two reports."""


class Reporter:
    """A progress sink that tells where every part stands."""

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        self._send = tell
        self._steps: dict[str, dict[str, Any]] = {}
        self._begun: dict[str, float] = {}
        self._told = 0.0

    def start(self, job: str, total: float | None, unit: str) -> None:
        """A part begins."""
        self._begun[job] = time.monotonic()
        self._steps[job] = {
            "name": job,
            "done": 0.0,
            "total": total,
            "unit": unit,
            "rate": 0.0,
            "eta": None,
            "is_over": False,
        }
        self._tell(is_due=True)

    def advance(self, job: str, amount: float) -> None:
        """A part is further."""
        step = self._steps[job]
        step["done"] += amount
        step["rate"] = step["done"] / max(time.monotonic() - self._begun[job], 1e-9)
        if step["total"] is not None and step["rate"] > 0:
            step["eta"] = max(step["total"] - step["done"], 0) / step["rate"]
        self._tell(is_due=False)

    def finish(self, job: str) -> None:
        """A part has ended."""
        self._steps[job] |= {"is_over": True, "eta": None}
        self._tell(is_due=True)

    def _tell(self, *, is_due: bool) -> None:
        if is_due or time.monotonic() - self._told > _EVERY:
            self._told = time.monotonic()
            self._send({"progress": [dict(step) for step in self._steps.values()]})


def report(out: TextIO, event: dict[str, Any]) -> None:
    """Write one event."""
    out.write(json.dumps(event) + "\n")
    out.flush()


def main() -> int:
    """Do the job that the command line and standard input name."""
    from hooke.server.kinds import job_kinds

    root, name = sys.argv[1:3]
    # What libraries print must not come between the reports.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    kind = job_kinds()[name]
    arguments = kind.arguments.model_validate_json(sys.stdin.readline())
    threading.Thread(target=_end_with_server, daemon=True).start()
    try:
        with showing(Reporter(partial(report, out))):
            result = kind.work(Lab(Path(root)), arguments)
    except (HookeError, OSError) as error:
        report(out, {"problem": problem_of(error).model_dump()})
        return 1
    report(out, {"result": result})
    return 0


def _end_with_server() -> None:
    """Standard input ends when the server does; half-written artefacts are swept by whoever writes next."""
    while sys.stdin.readline():
        pass
    os._exit(1)


if __name__ == "__main__":
    raise SystemExit(main())
