"""The page of an account."""

from hooke.findings import Finding
from hooke.pages.account import account_page
from hooke.studies.account import Account, Table


def test_findings_stand_beside_controls_and_tables_follow():
    finding = Finding(
        claim="It <moves>", value=1.5, interval=(1.0, 2.0), n=7, control=0.25, control_interval=(0.0, 0.5),
        control_name="random",
    )  # fmt: skip
    tables = (Table(title="Tried", heads=("site", "KL>"), rows=(("resid_pre.2", "0.1"),)),)
    html = account_page(Account(name="two-words", findings=(finding,), tables=tables), "Why?", provenance={"seed": "4"})
    assert "<h1>Two words</h1>" in html
    assert "It &lt;moves&gt;" in html
    assert "1.5 [1, 2]" in html
    assert "0.25 [0, 0.5]" in html
    assert "<th>KL</th>" in html
    assert "<td>resid_pre.2</td>" in html
    assert "Tried" in html
