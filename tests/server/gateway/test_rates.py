import pytest

from hooke.server.gateway.keys import Key
from hooke.server.gateway.rates import Rates

KEY = Key(name="a", hash="a", made="", per_minute=6, at_once=100)


def test_so_many_a_minute_refilled_evenly():
    now = [0.0]
    rates = Rates(lambda: now[0])
    assert [rates.take(KEY) for _ in range(7)] == pytest.approx([0] * 6 + [10.0])
    now[0] = 4.0
    assert rates.take(KEY) == pytest.approx(6.0)
    now[0] = 10.0
    assert [rates.take(KEY) for _ in range(2)] == pytest.approx([0, 10.0])
    now[0] = 10_000.0
    assert [rates.take(KEY) for _ in range(7)] == pytest.approx([0] * 6 + [10.0])


def test_so_many_at_once_and_each_key_by_itself():
    rates = Rates(lambda: 0.0)
    narrow = Key(name="b", hash="b", made="", at_once=2)
    assert [rates.take(narrow) for _ in range(3)] == [0, 0, 1.0]
    assert rates.take(KEY) == 0
    rates.give_back(narrow)
    assert rates.take(narrow) == 0
