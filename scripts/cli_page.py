"""Write docs/cli.md from the command line's own help; with --check, refuse a page that is not what would be written."""

import io
import sys
from pathlib import Path

from rich.console import Console

from hooke.cli.app import NOUNS, VERBS, build_app, open_verb

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
WIDTH = 100

HEAD = """# Command line

Made from `hooke --help` by `make format`; do not edit it by hand.

Every verb prints tables, or one JSON object with `--json`. Progress goes to standard error. The exit code is 0 when the
job is done, 1 when it failed or its result is bad news, 2 when the words are wrong, and 130 when it was interrupted.
"""


def help_page(words: list[str]) -> str:
    """What `hooke WORDS --help` prints, 100 characters wide and without colour."""
    app = build_app()
    open_verb(app, words)
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None, force_terminal=False, legacy_windows=False)
    app.help_print(words, console=console)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().strip().splitlines())


def page() -> str:
    """The whole page: the root, then every noun and verb."""
    parts = [HEAD, _section("hooke", [])]
    for words in sorted([*VERBS, *NOUNS], key=_place):
        parts.append(_section(f"hooke {words}", words.split()))
    return "\n".join(parts)


def _place(words: str) -> tuple[int, int]:
    """Verbs in the order of the table, a noun before its own."""
    ranks = [rank for rank, verb in enumerate(VERBS) if verb == words or verb.startswith(f"{words} ")]
    return min(ranks), len(words.split())


def _section(heading: str, words: list[str]) -> str:
    return f"## {heading}\n\n```\n{help_page(words)}\n```\n"


if __name__ == "__main__":
    text = page()
    if "--check" in sys.argv:
        found = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
        if found != text:
            sys.exit(f"{PAGE.name} is not what the command line says of itself. Run: make format")
        print(f"{PAGE.name}: up to date")
    else:
        PAGE.write_text(text, encoding="utf-8")
