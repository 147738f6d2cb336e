"""What the text alone tells, without a model: its words, or no more than its length and marks."""

import re
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from hooke.directions.token_rows import TokenRows
from hooke.findings import area_under_curve

_CS = (0.1, 1.0, 10.0, 100.0)


def word_scores(fit: TokenRows, validation: TokenRows, texts: Sequence[str]) -> Float[ndarray, " text"]:
    """Scores of texts by logistic regression on words and pairs of words, weighted by how rare they are."""
    return _scores(
        lambda: TfidfVectorizer(token_pattern=r"\w+|[^\w\s]", ngram_range=(1, 2), sublinear_tf=True),
        fit,
        validation,
        texts,
    )


def shape_scores(fit: TokenRows, validation: TokenRows, texts: Sequence[str]) -> Float[ndarray, " text"]:
    """The same on length, lines, punctuation, digits and capitals only: no word is read."""
    return _scores(lambda: make_pipeline(FunctionTransformer(shapes), StandardScaler()), fit, validation, texts)


def shapes(texts: Sequence[str]) -> Float[ndarray, "text shape"]:
    """How long a text is and what marks it has."""
    return np.array([_shape(text) for text in texts])


def _shape(text: str) -> list[float]:
    words = re.findall(r"\w+", text)
    n = max(len(text), 1)
    shares = (r"\d", r"[A-ZÀ-Þ]", r"[^\w\s]", r"\s")
    marks = ("?", "!", ",", ":", "\n", '"', "'", "(", "-", "*")
    return [
        np.log1p(len(text)),
        np.log1p(len(words)),
        sum(map(len, words)) / max(len(words), 1),
        *(len(re.findall(pattern, text)) / n for pattern in shares),
        *(float(text.count(mark)) for mark in marks),
        float(text[:1].isupper()),
        float(text.rstrip()[-1:] in ".!?"),
    ]


def _scores(
    features: Callable[[], object], fit: TokenRows, validation: TokenRows, texts: Sequence[str]
) -> Float[ndarray, " text"]:
    """Regularisation is chosen on the validation part, as a probe's layer is; then both parts are fitted."""
    seen, judged = ([one.text for one in data.items] for data in (fit, validation))
    areas = [_area(_fitted(features(), c, seen, fit.labels), judged, validation.labels) for c in _CS]
    both = np.concatenate([fit.labels, validation.labels])
    best = _fitted(features(), _CS[int(np.argmax(areas))], [*seen, *judged], both)
    return best.decision_function(list(texts))


def _fitted(features: object, c: float, texts: list[str], labels: Bool[ndarray, " text"]) -> Pipeline:
    return make_pipeline(features, LogisticRegression(C=c, class_weight="balanced", max_iter=2000)).fit(texts, labels)


def _area(model: Pipeline, texts: list[str], labels: Bool[ndarray, " text"]) -> float:
    scores = model.decision_function(texts)
    return area_under_curve(scores[labels], scores[~labels])[0]
