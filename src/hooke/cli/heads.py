"""`hooke heads`: which attention heads look at the token before, at a repeat, or behind one."""

from typing import TYPE_CHECKING

from hooke.cli.answer import Answer
from hooke.cli.head_page import head_page
from hooke.cli.options import Everywhere, ModelOptions, ModelRef
from hooke.cli.terminal import note, table, title
from hooke.errors import BadRequest
from hooke.pages.numerals import interval

if TYPE_CHECKING:
    import hooke.circuits.heads
    import hooke.findings


def heads(
    model: ModelRef,
    /,
    *,
    head: str | None = None,
    token: tuple[str, ...] = (),
    distance: int = 1,
    top: int = 5,
    sequences: int = 12,
    length: int = 40,
    seed: int = 0,
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Find previous-token, duplicate-token and induction heads on random tokens that repeat.

    Each score is mean attention, with a 95 % interval over sequences, beside the same distances in tokens that do not
    repeat. Copying is read off the weights, beside the same circuit with its two sides shuffled. Last come
    the strongest heads of the same architecture with its weights drawn anew, where nothing was learnt.

    With --head: what that head's weights say of tokens, on the direct path from the embedding, beside chance.

    Parameters
    ----------
    head
        Layer and head, e.g. 18.6, whose tables of tokens to show.
    token
        With --head: a source token whose outputs to show; may be given again.
    distance
        With --head: how many tokens the key stands before the query.
    top
        How many heads of each kind, or rows of a table, to show.
    sequences
        Sequences to read.
    length
        Random tokens in a sequence, which are read twice in a row.
    seed
        Seed of the tokens.
    """
    from hooke.circuits.heads import SCORES, head_scores
    from hooke.models.redrawn import redrawn

    opened = loading.load(model, everywhere.lab)
    if head is not None:
        return head_page(opened, head, token, distance=distance, top=top, seed=seed)
    if token or distance != 1:
        raise BadRequest("Tokens and a distance belong to one head.", "", "Name it with --head, e.g. --head 8.1.")
    found = head_scores(opened, n_sequences=sequences, length=length, seed=seed)
    # The strongest of fewer sequences is, if anything, stronger: half of them make the control no easier.
    anew = head_scores(redrawn(opened, seed=seed), n_sequences=max(3, sequences // 2), length=length, seed=seed)
    strongest, without = (
        {score: {place: one.finding(score, *place) for place in one.strongest(score, n)} for score in SCORES}
        for one, n in ((found, top), (anew, 1))
    )
    columns = ("looks at", "head", "attention>", "control>", "bits>", "away>", "copying>", "shuffled>")
    return Answer(
        data={
            "model": opened.name,
            "strongest": {score: list(findings.values()) for score, findings in strongest.items()},
            "drawn_anew": {score: list(findings.values()) for score, findings in without.items()},
            "scores": {score: found.repeated[score].mean(0).tolist() for score in SCORES},
            "controls": {score: found.control[score].mean(0).tolist() for score in SCORES},
            "entropy": found.entropy.tolist(),
            "distance": found.distance.tolist(),
            "copying": found.copying.tolist(),
            "copying_control": found.copying_control.tolist(),
        },
        shown=(
            title("Heads", opened.name),
            table(columns, [*_rows(found, strongest), *_rows(anew, without, " drawn anew")]),
            note(
                f"{sequences} sequences of {length} random tokens, read twice in a row. Control of previous: the token "
                "two before; of the others: the same distance in tokens that do not repeat. Bits: entropy of where it "
                "looks; away: mean distance in tokens. Drawn anew: the strongest of as many heads with random weights, "
                "on half of the sequences."
            ),
        ),
    )


def _rows(
    found: "hooke.circuits.heads.HeadScores",
    strongest: "dict[str, dict[tuple[int, int], hooke.findings.Finding]]",
    which: str = "",
) -> list[tuple[str, ...]]:
    return [
        (
            score + which,
            "{}.{}".format(*place),
            f"{finding.value:.3f} {interval(finding.interval)}",
            f"{finding.control:.3f}",
            f"{found.entropy[place]:.2f}",
            f"{found.distance[place]:.1f}",
            f"{found.copying[place]:+.2f}",
            f"{found.copying_control[place]:+.2f}",
        )
        for score, findings in strongest.items()
        for place, finding in findings.items()
    ]
