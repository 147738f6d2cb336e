"""What a study returns that traced no circuit."""

from hooke.configs import from_dict, to_dict
from hooke.findings import Finding
from hooke.studies.account import Account, Table


def test_it_is_plain_data():
    finding = Finding(claim="It is so", value=1.0, interval=(0.5, 1.5), n=3)
    found = Account(name="a", findings=(finding,), tables=(Table(title="t", heads=("x>",), rows=(("1",),)),))
    assert from_dict(Account, to_dict(found)) == found
