"""One head in the terminal: the tokens it raises and lowers, and those it matches."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hooke.cli.answer import Answer
from hooke.cli.attention import head_place
from hooke.cli.terminal import note, table, title
from hooke.errors import BadRequest, UnsupportedModel
from hooke.pages.numerals import interval

if TYPE_CHECKING:
    import hooke.circuits.head_tables
    import hooke.models.model


def head_page(
    model: "hooke.models.model.Model", head: str, words: Sequence[str], *, distance: int, top: int, seed: int
) -> Answer:
    """The token tables of a head.

    Raises:
        BadRequest: there is no such head, or a word is not one token.
    """
    from hooke.circuits.head_tables import match_table, output_table
    from hooke.circuits.heads import usable_tokens

    layer, number = head_place(head)
    tokens, sources = usable_tokens(model), [_token(model, word) for word in words]
    outputs = output_table(model, layer, number, sources, tokens, top=top, seed=seed)
    refusal, matches = "", None
    try:
        matches = match_table(model, layer, number, tokens, distance=distance, top=top, seed=seed)
    except UnsupportedModel as error:
        refusal = str(error)

    return Answer(
        data={
            "model": model.name,
            "head": head,
            "copying": outputs.copying,
            "rank": outputs.rank,
            "sources": [
                {
                    "token": _text(model, source),
                    "raised": _pairs(model, outputs.raised[source]),
                    "lowered": _pairs(model, outputs.lowered[source]),
                }
                for source in sources
            ],
            "outputs": {
                "strongest": _pairs(model, outputs.strongest),
                "shuffled": _pairs(model, outputs.shuffled),
            },
            "matches": matches
            and {
                "distance": distance,
                "strongest": _pairs(model, matches.strongest),
                "shuffled": _pairs(model, matches.shuffled),
                "mean": matches.mean,
                "deviation": matches.deviation,
            },
            "matches_refused": refusal or None,
        },
        shown=(
            title(f"Head {head}", model.name),
            *_outputs_shown(model, outputs),
            *((note(refusal),) if matches is None else _matches_shown(model, matches)),
        ),
    )


def _outputs_shown(model: "hooke.models.model.Model", outputs: "hooke.circuits.head_tables.OutputTable") -> list[Any]:
    copying, rank = outputs.copying, outputs.rank
    return [
        note(
            f"Of {copying.n} tokens, {copying.value:.3f} {interval(copying.interval)} are among the ten that they "
            f"raise most; {copying.control_name}: {copying.control or 0:.3f}. A token raises itself over "
            f"{rank.value:.3f} {interval(rank.interval)} of the others; {rank.control_name}: "
            f"{rank.control or 0:.3f}. From embeddings alone, as if no layer "
            "lay between."
        ),
        *(
            table(
                ("reads", "raises", "by>", "reads", "lowers", "by>"),
                _rows(model, outputs.raised[source], outputs.lowered[source]),
            )
            for source in outputs.raised
        ),
        table(
            ("reads", "raises", "by>", "shuffled", "raises", "by>"),
            _rows(model, outputs.strongest, outputs.shuffled),
            title="Strongest outputs",
        ),
    ]


def _matches_shown(model: "hooke.models.model.Model", matches: "hooke.circuits.head_tables.MatchTable") -> list[Any]:
    return [
        table(
            ("query", "key", "score>", "shuffled", "key", "score>"),
            _rows(model, matches.strongest, matches.shuffled),
            title=f"Highest scores at distance {matches.distance}",
        ),
        note(f"All pairs of the sample: {matches.mean:+.2f} on average, standard deviation {matches.deviation:.2f}."),
    ]


def _pairs(
    model: "hooke.models.model.Model", some: "Sequence[hooke.circuits.head_tables.TokenPair]"
) -> list[dict[str, object]]:
    return [{"first": _text(model, one.first), "second": _text(model, one.second), "value": one.value} for one in some]


def _rows(
    model: "hooke.models.model.Model", *columns: "Sequence[hooke.circuits.head_tables.TokenPair]"
) -> list[list[str]]:
    return [
        [
            word
            for one in row
            for word in (repr(_text(model, one.first)), repr(_text(model, one.second)), f"{one.value:+.2f}")
        ]
        for row in zip(*columns, strict=True)
    ]


def _token(model: "hooke.models.model.Model", word: str) -> int:
    ids = [] if model.tokenizer is None else model.tokenizer.encode(word, add_special_tokens=False)
    if len(ids) != 1:
        raise BadRequest(
            f"'{word}' is not one token of {model.name}.",
            f"It is {len(ids)}.",
            "Give one, with the space in front where it has one: --token ' the'.",
        )
    return int(ids[0])


def _text(model: "hooke.models.model.Model", token: int) -> str:
    return str(token) if model.tokenizer is None else str(model.tokenizer.decode([token]))
