"""Rows of texts."""

import pytest
import torch

from hooke.directions import token_rows
from hooke.directions.token_rows import read_rows
from hooke.errors import BadRequest
from hooke.sites import parse_site
from hooke.text.concepts import Labelled
from tests.features.planted import planted_model

TEXTS = ["the music of", "bridge", "the bridge and the river ."]


def items() -> list[Labelled]:
    return [Labelled(text=text, label=at > 0, group=str(at), style="plain") for at, text in enumerate(TEXTS)]


def test_rows_are_each_texts_own_without_the_first_token() -> None:
    model, site = planted_model(), parse_site("resid_post.0")
    found = read_rows(model, items(), [site, parse_site("embed")])
    assert found.lengths.tolist() == [2, 1, 5]
    assert found.labels.tolist() == [False, True, True]
    parts = found.rows[site].split(found.lengths.tolist())
    alone = model.run(TEXTS[2], capture=[site], logits=False)[site][0, 1:]
    torch.testing.assert_close(parts[2], alone)
    chosen = found.chosen([2, 0])
    torch.testing.assert_close(chosen.rows[site], torch.cat([parts[2], parts[0]]))
    assert [one.text for one in chosen.items] == [TEXTS[2], TEXTS[0]]


def test_what_would_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_rows, "_MOST_BYTES", 100)
    with pytest.raises(BadRequest, match="fewer sites"):
        read_rows(planted_model(), items(), [parse_site("resid_post.0")])
