"""The card of a monitor as a page."""

from hooke.monitors.card import Part
from hooke.monitors.spec import MonitorSpec, Scorer
from hooke.pages.monitor_card import monitor_card


def test_each_part_is_drawn_and_escaped() -> None:
    spec = MonitorSpec(name="m", about="Finds <b>.", scorers=(Scorer(probe="p"),))
    parts = (
        Part(title="One", sentences=("First & foremost.",)),
        Part(title="Two", sentences=(), columns=("a", "b"), rows=(("1", "<script>"),)),
    )
    html = monitor_card(spec, parts, provenance={"spec": "d"})
    for said in ("Monitor m", "Finds &lt;b&gt;.", "First &amp; foremost.", "<th>a</th>", "&lt;script&gt;"):
        assert said in html
    assert "<script>" not in html
    assert html.count("<table>") == 1
