"""Findings in a terminal."""

import io

from rich.console import Console

from hooke.cli.claims import claims
from hooke.findings import Finding


def test_a_claim_stands_beside_its_control():
    finding = Finding(
        claim="tiny: variance unexplained",
        value=0.25,
        interval=(0.2, 0.3),
        n=16,
        control=0.9,
        control_interval=(0.88, 0.92),
        control_name="random dictionary",
    )
    bare = Finding(claim="tiny: features", value=7.0, interval=(6.0, 8.0), n=3)
    out = Console(file=io.StringIO(), width=100)
    for part in claims([finding, bare], prefix="tiny: "):
        out.print(part)
    assert isinstance(out.file, io.StringIO)
    head, first, second, control = (" ".join(line.split()) for line in out.file.getvalue().splitlines())
    assert head == "value 95 % interval control 95 % interval n"
    assert first == "variance unexplained 0.25 0.2 to 0.3 0.9 0.88 to 0.92 16"
    assert second == "features 7 6 to 8 – 3"
    assert control == "control: random dictionary"
