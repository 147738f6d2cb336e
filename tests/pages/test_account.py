"""The page of an account."""

from hooke.findings import Estimate, Finding
from hooke.pages.account import account_page, account_pictures
from hooke.studies.account import Account, Picture, Series, Table
from hooke.studies.claim_level import ClaimLevel


def test_findings_stand_beside_controls_and_tables_follow():
    finding = Finding(
        claim="It <moves>", value=1.5, interval=(1.0, 2.0), n=7, control=0.25, control_interval=(0.0, 0.5),
        control_name="random",
    )  # fmt: skip
    tables = (Table(title="Tried", heads=("site", "KL>"), rows=(("resid_pre.2", "0.1"),)),)
    values = (Estimate(value=1.0, interval=(0.0, 2.0)), Estimate(value=2.0, interval=(1.0, 3.0)))
    series = (Series(name="own", values=values),)
    pictures = (
        Picture(name="a", title="A", caption="By dose", axis="dose", series=series, doses=(0.0, 1.0)),
        Picture(name="b", title="B", caption="By row", axis="nats", series=series, rows=("first", "second")),
    )
    account = Account(
        name="two-words", findings=(finding,), tables=tables, level=ClaimLevel(level="L0", words="no cause"),
        pictures=pictures,
    )  # fmt: skip
    html = account_page(account, "Why?", provenance={"seed": "4"})
    assert "Claim level L0: no cause." in html
    assert html.count('<svg class="chart"') == 2
    assert ">second</text>" in html
    assert "By dose" in html
    assert set(account_pictures(account)) == {"a", "b"}
    assert "<h1>Two words</h1>" in html
    assert "It &lt;moves&gt;" in html
    assert "1.5 [1, 2]" in html
    assert "0.25 [0, 0.5]" in html
    assert "<th>KL</th>" in html
    assert "<td>resid_pre.2</td>" in html
    assert "Tried" in html
