from hooke.features.label_report import mean_detail, summaries
from hooke.features.labels import Label, Score


def label(feature: int, value: float, null: float | None, **detail: float) -> Label:
    score = Score(
        scorer="detection",
        judge="rule",
        value=value,
        interval=(value - 0.05, value + 0.05),
        n=100,
        null=null,
        detail=detail,
    )
    return Label(
        feature=feature, text="x", source="rule", kind="token", score=value, f1=None, n=100, words="", scores=(score,)
    )


def test_labels_are_summed_up_beside_their_nulls():
    labels = [label(0, 0.9, 0.5, near=0.2), label(1, 0.52, 0.5, near=0.4), label(2, 0.8, 0.5)]
    (found,) = summaries(labels)
    assert (found.scorer, found.n_labels, found.median, found.n_better) == ("detection", 3, 0.8, 2)
    assert found.null is not None
    assert found.null.value == 0.5
    assert mean_detail(labels, "detection") == {"near": 0.30000000000000004}


def test_without_scores_there_is_nothing_to_sum_up():
    assert summaries([]) == []
    (found,) = summaries([label(0, 0.9, None)])
    assert found.null is None
    assert found.n_better == 0
