from hooke.features.alike import without_alike
from hooke.features.card import Example


def example(text: str, peak: int = 3, value: float = 1.0) -> Example:
    tokens = tuple(f" {word}" for word in text.split())
    return Example(
        window=0,
        position=peak,
        peak=peak,
        value=value,
        activations=(0.0,) * len(tokens),
        tokens=tokens,
        token_ids=(),
        document=0,
        source=None,
    )


def test_copies_that_differ_in_case_and_numbers_are_one():
    first = example("Published in 1999 by the press of the town")
    copy = example("published in 2004 by the Press of the town")
    other = example("a river runs under the old stone bridge")
    kept = without_alike([first, copy, other, copy])
    assert kept == [(first, 2), (other, 0)]


def test_what_shares_less_than_its_larger_part_stays():
    first = example("the bridge over the river is old and made of stone")
    other = example("the bridge over the railway was new with arches in iron")
    assert len(without_alike([first, other])) == 2


def test_what_is_far_from_the_peak_does_not_count():
    same = "one two three four five"
    kept = without_alike([example(f"{same} {'x y z ' * 9}", peak=2), example(f"{same} x y z p q r s t", peak=2)])
    assert len(kept) == 1


def test_examples_without_their_text_are_all_kept():
    bare = example("a b c d")
    bare = type(bare)(**{**{name: getattr(bare, name) for name in bare.__slots__}, "tokens": ()})
    assert len(without_alike([bare, bare])) == 2
