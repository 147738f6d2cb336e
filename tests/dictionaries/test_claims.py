from hooke.configs import from_dict, to_dict
from hooke.dictionaries.claims import Claims
from hooke.dictionaries.formats.native import load_native, save_dictionary
from tests.dictionaries.test_dictionary import dictionary


def test_what_is_not_said_stays_open_and_what_is_goes_with_the_dictionary(tmp_path):
    claims = Claims(source="the card", l0=71.0, first_token=False)
    assert (claims.fvu, from_dict(Claims, to_dict(claims))) == (None, claims)
    save_dictionary(dictionary("relu", claims=claims), tmp_path / "made")
    assert load_native(tmp_path / "made").config.claims == claims
