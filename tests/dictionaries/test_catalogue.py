import pytest

from hooke.dictionaries.catalogue import LICENCE, matching, suite, suites
from hooke.dictionaries.formats.published import FORMATS
from hooke.dictionaries.hub import parse_hub_ref
from hooke.errors import BadRequest, UnknownName

OF_SEVERAL_LAYERS = {"circuit-tracer", "BluelightAI"}


def test_each_suite_is_of_a_format_that_is_read_and_gives_a_reference():
    assert len({one.id for one in suites()}) == len(suites())
    for one in suites():
        assert one.format in {*FORMATS, *OF_SEVERAL_LAYERS}
        assert one.licence == LICENCE, "no licence is stated that its page does not state"
        place = parse_hub_ref(one.reference(dict.fromkeys(one.places, "x")))
        assert place.repository.count("/") == 1
        assert "{" not in str(place)


def test_words_choose():
    assert {one.id for one in matching("gemma crosscoder")} == {"gemma-scope-2-crosscoders"}
    assert matching("QWEN-scope topk") == (suite("qwen-scope"),)
    assert matching("") == suites()
    assert matching("nothing-of-the-kind") == ()


def test_what_is_open_has_to_be_filled_in():
    one = suite("gemma-scope-1")
    filled = {"model": "2b-pt", "site": "res", "layer": "20", "width": "16k", "l0": "71"}
    assert one.reference(filled) == "hf:google/gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71"
    for wrong, told in (
        ({}, "Missing: l0, layer, model"),
        (filled | {"k": "3"}, "unknown: k"),
        (filled | {"l0": ""}, "Widths"),
    ):
        with pytest.raises(BadRequest, match=told):
            one.reference(wrong)


def test_an_unknown_suite_is_told_with_the_nearest():
    with pytest.raises(UnknownName, match="Did you mean 'qwen-scope'"):
        suite("qwen-scop")
