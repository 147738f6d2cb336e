import zipfile
from pathlib import Path

import torch

from hooke.dictionaries.formats.pickle_names import mentions


class Evil:
    def __reduce__(self) -> tuple:
        return exec, ("raise AssertionError('a pickle was loaded')",)


def test_names_are_found_and_nothing_is_loaded(tmp_path: Path):
    torch.save({"encoder.weight": torch.ones(1), "x": Evil()}, tmp_path / "a.pt")
    assert mentions(tmp_path / "a.pt", "encoder.weight", "x")
    assert not mentions(tmp_path / "a.pt", "encoder.weight", "decoder.weight")


def test_what_is_no_such_archive_mentions_nothing(tmp_path: Path):
    torch.save({"a": torch.ones(1)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "text.pt").write_text("a")
    with zipfile.ZipFile(tmp_path / "packed.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", b"a" * 10_000)
    torch.save({"a": torch.ones(1)}, tmp_path / "a.txt")
    for name in ("old.pt", "text.pt", "packed.pt", "a.txt", "none.pt"):
        assert not mentions(tmp_path / name, "a"), name
