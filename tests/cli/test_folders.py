from pathlib import Path

import pytest

from hooke.cli.folders import require_folder
from hooke.errors import BadRequest


def test_a_folder_is_made(tmp_path: Path):
    require_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_file_in_its_place_is_said(tmp_path: Path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(BadRequest, match="cannot be a folder"):
        require_folder(tmp_path / "taken")
