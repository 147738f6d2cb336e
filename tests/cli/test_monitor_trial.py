"""`hooke monitor redteam | drift | card`, on the monitor of the tests beside this one."""

from pathlib import Path

from tests.cli.conftest import Hooke
from tests.cli.test_monitor import made

__all__ = ["made"]


def test_it_is_attacked_and_the_card_says_so(made: Path, hooke: Hooke, tmp_path: Path):
    assert "Not attacked" in hooke("monitor card code").out
    words = "--model MODEL --level T3 --level T1 --tries 1 --texts 1 --steps 2 --length 2 --against code --rounds 1"
    done = hooke(f"monitor redteam code {words} --json")
    assert done.code == 0
    (curve,) = done.data["redteam"]["curves"]
    assert [one["step"] for one in curve["looks"]] == [0, 1, 2]
    assert list(curve["transfer"]) == ["code"]
    assert len(done.data["redteam"]["rounds"]) == 2
    more = hooke("monitor redteam code --model MODEL --level T2 --texts 1 --steps 1 --length 2 --json")
    assert [one["level"] for one in more.data["redteam"]["curves"]] == ["T2", "T3"]
    assert more.data["redteam"]["reworded"] == done.data["redteam"]["reworded"]
    watched = hooke("monitor redteam code --model MODEL --level T2 --texts 1 --steps 1 --threshold watch --json")
    assert watched.data["redteam"]["at"] == "watch"
    assert len(done.data["redteam"]["reworded"]["caught"]) == 2
    card = hooke(f"monitor card code --html {tmp_path}/card.html --out {tmp_path}/card.md")
    assert "Not attacked" not in card.out
    assert "fitted anew 1 times" in (tmp_path / "card.md").read_text()
    assert "without a prefix it catches" in (tmp_path / "card.md").read_text()
    assert "<h2" in (tmp_path / "card.html").read_text()
    shown = hooke("monitor redteam code --model MODEL --level T3 --texts 1 --steps 1 --length 1")
    assert "does nothing" in shown.out


def test_the_same_traffic_is_no_drift_and_other_traffic_is(made: Path, hooke: Hooke):
    same = hooke(f"monitor drift code --model MODEL --corpus {made}/traffic.jsonl --skip 100 --documents 40 --json")
    assert (same.code, same.data["is_alarmed"]) == (0, False)
    assert [one["name"] for one in same.data["firing"]] == ["code"]
    assert all(0 <= one[when]["value"] <= 1 for one in same.data["outside"] for when in ("before", "now"))
    other = hooke(f"monitor drift code --model MODEL --corpus {made}/code.jsonl --documents 60 --alpha 0.9 --json")
    assert (other.code, other.data["is_alarmed"]) == (1, True)
    assert (
        "ALARM"
        in hooke(f"monitor drift code --model MODEL --dtype bfloat16 --corpus {made}/traffic.jsonl --documents 5").out
    )


def test_what_is_not_calibrated_is_refused(made: Path, hooke: Hooke):
    hooke(f"monitor fit {made}/labelled.jsonl --name bare --probe code --model MODEL")
    for words in ("redteam bare --model MODEL", f"drift bare --model MODEL --corpus {made}/traffic.jsonl"):
        done = hooke(f"monitor {words}")
        assert done.code == 2
        assert "no thresholds" in done.err
