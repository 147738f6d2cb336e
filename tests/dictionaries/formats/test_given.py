from hooke.dictionaries.formats.given import Given


def test_nothing_is_told_unless_it_is():
    assert Given() == Given(model=None, site=None, norms=None, input_scale=None)
