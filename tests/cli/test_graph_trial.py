"""`hooke graph intervene`."""

import pytest

from hooke.circuits.graph_file import open_kept
from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import TinyLab

PROMPTS = {"near": "bridge-of-iron", "far": "bridge-of-cat"}


@pytest.fixture
def groups(hooke: Hooke, tiny: TinyLab) -> dict[str, list[str]]:
    """Features of two graphs of one length, in each a group named "first"."""
    found = {}
    for name, prompt in PROMPTS.items():
        assert hooke(f"trace MODEL {prompt} --max-nodes 40 --name {name}").code == 0
        graph = open_kept(name, tiny.lab)
        features = (node for node in graph.nodes if node.kind == "feature")
        found[name] = [node.id for node in sorted(features, key=lambda node: -abs(node.effect or 0))[:3]]
        assert hooke(f"graph group {name} first {' '.join(found[name])}").code == 0
    assert len(open_kept("near", tiny.lab).token_ids) == len(open_kept("far", tiny.lab).token_ids)
    return found


def test_a_group_is_its_nodes_and_stands_beside_its_controls(hooke: Hooke, groups: dict[str, list[str]]):
    data = hooke("graph intervene near first --model MODEL --json").data
    assert data["nodes"] == groups["near"]
    assert data["n_controls"] == 20
    assert data["is_outside"] == (not data["control_interval"][0] <= data["measured"] <= data["control_interval"][1])
    assert data["predicted"] is not None
    assert (len(data["before"]), len(data["after"])) == (5, 5)
    by_ids = hooke(f"graph intervene near {' '.join(groups['near'])} --model MODEL --json").data
    assert by_ids == data
    shown = hooke("graph intervene near first --model MODEL").out.replace("\n", " ")
    assert "3 nodes multiplied by 0" in shown
    assert ("lies outside" if data["is_outside"] else "lies inside") in shown
    assert f"{data['base']:.3f}" in shown


def test_a_factor_of_one_changes_nothing(hooke: Hooke, groups: dict[str, list[str]]):
    data = hooke("graph intervene near first --factor 1 --model MODEL --json").data
    assert (data["measured"], data["predicted"]) == pytest.approx((0, 0), abs=1e-5)
    assert [token for token, _ in data["before"]] == [token for token, _ in data["after"]]


def test_groups_of_another_prompt_are_put_in(hooke: Hooke, groups: dict[str, list[str]]):
    data = hooke("graph intervene near first --swap far --model MODEL --json").data
    assert (data["nodes"], data["inserted"]) == (groups["near"], groups["far"])
    assert data["predicted"] is None
    assert data["n_controls"] == 20
    one = hooke(f"graph intervene near first --swap far --swap-nodes {groups['far'][0]} --model MODEL --json").data
    assert one["inserted"] == groups["far"][:1]
    assert one["measured"] != data["measured"]
    assert "put in with their activations in" in hooke("graph intervene near first --swap far --model MODEL").out


def test_wrong_words(hooke: Hooke, groups: dict[str, list[str]]):
    assert "no node or group 'frist'. Did you mean 'first'?" in hooke("graph intervene near frist").err
    assert "nowhere" in hooke("graph intervene near first --swap nowhere").err
    assert "--swap OTHER" in hooke("graph intervene near first --swap-nodes first").err
    assert "at least 20" in hooke("graph intervene near first --controls 5 --model MODEL").err
    assert "no feature" in hooke("graph intervene near token@0 --model MODEL").err
    assert hooke("trace MODEL bridge --max-nodes 5 --name short").code == 0
    err = hooke("graph intervene near first --swap short --swap-nodes token@0 --model MODEL").err
    assert "as many tokens" in err
