"""What a study returns that traced no circuit."""

from hooke.configs import from_dict, to_dict
from hooke.findings import Estimate, Finding
from hooke.studies.account import Account, Picture, Series, Table
from hooke.studies.claim_level import ClaimLevel


def test_it_is_plain_data():
    finding = Finding(claim="It is so", value=1.0, interval=(0.5, 1.5), n=3)
    series = Series(name="s", values=(Estimate(value=1.0, interval=(0.0, 2.0)),))
    found = Account(
        name="a",
        findings=(finding,),
        tables=(Table(title="t", heads=("x>",), rows=(("1",),)),),
        level=ClaimLevel(level="L0", words="described"),
        pictures=(Picture(name="p", title="", caption="", axis="", series=(series,), doses=(0.5,)),),
    )
    assert from_dict(Account, to_dict(found)) == found
