"""Findings as a part of a page."""

from hooke.findings import Finding
from hooke.pages.findings_table import findings_section


def test_a_finding_without_a_control_leaves_its_place_empty():
    body = findings_section([Finding(claim="So", value=2.0, interval=(1.0, 3.0), n=4)], "What brackets are.").body
    assert '<td>2 [1, 3]</td><td class="i"></td>' in body
    assert "What brackets are." in body
