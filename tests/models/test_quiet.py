import warnings

import pytest
from transformers.utils import logging

from hooke.models.quiet import quiet_transformers


def test_inside_it_is_quiet_and_afterwards_as_before() -> None:
    verbosity, has_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    with quiet_transformers():
        assert logging.get_verbosity() == logging.ERROR
        assert not logging.is_progress_bar_enabled()
        warnings.warn("advice", stacklevel=1)
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == (verbosity, has_bars)


def test_also_when_the_block_raises() -> None:
    verbosity = logging.get_verbosity()
    with pytest.raises(KeyError), quiet_transformers():
        raise KeyError("x")
    assert logging.get_verbosity() == verbosity
