"""What a monitor was made for: the exact weights, tokenizer, chat template and precision."""

import hashlib
import json
from dataclasses import dataclass, fields
from functools import lru_cache

from hooke.errors import BadArtefact
from hooke.models.model import Model


@dataclass(frozen=True, kw_only=True, slots=True)
class Digests:
    """What identifies a model as it is served; empty where there is nothing to identify."""

    model: str = ""
    """Fingerprint of its weights."""
    tokenizer: str = ""
    """Of its tokenizer: vocabulary, merges and special tokens."""
    template: str = ""
    """Of its chat template."""
    precision: str = ""
    """Number format that it runs in."""

    def differing(self, other: "Digests") -> tuple[str, ...]:
        """Which of them are not the same."""
        return tuple(one.name for one in fields(self) if getattr(self, one.name) != getattr(other, one.name))


def digests_of(model: Model) -> Digests:
    """What identifies a model as it is loaded now."""
    return Digests(
        model=model.fingerprint,
        tokenizer=_tokenizer_digest(model.tokenizer),
        template=short_digest(str(getattr(model.tokenizer, "chat_template", None) or "")),
        precision=str(model.dtype).removeprefix("torch."),
    )


def check_digests(name: str, valid_for: Digests, found: Digests, *, force: bool = False) -> None:
    """Refuse a monitor where weights, tokenizer, template or precision are not those that it was made for.

    Raises:
        BadArtefact: one of them is another.
    """
    wrong = valid_for.differing(found)
    if wrong and not force:
        told = ", ".join(
            f"{one} {getattr(found, one) or 'none'}, not {getattr(valid_for, one) or 'none'}" for one in wrong
        )
        raise BadArtefact(
            f"The monitor '{name}' is not valid for this model.",
            f"Found {told}.",
            "Its error rates hold for what it was calibrated on: calibrate it here, or force it.",
        )


def short_digest(text: str) -> str:
    """16 hex digits of SHA-256; empty for an empty text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else ""


def _tokenizer_digest(tokenizer: object) -> str:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        return _backend_digest(backend.to_str())
    vocabulary = getattr(tokenizer, "get_vocab", dict)()
    return short_digest(json.dumps(sorted(vocabulary.items())) if vocabulary else "")


# Megabytes of JSON, asked about again for every monitor of a list.
@lru_cache(maxsize=4)
def _backend_digest(described: str) -> str:
    # Padding and truncation are settings of a call, and change under a tokenizer while it is used.
    data = json.loads(described) | {"padding": None, "truncation": None}
    return short_digest(json.dumps(data, sort_keys=True))
