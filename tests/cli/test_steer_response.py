"""The dose-response in a terminal of 80 columns."""

from dataclasses import replace

from rich.console import Console

from hooke.cli.steer_response import show_response
from hooke.directions.response import Usable
from tests.directions.doses import arm
from tests.directions.test_response import response


def shown(found) -> str:
    console = Console(width=80, record=True, force_terminal=False)
    for one in show_response(found):
        console.print(one)
    return console.export_text()


def test_each_dose_stands_over_the_strongest_random_one_and_says_what_it_fails_in():
    found = response()
    loud = arm("random 2", {1.0: -0.1, 2.0: 0.15, 4.0: 0.0}, {1.0: 1.0, 2.0: 7.5, 4.0: 1.0})
    text = shown(replace(found, controls=(*found.controls, loud)))
    lines = text.splitlines()
    doses = [line.split() for line in lines if line.split()[:1] in (["1.00"], ["2.00"], ["4.00"], ["1"], ["2"], ["4"])]
    assert [line[-1] for line in doses[:3]] == ["usable", "usable", "p"]
    randoms = [line for line in lines if line.strip().startswith("random")]
    assert "7.50" in randoms[1], "of the two the one with the larger gain"
    assert all(len(line) <= 80 for line in lines)
    assert "usable: 1" in text


def test_that_there_is_no_usable_dose_is_said_with_the_reason():
    text = shown(replace(response(), usable=Usable(reason="every one of 3 doses fails: effect at 3")))
    assert "usable: none" in text
    assert "effect at 3" in text
