"""`hooke graph group`, `ungroup` and `groups`."""

from tests.cli.conftest import Hooke


def test_a_group_is_kept_shown_and_undone(hooke: Hooke):
    hooke("trace MODEL bridge-of-iron --max-nodes 20 --name grouped")
    nodes = hooke("graph show grouped --json --top 40").data["nodes"]
    ids = [node["id"] for node in nodes if "/" in node["id"] and "logit" not in node["id"]][:3]
    assert hooke(f"graph group grouped iron {' '.join(ids)}").code == 0
    data = hooke("graph groups grouped --json").data
    assert data["groups"] == [{"name": "iron", "nodes": ids}]
    assert all(0 < edge["share"] <= 1 for edge in data["edges"])
    assert any("iron" in (edge["source"], edge["target"]) for edge in data["edges"])
    assert "iron" in hooke("graph groups grouped").out
    assert hooke("graph ungroup grouped iron").code == 0
    assert hooke("graph groups grouped --json").data["groups"] == []


def test_wrong_words(hooke: Hooke):
    hooke("trace MODEL bridge-of-iron --max-nodes 5 --name small")
    assert "no node '9/9@9'" in hooke("graph group small name 9/9@9").err
    assert "no group 'name'" in hooke("graph ungroup small name").err
    assert "nowhere" in hooke("graph group nowhere name 1/1@1").err
