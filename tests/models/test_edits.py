import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hooke.errors import HookeError
from hooke.models.edits import (
    Ablate,
    Add,
    Cap,
    Clamp,
    Patch,
    Project,
    Scale,
    Splice,
    counted_from,
    dictionaries_of,
    edits_from_json,
    edits_to_json,
)
from hooke.models.scope import Given, Schedule

vectors = st.lists(st.floats(-100, 100, width=32), min_size=3, max_size=3).map(torch.tensor)
numbers = st.floats(-1e3, 1e3)
features = st.integers(0, 63).map(lambda index: f"resid_post.1/{index}@tiny-res")
conditions = st.one_of(
    st.builds(Given, feature=features, above=numbers),
    st.builds(Given, site=st.just("resid_pre.1"), direction=vectors, above=numbers),
)
where = {
    "positions": st.one_of(
        st.none(), st.lists(st.integers(-5, 5), max_size=3).map(tuple), st.sampled_from(["1:", ":-1", "2:5"])
    ),
    "when": st.sampled_from(["all", "prompt", "generated"]),
    "given": st.one_of(st.none(), conditions),
    "schedule": st.one_of(
        st.none(), st.builds(Schedule, start=st.integers(0, 9), hold=st.integers(0, 9), fade=st.integers(0, 9))
    ),
}
settings = st.one_of(
    *(
        st.tuples(st.just(kind), st.fixed_dictionaries({**own, **shared}))
        for kind, own, shared in (
            (Add, {"site": st.just("resid_post.1"), "vector": st.one_of(vectors, features), "scale": numbers}, where),
            (Project, {"site": st.just("resid_mid.0"), "direction": vectors}, where),
            (Clamp, {"feature": features, "value": numbers}, where),
            (Cap, {"feature": features, "low": st.floats(-9, 0), "high": st.floats(0, 9)}, where),
            (Cap, {"site": st.just("resid_mid.0"), "direction": vectors, "high": numbers, "along": vectors}, where),
            (Scale, {"feature": features, "factor": numbers}, where),
            (Ablate, {"feature": features}, where),
            (
                Patch,
                {"site": st.just("z.1"), "value": vectors.map(lambda row: row[None]), "positions": st.just((0,))},
                {},
            ),
            (Splice, {"dictionary": st.just("tiny-res")}, where),
        )
    )
)


@given(st.lists(settings, max_size=4))
def test_json_round_trip(several: list) -> None:
    edits = [kind(**given_settings) for kind, given_settings in several]
    text = edits_to_json(edits)
    assert edits_from_json(text) == edits
    assert edits_to_json(edits_from_json(text)) == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("{}", "not a list"),
        ('[{"edit": "Ad"}]', "Did you mean 'Add'"),
        ('[{"edit": "Add", "site": "resid_post.1", "vector": [1], "scle": 2}]', "Did you mean 'scale'"),
        ('[{"edit": "Add", "site": "resid_post.1"}]', "vector"),
        ('[{"edit": "Clamp", "feature": "resid_post.1/3", "value": 1}]', "names no dictionary"),
        ('[{"edit": "Add", "site": "resid_post.1", "vector": "resid_post.1/3"}]', "names no dictionary"),
        ('[{"edit": "Clamp", "feature": "resid_post.1/3@d", "value": "much"}]', "finite number|not accepted"),
        ('[{"edit": "Add", "site": "resid_post.1", "vector": [1, null]}]', "not accepted"),
        ('[{"edit": "Splice", "dictionary": "d", "when": "never"}]', "No phase|not accepted"),
        ('[{"edit": "Splice", "dictionary": "d", "positions": "a:b"}]', "range of positions"),
        ('[{"edit": "Cap", "feature": "resid_post.1/3@d"}]', "needs an interval"),
        ('[{"edit": "Cap", "feature": "resid_post.1/3@d", "low": 2, "high": 1}]', "interval is empty"),
        ('[{"edit": "Cap", "feature": "resid_post.1/3@d", "high": 1, "share": 2}]', "share cannot be 2"),
        ('[{"edit": "Cap", "high": 1}]', "of a feature, or of a direction"),
        (
            '[{"edit": "Cap", "feature": "resid_post.1/3@d", "site": "embed", "direction": [1], "high": 1}]',
            "one of the",
        ),
        ('[{"edit": "Splice", "dictionary": "d", "given": {"above": 1}}]', "reads a feature, or a direction"),
        ('[{"edit": "Splice", "dictionary": "d", "given": {"feature": "embed/1@d", "over": 1}}]', "no setting 'over'"),
        (
            '[{"edit": "Splice", "dictionary": "d", "given": {"feature": "logits/1@d", "above": 1}}]',
            "cannot be read at",
        ),
        ('[{"edit": "Splice", "dictionary": "d", "given": {"feature": "embed/1@d"}}]', "above"),
        ('[{"edit": "Splice", "dictionary": "d", "given": 3}]', "is an object"),
        ('[{"edit": "Splice", "dictionary": "d", "schedule": {"start": -1}}]', "whole tokens"),
        ('[{"edit": "Splice", "dictionary": "d", "schedule": {"hold": 0.5}}]', "whole tokens|not accepted"),
        ('[{"edit": "Splice", "dictionary": "d", "schedule": {"fade": 3}}]', "for ever cannot fade"),
    ],
)
def test_bad_edits_are_refused(text: str, says: str) -> None:
    with pytest.raises(HookeError, match=says):
        edits_from_json(text)


def test_a_conditions_dictionary_is_one_that_the_edit_acts_through():
    edit = Add(site="resid_post.1", vector=torch.ones(3), given=Given(feature="resid_post.1/3@other", above=0))
    assert dictionaries_of([edit]) == {"other"}


def test_schedules_of_edits_that_come_later_count_from_there():
    first = Add(site="resid_post.1", vector=torch.ones(3), schedule=Schedule(start=2, hold=3, fade=1))
    later = counted_from((first, Splice(dictionary="d")), 5)
    assert later[0].schedule == Schedule(start=7, hold=3, fade=1)
    assert later[1] == Splice(dictionary="d")
