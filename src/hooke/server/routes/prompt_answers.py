"""What the routes of prompts take and give."""

from typing import Literal

from pydantic import BaseModel, Field

MAX_TEXT = 20_000
"""Characters of a prompt; its tokens have a limit of their own."""


class MessageIn(BaseModel):
    """A chat message."""

    role: Literal["system", "user", "assistant"]
    """Who says it."""
    content: str = Field(max_length=MAX_TEXT)
    """What is said."""


class PreviewBody(BaseModel):
    """A prompt before it is run."""

    model: str
    """The model."""
    text: str | None = Field(default=None, max_length=MAX_TEXT)
    """Plain text; either this or messages."""
    messages: list[MessageIn] | None = Field(default=None, max_length=64)
    """Chat messages, put through the model's template."""


class PromptBody(PreviewBody):
    """A prompt to take apart."""

    dictionaries: list[str] = Field(default=[], max_length=8)
    """Dictionaries to read it with, each at its own site."""


class TokenOut(BaseModel):
    """A token of a prompt."""

    id: int
    """The token."""
    text: str
    """Its text in the running text; all joined are the prompt."""
    is_special: bool
    """Whether it is no text, e.g. a boundary."""


class PromptPreview(BaseModel):
    """What the model would read."""

    text: str
    """The text, with the template's own where messages were given."""
    tokens: list[TokenOut]
    """Its tokens, cut at the limit."""
    n_tokens: int
    """How many tokens it has."""
    limit: int
    """The most that can be taken apart."""


class PromptDictionary(BaseModel):
    """A dictionary that a prompt was read with."""

    name: str
    """Its name."""
    index: str | None
    """Its index, where labels and pages of its features are."""
    site: str
    """Where it reads."""
    layer: int | None
    """The site's layer."""
    n_features: int
    """How many features it has."""
    k: int
    """Features kept for each token; of a token with more the strongest."""


class LensChoice(BaseModel):
    """A kind of lens."""

    kind: str
    """logit, tuned or jacobian: what the grid and a cell are asked for with."""
    title: str
    """Its name."""
    is_here: bool
    """Whether the prompt was read with it."""
    note: str
    """What its numbers do not say; where the prompt was not read with it, how to have it."""


class PromptOut(BaseModel):
    """A prompt that was taken apart and is kept."""

    id: str
    """Its id."""
    model: str
    """The model."""
    text: str
    """What the model read."""
    messages: list[MessageIn] | None
    """The messages that it came from."""
    created: str
    """When, in UTC."""
    tokens: list[TokenOut]
    """Its tokens."""
    n_layers: int
    """Layers of the grid; row l is the stream that leaves block l."""
    n_heads: int
    """Attention heads of a layer; 0 where patterns cannot be read."""
    has_lens: bool
    """Whether the logit lens could be had."""
    lenses: list[LensChoice]
    """Every kind of lens; none where no lens could be had."""
    dictionaries: list[PromptDictionary]
    """In the order of the grid's arrays `dictionary.0.*`, `dictionary.1.*`, ..."""
    notes: list[str]
    """What is missing, and what the numbers do not say."""


class PromptEntry(BaseModel):
    """A kept prompt in a list."""

    id: str
    """Its id."""
    model: str
    """The model."""
    text: str
    """Its beginning."""
    n_tokens: int
    """Its tokens."""
    created: str
    """When, in UTC."""
    dictionaries: list[str]
    """Dictionaries that it was read with."""


class PromptList(BaseModel):
    """Kept prompts."""

    items: list[PromptEntry]
    """Latest first."""
    next: str | None
    """Cursor of the next page."""
    total: int
    """How many there are."""


class LensGuess(BaseModel):
    """A token that the lens predicts."""

    token: int
    """The token."""
    text: str
    """Its text."""
    logprob: float
    """Natural logarithm of its probability."""


class CellFeature(BaseModel):
    """A feature that fires at a position."""

    feature: int
    """Its number."""
    address: str
    """Its address."""
    label: str
    """Its best label; empty where there is none."""
    activation: float
    """Its activation."""
    max: float | None
    """Its largest activation in the index."""
    density: float | None
    """Share of the index's tokens on which it fires."""


class CellFeatures(BaseModel):
    """What a dictionary says of a position."""

    dictionary: str
    """The dictionary."""
    index: str | None
    """Its index."""
    site: str
    """Where it reads."""
    is_here: bool
    """Whether its site is this cell's layer."""
    n_active: int
    """How many features fire."""
    unexplained: float | None
    """Share of the site's length, squared and measured from the decoder's bias, that the dictionary leaves over."""
    features: list[CellFeature]
    """Strongest first."""


