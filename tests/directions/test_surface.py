"""What text alone tells."""

import numpy as np

from hooke.directions.surface import shape_scores, shapes, word_scores
from hooke.directions.token_rows import TokenRows
from hooke.findings import area_under_curve
from hooke.text.concepts import Labelled
from tests.directions.planted_rows import planted_rows

NOUNS = ("bridge", "river", "music", "piano", "stone", "water")


def texts_of(pattern: tuple[str, str], *, seed: int) -> TokenRows:
    """Texts with the label by the first pattern, without it by the second."""
    generator = np.random.default_rng(seed)
    items = [
        Labelled(text=pattern[at % 2].format(generator.choice(NOUNS)), label=at % 2 == 0, group=str(at), style="")
        for at in range(60)
    ]
    return TokenRows(rows={}, lengths=planted_rows(n=60)[0].lengths, items=items)


def areas(pattern: tuple[str, str]) -> tuple[float, float]:
    fit, validation, held = (texts_of(pattern, seed=seed) for seed in range(3))
    found = []
    for scores in (word_scores, shape_scores):
        of_text = scores(fit, validation, [one.text for one in held.items])
        found.append(area_under_curve(of_text[held.labels], of_text[~held.labels])[0])
    return found[0], found[1]


def test_words_are_told_by_words_and_not_by_shape() -> None:
    words, shape = areas(("a good {}", "a poor {}"))
    assert words == 1
    assert shape < 0.75


def test_length_and_marks_are_told_by_shape() -> None:
    assert areas(("the {} and the {0}, the {0}!".replace("{}", "{0}"), "the {}."))[1] == 1


def test_nothing_is_told_where_there_is_nothing() -> None:
    assert all(abs(area - 0.5) < 0.2 for area in areas(("the {}", "the {}")))


def test_shapes_of_an_empty_text_are_numbers() -> None:
    assert np.isfinite(shapes([""])).all()
