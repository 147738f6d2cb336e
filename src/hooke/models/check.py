"""The contract between a model's sites, measured on text: residual algebra, heads, neurons, unembedding, idle edits."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from hooke.models.architectures import Refusal, relative_error, tolerance
from hooke.models.edits import Add
from hooke.models.model import Model, Prompts, Run, Tokens
from hooke.sites import Site

CHECK_TEXT = (
    "The microscope that Robert Hooke described in 1665 showed cork as rows of small boxes, which he called cells.",
    "def area(radius):\n    return 3.14159 * radius ** 2\n",
    "Le chat dort.",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Contract:
    """One equation between sites, with how far it was off."""

    equation: str
    """What should hold."""
    site: str
    """The site that is verified by it."""
    error: float
    """Relative error ‖found - expected‖ / ‖expected‖."""
    limit: float
    """The largest error that rounding explains."""

    @property
    def holds(self) -> bool:
        """Whether the error is within the limit."""
        return self.error <= self.limit


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `model.check()` found."""

    model: str
    contracts: list[Contract]
    refusals: list[Refusal]

    @property
    def holds(self) -> bool:
        """Whether every contract holds."""
        return all(contract.holds for contract in self.contracts)

    def worst(self) -> dict[str, Contract]:
        """The contract with the largest error for each equation."""
        found: dict[str, Contract] = {}
        for contract in self.contracts:
            if contract.equation not in found or contract.error > found[contract.equation].error:
                found[contract.equation] = contract
        return found


def check(model: Model, prompts: Prompts | Tokens | None = None) -> CheckReport:
    """Run text through the model and verify every contract; a failure names its site and error.

    Prompts of unequal length go through in one batch and one by one, and must give the same residual stream.
    """
    prompts = _default_prompts(model) if prompts is None else prompts
    tokens = prompts if isinstance(prompts, Tokens) else model.tokenize(prompts)
    kinds = ("resid_pre", "attn_out", "resid_mid", "mlp_out", "resid_post", "neurons", "z", "v", "pattern", "attn_in")
    run = model.run(tokens, capture=[f"{kind}.*" for kind in kinds if _has_any(model, kind)])
    limit = tolerance(model.dtype)
    contracts = [
        Contract(
            equation=equation,
            site=str(site),
            error=relative_error(_real(found, tokens), _real(expected, tokens)),
            limit=limit,
        )
        for equation, site, found, expected in _equations(model, run)
    ]
    contracts += _heads(model, run, limit)
    contracts += _idle_edits(model, tokens, run)
    contracts += _batching(model, tokens, run, limit)
    return CheckReport(model.name, contracts, list(model.refusals.values()))


def _default_prompts(model: Model) -> Prompts:
    if model.tokenizer is not None:
        return list(CHECK_TEXT)
    return torch.arange(24).remainder(model.d_vocab)[None]


def _has_any(model: Model, kind: str) -> bool:
    return any(model.has(Site(kind, layer)) for layer in range(model.n_layers))


def _real(value: Tensor, tokens: Tokens) -> Tensor:
    """The entries at real tokens, without padding."""
    return value[tokens.mask]