class Attended(BaseModel):
    """A head and where it looks."""

    layer: int
    """The layer."""
    head: int
    """The head."""
    position: int
    """The other token: the one looked at, or the one that looks."""
    weight: float
    """Attention, between 0 and 1."""


class Cell(BaseModel):
    """One layer at one position."""

    layer: int
    """The layer."""
    position: int
    """The position."""
    token: TokenOut
    """The token there."""
    next_token: TokenOut | None
    """The token that comes after it in the prompt."""
    lens: list[LensGuess]
    """Likeliest next tokens by the lens."""
    rank: int | None
    """Rank of the actual next token, 0 for the likeliest; null at the last position."""
    actual_logprob: float | None
    """Its log-probability by the lens."""
    entropy: float | None
    """Of the lens's prediction, in nats."""
    norm: float
    """Length of the stream here."""
    features: list[CellFeatures]
    """By dictionary."""
    looks_at: list[Attended]
    """For each head of this layer the token that this one attends to most, strongest first."""
    read_by: list[Attended]
    """For each head of the next layer the later token that attends to this one most, strongest first."""


class AlignedPair(BaseModel):
    """A token of one prompt beside one of the other."""

    a: int | None
    """Position in the first prompt; null where the other has one token more."""
    b: int | None
    """Position in the second prompt."""
    kind: Literal["same", "replaced", "only_a", "only_b"]
    """How they go together."""


class PairFeatures(BaseModel):
    """Features that differ between two aligned positions."""

    dictionary: str
    """The dictionary."""
    feature: int
    """The feature."""
    label: str
    """Its best label."""
    a: float
    """Activation in the first prompt."""
    b: float
    """Activation in the second."""


class PairDifference(BaseModel):
    """Two aligned positions, layer by layer."""

    pair: int
    """Place in `pairs`."""
    cosine: list[float]
    """Cosine of the two streams in each layer."""
    distance: list[float]
    """Length of their difference over the mean of their lengths, in each layer."""
    lens_a: list[int]
    """The lens's first guess in each layer of the first prompt; empty without a lens."""
    lens_b: list[int]
    """The same of the second."""
    features: list[PairFeatures]
    """Features whose activations differ most."""


class Comparison(BaseModel):
    """Two kept prompts side by side."""

    a: PromptOut
    """The first."""
    b: PromptOut
    """The second."""
    pairs: list[AlignedPair]
    """Their tokens aligned with the fewest changes."""
    edits: int
    """How many changes there are."""
    differences: list[PairDifference]
    """For pairs that have both tokens."""
    lens_texts: dict[int, str]
    """Texts of the tokens in `lens_a` and `lens_b`."""


class TargetsBody(BaseModel):
    """A token against another."""

    target: str | int
    """The token's text, or its id."""
    distractor: str | int
    """The same of the other token."""
    position: int = -1
    """Where the next token is predicted; negative counts from the end."""
    n: int = Field(default=30, ge=1, le=500)
    """Features to list for each dictionary."""


class PartEffect(BaseModel):
    """What a part of the model writes to the difference."""

    site: str
    """'resid_pre.0' for the embedding, 'attn_out.3', 'mlp_out.3', or 'bias'."""
    layer: int | None
    """Its layer."""
    effect: float
    """In logits, for the target and against the distractor."""


class FeatureEffect(BaseModel):
    """What a feature writes to the difference."""

    feature: int
    """Its number."""
    address: str
    """Its address."""
    label: str
    """Its best label."""
    activation: float
    """Its activation at the position."""
    effect: float
    """In logits."""


class DictionaryEffects(BaseModel):
    """A dictionary's features ranked by what they write to the difference directly."""

    dictionary: str
    """The dictionary."""
    index: str | None
    """Its index."""
    site: str
    """Where it reads and writes."""
    features: list[FeatureEffect]
    """Largest effect first, in either direction."""
    n_active: int
    """Features that fire at the position."""
    rest: float
    """Effect of features that fire and are not listed."""
    bias: float
    """Effect of the decoder's bias."""
    unexplained: float
    """Effect of what the dictionary leaves over."""
    total: float
    """Effect of the whole stream at the site; features, bias and the rest sum to it."""


class Targets(BaseModel):
    """A logit difference taken apart."""

    position: int
    """Where the next token is predicted."""
    target: TokenOut
    """The token."""
    distractor: TokenOut
    """The other."""
    difference: float
    """Logit of the target minus that of the distractor, as the model gives it."""
    linear_difference: float
    """The same before a soft cap, which is what the parts sum to; equal to `difference` where there is no cap."""
    unaccounted: float
    """What the parts do not sum to; rounding."""
    parts: list[PartEffect]
    """In the order of the forward pass."""
    dictionaries: list[DictionaryEffects]
    """By dictionary of the prompt."""
    note: str
    """The method and its limits."""
