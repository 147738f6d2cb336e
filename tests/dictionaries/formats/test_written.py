from pathlib import Path

from hooke.dictionaries.dictionary import Dictionary
from hooke.dictionaries.formats.written import OF_LAYERS, OF_ONE
from hooke.dictionaries.load import load_any
from tests.dictionaries.transcoders import transcoder, transcoder_set


def test_what_each_writer_writes_is_read(tmp_path: Path):
    for name, write in OF_ONE.items():
        write(transcoder(1, "topk" if name == "sparsify" else "jumprelu"), tmp_path / name, model="owner/one")
        found = load_any(tmp_path / name)
        assert (found.config.model if isinstance(found, Dictionary) else found.model) == "owner/one"
    for name, write in OF_LAYERS.items():
        write(transcoder_set(), tmp_path / name, model="owner/several")
        assert load_any(tmp_path / name).model == "owner/several"
