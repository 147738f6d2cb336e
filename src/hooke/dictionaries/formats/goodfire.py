"""Goodfire's autoencoders of Llama: one .pt or .pth file of two linear layers, [feature, d] and [d, feature].

ReLU; nothing is subtracted from the input. Model and layer stand in the repository's name only.
"""

import re
from pathlib import Path

from hooke.dictionaries.claims import Claims
from hooke.dictionaries.dictionary import Dictionary
from hooke.dictionaries.formats.assemble import assemble, pick, require_site
from hooke.dictionaries.formats.given import Given
from hooke.dictionaries.formats.pickle_names import SUFFIXES, mentions
from hooke.dictionaries.formats.pickled_weights import read_pickled
from hooke.sites import parse_site

_NAMES = {
    "encoder_linear.weight": "W_enc",
    "encoder_linear.bias": "b_enc",
    "decoder_linear.weight": "W_dec",
    "decoder_linear.bias": "b_dec",
}
_REPOSITORY = re.compile(r"(Llama-3\.[13]-(?:8|70)B-Instruct)-SAE-l([0-9]{1,3})")
# Mean numbers of active features as the cards have them.
_L0 = {"50": 121.0, "19": 91.0}


def recognises(path: Path) -> bool:
    """Whether a file's list of tensors is theirs, or a folder has one such file."""
    return len(_files(path)) == 1


def load(path: Path, given: Given) -> Dictionary:
    """The dictionary in a file.

    Raises:
        BadArtefact: the file is damaged.
        BadRequest: neither names nor the caller say model and site.
    """
    file = _files(path)[0]
    tensors = pick(file, read_pickled(file), _NAMES)
    weights = tensors | {name: tensors[name].T for name in ("W_enc", "W_dec")}
    named = [*_REPOSITORY.finditer(file.absolute().as_posix())]
    site = given.site or (f"resid_post.{named[-1][2]}" if named else None)
    site = str(parse_site(require_site(file, site)))
    l0 = _L0.get(named[-1][2]) if named else None
    return assemble(
        file,
        weights,
        name=file.stem,
        model=given.model or (f"meta-llama/{named[-1][1]}" if named else None),
        reads=(site,),
        writes=(site,),
        kind="relu",
        claims=None if l0 is None else Claims(source="the model card", l0=l0),
    )


def _files(path: Path) -> list[Path]:
    files = [path] if path.is_file() else sorted(path.glob("*")) if path.is_dir() else []
    return [one for one in files if one.suffix in SUFFIXES and mentions(one, *_NAMES)]
