"""Whether a file of torch.save speaks of tensors of some names; nothing in it is followed."""

import zipfile
from pathlib import Path

SUFFIXES = (".pt", ".pth", ".bin")
_MAX_BYTES = 1_000_000


def mentions(path: Path, *names: str) -> bool:
    """Whether all of the names stand in the archive's list of tensors. False for what is no such archive."""
    if path.suffix not in SUFFIXES or not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            lists = [one for one in archive.infolist() if one.filename.endswith("data.pkl")]
            # Stored as it is: what is packed could unpack to anything.
            if len(lists) != 1 or lists[0].compress_type or lists[0].file_size > _MAX_BYTES:
                return False
            text = archive.read(lists[0])
    except (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile):
        return False
    return all(name.encode() in text for name in names)
