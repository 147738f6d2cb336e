"""Directions: kept and read back, refused where they do not belong."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from jaxtyping import TypeCheckError

from hooke.directions.direction import check_fits, load_direction, save_direction
from hooke.errors import BadArtefact, BadConfig, HookeError, ShapeMismatch, UnknownName
from hooke.findings import Finding
from hooke.lab import Lab
from tests.directions.made import direction_of
from tests.models.tiny import tiny_model


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    finding = Finding(claim="it tells", value=0.9, interval=(0.8, 1.0), n=3, control=0.5)
    saved = replace(direction_of(tiny_model()), findings=(finding,))
    save_direction(lab, saved)
    found = load_direction(lab, "up")
    torch.testing.assert_close(found.vector, saved.vector)
    assert (found.site, found.made, found.findings) == (saved.site, saved.made, saved.findings)


def test_one_of_the_same_name_is_replaced(tmp_path: Path) -> None:
    lab, model = Lab(tmp_path), tiny_model()
    save_direction(lab, direction_of(model))
    save_direction(lab, direction_of(model, site="resid_post.1"))
    assert load_direction(lab, "up").site == "resid_post.1"


def test_the_unit_is_of_length_one() -> None:
    assert float(direction_of(tiny_model()).unit.norm()) == pytest.approx(1)


@pytest.mark.parametrize("vector", [torch.zeros(4), torch.tensor([1.0, torch.nan]), torch.ones(2, 2)])
def test_no_direction_is_refused(vector: torch.Tensor) -> None:
    with pytest.raises((BadConfig, TypeCheckError), match="(?i)direction"):
        replace(direction_of(tiny_model()), vector=vector)


def test_another_model_is_refused() -> None:
    model = tiny_model()
    one = direction_of(model)
    check_fits(one, model)
    other = replace(one, made=replace(one.made, model_fingerprint="another"))
    with pytest.raises(BadArtefact, match="other weights"):
        check_fits(other, model)
    check_fits(other, model, force=True)


def test_another_width_is_refused_even_by_force() -> None:
    model = tiny_model()
    with pytest.raises(ShapeMismatch, match="does not fit"):
        check_fits(replace(direction_of(model), vector=torch.ones(3)), model, force=True)


@pytest.mark.parametrize("name", ["../up", "a/b", ""])
def test_names_stay_in_the_lab(tmp_path: Path, name: str) -> None:
    with pytest.raises(HookeError):
        save_direction(Lab(tmp_path), direction_of(tiny_model(), name=name))


def test_what_is_not_there_or_damaged_is_refused(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    with pytest.raises(UnknownName):
        load_direction(lab, "up")
    folder = save_direction(lab, direction_of(tiny_model()))
    (folder / "weights.safetensors").write_bytes(b"\x80\x04not weights")
    with pytest.raises(BadArtefact):
        load_direction(lab, "up")
    (folder / "config.json").write_text('{"site": "resid_post.0", "extra": 1}')
    with pytest.raises(BadConfig):
        load_direction(lab, "up")
