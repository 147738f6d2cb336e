"""Options that several verbs share."""

from pathlib import Path

import pytest

from hooke.cli.options import Everywhere, IndexOptions, ModelOptions, TextOptions
from hooke.errors import BadConfig, UnknownName
from tests.cli.tiny_lab import TinyLab


def test_the_lab_is_the_one_that_is_named(tmp_path: Path, own_lab: Path):
    assert Everywhere(lab_folder=tmp_path / "x").lab.root == tmp_path / "x"
    assert Everywhere().lab.root == own_lab


def test_text_options_open_a_corpus_and_cut_it(tiny: TinyLab):
    options = TextOptions(corpus=str(tiny.corpus), context=16, windows_at_once=2)
    assert next(options.open().documents()).text.startswith("The bridge")
    assert (options.windows().context, options.windows().batch) == (16, 2)
    with pytest.raises(BadConfig):
        TextOptions(context=1).windows()


def test_model_options_reach_the_loader(tiny: TinyLab):
    model = ModelOptions(dtype="bfloat16").load(str(tiny.model), tiny.lab)
    assert str(model.dtype) == "torch.bfloat16"


def test_the_only_index_of_a_lab_needs_no_name(tiny: TinyLab):
    assert IndexOptions().open(tiny.lab).manifest.name == "tiny"
    assert IndexOptions(index="tiny").open(tiny.lab).manifest.name == "tiny"
    assert IndexOptions().open(tiny.lab, dictionary="tiny").manifest.name == "tiny"
    with pytest.raises(UnknownName, match="No index 'other'"):
        IndexOptions(index="other").open(tiny.lab, dictionary="tiny")