def _equations(model: Model, run: Run) -> Iterator[tuple[str, Site, Tensor, Tensor]]:
    anatomy = model.anatomy
    for layer in range(model.n_layers):
        pre, post = run[Site("resid_pre", layer)], run[Site("resid_post", layer)]
        if layer + 1 < model.n_layers:
            yield (
                "resid_pre of the next layer = resid_post",
                Site("resid_post", layer),
                run[Site("resid_pre", layer + 1)],
                post,
            )
        if model.has(Site("attn_out", layer)) and model.has(Site("mlp_out", layer)):
            attn_out, mlp_out = run[Site("attn_out", layer)], run[Site("mlp_out", layer)]
            if model.has(Site("resid_mid", layer)):
                mid = run[Site("resid_mid", layer)]
                yield "resid_mid = resid_pre + attn_out", Site("resid_mid", layer), pre + attn_out, mid
                yield "resid_post = resid_mid + mlp_out", Site("resid_post", layer), mid + mlp_out.view_as(mid), post
            else:
                yield (
                    "resid_post = resid_pre + attn_out + mlp_out",
                    Site("resid_post", layer),
                    pre + attn_out + mlp_out.view_as(pre),
                    post,
                )
        if layer in anatomy.mlp_paths:
            path = anatomy.mlp_paths[layer]
            with torch.no_grad():
                out = path.down_projection(run[Site("neurons", layer)])
                out = path.post_norm(out) if path.post_norm is not None else out
            yield "mlp_out = down projection of neurons", Site("neurons", layer), out, run[Site("mlp_out", layer)]
    if anatomy.final_norm is not None and anatomy.unembedding is not None and run.logits is not None:
        with torch.no_grad():
            logits = model.unembed(run[Site("resid_post", model.n_layers - 1)])
        yield "logits = unembedding of final_norm of the last resid_post", Site("logits"), logits, run.logits


def _heads(model: Model, run: Run, limit: float) -> list[Contract]:
    """Heads mix values by their pattern, and their output projection is what attention returns."""
    found = []
    mask = run.tokens.mask
    for layer in range(model.n_layers):
        z_site, out_site = Site("z", layer), Site("attn_out", layer)
        if not model.has(z_site):
            continue
        z = run[z_site]
        if model.has(Site("pattern", layer)):
            pattern, value = run[Site("pattern", layer)], run[Site("v", layer)]
            value = value.repeat_interleave(pattern.shape[1] // value.shape[2], dim=2)
            error = relative_error(torch.einsum("bhqk,bkhd->bqhd", pattern, value)[mask], z[mask])
            found.append(Contract(equation="z = pattern · v", site=str(z_site), error=error, limit=limit))
        if model.has(out_site):
            error = relative_error(_attention_output(model, layer, z)[mask], run[out_site][mask])
            equation = "attn_out = output projection of z"
            found.append(Contract(equation=equation, site=str(z_site), error=error, limit=limit))
    return found


def _attention_output(model: Model, layer: int, z: Tensor) -> Tensor:
    """The output projection of z as it is added to the stream, after a post-norm where there is one."""
    taps = model.anatomy.taps
    end = taps[Site("attn_out", layer)].module
    with torch.no_grad():
        projected = taps[Site("z", layer)].module(z.flatten(-2))
        return projected if end is taps[Site("attn_in", layer)].module else end(projected)


def _idle_edits(model: Model, tokens: Tokens, run: Run) -> list[Contract]:
    """An empty list of edits, and edits that add nothing, leave the logits bit-identical."""
    assert run.logits is not None
    plain, same = model.run(tokens).logits, model.run(tokens, edits=[]).logits
    nothing = [
        Add(site=str(site), vector=torch.zeros(model.d_model)) for site in model.expand(["resid_*.*", "*_out.*"])
    ]
    added = model.run(tokens, edits=nothing).logits
    assert plain is not None
    assert same is not None
    assert added is not None
    return [
        Contract(
            equation="no edits: bit-identical logits",
            site="logits",
            error=0.0 if torch.equal(same, plain) else 1.0,
            limit=0.0,
        ),
        Contract(
            equation="edits that add zero: the same logits",
            site="logits",
            error=relative_error(added[tokens.mask], plain[tokens.mask]),
            limit=0.0,
        ),
    ]


def _batching(model: Model, tokens: Tokens, run: Run, limit: float) -> list[Contract]:
    """Every prompt alone gives what it gave in the padded batch."""
    if len(tokens.ids) == 1:
        return []
    site = Site("resid_post", model.n_layers - 1)
    worst = 0.0
    for row, length in enumerate(tokens.lengths.tolist()):
        alone = model.run(tokens.ids[row, :length], capture=[site], logits=False)[site]
        worst = max(worst, relative_error(run[site][row, :length], alone[0]))
    return [Contract(equation="a padded batch gives what one by one gives", site=str(site), error=worst, limit=limit)]
