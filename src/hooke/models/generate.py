"""Text that a model goes on with, token by token on the key-value cache, with edits in force."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from jinja2 import TemplateError
from torch import Tensor
from transformers import DynamicCache

from hooke.dictionaries import Dictionary
from hooke.errors import BadConfig, BadRequest, PromptTooLong
from hooke.models.apply import compile_edits
from hooke.models.edits import Edit
from hooke.models.hooks import CompiledEdit, Moment, Pass
from hooke.models.model import Model, Prompts, Tokens
from hooke.sites import Site


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """How the next token is chosen."""

    temperature: float | int = 0.0
    """0 takes the likeliest token; larger values flatten the distribution."""
    top_p: float | int = 1.0
    """Sample from the smallest set of tokens that holds this much probability."""

    def __post_init__(self) -> None:
        if self.temperature < 0 or not 0 < self.top_p <= 1:
            raise BadConfig(
                "The sampling settings are impossible.",
                f"temperature {self.temperature}, top_p {self.top_p}.",
                "temperature is at least 0, top_p in (0, 1].",
            )


def generate(
    model: Model,
    prompt: Prompts,
    *,
    edits: Sequence[Edit] = (),
    max_tokens: int = 64,
    temperature: float | int = 0.0,
    top_p: float | int = 1.0,
    generator: torch.Generator | None = None,
    stream: bool = False,
    chat: bool = False,
    dictionaries: Iterable[Dictionary] = (),
) -> str | list[str] | Iterator[str]:
    """The continuation of one prompt (text), of several (a list of texts), or of one as a stream of pieces of text.

    The first new token is predicted at the prompt's last position, so an edit with `when="generated"` acts from the
    second new token on. `chat` wraps each prompt in the model's chat template as a user's message.

    Raises:
        PromptTooLong: prompt and continuation together exceed the context.
        BadRequest: the model has no chat template, or a stream of several prompts was asked for.
        BadConfig: impossible sampling settings.
    """
    sampling = Sampling(temperature=temperature, top_p=top_p)
    tokens = chat_tokens(model, prompt) if chat else model.tokenize(prompt)
    room = model.context - tokens.ids.shape[1]
    if max_tokens > room:
        raise PromptTooLong(
            f"The prompt has {tokens.ids.shape[1]} tokens and {max_tokens} more were asked for.",
            f"{model.name} reads at most {model.context} in all.",
            f"Ask for at most {max(room, 0)}.",
        )
    steps = generate_tokens(model, tokens, edits, max_tokens, sampling, generator, dictionaries)
    if stream:
        if len(tokens.ids) != 1:
            raise BadRequest(
                "Only one prompt can be streamed.", f"Found {len(tokens.ids)}.", "Give one, or do not stream."
            )
        return _stream_text(model, steps)
    texts = [str(model.tokenizer.decode(row, skip_special_tokens=True)) for row in said_rows(steps, len(tokens.ids))]
    is_single = isinstance(prompt, str) or (isinstance(prompt, Tensor) and prompt.ndim == 1)
    return texts[0] if is_single else texts


def chat_tokens(model: Model, prompt: Prompts) -> Tokens:
    """Tokens of user messages in the model's chat template, ready for the assistant's answer.

    Raises:
        BadRequest: the model has no chat template, or the prompts are not text.
    """
    if isinstance(prompt, Tensor):
        raise BadRequest(f"{model.name} cannot chat.", "The prompt is not text.", "Leave chat out.")
    texts = [prompt] if isinstance(prompt, str) else list(prompt)
    rows = [conversation(model, [{"role": "user", "content": text}]) for text in texts]
    return Tokens.of([model.tokenizer(row, add_special_tokens=False)["input_ids"] for row in rows], model.device)


def conversation(model: Model, messages: Sequence[Mapping[str, str]]) -> str:
    """Messages, each with a role and content, in the model's chat template, ready for the assistant's answer.

    Raises:
        BadRequest: the model has no chat template, or the template refuses the messages.
    """
    if not getattr(model.tokenizer, "chat_template", None):
        raise BadRequest(f"{model.name} cannot chat.", "It has no chat template.", "Give plain text.")
    try:
        return model.tokenizer.apply_chat_template(
            [dict(message) for message in messages], tokenize=False, add_generation_prompt=True
        )
    except TemplateError as error:
        raise BadRequest(
            "The chat template refuses these messages.", f"{error}.", "Let user and assistant take turns."
        ) from error


def conversation_tokens(model: Model, messages: Sequence[Mapping[str, str]]) -> Tokens:
    """Tokens of a conversation; the template brings its own special tokens.

    Raises:
        BadRequest: see `conversation`.
        PromptTooLong: it is longer than the context.
    """
    return model.tokenize(
        torch.tensor(model.tokenizer(conversation(model, messages), add_special_tokens=False)["input_ids"])
    )


def generate_tokens(
    model: Model,
    tokens: Tokens,
    edits: Sequence[Edit],
    max_tokens: int,
    sampling: Sampling,
    generator: torch.Generator | None,
    dictionaries: Iterable[Dictionary] = (),
) -> Iterator[tuple[Int[Tensor, " batch"], Bool[Tensor, " batch"]]]:
    """Step by step, the new token of each row and whether that row was still open when it came."""
    steps = next_logits(model, tokens, edits, dictionaries)
    yield from chosen_tokens(model, tokens, steps, max_tokens, sampling, generator)


def chosen_tokens(
    model: Model,
    tokens: Tokens,
    steps: Generator[Float[Tensor, "batch vocab"], Int[Tensor, " batch"], None],
    max_tokens: int,
    sampling: Sampling,
    generator: torch.Generator | None,
) -> Iterator[tuple[Int[Tensor, " batch"], Bool[Tensor, " batch"]]]:
    """The same as `generate_tokens`, of logits that are made step by step."""
    is_open = torch.ones(len(tokens.ids), dtype=torch.bool, device=tokens.ids.device)
    ends = torch.tensor(sorted(end_tokens(model)), dtype=torch.int64, device=tokens.ids.device)
    new = None
    for _ in range(max_tokens):
        logits = next(steps) if new is None else steps.send(new)
        new = choose(logits, sampling, generator)
        is_open = is_open & ~torch.isin(new, ends)
        if not bool(is_open.any()):
            return
        yield new, is_open


def said_rows(steps: Iterable[tuple[Int[Tensor, " batch"], Bool[Tensor, " batch"]]], n_rows: int) -> list[list[int]]:
    """What each row says in all steps of `generate_tokens`, up to its end."""
    said: list[list[int]] = [[] for _ in range(n_rows)]
    for new, is_open in steps:
        for row, token, still in zip(said, new.tolist(), is_open.tolist(), strict=True):
            row.extend([token] * still)
    return said


def next_logits(
    model: Model, tokens: Tokens, edits: Sequence[Edit] = (), dictionaries: Iterable[Dictionary] = ()
) -> Generator[Float[Tensor, "batch vocab"], Int[Tensor, " batch"], None]:
    """Logits of each row's next token; send the tokens that were chosen to get those after them, without end.

    Raises:
        UnknownSite, UnsupportedModel, UnknownName, ShapeMismatch: an edit does not fit the model; raised at once.
    """
    return compiled_logits(model, tokens, compile_edits(model, edits, dictionaries) if edits else {})


def compiled_logits(
    model: Model, tokens: Tokens, compiled: dict[Site, list[CompiledEdit]]
) -> Generator[Float[Tensor, "batch vocab"], Int[Tensor, " batch"], None]:
    """The same with edits that are bound to the model."""
    # A cache would keep the unedited keys and values of earlier tokens, so edits of those sites run without one.
    cache = None if any(site.kind in ("k", "v") for site in compiled) else DynamicCache(config=model.config)
    ids, mask = _left_padded(tokens)
    position = (mask.cumsum(-1) - 1).masked_fill(~mask, -1)
    fresh = slice(None)
    while True:
        running = Pass(
            model.anatomy,
            frozenset(),
            compiled,
            lambda _, value: value,
            moment=Moment(position[:, fresh], tokens.lengths),
        )
        with model.open(running), torch.no_grad():
            output = model.hf(
                input_ids=ids[:, fresh],
                attention_mask=None if bool(mask.all()) else mask.long(),
                position_ids=None if bool(mask.all()) else position[:, fresh].clamp_min(0),
                past_key_values=cache,
                use_cache=cache is not None,
                logits_to_keep=1,
            ).logits
            logits = model.visit_logits(running, output)[:, -1]
        new = yield logits
        ids = torch.cat([ids, new[:, None]], dim=1)
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
        position = torch.cat([position, position[:, -1:] + 1], dim=1)
        fresh = slice(-1, None) if cache is not None else slice(None)


def choose(
    logits: Float[Tensor, "batch vocab"], sampling: Sampling, generator: torch.Generator | None
) -> Int[Tensor, " batch"]:
    """The next token of each row."""
    if sampling.temperature == 0:
        return logits.argmax(-1)
    probabilities = (logits.float() / sampling.temperature).softmax(-1)
    if sampling.top_p < 1:
        ordered, order = probabilities.sort(dim=-1, descending=True)
        is_outside = ordered.cumsum(-1) - ordered >= sampling.top_p
        probabilities = torch.zeros_like(probabilities).scatter(-1, order, ordered.masked_fill(is_outside, 0))
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0]


def end_tokens(model: Model) -> set[int]:
    """Ids that end a generation: the generation config's and the tokenizer's."""
    config = getattr(model.hf, "generation_config", None)
    found = [getattr(config, "eos_token_id", None), getattr(model.tokenizer, "eos_token_id", None)]
    return {one for item in found if item is not None for one in (item if isinstance(item, list) else [item])}


def _left_padded(tokens: Tokens) -> tuple[Int[Tensor, "batch pos"], Bool[Tensor, "batch pos"]]:
    shift = tokens.ids.shape[1] - tokens.lengths
    order = (torch.arange(tokens.ids.shape[1], device=tokens.ids.device) - shift[:, None]) % tokens.ids.shape[1]
    return tokens.ids.gather(1, order), tokens.mask.gather(1, order)


def _stream_text(model: Model, steps: Iterator[tuple[Tensor, Tensor]]) -> Iterator[str]:
    ids: list[int] = []
    shown = ""
    for new, _ in steps:
        ids.append(int(new[0]))
        text = str(model.tokenizer.decode(ids, skip_special_tokens=True))
        # A character of several bytes may come in several tokens: wait until it is whole.
        if not text.endswith("\ufffd"):
            yield text[len(shown) :]
            shown = text
