"""`hooke fit-lens`: a tuned or Jacobian lens of a model."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import RenderableType

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere, ModelOptions, ModelRef
from hooke.cli.terminal import note, table, title
from hooke.pages.numerals import interval, number, percent

if TYPE_CHECKING:
    from hooke.prompts.lens_scores import LensScores


def fit_lens(
    model: ModelRef,
    /,
    *,
    kind: Annotated[str, Parameter(help="tuned, or jacobian.")],
    name: str | None = None,
    corpus: str = "default",
    heldout: str = "default:heldout",
    tokens: int = 20_480,
    steps: int = 60,
    windows: int = 8,
    context: int | None = None,
    measure: int = 32,
    seed: int = 0,
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Fit a tuned or a Jacobian lens to a model, and measure it on held-out text.

    A tuned lens is an affine map for each layer, fitted so that the layer foretells what the model will say. A Jacobian
    lens is the mean derivative of the final stream by the layer's, here and at later tokens. `hooke lens --kind` and
    the page of a prompt read with it. Every layer below the last is shown beside controls, with 95 % intervals.

    Parameters
    ----------
    name
        Name in the lab; the model's and the kind, where it is found by itself, unless given.
    corpus
        The text that it is fitted on.
    heldout
        The text that it is measured on; where it is the same, its windows behind those that were fitted on.
    tokens
        Tuned: tokens of the least-squares start.
    steps
        Tuned: steps down the KL, 512 tokens each.
    windows
        Jacobian: windows that the derivative is averaged over.
    context
        Tokens in a window; 128 for a tuned lens, 32 for a Jacobian one unless given.
    measure
        Windows to measure; 0 for none.
    seed
        Seed of draws, controls and intervals.
    """
    from hooke.prompts.fit_lens import fit_lens as fit
    from hooke.prompts.fitted_lens import KINDS, require_kind, save_lens
    from hooke.prompts.jacobian_lens import JacobianConfig
    from hooke.prompts.lens_scores import ScoreConfig
    from hooke.prompts.tuned_lens import TunedConfig
    from hooke.text.corpora import open_corpus
    from hooke.text.windows import WindowConfig

    require_kind(kind)
    lab = everywhere.lab
    if name is not None:
        lab.path("lenses", name)
    cut = WindowConfig(context=context or 128, batch=4)
    config = (
        JacobianConfig(n_windows=windows, context=context or 32)
        if kind == "jacobian"
        else TunedConfig(n_tokens=tokens, steps=steps, windows=cut)
    )
    scoring = ScoreConfig(n_windows=measure, windows=replace(cut, context=min(cut.context, 128)))
    texts = open_corpus(corpus), open_corpus(heldout)
    opened = loading.load(model, lab)
    lens = fit(opened, kind, *texts, name=name, config=config, scores=scoring, seed=seed)
    folder = save_lens(lab, lens, seed=seed)
    about = lens.manifest
    rows = [
        ("fitted", about.method),
        ("on", f"{number(about.n_tokens)} tokens of {about.corpus}"),
        ("folder", folder),
    ]
    return Answer(
        data={"folder": folder, "lens": about},
        shown=(title(KINDS[kind], about.model), table(("", ""), rows), *_table(about.scores)),
    )


def _table(scores: "LensScores | None") -> tuple[RenderableType, ...]:
    if scores is None:
        return (note("Not measured."),)
    own, *controls = scores.lenses
    columns = ("layer>", f"{own}: KL>", "same token>", *(f"{name}: KL>" for name in controls))
    rows = [
        (
            layer,
            f"{mine.kl.value:.2f} {interval(mine.kl.interval, 2)}",
            f"{percent(mine.agreement.value)} {interval(mine.agreement.interval, 2)}",
            *(f"{scores.lenses[name][layer].kl.value:.2f}" for name in controls),
        )
        for layer, mine in enumerate(scores.lenses[own])
    ]
    words = (
        f"KL in nats from the model's own prediction; same token: share of tokens with the model's likeliest. "
        f"{number(scores.n_tokens)} tokens of {scores.corpus} in {scores.n_windows} windows, over which the 95 % "
        "intervals are. --json has the controls' intervals and shares."
    )
    return "", table(columns, rows), note(words)
