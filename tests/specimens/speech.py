"""What a model says after prompts."""

from collections.abc import Iterable, Sequence

from hooke.models.edits import Edit
from hooke.models.model import Model


def said(model: Model, prompts: Iterable[str], edits: Sequence[Edit] = ()) -> list[str]:
    """The likeliest next word after each prompt, with edits in force."""
    run = model.run(list(prompts), edits=edits)
    assert run.logits is not None
    last = run.logits[range(len(run.logits)), run.tokens.lengths - 1]
    return model.tokenizer.convert_ids_to_tokens(last.argmax(-1).tolist())
