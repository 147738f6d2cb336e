"""Progress: bars on a terminal, lines elsewhere, with rate and time left."""

import io
import time

import pytest
from rich.console import Console

from hooke.cli import bars
from hooke.cli.bars import Bars, Lines, amount, duration, sink_for
from hooke.progress import Sink, showing, track


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(bars.time, "monotonic", found)
    return found


def console(*, is_terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=is_terminal, width=120, color_system=None)


def written(to: Console) -> str:
    assert isinstance(to.file, io.StringIO)
    return to.file.getvalue()


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (59.4, "59 s"), (65, "1 min 05 s"), (3600, "1 h 00 min"), (7860, "2 h 11 min")]
)
def test_durations(seconds: float, said: str):
    assert duration(seconds) == said


@pytest.mark.parametrize(("value", "said"), [(1234567, "1,234,567"), (0.25, "0.25"), (3, "3"), (12.6, "13")])
def test_amounts(value: float, said: str):
    assert amount(value) == said


def test_the_sink_fits_the_console():
    assert isinstance(sink_for(console(is_terminal=True)), Bars)
    assert isinstance(sink_for(console(is_terminal=False)), Lines)
    assert isinstance(Bars(console(is_terminal=True)), Sink)
    assert isinstance(Lines(console(is_terminal=False)), Sink)


def test_lines_come_every_ten_seconds_with_rate_and_time_left(clock: Clock):
    out = console(is_terminal=False)
    with showing(Lines(out)):
        for _ in track(range(6), "harvest", total=600, unit="tokens", size=lambda _: 100):
            clock.now += 5
    first, second, last, end = written(out).splitlines()
    assert first == "harvest: 200 of 600 tokens (33 %), 20 tokens/s, 20 s left"
    assert second == "harvest: 400 of 600 tokens (67 %), 20 tokens/s, 10 s left"
    assert last == "harvest: 600 of 600 tokens (100 %), 20 tokens/s, 0 s left"
    assert end == "harvest: 600 tokens in 30 s (20 tokens/s)"


def test_a_short_job_says_nothing(clock: Clock):
    for is_terminal in (False, True):
        out = console(is_terminal=is_terminal)
        with showing(sink_for(out)):
            for _ in track(range(3), "harvest"):
                clock.now += 0.1
        assert "harvest: " not in written(out)


def test_a_job_without_a_total_and_with_a_note(clock: Clock):
    out = console(is_terminal=False)
    sink = Lines(out)
    sink.start("train", None, "tokens")
    sink.note("train", "FVU 0.2")
    clock.now += 10
    sink.advance("train", 1000.0)
    assert written(out) == "train: 1,000 tokens, 100 tokens/s · FVU 0.2\n"


def test_bars_show_each_job_and_leave_one_line_behind():
    out = console(is_terminal=True)
    sink = Bars(out)
    began = time.monotonic()
    sink.start("index", 100.0, "tokens")
    sink.start("inner", None, "steps")
    sink.note("index", "half way")
    sink.advance("index", 50.0)
    sink.finish("inner")
    while time.monotonic() - began < bars.SHORTEST_SUMMARY:
        time.sleep(0.3)
    sink.advance("index", 50.0)
    sink.finish("index")
    text = written(out)
    assert "50 of 100 tokens (50 %)" in text
    assert "half way" in text
    assert text.count("index: 100 tokens in 2 s") == 1
    assert "\x1b[?25h" in text, "the cursor is shown again"


def test_bars_go_away_when_the_job_raises():
    out = console(is_terminal=True)

    def job() -> None:
        for number in track(range(3), "harvest"):
            1 / number

    with showing(Bars(out)), pytest.raises(ZeroDivisionError):
        job()
    assert "\x1b[?25h" in written(out)
