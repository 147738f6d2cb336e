"""A tiny random model that reads and says text, and labelled sentences for it."""

from hooke.models.model import Model
from hooke.text.concepts import Labelled
from tests.cli.tiny_lab import make_tokenizer
from tests.models.tiny import tiny_hf

NOUNS = ("bridge", "river", "iron", "area", "mat", "fer", "pont", "radius")


def talking_model(context: int = 64) -> Model:
    tokenizer = make_tokenizer()
    ends = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    hf = tiny_hf("llama", vocab_size=len(tokenizer), max_position_embeddings=context, **ends)
    return Model(hf, tokenizer, name="talking", fingerprint="talking-0")


def sentences() -> list[Labelled]:
    """About a cat or about a chat, in groups by what else is in them."""
    return [
        Labelled(
            text=f"The {noun} {verb} the {animal} {verb} the {animal}.", label=animal == "cat", group=noun, style=""
        )
        for noun in NOUNS
        for verb in ("and", "of", "sat on")
        for animal in ("cat", "chat")
    ]
