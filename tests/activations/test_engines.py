"""The local engine: in order, one at a time, the first error ends the job."""

import pytest

from hooke.activations.engines import Engine, Local


def test_results_come_in_order_and_only_when_they_are_asked_for():
    done: list[int] = []

    def double(number: int) -> int:
        done.append(number)
        return 2 * number

    engine: Engine = Local()
    results = engine.map(double, [3, 1, 2])
    assert next(results) == 6
    assert done == [3]
    assert list(results) == [2, 4]


def test_an_error_ends_the_job():
    results = Local().map(lambda number: 1 // number, [1, 0, 2])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
