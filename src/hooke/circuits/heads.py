"""What each attention head does on random tokens that repeat, where only position and identity can guide it.

    previous token   attention to the token before, at every position
    duplicate        attention to the token's own first appearance, from the second time on
    induction        attention to the token behind its first appearance

Olsson et al., "In-context Learning and Induction Heads" (2022). The control is attention to the same distance in tokens
that do not repeat, so without a reason to look there; for the token before, which needs no repeat, it is the token
before that one. Copying is read off the weights: of the circuit from a token through a head's values and outputs to the
logits, Σ Re λ / Σ |λ| over its eigenvalues (Elhage et al. 2021), 1 where every token raises itself, -1 where it lowers
itself; its control is the circuit with the token's and the logit's side shuffled against each other.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from hooke.errors import BadRequest, HookeError
from hooke.findings import Finding, bootstrap_interval
from hooke.models.linear_maps import AttentionMap, linear_maps
from hooke.models.model import Model
from hooke.progress import track
from hooke.sites import Site

SCORES = ("previous", "duplicate", "induction")
_CONTROLS = {
    "previous": "the token two before",
    "duplicate": "the same distance in tokens that do not repeat",
    "induction": "the same distance in tokens that do not repeat",
}
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class HeadScores:
    """Numbers of every head."""

    repeated: dict[str, Float[ndarray, "sequence layer head"]]
    """By score, on tokens that repeat."""
    control: dict[str, Float[ndarray, "sequence layer head"]]
    """The same on tokens that do not; for `previous`, attention to the token before the one before."""
    entropy: Float[ndarray, "layer head"]
    """Of the attention pattern in bits, mean over the positions of what repeats."""
    distance: Float[ndarray, "layer head"]
    """Mean number of tokens between a query and what it attends to."""
    copying: Float[ndarray, "layer head"]
    copying_control: Float[ndarray, "layer head"]
    seed: int

    def finding(self, score: str, layer: int, head: int) -> Finding:
        """One head's score over the sequences, beside its control.

        Raises:
            BadRequest: there is no such score.
        """
        if score not in self.repeated:
            raise BadRequest(f"Heads have no score '{score}'.", "", f"Scores: {', '.join(self.repeated)}.")
        there, without = (some[score][:, layer, head] for some in (self.repeated, self.control))
        generator = np.random.default_rng(self.seed)
        return Finding(
            claim=f"Head {layer}.{head}, {score}",
            value=float(there.mean()),
            interval=bootstrap_interval(there, generator=generator),
            n=len(there),
            control=float(without.mean()),
            control_interval=bootstrap_interval(without, generator=generator),
            control_name=_CONTROLS[score],
            method="mean attention over the positions of a sequence",
            seed=self.seed,
        )

    def strongest(self, score: str, n: int) -> list[tuple[int, int]]:
        """Layer and number of the heads with the largest mean score, largest first."""
        means = self.repeated[score].mean(0)
        order = np.argsort(-means, axis=None, kind="stable")[:n]
        return [(int(layer), int(head)) for layer, head in zip(*np.unravel_index(order, means.shape), strict=True)]


def head_scores(model: Model, *, n_sequences: int = 12, length: int = 40, seed: int = 0) -> HeadScores:
    """The scores of all heads, on sequences of `length` random tokens followed by the same ones again.

    Raises:
        BadRequest: the sequences are too few, too short, or longer than the model's context.
        UnsupportedModel: the model has no attention patterns, or no linear maps of values and outputs.
        HookeError: its attention is not finite.
    """
    if n_sequences < 3 or length < 4 or 2 * length + 1 > model.context:
        raise BadRequest(
            f"{n_sequences} sequences of twice {length} tokens cannot be scored.",
            f"{model.name} reads {model.context} tokens.",
            "Give at least 3 sequences, and 4 to half of the context as length.",
        )
    generator = torch.Generator().manual_seed(seed)
    tokens = usable_tokens(model)
    # One draw without repeats in it: a token that comes back by chance would be a reason to look.
    drawn = torch.stack([tokens[torch.randperm(len(tokens), generator=generator)] for _ in range(n_sequences)])
    if drawn.shape[1] < 2 * length:
        raise BadRequest(f"{model.name} has too few tokens.", f"{drawn.shape[1]} can be drawn.", "Ask for fewer.")
    first, others = drawn[:, :length], drawn[:, length : 2 * length]
    repeated, entropy, distance = _read(model, torch.cat([first, first], dim=1), length)
    control, _, _ = _read(model, torch.cat([first, others], dim=1), length)
    control["previous"] = repeated.pop("two before")
    del control["two before"]
    copying, copying_control = _copying(model, tokens, generator)
    return HeadScores(repeated, control, entropy, distance, copying, copying_control, seed)


def usable_tokens(model: Model) -> Int[Tensor, " token"]:
    """Tokens that can stand in a text."""
    tokenizer = model.tokenizer
    special: set[int] = set()
    if tokenizer is not None:
        special = {*tokenizer.all_special_ids, *getattr(tokenizer, "added_tokens_decoder", {})}
    return torch.tensor([token for token in range(model.d_vocab) if token not in special])


def _read(
    model: Model, ids: Int[Tensor, "sequence pos"], length: int
) -> tuple[dict[str, ndarray], Float[ndarray, "layer head"], Float[ndarray, "layer head"]]:
    sites = [Site("pattern", layer) for layer in range(model.n_layers)]
    second = torch.arange(length, 2 * length)
    scores: dict[str, list[Tensor]] = {name: [] for name in (*SCORES, "two before")}
    entropies, distances = [], []
    for some in track(ids.split(_AT_ONCE), "heads", unit="sequences", total=len(ids), size=len):
        run = model.run(some, capture=sites, logits=False, keep_dtype=torch.float32)
        pattern = torch.stack([run[site].cpu() for site in sites], dim=1)  # [sequence, layer, head, query, key]
        if not bool(pattern.isfinite().all()):
            raise HookeError(
                f"The heads of {model.name} cannot be scored.",
                "Its attention on random tokens has numbers that are not finite.",
                "Check its weights: hooke model check.",
            )
        # Where the model's own special tokens stand in front, positions are counted behind them.
        pattern = pattern[..., -2 * length :, -2 * length :]
        scores["previous"].append(pattern.diagonal(-1, -2, -1).mean(-1))
        scores["two before"].append(pattern.diagonal(-2, -2, -1).mean(-1))
        scores["duplicate"].append(pattern[..., second, second - length].mean(-1))
        scores["induction"].append(pattern[..., second, second - length + 1].mean(-1))
        logs = torch.where(pattern > 0, pattern.clamp_min(1e-30).log2(), 0.0)
        entropies.append(-(pattern * logs).sum(-1)[..., length:].mean(-1))
        away = (torch.arange(2 * length)[:, None] - torch.arange(2 * length)[None]).clamp_min(0).float()
        distances.append((pattern * away).sum(-1)[..., length:].mean(-1))
    means = [torch.cat(some).mean(0).numpy() for some in (entropies, distances)]
    return {name: torch.cat(some).numpy() for name, some in scores.items()}, means[0], means[1]


def _copying(model: Model, tokens: Tensor, generator: torch.Generator) -> tuple[ndarray, ndarray]:
    maps = linear_maps(model)
    embedding = model.hf.get_input_embeddings().weight.detach().float().cpu()[tokens]  # pyright: ignore
    unembedding = model.unembed_directions().cpu()[tokens]
    embedding, unembedding = (one - one.mean(0) for one in (embedding, unembedding))
    shuffled = embedding[torch.randperm(len(embedding), generator=generator)]
    through, through_shuffled = unembedding.T @ embedding, unembedding.T @ shuffled
    own, control = zip(
        *((_shares(block.attention, through), _shares(block.attention, through_shuffled)) for block in maps.blocks),
        strict=True,
    )
    return np.array(own), np.array(control)


def _shares(attention: AttentionMap, through: Float[Tensor, "d_model d_model"]) -> list[float]:
    """Σ Re λ / Σ |λ| of each head's circuit; its eigenvalues that are not 0 are those of a d_head × d_head matrix."""
    n_heads, n_kv = len(attention.outputs), len(attention.values)
    values, outputs = attention.values.cpu(), attention.outputs.cpu()
    values = values if attention.norm is None else values * attention.norm.gain.cpu()
    outputs = outputs if attention.post_norm is None else outputs * attention.post_norm.gain.cpu()
    written = (outputs.flatten(0, 1) @ through).unflatten(0, outputs.shape[:2])
    groups = torch.arange(n_heads) * n_kv // n_heads
    eigenvalues = torch.linalg.eigvals(written @ values[groups].mT)
    return (eigenvalues.real.sum(-1) / eigenvalues.abs().sum(-1).clamp_min(1e-30)).tolist()
