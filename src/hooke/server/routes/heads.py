"""Attention heads: scores of all of them, one head's scores with intervals, and its tables of tokens."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query
from numpy import ndarray
from pydantic import BaseModel, Field

from hooke.circuits.head_tables import MatchTable, TokenPair, match_table, output_table, require_head
from hooke.circuits.heads import SCORES, HeadScores, head_scores, usable_tokens
from hooke.errors import UnsupportedModel
from hooke.features.vocabulary import Vocabulary
from hooke.models.model import Model
from hooke.server.remembered import remembered
from hooke.server.residents import ClientHere, ResidentsHere
from hooke.server.routes.features import known
from hooke.server.routes.graphs import FindingOut, finding_out
from hooke.server.routes.prompts import vocabulary_of

router = APIRouter(prefix="/api/models/{model}/heads", tags=["heads"])

MAX_SOURCES = 8
"""Tokens whose outputs one request may ask for."""
_LENGTH = 40
"""Random tokens that are read twice, where the context has room for so many."""
_N_SEQUENCES = 12
_ROWS = 12
"""Of a table."""
_ABOUT = {
    "previous": "attention to the token before",
    "duplicate": "attention to the token's own first appearance",
    "induction": "attention to the token behind its first appearance: prefix matching",
    "copying": "whether a token raises its own logit, read off the weights: Σ Re λ / Σ |λ|, from -1 to 1",
    "entropy": "bits of where it looks, mean over positions",
    "distance": "mean number of tokens between a query and what it looks at",
}
_Text = Annotated[str, Field(min_length=1, max_length=100)]
_SHUFFLED = "the same circuit with its two sides shuffled"


class HeadMap(BaseModel):
    """One number of every head."""

    name: str
    """Its name."""
    about: str
    """What it is."""
    is_signed: bool
    """Whether it can be below zero."""
    values: list[list[float | None]]
    """By layer and head."""
    controls: list[list[float | None]] | None
    """The same for the control; null where there is none to speak of."""
    control_name: str
    """What the control is."""


class HeadList(BaseModel):
    """The scores of all heads of a model."""

    model: str
    """The model."""
    n_layers: int
    """Its layers."""
    n_heads: int
    """Heads of a layer."""
    n_sequences: int
    """Sequences of random tokens that were read."""
    length: int
    """Tokens of each, which are read twice in a row."""
    maps: list[HeadMap]
    """By score."""


class HeadScore(BaseModel):
    """A head's place in a score."""

    name: str
    """The score."""
    value: float | None
    """Its mean."""
    interval: tuple[float, float] | None
    """95 % interval over the sequences; null of what is no mean over them."""
    control: float | None
    """That of the control; null where there is none."""
    control_interval: tuple[float, float] | None
    """95 % interval of the control."""
    place: int
    """How many heads lie above it, and 1."""


class HeadOut(BaseModel):
    """One head's scores."""

    layer: int
    """Its layer."""
    head: int
    """Its number."""
    n_heads: int
    """Heads of the model."""
    scores: list[HeadScore]
    """All scores."""


class TokenPairOut(BaseModel):
    """Two tokens and what the head gives them."""

    first: str
    """Source, or query."""
    second: str
    """Token of the logit, or key."""
    value: float
    """What it is raised by, or the score."""


class SourceOut(BaseModel):
    """What a head does on reading a token."""

    token: str
    """The token."""
    raised: list[TokenPairOut]
    """Logits that it raises most, over the mean logit."""
    lowered: list[TokenPairOut]
    """Those that it lowers most."""


class MatchesOut(BaseModel):
    """Which query tokens look for which key tokens."""

    strongest: list[TokenPairOut]
    """The highest scores of the sample."""
    shuffled: list[TokenPairOut]
    """The same with the dimensions of the keys shuffled: what chance gives."""
    mean: float
    """Over all pairs of the sample."""
    deviation: float
    """Standard deviation over them."""


class HeadTables(BaseModel):
    """What a head's weights say of tokens, on the direct path from the embedding."""

    distance: int
    """How many tokens the key stands before the query."""
    copying: FindingOut
    """How often a token is among those that it raises most itself."""
    rank: FindingOut
    """Over which share of the others a token raises itself."""
    sources: list[SourceOut]
    """The tokens that were asked for."""
    strongest: list[TokenPairOut]
    """Strongest outputs of a sample of source tokens."""
    shuffled: list[TokenPairOut]
    """The same of the circuit whose inner dimensions are shuffled."""
    matches: MatchesOut | None
    """Null where no table of pairs holds in all prompts."""
    refusal: str
    """Why there is none; else empty."""


@router.get("")
async def list_heads(model: str, here: ResidentsHere, client: ClientHere) -> HeadList:
    """The scores of all heads, on random tokens that repeat; computed once, as long as the model is in memory."""

    def work(opened: Model) -> HeadList:
        scores = _scores(opened)
        maps = [_map_out(name, *_numbers(scores, name), scores) for name in _ABOUT]
        n_layers, n_heads = scores.entropy.shape
        return HeadList(
            model=model,
            n_layers=n_layers,
            n_heads=n_heads,
            n_sequences=_N_SEQUENCES,
            length=_length(opened),
            maps=maps,
        )

    return await here.with_model(model, client, work)


