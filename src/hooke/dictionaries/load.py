"""A dictionary from wherever it is: a folder, the lab, or the starters that come with hooke."""

from pathlib import Path

import torch

from hooke.dictionaries.archives import is_archive, unpacked
from hooke.dictionaries.dictionary import Dictionary
from hooke.dictionaries.formats import native, native_sets
from hooke.dictionaries.formats.folding import Norms
from hooke.dictionaries.formats.foreign import open_foreign
from hooke.dictionaries.formats.published import FORMATS, Given
from hooke.dictionaries.hub import fetched, is_hub_ref
from hooke.dictionaries.neurons import kept_name, parse_neurons
from hooke.dictionaries.replacement import Replacement
from hooke.dictionaries.sets import is_transcoder, set_of
from hooke.errors import BadArtefact, UnknownName, did_you_mean
from hooke.lab import Lab, open_lab

STARTERS = Path(__file__).parent.parent / "starter"
DEFAULT_STARTER = "smollm2-res"

_PICKLES = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt")


def load_dictionary(
    ref: str | Path,
    *,
    lab: Lab | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    given: Given | None = None,
) -> Dictionary:
    """The dictionary in a folder, of a name in the lab, or of a starter's name ('starter' is the default one).

    `given` is what another tool's files may leave out.

    Raises:
        UnknownName: there is none.
        BadArtefact: its files are truncated, hostile or of no known format.
        BadRequest: another tool's files need what was not given.
    """
    folder = find_dictionary(ref, lab=lab)
    if native.is_native(folder):
        return native.load_native(folder).to(device=device, dtype=dtype)
    for one in FORMATS.values():
        if one.recognises(folder):
            return one.load(folder, given or Given()).to(device=device, dtype=dtype)
    raise _unrecognised(folder)


def load_replacement(
    ref: str | Path,
    *,
    lab: Lab | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    model: str | None = None,
    norms: Norms | None = None,
) -> Replacement:
    """The transcoders or the cross-layer transcoder in a folder or of a name; a single transcoder is a set of one.

    Nothing but descriptions is read before a layer is asked for. `model` and `norms` (`hooke.models.norms.norms_of`)
    are for other tools' folders that leave out which model they belong to or read the stream without the norm's gain.

    Raises:
        UnknownName: there is none.
        BadArtefact: its files are damaged, or it is a dictionary that stands in for no MLP.
        BadRequest: another tool's folder needs what was not given.
    """
    opened = load_any(ref, lab=lab, device=device, dtype=dtype, given=Given(model=model, norms=norms))
    if not isinstance(opened, Dictionary):
        return opened
    if not is_transcoder(config := opened.config):
        raise BadArtefact(
            f"'{config.name}' stands in for no MLP.",
            f"It reads {', '.join(config.reads)} and writes {', '.join(config.writes)}.",
            "Give transcoders: `hooke train NAME --form transcoder --layers all` makes them.",
        )
    return set_of(opened.name, [opened])


def load_any(
    ref: str | Path,
    *,
    lab: Lab | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    given: Given | None = None,
) -> Dictionary | Replacement:
    """One dictionary, or what stands in for the MLPs of several layers: whichever is in a folder or of a name.

    Raises:
        UnknownName, BadArtefact, BadRequest: see `load_dictionary` and `load_replacement`.
    """
    folder, given = find_dictionary(ref, lab=lab), given or Given()
    if native_sets.is_set(folder):
        return native_sets.open_set(folder, device=device, dtype=dtype)
    if native_sets.is_crosslayer(folder):
        return native_sets.open_crosslayer(folder, device=device, dtype=dtype)
    foreign = open_foreign(folder, model=given.model, norms=given.norms, device=device, dtype=dtype)
    if foreign is not None:
        return foreign
    return load_dictionary(folder, device=device, dtype=dtype, given=given)


def find_dictionary(ref: str | Path, *, lab: Lab | None = None) -> Path:
    """The folder of a dictionary; the lab's names go before the starters'. `NAME.5` is layer 5 of the set NAME.

    An archive is unpacked, and `hf:owner/repository/folder@revision` fetched from the hub, into the lab's cache.

    Raises:
        UnknownName: there is none.
        BadArtefact: an archive is damaged or hostile.
        BadRequest: what is asked of the hub is too large or is no reference.
    """
    lab = lab or open_lab()
    if is_hub_ref(str(ref)):
        return fetched(str(ref), lab)
    path = Path(ref).expanduser()
    if is_archive(path):
        return unpacked(path, lab)
    if isinstance(ref, Path) or path.is_absolute() or len(path.parts) > 1 or path.exists():
        return path
    starters = sorted(folder.name for folder in STARTERS.iterdir()) if STARTERS.is_dir() else []
    name = kept_name(ref, lab.names("dictionaries"))
    if name in lab.names("dictionaries"):
        return lab.path("dictionaries", name)
    if parse_neurons(ref) is not None:
        raise UnknownName(
            f"The neurons '{ref}' are no dictionary of the lab {lab.root} yet.",
            "",
            f"Run: hooke index {ref.partition('@')[0]} --model {ref.partition('@')[2] or 'MODEL'}",
        )
    name = DEFAULT_STARTER if ref == "starter" else ref
    if name in starters:
        return STARTERS / name
    of_set, _, layer = ref.rpartition(".")
    if layer.isdecimal() and (of_set in lab.names("dictionaries") or of_set in starters):
        folder = native_sets.layer_folder(find_dictionary(of_set, lab=lab), int(layer))
        if folder.is_dir():
            return folder
    names = [*lab.names("dictionaries"), *starters]
    raise UnknownName(
        f"No dictionary '{ref}' in the lab {lab.root}, nor among the starters.",
        did_you_mean(name, names) or (f"There are: {', '.join(names[:12])}." if names else "There are none yet."),
        "Check the name, give a folder, or train one first.",
    )


def _unrecognised(folder: Path) -> UnknownName | BadArtefact:
    if not folder.exists():
        return UnknownName(f"No dictionary at '{folder}'.", "Nothing is there.", "Check the path.")
    if native_sets.is_set(folder) or native_sets.is_crosslayer(folder):
        return BadArtefact(
            f"'{folder.name}' is not one dictionary.",
            "It has the transcoders of several layers.",
            f"For the transcoder of one layer write {folder.name}.LAYER; a cross-layer transcoder opens as a whole.",
        )
    files = [folder] if folder.is_file() else sorted(folder.iterdir())
    pickles = [file.name for file in files if file.suffix in _PICKLES]
    if pickles:
        return BadArtefact(
            f"'{folder}' was not opened.",
            f"{', '.join(pickles[:4])} is a pickle, which can run code when it is loaded.",
            "Ask its author for safetensors.",
        )
    return BadArtefact(
        f"'{folder}' holds no dictionary of a format that hooke reads.",
        f"It holds: {', '.join(file.name for file in files[:8]) or 'nothing'}." if folder.is_dir() else "It is a file.",
        f"Give the folder of a dictionary; formats: {', '.join(('native', *FORMATS))}.",
    )
