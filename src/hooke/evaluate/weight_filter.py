"""Whether virtual weights foretell what a feature does to a later dictionary's, and whether the filter helps.

For features of the earlier dictionary, drawn at random, on text that the run has not read: the feature is ablated in
the model, and at each token where it fires the change of every later feature's activation is taken, |Δ a_j|, summed
over tokens. A ranking of targets is as good as the share of all change that its first ten have:

    TWERA, |V| alone, co-firing alone (normalised PMI), and ten random features that fire

The ablation reaches targets by every way, attention and MLPs in between included, so that no ranking of direct paths
can have all of the change.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int
from numpy import ndarray
from torch import Tensor
from torch.nn import functional

from hooke.dictionaries.dictionary import Dictionary
from hooke.dictionaries.sparse import SparseActs
from hooke.errors import BadRequest
from hooke.features.fire_together import LEAST_TOGETHER
from hooke.features.interactions import Interactions
from hooke.features.query import Index
from hooke.features.virtual_weights import Ways, ways_between
from hooke.findings import Finding, estimate
from hooke.models.edits import Ablate
from hooke.models.model import Model, Run
from hooke.progress import track
from hooke.text.documents import Corpus
from hooke.text.windows import windows

N_FIRST = 10
N_WINDOWS = 32
"""Windows that are looked at for firings."""
WINDOWS_EACH = 4
"""Windows in which each feature is ablated, those with most of its firings."""


def check_filter(
    model: Model, run: Interactions, indexes: Sequence[Index], corpus: Corpus, *, n_sources: int, seed: int = 0
) -> tuple[Finding, ...]:
    """The share of the change that each ranking's first ten have, beside that of ten random features.

    Raises:
        BadRequest: there are no virtual weights between the two, or the text has too few firings.
    """
    manifest = run.manifest
    ways, why_not = ways_between(indexes[0].dictionary, indexes[1].dictionary, model)
    if ways is None:
        raise BadRequest(
            "There is nothing to check.", why_not, "Give dictionaries of which one reads behind the other."
        )
    early, late = (indexes[side].dictionary for side in (ways.source, ways.target))
    rng = np.random.default_rng([seed, 7])
    tokens = _fresh_text(model, corpus, run)
    firings, before = _clean(model, tokens, early, late)
    times = np.bincount(firings.indices[firings.values > 0].numpy(), minlength=early.n_features)
    often = np.flatnonzero(times >= LEAST_TOGETHER)
    if not len(often):
        raise BadRequest(
            "No feature of the earlier dictionary fires on the text behind the run's.", "", "Give more text."
        )
    sources = rng.permutation(often)[:n_sources]
    alive = np.flatnonzero(indexes[ways.target].densities > 0)
    shares = [
        _shares(model, early, late, int(source), tokens, firings, before, _rankings(run, ways, int(source), alive, rng))
        for source in track(sources.tolist(), "ablate", unit="features")
    ]
    return _told(f"{manifest.spec.indexes[ways.source]} to {manifest.spec.indexes[ways.target]}: ", shares, seed)


def _fresh_text(model: Model, corpus: Corpus, run: Interactions) -> Int[Tensor, "window pos"]:
    """Windows behind those that the run has read."""
    spec = run.manifest.spec
    first = -(-spec.n_tokens // spec.windows.context)
    found = windows(corpus, model.tokenizer, spec.windows, start=first, stop=first + N_WINDOWS)
    parts = [batch.tokens for batch in found]
    if not parts:
        raise BadRequest(
            f"The corpus '{corpus.name}' ends with what the run has read.", "", "Compute it over fewer tokens."
        )
    return torch.cat(parts)


def _clean(
    model: Model, tokens: Int[Tensor, "window pos"], early: Dictionary, late: Dictionary
) -> tuple[SparseActs, SparseActs]:
    """What fires in both dictionaries; nothing on the first token of a window, where activations mean nothing."""
    parts = []
    for some in tokens.split(4):
        run = model.run(some, capture=[*early.reads, *late.reads], logits=False)
        parts.append([_encoded(one, run) for one in (early, late)])
    ones, others = (_joined(some) for some in zip(*parts, strict=True))
    ones.values[:, 0] = 0
    return ones, others


def _encoded(dictionary: Dictionary, run: Run) -> SparseActs:
    acts = dictionary.encode(run.rows(*dictionary.reads).to(dictionary.device))
    return SparseActs(acts.values.cpu(), acts.indices.cpu(), acts.n_features)


def _joined(parts: Sequence[SparseActs]) -> SparseActs:
    """Activations of several batches, of which each is as wide as it had to be."""
    width = max(part.values.shape[-1] for part in parts)
    values, indices = (
        torch.cat([functional.pad(one, (0, width - one.shape[-1])) for one in some])
        for some in zip(*((part.values, part.indices) for part in parts), strict=True)
    )
    return SparseActs(values, indices, parts[0].n_features)


def _rankings(
    run: Interactions, ways: Ways, source: int, alive: Int[ndarray, " alive"], rng: np.random.Generator
) -> dict[str, Int[ndarray, " ten"]]:
    paths, partners = run.paths(ways.source), run.partners(ways.source)
    weights = np.abs(ways.weights(ways.source, source, source + 1)[0])
    return {
        "TWERA": paths.feature[source][paths.count[source] > 0][:N_FIRST].astype(np.int64),
        "|V| alone": alive[np.argsort(-weights[alive], kind="stable")[:N_FIRST]],
        "co-firing alone": partners.feature[source][partners.count[source] > 0][:N_FIRST].astype(np.int64),
        "random": rng.choice(alive, size=min(N_FIRST, len(alive)), replace=False),
    }


def _shares(
    model: Model,
    early: Dictionary,
    late: Dictionary,
    source: int,
    tokens: Int[Tensor, "window pos"],
    firings: SparseActs,
    before: SparseActs,
    rankings: dict[str, Int[ndarray, " ten"]],
) -> dict[str, float]:
    """The share of all change that the features of each ranking have."""
    fires = ((firings.indices == source) & (firings.values > 0)).any(-1)
    chosen = fires.sum(1).argsort(descending=True)[:WINDOWS_EACH]
    edit = Ablate(feature=f"{early.reads[0]}/{source}@{early.name}")
    run = model.run(tokens[chosen], capture=late.reads, edits=[edit], logits=False, dictionaries=[early])
    clean = SparseActs(before.values[chosen], before.indices[chosen], before.n_features).dense()
    change = (_encoded(late, run).dense() - clean)[fires[chosen]].abs().sum(0).double().numpy()
    return {name: float(change[some].sum() / max(change.sum(), 1e-12)) for name, some in rankings.items()}


def _told(claim: str, shares: list[dict[str, float]], seed: int) -> tuple[Finding, ...]:
    rng = np.random.default_rng([seed, 8])
    by_name = {name: np.array([one[name] for one in shares]) for name in shares[0]}
    control = estimate(by_name.pop("random"), generator=rng)
    by_name["TWERA less |V| alone"] = by_name["TWERA"] - by_name["|V| alone"]
    by_name["TWERA less co-firing alone"] = by_name["TWERA"] - by_name["co-firing alone"]
    findings = []
    for name, values in by_name.items():
        own, is_difference = estimate(values, generator=rng), " less " in name
        findings.append(
            Finding(
                claim=f"{claim}share of an ablation's change in the first {N_FIRST} by {name}",
                value=own.value,
                interval=own.interval,
                n=len(values),
                control=None if is_difference else control.value,
                control_interval=None if is_difference else control.interval,
                control_name="" if is_difference else f"{N_FIRST} random features that fire",
                method="change of activations where the source fires, on text that the run has not read",
                seed=seed,
            )
        )
    return tuple(findings)
