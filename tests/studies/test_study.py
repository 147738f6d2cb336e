"""Studies by name."""

import pytest

from hooke.errors import BadRequest, UnknownName
from hooke.specimens import build
from hooke.studies.study import STUDIES, run_study


def test_an_unknown_study_is_refused():
    with pytest.raises(UnknownName, match="Did you mean 'two-hop'"):
        run_study("two-hops", build("two-hop").model)


@pytest.mark.parametrize("name", list(STUDIES))
def test_a_model_that_cannot_read_the_prompts_is_refused(name: str):
    said = {"refusal": "cannot chat", "sycophancy": "0 of 60"}.get(name, "pair 1")
    with pytest.raises(BadRequest, match=said):
        run_study(name, build("two-hop").model)
