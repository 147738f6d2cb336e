"""What the model says when it is asked: the log-odds of yes against no as the next token."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from numpy import ndarray

from hooke.errors import BadRequest
from hooke.models.generate import chat_tokens
from hooke.models.model import Model, Tokens
from hooke.progress import track

_BATCH = 8
_YES, _NO = (("Yes", "yes", "YES"), ("No", "no", "NO"))


def asked_scores(model: Model, texts: Sequence[str], about: str) -> Float[ndarray, " text"]:
    """Log-odds that what `about` says of a text is so, by the model's own answer.

    A model with a chat template is asked in it, another one by a text that ends where the answer should stand.

    Raises:
        PromptTooLong: a question is longer than the model reads.
        BadRequest: its tokenizer has no token to answer with.
    """
    yes, no = (_tokens(model, words) for words in (_YES, _NO))
    if not yes - no or not no - yes:
        raise BadRequest(
            f"{model.name} cannot be asked.",
            "Yes and No are not one token each, apart from each other.",
            "Ask another.",
        )
    for_yes, for_no = sorted(yes - no), sorted(no - yes)
    found = []
    for start in track(range(0, len(texts), _BATCH), f"ask, {model.name}", unit="batches"):
        run = model.run(_prompts(model, texts[start : start + _BATCH], about), positions=[-1], capture=["logits"])
        logits = run["logits"][:, 0].float()
        found.append((logits[:, for_yes].logsumexp(-1) - logits[:, for_no].logsumexp(-1)).double().cpu())
    return torch.cat(found).numpy()


def _prompts(model: Model, texts: Sequence[str], about: str) -> Tokens:
    asked = [f"Here is a text.\n\n{text}\n\nIs this so? {about} Answer with Yes or No." for text in texts]
    if getattr(model.tokenizer, "chat_template", None):
        return chat_tokens(model, asked)
    return model.tokenize([f"{one}\nAnswer:" for one in asked])


def _tokens(model: Model, words: Sequence[str]) -> set[int]:
    """Those that are one of the words, with a space before it or without."""
    spelled = [f"{gap}{word}" for word in words for gap in ("", " ")]
    ids = [model.tokenizer(one, add_special_tokens=False)["input_ids"] for one in spelled]
    return {one[0] for one in ids if len(one) == 1}
