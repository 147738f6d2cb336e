"""An index as two Parquet tables for other tools: features, and their examples."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from hooke.features.card import Card
from hooke.features.query import Index
from hooke.lab import staged
from hooke.progress import track

_AT_ONCE = 512
_LIST = pyarrow.list_
_FEATURES = pyarrow.schema(
    {
        "feature": pyarrow.int64(),
        "name": pyarrow.string(),
        "label": pyarrow.string(),
        "label_source": pyarrow.string(),
        "label_kind": pyarrow.string(),
        "label_score": pyarrow.float64(),
        "label_f1": pyarrow.float64(),
        "n_active": pyarrow.int64(),
        "density": pyarrow.float64(),
        "mean": pyarrow.float64(),
        "max": pyarrow.float64(),
        "histogram_edges": _LIST(pyarrow.float32()),
        "histogram_counts": _LIST(pyarrow.int64()),
        "promoted": _LIST(pyarrow.string()),
        "promoted_value": _LIST(pyarrow.float32()),
        "suppressed": _LIST(pyarrow.string()),
        "suppressed_value": _LIST(pyarrow.float32()),
        "neighbours": _LIST(pyarrow.int64()),
        "neighbour_cosines": _LIST(pyarrow.float32()),
        "partners": _LIST(pyarrow.int64()),
        "partner_pmi": _LIST(pyarrow.float32()),
    }
)
_EXAMPLES = pyarrow.schema(
    {
        "feature": pyarrow.int64(),
        "group": pyarrow.string(),
        "window": pyarrow.int64(),
        "position": pyarrow.int64(),
        "document": pyarrow.int64(),
        "source": pyarrow.string(),
        "value": pyarrow.float32(),
        "peak": pyarrow.int64(),
        "tokens": _LIST(pyarrow.string()),
        "token_ids": _LIST(pyarrow.int64()),
        "activations": _LIST(pyarrow.float32()),
    }
)


def export_parquet(index: Index, folder: Path) -> Path:
    """Write `features.parquet` and `examples.parquet` into a folder that appears complete or not at all.

    Raises:
        BadArtefact: a file of the index is damaged.
        OutOfSpace: the disk cannot hold them.
    """
    with staged(folder) as aside:
        aside.mkdir()
        with (
            pyarrow.parquet.ParquetWriter(aside / "features.parquet", _FEATURES, compression="zstd") as features,
            pyarrow.parquet.ParquetWriter(aside / "examples.parquet", _EXAMPLES, compression="zstd") as examples,
        ):
            for first in track(range(0, len(index), _AT_ONCE), "export", unit="blocks"):
                cards = [index.card(feature) for feature in range(first, min(first + _AT_ONCE, len(index)))]
                features.write_table(pyarrow.Table.from_pylist([_feature_row(card) for card in cards], _FEATURES))
                examples.write_table(
                    pyarrow.Table.from_pylist([row for card in cards for row in _example_rows(card)], _EXAMPLES)
                )
    return folder


def _feature_row(card: Card) -> dict[str, Any]:
    label = card.label
    return {
        "feature": card.feature,
        "name": card.name,
        "label": label.text if label else None,
        "label_source": label.source if label else None,
        "label_kind": label.kind if label else None,
        "label_score": label.score if label else None,
        "label_f1": label.f1 if label else None,
        "n_active": card.n_active,
        "density": card.density,
        "mean": card.mean,
        "max": card.max,
        "histogram_edges": card.histogram.edges,
        "histogram_counts": card.histogram.counts,
        "promoted": [one.text for one in card.promoted],
        "promoted_value": [one.value for one in card.promoted],
        "suppressed": [one.text for one in card.suppressed],
        "suppressed_value": [one.value for one in card.suppressed],
        "neighbours": [one.feature for one in card.neighbours],
        "neighbour_cosines": [one.cosine for one in card.neighbours],
        "partners": [one.feature for one in card.partners],
        "partner_pmi": [one.pmi for one in card.partners],
    }


def _example_rows(card: Card) -> Iterator[dict[str, Any]]:
    names = [name for name in _EXAMPLES.names if name not in ("feature", "group")]
    for group in card.groups:
        for example in group.examples:
            yield {"feature": card.feature, "group": group.name} | {name: getattr(example, name) for name in names}
