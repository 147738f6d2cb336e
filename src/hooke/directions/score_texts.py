"""Texts scored by a probe, with the score of every token."""

from collections.abc import Sequence
from dataclasses import dataclass

from hooke.directions.probe import Probe, text_scores, token_scores
from hooke.directions.token_rows import counted
from hooke.models.model import Model
from hooke.progress import track
from hooke.sites import parse_site

_BATCH = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredText:
    """A text with its scores."""

    score: float
    """Of the whole text; above 0 it is taken for one with the concept."""
    tokens: tuple[str, ...]
    """Its tokens."""
    scores: tuple[float, ...]
    """Of each token by itself; 0 of the first, which is not scored."""
    so_far: tuple[float, ...]
    """Of the text up to each token; 0 at the first."""


def score_texts(model: Model, probe: Probe, texts: Sequence[str]) -> list[ScoredText]:
    """The scores of some texts.

    Raises:
        UnknownSite, UnsupportedModel, PromptTooLong, BadRequest: see `Model.run`.
    """
    sites = [parse_site(site) for site in probe.sites]
    found = []
    for start in track(range(0, len(texts), _BATCH), f"score, {probe.name}", unit="batches"):
        run = model.run(list(texts[start : start + _BATCH]), capture=sites, logits=False)
        rows = {site: run.rows(site).cpu() for site in sites}
        for at, (ids, mask) in enumerate(zip(run.tokens.ids.tolist(), run.tokens.mask.cpu(), strict=True)):
            chosen = counted(mask)
            own = {site: row[at][chosen] for site, row in rows.items()}
            scores, so_far = token_scores(probe, own).tolist(), text_scores(probe, own)
            unscored = (0.0,) * (int(mask.sum()) - len(scores))
            tokens = tuple(model.tokenizer.decode([one]) for one in ids[: int(mask.sum())])
            found.append(
                ScoredText(score=so_far[-1], tokens=tokens, scores=(*unscored, *scores), so_far=(*unscored, *so_far))
            )
    return found
