"""`hooke read`: a text as features, token by token."""

from typing import TYPE_CHECKING

from rich.console import RenderableType

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere, IndexOptions, ModelOptions
from hooke.cli.search import by_text, write_reading
from hooke.cli.terminal import note, table, title
from hooke.errors import BadRequest
from hooke.pages.numerals import number

if TYPE_CHECKING:
    import hooke.features.query
    import hooke.features.reading


def read(
    text: str,
    /,
    *,
    n: int = 8,
    per_token: int = 3,
    where: IndexOptions = IndexOptions(),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Show a text as features, token by token.

    First the features that the text brings out most, each with the text as a heat map; then the strongest features of
    each token.

    Parameters
    ----------
    text
        The text.
    n
        How many of the text's features to show.
    per_token
        How many features to show for each token.
    """
    if n < 1 or per_token < 0:
        raise BadRequest(f"{n} features and {per_token} for each token cannot be shown.", "", "Give larger numbers.")
    index = where.open(everywhere.lab)
    reading = index.active_on(where.load_model(index, loading, everywhere.lab), text, n=n)
    write_reading(index, reading, where, per_token=per_token)
    shown = (*by_text(index, reading), *_by_token(index, reading, per_token))
    return Answer(data={"index": index.manifest.name, "reading": reading}, shown=shown)


def _by_token(
    index: "hooke.features.query.Index", reading: "hooke.features.reading.Reading", per_token: int
) -> tuple[RenderableType, ...]:
    if per_token == 0:
        return ()
    rows = []
    for token, counted, firings in zip(reading.tokens, reading.counted, reading.firings, strict=True):
        strongest = firings[:per_token] if counted else ()
        if not strongest:
            rows.append(
                (f"'{token}'", "", "", "" if counted else "not counted: special, or the first token", "", "", "")
            )
        for place, firing in enumerate(strongest):
            label = index.label(firing.feature)
            said = label.text if label else ""
            trust = (number(label.score), number(label.null), number(label.n)) if label else ("", "", "")
            rows.append((f"'{token}'" if place == 0 else "", number(firing.value), firing.feature, said, *trust))
    columns = ("token", "activation>", "feature>", "label", "score>", "others>", "n>")
    return title("Token by token"), table(columns, rows), note("")
