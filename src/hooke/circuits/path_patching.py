"""Path patching: what one component carries to an answer by way of chosen readers only.

    1  run a prompt; let one sender write what it writes on the pair's other prompt, with all other heads as they were
    2  note what that changes in the stream where each receiver reads
    3  run the prompt again; let the receivers, and nothing else, read the change

Between sender and receivers the MLPs answer to what changed (Wang et al. 2023), or nothing does: then only what the
sender writes itself counts, and one sender with one receiver is one edge (Goldowsky-Dill et al. 2023). With the logits
as receiver that is the sender's direct effect. A receiver behind another one reads what comes through that one too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from hooke.circuits.components import Batch, ComponentRun, Components, attend, open_components, run_mlp
from hooke.circuits.edge_scores import chunks, judged, runs_of
from hooke.circuits.edges import EdgeGraph
from hooke.circuits.pairs import Pairs, require_effect
from hooke.circuits.patch import WAYS
from hooke.errors import BadRequest, UnknownName, did_you_mean
from hooke.findings import Finding, estimate_ratio
from hooke.models.model import Model
from hooke.models.projections import READS

THROUGH = ("mlps", "nothing")


@dataclass(frozen=True, kw_only=True, slots=True)
class PathSettings:
    """Which paths are patched, and how."""

    receivers: tuple[str, ...] = ("logits",)
    """logits, m5 (an MLP), a5.h2<q> (what a head's query reads; <k>, <v>), or a5.h2 (all three)."""
    through: str = "mlps"
    """What answers between sender and receivers: mlps or nothing."""
    way: str = "denoising"
    """denoising (clean values into the corrupted run) or noising (the other way)."""
    seed: int = 0
    """Seed of controls and intervals."""

    def __post_init__(self) -> None:
        for name, known in (("through", THROUGH), ("way", WAYS)):
            if getattr(self, name) not in known:
                raise BadRequest(f"No paths {name} '{getattr(self, name)}'.", "", f"There are: {', '.join(known)}.")
        if not self.receivers:
            raise BadRequest("Paths must end somewhere.", "No receiver is given.", "Give at least one, like 'logits'.")


@dataclass(frozen=True, kw_only=True, slots=True)
class PathPatching:
    """What each sender does by these paths, pair by pair."""

    settings: PathSettings
    senders: tuple[str, ...]
    """input, a3.h7 (a head), m3 (an MLP)."""
    changes: Float[ndarray, "pair sender"]
    """Metric with the sender's paths patched minus metric of the run that is patched."""
    base: Float[ndarray, " pair"]
    """Metric of the run that is patched."""
    other: Float[ndarray, " pair"]
    """Metric of the run that values come from."""

    @property
    def effects(self) -> Float[ndarray, " sender"]:
        """Ratio of means: 1 where a sender's paths alone turn the one answer into the other."""
        return self.changes.mean(0) / (self.other - self.base).mean()

    def strongest(self, n: int) -> list[str]:
        """The senders of the largest effects, whatever their sign."""
        return [self.senders[at] for at in np.argsort(-np.abs(self.effects), kind="stable")[:n]]


def path_patch(
    model: Model,
    pairs: Pairs,
    settings: PathSettings = PathSettings(),
    *,
    senders: Sequence[str] | None = None,
    control: bool = False,
) -> PathPatching:
    """The paths of every component that stands before a receiver, or of the given ones.

    With `control`, a sender's change is a random direction as long as the real one, token by token.

    Raises:
        UnsupportedModel: see `open_components`.
        UnknownName: there is no such sender or receiver.
        BadRequest: a sender stands before no receiver.
        HookeError: a run is not finite, or both prompts are answered alike.
    """
    components = open_components(model)
    receivers = _receivers(components.graph, settings.receivers)
    chosen = _senders(components.graph, receivers, senders)
    generator = torch.Generator().manual_seed(settings.seed) if control else None
    changes = np.zeros((len(pairs), len(chosen)), dtype=np.float64)
    base, other = np.zeros(len(pairs)), np.zeros(len(pairs))
    for places, some in chunks(pairs, "paths"):
        both = runs_of(components, some)
        run, source = (both.corrupted, both.clean) if settings.way == "denoising" else (both.clean, both.corrupted)
        if receivers == [len(components.graph.receivers) - 1]:
            # No attention runs again, and MLPs read each token alone: nothing but the last one matters.
            run, source = (_at_last(one, some) for one in (run, source))
        with torch.no_grad():
            base[places], other[places] = (_judged(model, some, one.final) for one in (run, source))
            for column, sender in enumerate(chosen):
                away = source.written[sender] - run.written[sender]
                change = away if generator is None else _as_long(away, generator)
                read = _changes(components, run, sender, change, settings.through)
                final = _rerun(components, both.clean_batch, run, receivers, read)
                changes[places, column] = _judged(model, some, final) - base[places]
    require_effect(other, base)
    names = tuple(components.graph.senders[sender] for sender in chosen)
    return PathPatching(settings=settings, senders=names, changes=changes, base=base, other=other)


def path_findings(model: Model, pairs: Pairs, patching: PathPatching, senders: Sequence[str]) -> list[Finding]:
    """The effects of some senders' paths, each beside a random direction as long as what the sender changed.

    Raises:
        UnknownName: the patching has no such sender.
    """
    settings = patching.settings
    for sender in senders:
        if sender not in patching.senders:
            raise UnknownName(f"'{sender}' was not patched.", did_you_mean(sender, patching.senders), "")
    drawn = path_patch(model, pairs, settings, senders=senders, control=True)
    gap, generator = patching.other - patching.base, np.random.default_rng(settings.seed)
    found = []
    for column, sender in enumerate(drawn.senders):
        values = patching.changes[:, patching.senders.index(sender)]
        effect, control = (estimate_ratio(one, gap, generator=generator) for one in (values, drawn.changes[:, column]))
        found.append(
            Finding(
                claim=f"{sender} to {', '.join(settings.receivers)}, {settings.way}",
                value=effect.value,
                interval=effect.interval,
                n=len(pairs),
                control=control.value,
                control_interval=control.interval,
                control_name="a random direction as long as what the sender changed, by the same paths",
                method=f"path patching through {settings.through}, {settings.way}; ratio of means over pairs",
                seed=settings.seed,
            )
        )
    return found


def _receivers(graph: EdgeGraph, names: Sequence[str]) -> list[int]:
    known = {name: [at] for at, name in enumerate(graph.receivers)}
    for at, name in enumerate(graph.receivers):
        if name.endswith(">"):
            known.setdefault(name[: name.index("<")], []).append(at)
    for name in names:
        if name not in known:
            raise UnknownName(
                f"No receiver '{name}'.",
                did_you_mean(name, known),
                f"There are {graph.n_layers} layers of {graph.n_heads} heads: 'a0.h0', 'a0.h0<q>', 'm0', 'logits'.",
            )
    return sorted({at for name in names for at in known[name]})


def _senders(graph: EdgeGraph, receivers: Sequence[int], names: Sequence[str] | None) -> list[int]:
    n_before = graph.n_before(receivers[-1])
    if names is None:
        return list(range(n_before))
    found = []
    for name in names:
        if name not in graph.senders:
            raise UnknownName(
                f"No sender '{name}'.",
                did_you_mean(name, graph.senders),
                f"There are {graph.n_layers} layers of {graph.n_heads} heads: 'input', 'a0.h0', 'm0'.",
            )
        found.append(graph.senders.index(name))
        if found[-1] >= n_before:
            raise BadRequest(
                f"{name} does not come before {graph.receivers[receivers[-1]]}.", "", "Choose a later receiver."
            )
    return found


def _judged(model: Model, pairs: Pairs, final: Float[Tensor, "pair _ d_model"]) -> Float[ndarray, " pair"]:
    """The metric of streams at all tokens, or at the last ones only."""
    metric = pairs.judge(model.unembed(final[:, 0])) if final.shape[1] == 1 else judged(model, pairs, final)
    return metric.cpu().numpy()


def _at_last(run: ComponentRun, pairs: Pairs) -> ComponentRun:
    """The run at the last token of each prompt."""
    rows, last = torch.arange(len(pairs), device=run.final.device), pairs.clean.lengths.to(run.final.device) - 1
    return ComponentRun(
        run.written[:, rows, last, None],
        tuple(one[rows, last, None] for one in run.before_attention),
        tuple(one[rows, last, None] for one in run.before_mlp),
        run.final[rows, last, None],
    )


def _as_long(away: Float[Tensor, "pair pos d_model"], generator: torch.Generator) -> Float[Tensor, "pair pos d_model"]:
    drawn = torch.randn(away.shape, generator=generator).to(away)
    return drawn * away.norm(dim=-1, keepdim=True) / drawn.norm(dim=-1, keepdim=True)


@dataclass(frozen=True, slots=True)
class _Changes:
    """How the stream differs where each layer reads; None before the sender."""

    attention: list[Float[Tensor, "pair pos d_model"] | None]
    mlp: list[Float[Tensor, "pair pos d_model"] | None]
    final: Float[Tensor, "pair pos d_model"]


def _changes(
    components: Components, run: ComponentRun, sender: int, change: Float[Tensor, "pair pos d_model"], through: str
) -> _Changes:
    graph = components.graph
    so_far = change if sender == 0 else None
    attention: list[Tensor | None] = []
    mlp: list[Tensor | None] = []
    for layer in range(graph.n_layers):
        attention.append(so_far)
        heads = graph.heads(layer)
        if heads.start <= sender < heads.stop:
            so_far = change
        mlp.append(attention[-1] if graph.is_parallel else so_far)
        if sender == graph.mlp(layer):
            so_far = change
        elif through == "mlps" and (read := mlp[-1]) is not None:
            assert so_far is not None
            written = run_mlp(components, layer, run.before_mlp[layer] + read)
            so_far = so_far + written - run.written[graph.mlp(layer)]
    assert so_far is not None
    return _Changes(attention, mlp, so_far)


def _rerun(
    components: Components, batch: Batch, run: ComponentRun, receivers: Sequence[int], changes: _Changes
) -> Float[Tensor, "pair pos d_model"]:
    """The last stream where these receivers read the changed stream, and what lies behind them answers."""
    graph, wanted = components.graph, set(receivers)
    logits = len(graph.receivers) - 1
    first = min(graph.n_layers, receivers[0] // (3 * graph.n_heads + 1))
    stream = run.final if first == graph.n_layers else run.before_attention[first]
    for layer in range(first, graph.n_layers):
        reads = graph.reads(layer)
        here = torch.tensor([at in wanted for at in range(reads.start, reads.stop)]).reshape(3, graph.n_heads)
        inputs = {
            kind: _read(stream[:, :, None], changes.attention[layer], which)
            for kind, which in zip(READS, here, strict=True)
        }
        heads, constant = attend(components, batch, layer, inputs)
        middle = stream + heads.sum(2) + constant
        mlp, change = stream if graph.is_parallel else middle, changes.mlp[layer]
        if reads.stop in wanted and change is not None:
            mlp = mlp + change
        stream = middle + run_mlp(components, layer, mlp)
    return stream + changes.final if logits in wanted else stream


def _read(
    stream: Float[Tensor, "pair pos 1 d_model"], change: Float[Tensor, "pair pos d_model"] | None, which: Tensor
) -> Float[Tensor, "pair pos _ d_model"]:
    """What each head reads: one for all where none of them is a receiver."""
    if change is None or not bool(which.any()):
        return stream
    return stream + change[:, :, None] * which.to(stream)[:, None]