@router.get("/{layer}/{head}")
async def get_head(model: str, layer: int, head: int, here: ResidentsHere, client: ClientHere) -> HeadOut:
    """One head's scores, those of attention with intervals and their control."""

    def work(opened: Model) -> HeadOut:
        require_head(opened, layer, head)
        scores = _scores(opened)
        return HeadOut(
            layer=layer,
            head=head,
            n_heads=scores.entropy.size,
            scores=[_score_out(name, scores, layer, head) for name in _ABOUT],
        )

    return await here.with_model(model, client, work)


@router.get("/{layer}/{head}/tables")
async def head_tables(
    model: str,
    layer: int,
    head: int,
    here: ResidentsHere,
    client: ClientHere,
    token: Annotated[list[_Text], Query(default_factory=list, max_length=MAX_SOURCES)],
    distance: Annotated[int, Query(ge=0)] = 1,
) -> HeadTables:
    """A head's tables of tokens, each beside that of a shuffled circuit."""

    def work(opened: Model) -> HeadTables:
        key = f"tables {layer}.{head} {distance} {token}"
        return remembered(opened, key, lambda: _tables(opened, layer, head, distance, token))

    return await here.with_model(model, client, work)


def _scores(model: Model) -> HeadScores:
    return remembered(model, "heads", lambda: head_scores(model, n_sequences=_N_SEQUENCES, length=_length(model)))


def _length(model: Model) -> int:
    return min(_LENGTH, (model.context - 1) // 2, len(usable_tokens(model)) // 2)


def _numbers(scores: HeadScores, name: str) -> tuple[ndarray, ndarray | None]:
    """A score of every head, and its control."""
    if name in SCORES:
        return scores.repeated[name].mean(0), scores.control[name].mean(0)
    if name == "copying":
        return scores.copying, scores.copying_control
    return (scores.entropy if name == "entropy" else scores.distance), None


def _map_out(name: str, values: ndarray, controls: ndarray | None, scores: HeadScores) -> HeadMap:
    is_attention = name in SCORES
    return HeadMap(
        name=name,
        about=_ABOUT[name],
        is_signed=bool((values < 0).any()),
        values=_rows(values),
        controls=None if controls is None else _rows(controls),
        control_name=scores.finding(name, 0, 0).control_name
        if is_attention
        else _SHUFFLED
        if name == "copying"
        else "",
    )


def _rows(values: ndarray) -> list[list[float | None]]:
    return [[known(float(value)) for value in row] for row in values]


def _score_out(name: str, scores: HeadScores, layer: int, head: int) -> HeadScore:
    values, controls = _numbers(scores, name)
    own, finding = values[layer, head], scores.finding(name, layer, head) if name in SCORES else None
    return HeadScore(
        name=name,
        value=known(float(own)),
        interval=finding.interval if finding else None,
        control=None if controls is None else known(float(controls[layer, head])),
        control_interval=finding.control_interval if finding else None,
        place=int(np.count_nonzero(values > own)) + 1,
    )


def _tables(model: Model, layer: int, head: int, distance: int, words: Sequence[str]) -> HeadTables:
    require_head(model, layer, head)
    vocabulary, tokens = vocabulary_of(model), usable_tokens(model)
    sources = list(dict.fromkeys(vocabulary.find(word) for word in words))
    outputs = output_table(model, layer, head, sources, tokens, top=_ROWS)
    refusal, matches = "", None
    try:
        matches = match_table(model, layer, head, tokens, distance=distance, top=_ROWS)
    except UnsupportedModel as error:
        refusal = str(error)
    return HeadTables(
        distance=distance,
        copying=finding_out(outputs.copying),
        rank=finding_out(outputs.rank),
        sources=[
            SourceOut(
                token=vocabulary.text(source),
                raised=_pairs(vocabulary, outputs.raised[source]),
                lowered=_pairs(vocabulary, outputs.lowered[source]),
            )
            for source in sources
        ],
        strongest=_pairs(vocabulary, outputs.strongest),
        shuffled=_pairs(vocabulary, outputs.shuffled),
        matches=None if matches is None else _matches(vocabulary, matches),
        refusal=refusal,
    )


def _matches(vocabulary: Vocabulary, found: MatchTable) -> MatchesOut:
    return MatchesOut(
        strongest=_pairs(vocabulary, found.strongest),
        shuffled=_pairs(vocabulary, found.shuffled),
        mean=found.mean,
        deviation=found.deviation,
    )


def _pairs(vocabulary: Vocabulary, some: Sequence[TokenPair]) -> list[TokenPairOut]:
    return [
        TokenPairOut(first=vocabulary.text(one.first), second=vocabulary.text(one.second), value=one.value)
        for one in some
    ]
