from pathlib import Path

from hooke.training.logs import cut_log, last_line, log_line


def test_a_log_is_cut_back_to_the_checkpoint(tmp_path: Path):
    path = tmp_path / "training.jsonl"
    for tokens in (10, 20, 30):
        log_line(path, {"tokens": tokens, "loss": 1 / tokens})
    assert last_line(path) == {"tokens": 30, "loss": 1 / 30}
    with path.open("a") as handle:
        handle.write('{"tokens": 40, "lo')
    cut_log(path, 20)
    assert last_line(path)["tokens"] == 20
    assert len(path.read_text().splitlines()) == 2
