"""What a verb shows, as one self-contained HTML page."""

import io
from pathlib import Path

from rich.console import Console

from hooke.cli.answer import Answer
from hooke.cli.terminal import ON_LIGHT
from hooke.errors import BadRequest
from hooke.lab import staged

WIDTH = 110

# The terminal's page on paper: ink on a quiet ground, a monospace, no chrome.
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>hooke</title>
<style>
{stylesheet}
body {{ margin: 2.5rem auto; width: max-content; max-width: 96vw; background: #fbfaf7; color: #22211f; }}
pre {{ font: 14px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; overflow-x: auto; }}
</style>
</head>
<body>
<pre>{code}</pre>
</body>
</html>
"""


def write_page(answer: Answer, path: Path) -> None:
    """Write what the answer shows as a page that looks the same everywhere and loads nothing.

    Raises:
        BadRequest: the file cannot be written.
    """
    console = Console(
        file=io.StringIO(), record=True, force_terminal=True, color_system="truecolor", no_color=False, width=WIDTH,
        theme=ON_LIGHT, highlight=False, markup=False,
    )  # fmt: skip
    for part in answer.shown:
        console.print(part)
    try:
        with staged(path) as aside:
            aside.write_text(console.export_html(code_format=_PAGE), encoding="utf-8")
    except OSError as error:
        raise BadRequest(f"'{path}' could not be written.", f"{error.strerror}.", "Choose another place.") from error
