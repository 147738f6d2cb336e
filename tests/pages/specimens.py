"""Things to show, with hostile text wherever a corpus or a model could put some."""

from hooke.directions.arms import Said
from hooke.directions.response import Arm, Dose, DoseResponse, Limits, PromotedToken, Usable, judge
from hooke.evaluate.loss_recovered import Losses, Spliced
from hooke.evaluate.reconstruction import Densities, Fidelity, Reconstruction
from hooke.features.card import (
    Card,
    Example,
    ExampleGroup,
    Histogram,
    Neighbour,
    Partner,
    SourceShare,
    TokenEffect,
)
from hooke.features.labels import Label
from hooke.features.query import Hit
from hooke.features.reading import Firing, Reading, TextFeature
from hooke.findings import Estimate
from hooke.prompts.lens import LensCell, LensRow

HOSTILE = "<script>alert(1)</script>\"'&\u202e\x1b[2J"

LABEL = Label(
    feature=7, text=f"token {HOSTILE}", source="rule", kind="token", score=0.9, f1=0.5, n=1234, words="bridge"
)  # fmt: skip


def around(value: float, half_width: float = 0.01) -> Estimate:
    return Estimate(value=value, interval=(value - half_width, value + half_width))


def card(*, with_text: bool = True) -> Card:
    tokens = (" the", HOSTILE, " bridge") if with_text else ()
    example = Example(
        window=1, position=2, peak=1, value=8.0, activations=(0.0, 8.0, 1.5), tokens=tokens, token_ids=(1, 2, 3),
        document=4, source=HOSTILE,
    )  # fmt: skip
    return Card(
        name="resid_post.0/7@d", feature=7, index="i", model="m", dictionary="d", site="resid_post.0", labels=(LABEL,),
        n_counted=1000, n_active=20, density=0.02, mean=3.0, max=8.0,
        histogram=Histogram(edges=(1.0, 2.0, 4.0, 8.0), counts=(0, 15, 5)),
        by_source=(SourceShare(source=HOSTILE, share=0.7, base=0.2),),
        promoted=(TokenEffect(token=1, text=HOSTILE, value=4.0),),
        suppressed=(TokenEffect(token=2, text=" stone", value=-2.0),),
        effects_chance=3.9,
        neighbours=(Neighbour(feature=3, cosine=0.5, label=HOSTILE),),
        partners=(Partner(feature=4, count=3, pmi=2.0, jaccard=0.25, label=HOSTILE),),
        groups=(ExampleGroup(name="strongest", examples=(example,)), ExampleGroup(name="0–20 %", examples=(example,))),
        text_missing="" if with_text else "The text is not here.",
    )  # fmt: skip


def hits() -> list[Hit]:
    return [Hit(feature=7, name="resid_post.0/7@d", label=LABEL, density=0.02, max=8.0, value=1.0)]


def reading() -> Reading:
    feature = TextFeature(
        feature=7, name="resid_post.0/7@d", label=LABEL, density=0.02, max=8.0, value=4.0, peak=1,
        activations=(6.0, 4.0), score=2.0,
    )  # fmt: skip
    firings = ((Firing(feature=7, value=6.0),), (Firing(feature=7, value=4.0), Firing(feature=3, value=1.0)))
    return Reading(
        text=f"the {HOSTILE}", tokens=("the", HOSTILE), token_ids=(1, 2), counted=(False, True), firings=firings,
        features=(feature,),
    )  # fmt: skip


def arm(name: str, gains: tuple[float, ...]) -> Arm:
    doses = tuple(
        Dose(
            strength=float(place + 1), mass=around(0.1 + gain), gain=around(gain), target_gain=around(gain),
            perplexity=around(20.0), perplexity_ratio=around(1.0 + gain), continuation=f" {name} {HOSTILE}",
            kl=around(gain), wrong_way=around(0.1), distinct=around(0.9), distinct_change=around(0.0), relative=gain,
        )
        for place, gain in enumerate(gains)
    )  # fmt: skip
    return Arm(name=name, promoted=(PromotedToken(token=1, text=HOSTILE, rise=2.0),), doses=doses)


def response(*, n_controls: int = 3) -> DoseResponse:
    treated = arm("resid_post.0/7@d", (0.1, 0.4))
    controls = tuple(arm(f"random {number + 1}", (0.0, 0.01 * number)) for number in range(n_controls))
    return DoseResponse(
        name="resid_post.0/7@d", model="m", site="resid_post.0", unit=8.0, norm=8.0, selection_strength=1.0,
        baseline_mass=around(0.1), baseline_perplexity=around(20.0), prompt=f"I went {HOSTILE}",
        baseline_distinct=around(0.95), n_continued=8, limits=Limits(), usable=Usable(reason=HOSTILE),
        baseline_continuation=f" home {HOSTILE}", treated=treated, controls=controls, n_prompts=12, n_windows=8,
        n_tokens=100, text="default:heldout", verdict=judge(treated, controls, smallest_gain=0.01, limit=1.0), seed=0,
    )  # fmt: skip


def measured(*, with_losses: bool = True) -> Reconstruction:
    own = Fidelity(
        fvu=around(0.16), typical_fvu=around(0.15), cosine=around(0.96), l0=around(32.0), dead_share=around(0.05)
    )
    spliced = Spliced(loss=around(2.9), recovered_zero=around(0.98), recovered_mean=around(0.97))
    losses = Losses(
        n_windows=4, n_tokens=99, clean=around(2.7), zero=around(15.0), mean=around(10.0), own=spliced, control=spliced
    )
    return Reconstruction(
        dictionary="d", model="m", sites=("resid_post.0", "resid_post.0"), n_features=8, corpus=HOSTILE,
        corpus_fingerprint="f", n_windows=4, n_counted=500, own=own, control=own,
        densities=Densities(edges=(-3.0, -2.0, -1.0, 0.0), counts=(3, 4, 0), n_dead=1),
        losses=losses if with_losses else None, seed=0,
    )  # fmt: skip


def arms() -> list[Said]:
    return [
        Said(name="baseline", strength=None, text=f" town {HOSTILE}", surprise=0.5),
        Said(name="treated", strength=2.0, text=" a bridge", surprise=float("nan")),
    ]


def lens() -> list[LensRow]:
    cells = (
        LensCell(token=1, text=HOSTILE, logprob=-0.5, rank=3, entropy=2.0),
        LensCell(token=2, text=" b", logprob=-1.0, rank=None, entropy=1.0),
    )
    return [LensRow(layer=0, cells=cells)]
