"""The card of a monitor as a page."""

from collections.abc import Sequence

from hooke.monitors.card import Part
from hooke.monitors.spec import MonitorSpec
from hooke.pages.page import Section, fragment, page


def monitor_card(spec: MonitorSpec, parts: Sequence[Part], *, provenance: dict[str, str]) -> str:
    """The whole page."""
    sections = [
        Section(name=f"part-{at}", title=one.title, body=fragment("card_part.html", part=one))
        for at, one in enumerate(parts)
    ]
    return page(f"Monitor {spec.name}", sections, lead=spec.about, provenance=provenance)
