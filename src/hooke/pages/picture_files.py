"""Charts as files of their own, for pages that are not hooke's."""

from markupsafe import Markup

from hooke.pages.page import TEMPLATES


def standalone(picture: Markup) -> str:
    """A picture as a file of its own, with the page's colours in it."""
    lines = (TEMPLATES / "style.css").read_text(encoding="utf-8").splitlines()
    kept = "\n".join(
        [*lines[: lines.index("* { box-sizing: border-box; }")], *(one for one in lines if ".chart" in one)]
    )
    style = f"<style>\n{kept}\nsvg {{ background: var(--ground); font-family: sans-serif; }}\n</style>"
    head, _, rest = str(picture).partition(">")
    namespace = 'xmlns="http://www.w3.org/2000/svg"'
    return f"{head.replace('<svg', f'<svg {namespace}', 1)}>{style}{rest}\n"
