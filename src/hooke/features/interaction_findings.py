"""What holds of all features of a run together, each number beside its control, with intervals over features."""

from collections.abc import Callable

import numpy as np
from numpy import ndarray

from hooke.dictionaries.dictionary import Dictionary
from hooke.features.absorbers import LEAST_STRONG, Absorption
from hooke.features.co_firing import TRIAL, CoFiring
from hooke.features.fire_together import LEAST_TOGETHER, Partners, fire_together
from hooke.features.matches import (
    Matches,
    chance_correlation,
    mutual_nearest,
    nearest_by_correlation,
    permuted_cosines,
)
from hooke.features.splits import Splits
from hooke.features.virtual_weights import N_PATHS, Ways, interference
from hooke.findings import Finding, estimate, estimate_ratio

Tell = Callable[..., list[Finding]]

SHIFTED = "the text shifted"


def self_findings(found: CoFiring, name: str, partners: Partners, least: float, *, seed: int) -> tuple[Finding, ...]:
    """What holds of a dictionary beside itself."""
    return tuple(_together(found, 0, 0, f"{name}: ", partners, least, _teller(seed)))


def pair_findings(
    found: CoFiring,
    dictionaries: tuple[Dictionary, Dictionary],
    names: tuple[str, ...],
    partners: Partners,
    least: float,
    match: Matches,
    ways: Ways | None,
    family: tuple[int, Splits, Absorption | None],
    *,
    seed: int,
) -> tuple[Finding, ...]:
    """What holds of the smaller of two dictionaries beside the larger one, and of the ways between them."""
    tell = _teller(seed)
    parents, covered, absorbed = family
    claim = f"{names[parents]} beside {names[1 - parents]}: "
    findings = [
        *_together(found, parents, 1 - parents, claim, partners, least, tell),
        *_matched(found, dictionaries, parents, claim, match, tell),
    ]
    if ways is not None:
        findings += _ways(found, ways, f"{names[ways.source]} to {names[ways.target]}: ", tell)
    findings += _family(found, parents, claim, covered, absorbed, tell)
    return tuple(findings)


def _teller(seed: int) -> Tell:
    rng = np.random.default_rng([seed, 5])

    def tell(claim: str, values: ndarray, control: ndarray, control_name: str, method: str) -> list[Finding]:
        # Where there is nothing to measure there is nothing to say.
        if not len(values):
            return []
        own, beside = (estimate(some, generator=rng) for some in (values, control))
        finding = Finding(
            claim=claim,
            value=own.value,
            interval=own.interval,
            n=len(values),
            control=beside.value,
            control_interval=beside.interval,
            control_name=control_name,
            method=method,
            seed=seed,
        )
        return [finding]

    return tell


def _alive(found: CoFiring, side: int) -> ndarray:
    return found.totals[side].n_active >= LEAST_TOGETHER


def _together(
    found: CoFiring, side: int, beside: int, claim: str, partners: Partners, least: float, tell: Tell
) -> list[Finding]:
    alive = _alive(found, side)
    shifted = fire_together(found, side, beside, least=least, shift=TRIAL)
    one, other = partners.told[alive].sum(1), shifted.told[alive].sum(1)
    rule = f"at least {LEAST_TOGETHER} tokens together, PMI's interval above 0, excess above {least:.1f}"
    most = partners.feature.shape[1]
    return [
        *tell(f"{claim}share with a partner beyond chance", 1.0 * (one > 0), 1.0 * (other > 0), SHIFTED, rule),
        *tell(f"{claim}partners beyond chance, at most {most}", 1.0 * one, 1.0 * other, SHIFTED, rule),
    ]


def _matched(
    found: CoFiring, dictionaries: tuple[Dictionary, Dictionary], side: int, claim: str, match: Matches, tell: Tell
) -> list[Finding]:
    alive = _alive(found, side)
    shifted = [nearest_by_correlation(found, one, shift=TRIAL) for one in (0, 1)]
    least = [chance_correlation(found, one) for one in (0, 1)]
    mutual = mutual_nearest(shifted, least)[side]
    correlation = shifted[side].correlation
    method = f"Pearson's r of activations; pairs together on at least {LEAST_TOGETHER} tokens"
    rule = f"each the other's nearest, with a correlation above {max(least):.3f}"
    findings = [
        *tell(f"{claim}correlation with the nearest", match.correlation[alive], correlation[alive], SHIFTED, method),
        *tell(f"{claim}share with a match", 1.0 * match.is_match[alive], 1.0 * mutual[alive], SHIFTED, rule),
    ]
    if dictionaries[0].output_rows.shape[1] == dictionaries[1].output_rows.shape[1]:
        permuted = permuted_cosines(dictionaries[side], dictionaries[1 - side])
        name, of_match = "its row with coordinates permuted, nearest of all", alive & match.is_match
        method = "matched by correlation, which has not seen the rows"
        findings += [
            *tell(f"{claim}cosine of the nearest row", match.nearest_cosine[alive], permuted[alive], name, "greedy"),
            *tell(f"{claim}cosine of a match's row", match.cosine[of_match], permuted[of_match], name, method),
        ]
    return findings


def _ways(found: CoFiring, ways: Ways, claim: str, tell: Tell) -> list[Finding]:
    beside = interference(found, ways)
    method = (
        f"the {N_PATHS} targets with the largest |V| of each source; together on fewer than {LEAST_TOGETHER} tokens"
    )
    return [
        *tell(
            f"{claim}largest virtual weight of a feature",
            beside.largest,
            beside.permuted,
            "its row with coordinates permuted",
            "max over targets of |W_dec · W_enc|",
        ),
        *tell(
            f"{claim}share of the largest virtual weights whose ends never meet",
            beside.unmet,
            beside.unmet_random,
            "as many targets at random",
            method,
        ),
    ]


def _family(
    found: CoFiring, side: int, claim: str, covered: Splits, absorbed: Absorption | None, tell: Tell
) -> list[Finding]:
    measured = _alive(found, side) & (covered.n >= LEAST_TOGETHER)
    with_child = measured & (covered.n_children > 0)
    as_dense = "as many features, as dense, at random"
    findings = [
        *tell(
            f"{claim}share of parents that are split",
            1.0 * covered.is_split[measured],
            1.0 * (covered.more_high < 0)[measured],
            "the other tail: random features add more",
            "two children or more; the others add more to the first than random ones, on windows of no choice",
        ),
        *tell(
            f"{claim}share of a parent's firings that its children cover",
            covered.recall[with_child],
            covered.control[with_child],
            as_dense,
            "parents with a child, on windows that children were not chosen on",
        ),
        *tell(
            f"{claim}share that the first child covers alone",
            covered.alone[with_child],
            covered.control[with_child],
            as_dense,
            "the same",
        ),
    ]
    if absorbed is not None and (asked := absorbed.n_strong >= LEAST_STRONG).any():
        rng = np.random.default_rng(6)
        own, control = (
            estimate_ratio(some[asked], absorbed.n_strong[asked], generator=rng)
            for some in (absorbed.n_absorbed, absorbed.n_control)
        )
        findings.append(
            Finding(
                claim=f"{claim}share of strong firings that are absorbed",
                value=own.value,
                interval=own.interval,
                n=int(asked.sum()),
                control=control.value,
                control_interval=control.interval,
                control_name="another parent's row on the same tokens",
                method="the match is silent, and one feature writes at least .4 of what is written along the parent",
                seed=0,
            )
        )
    return findings
