"""Errors say what was asked, what was found and what to do, and carry their exit code."""

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooke import errors
from hooke.errors import BadConfig, BadRequest, HookeError, UnknownName, UnknownSite, did_you_mean

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, HookeError)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_three_parts_are_kept_and_read_as_one_message(kind: type[HookeError]):
    error = kind("Asked.", "Found.", "Do.")
    assert str(error) == "Asked. Found. Do."
    assert (error.asked, error.found, error.do) == ("Asked.", "Found.", "Do.")
    assert str(kind("Asked.", "", "Do.")) == "Asked. Do."


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_words_are_2_and_failures_are_1(kind: type[HookeError]):
    assert kind("x").exit_code == (2 if issubclass(kind, BadRequest) else 1)


def test_what_the_caller_said_wrong_is_a_bad_request():
    assert all(issubclass(kind, BadRequest) for kind in (UnknownName, UnknownSite, BadConfig))


@given(st.text(), st.text(), st.text())
def test_an_error_survives_another_process(asked: str, found: str, do: str):
    for again in (pickle.loads(pickle.dumps(UnknownSite(asked, found, do))), copy.copy(UnknownSite(asked, found, do))):
        assert type(again) is UnknownSite
        assert (again.asked, again.found, again.do) == (asked, found, do)


def test_the_page_of_kinds_names_every_kind():
    assert errors.__doc__ is not None
    assert [kind.__name__ for kind in KINDS if kind.__name__ not in errors.__doc__] == []


def test_the_nearest_option_is_offered_and_no_far_one():
    assert did_you_mean("resid_pots", ["resid_post", "embed"]) == "Did you mean 'resid_post'?"
    assert did_you_mean("zzz", ["resid_post", "embed"]) == ""
    assert did_you_mean("x", []) == ""
