from pathlib import Path

import pyarrow.parquet
import pytest

from hooke.features.export import export_parquet
from hooke.features.query import Index


def test_tables_hold_what_the_cards_show(index: Index, tmp_path: Path):
    folder = export_parquet(index, tmp_path / "out")
    features = pyarrow.parquet.read_table(folder / "features.parquet").to_pylist()
    examples = pyarrow.parquet.read_table(folder / "examples.parquet").to_pylist()
    assert [row["feature"] for row in features] == list(range(len(index)))
    for feature, row in enumerate(features):
        card = index.card(feature)
        assert row["density"] == card.density
        assert row["label"] == (card.label.text if card.label else None)
        assert row["promoted"] == [one.text for one in card.promoted]
        own = [example for example in examples if example["feature"] == feature]
        shown = [(group.name, example) for group in card.groups for example in group.examples]
        assert len(own) == len(shown)
        for found, (group, example) in zip(own, shown, strict=True):
            assert found["group"] == group
            assert tuple(found["tokens"]) == example.tokens
            assert found["activations"] == pytest.approx(example.activations)
            assert (found["window"], found["position"], found["source"]) == (
                example.window,
                example.position,
                example.source,
            )


def test_an_export_that_fails_leaves_nothing(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Index, "card", lambda self, feature: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_parquet(index, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
