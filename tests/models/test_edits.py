import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hooke.errors import HookeError
from hooke.models.edits import Ablate, Add, Clamp, Patch, Project, Scale, Splice, edits_from_json, edits_to_json

vectors = st.lists(st.floats(-100, 100, width=32), min_size=3, max_size=3).map(torch.tensor)
numbers = st.floats(-1e3, 1e3)
where = {
    "positions": st.one_of(
        st.none(), st.lists(st.integers(-5, 5), max_size=3).map(tuple), st.sampled_from(["1:", ":-1", "2:5"])
    ),
    "when": st.sampled_from(["all", "prompt", "generated"]),
}
features = st.integers(0, 63).map(lambda index: f"resid_post.1/{index}@tiny-res")
settings = st.one_of(
    *(
        st.tuples(st.just(kind), st.fixed_dictionaries({**own, **shared}))
        for kind, own, shared in (
            (Add, {"site": st.just("resid_post.1"), "vector": st.one_of(vectors, features), "scale": numbers}, where),
            (Project, {"site": st.just("resid_mid.0"), "direction": vectors}, where),
            (Clamp, {"feature": features, "value": numbers}, where),
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
    ],
)
def test_bad_edits_are_refused(text: str, says: str) -> None:
    with pytest.raises(HookeError, match=says):
        edits_from_json(text)
