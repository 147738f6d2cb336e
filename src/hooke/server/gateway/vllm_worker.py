"""What runs inside vLLM's worker: the stream is read there, scored, and steered, request by request.

vLLM mixes this class into its worker (`worker_extension_cls`), and its methods are called by `collective_rpc`: both are
public. Rows of several requests lie one after the other in a step; whose they are is read from the step itself, and
kept by the request's own name and the token's position, so that nothing depends on the order of requests, on how a
prompt was cut into chunks, or on a prompt being read again after it had to make room.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from hooke.models.edits import Add, edits_from_json
from hooke.models.hooks import CompiledEdit, Moment
from hooke.sites import Site, parse_site

NAME, EDITS = "hooke_request", "hooke_edits"
"""What a request says of itself in vLLM's `extra_args`."""


@dataclass
class Step:
    """One forward call of vLLM: which rows are whose."""

    requests: list[tuple[str, slice]]
    """Each request's name, and its rows."""
    position: Tensor
    """Of each row, in its request."""
    steps: dict[Site, list[tuple[slice, Tensor]]]
    """What is added at each site: rows, and what is added to them."""
    total: Tensor | None = None
    """Scores so far, [row, column]; None before the first site."""


@dataclass
class Reads:
    """What is read in this worker."""

    weights: dict[Site, Tensor]
    """[width, column] of each site."""
    step: Step | None = None
    """The forward call under way."""
    found: dict[str, dict[int, list[float]]] = field(default_factory=dict)
    """Scores that nobody has taken yet: request, position, columns."""
    edits: dict[str, list[Add]] = field(default_factory=dict)
    """Steering of each request."""


class MonitorReads:
    """Mixed into vLLM's worker, whose `model_runner` it looks at."""

    model_runner: Any
    hooke_reads: Reads

    def hooke_attach(self, weights: Mapping[str, Sequence[Sequence[float]]], sites: Sequence[str]) -> int:
        """Read these sites from now on, and be ready to steer at the others; returns how many layers there are."""
        model = self.model_runner.get_model()
        self.hooke_reads = reads = Reads({parse_site(site): torch.tensor(one) for site, one in weights.items()})
        model.register_forward_pre_hook(self._hooke_begin, with_kwargs=True)
        layers = model.model.layers
        for site in sorted({*reads.weights, *map(parse_site, sites)}, key=lambda one: one.depth):
            layer = layers[site.layer]
            if site.kind == "resid_pre":
                layer.register_forward_pre_hook(_before(reads, site), with_kwargs=True)
            else:
                layer.register_forward_hook(_after(reads, site))
        model.register_forward_hook(self._hooke_end)
        return len(layers)

    def hooke_take(self) -> dict[str, list[tuple[int, list[float]]]]:
        """Scores since the last call: of each request, positions and columns."""
        found, self.hooke_reads.found = self.hooke_reads.found, {}
        alive = {_named(one)[0] for one in self.model_runner.requests.values()}
        self.hooke_reads.edits = {name: one for name, one in self.hooke_reads.edits.items() if name in alive}
        return {name: list(rows.items()) for name, rows in found.items()}

    def _hooke_begin(self, module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        runner = self.model_runner
        position = kwargs["positions"] if "positions" in kwargs else args[1]
        n = runner.input_batch.num_reqs
        bounds = runner.query_start_loc.cpu[: n + 1].tolist()
        if bounds[-1] > len(position):
            return  # a step of vLLM's own, to measure itself by
        requests, added = [], {}
        for place, key in enumerate(runner.input_batch.req_ids[:n]):
            rows = slice(bounds[place], bounds[place + 1])
            name, edits = _named(runner.requests.get(key))
            if not name:
                continue
            requests.append((name, rows))
            if edits and name not in self.hooke_reads.edits:
                self.hooke_reads.edits[name] = [one for one in edits_from_json(edits) if isinstance(one, Add)]
            n_prompt = runner.requests[key].num_prompt_tokens
            for edit in self.hooke_reads.edits.get(name, ()):
                site, step = _added(edit, position[rows], n_prompt)
                added.setdefault(site, []).append((rows, step))
        self.hooke_reads.step = Step(requests, position, added)

    def _hooke_end(self, module: nn.Module, args: tuple, output: Any) -> None:
        step, self.hooke_reads.step = self.hooke_reads.step, None
        if step is None or step.total is None:
            return
        scores, places = step.total.tolist(), step.position.tolist()
        for name, rows in step.requests:
            own = self.hooke_reads.found.setdefault(name, {})
            own.update(zip(places[rows], scores[rows], strict=True))


def _named(request: Any) -> tuple[str, str]:
    """A request's name and the JSON of its steering, where it is one of ours."""
    parameters = getattr(request, "sampling_params", None)
    extra = (parameters.extra_args if parameters is not None else None) or {}
    return extra.get(NAME, ""), extra.get(EDITS, "")


def _added(edit: Add, position: Tensor, n_prompt: int) -> tuple[Site, Tensor]:
    """What an edit adds to rows of these positions."""
    site = parse_site(edit.site)
    assert isinstance(edit.vector, Tensor)
    step = (edit.vector * edit.scale).expand(len(position), -1)
    moment = Moment(position[None], torch.tensor([n_prompt]))
    chosen = CompiledEdit(site, lambda value, *_: value, edit.positions, edit.when).selected(moment)
    if edit.schedule is not None:
        step = step * edit.schedule.factors(moment.position, moment.n_prompt)[0, :, None]
    return site, step if chosen is None else step * chosen[0, :, None]


def _visit(reads: Reads, site: Site, hidden: Tensor, residual: Tensor | None) -> Tensor:
    """Steer and read the stream, which vLLM keeps in two summands; the first of them, steered."""
    step = reads.step
    if step is None:
        return hidden
    if site in step.steps:
        hidden = hidden.clone()
        for rows, added in step.steps[site]:
            hidden[rows] += added.to(hidden)
    if site in reads.weights:
        stream = hidden if residual is None else hidden + residual
        scores = stream.float() @ reads.weights[site]
        step.total = scores if step.total is None else step.total + scores
    return hidden


def _before(reads: Reads, site: Site):  # noqa: ANN202
    def visit(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        position, hidden, residual, *rest = args
        return (position, _visit(reads, site, hidden, residual), residual, *rest), kwargs

    return visit


def _after(reads: Reads, site: Site):  # noqa: ANN202
    def visit(module: nn.Module, args: tuple, output: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        hidden, residual = output
        return _visit(reads, site, hidden, residual), residual

    return visit
