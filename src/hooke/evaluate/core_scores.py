"""The core scores of a dictionary by the definitions of SAEBench (2503.09532), so that they can be set beside its own.

    kl_div_score      (KL_ablated - KL_sae) / KL_ablated                      KL from the model as it is, by token
    ce_loss_score     (CE_ablated - CE_sae) / (CE_ablated - CE_clean)         ablated: zeros at the site
    explained_variance_legacy    mean over tokens of 1 - |x - x_hat|^2 / |x - mean x|^2
    explained_variance           1 - E|x - x_hat|^2 / (E|x|^2 - q^2),  q the mean of x^2 over tokens and dimensions

The last one is what its code does, and not a share of variance: read `evaluate/reconstruction.py` for that. Means of x
and `mse`, which it divides by the number of tokens once more, are taken batch by batch, and so depend on its size.
Special tokens and the first position, which is a special token in its windows, are neither counted nor rebuilt.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from hooke.dictionaries import Dictionary
from hooke.errors import BadRequest
from hooke.evaluate.quality import Subject
from hooke.models.split import split_run
from hooke.progress import track
from hooke.text.windows import Windows

MISSING = -1.0
"""What stands for a number that is none."""
_AT_ONCE = 512
_RUNS = ("sae", "ablation")


@dataclass(frozen=True, slots=True)
class CoreScores:
    """Scores by category and name, and of each feature."""

    metrics: dict[str, dict[str, float]]
    features: dict[str, Float[np.ndarray, " feature"]]


def core_scores(subject: Subject, batches: Sequence[Windows]) -> CoreScores:
    """The scores of a dictionary that writes where it reads.

    Raises:
        BadRequest: it does not, or there is no text.
    """
    dictionary = subject.dictionary
    if dictionary.reads != dictionary.writes or len(dictionary.reads) != 1 or not batches:
        raise BadRequest(
            f"'{dictionary.name}' has no core scores.",
            f"It reads {', '.join(map(str, dictionary.reads))} and writes {', '.join(map(str, dictionary.writes))}; "
            f"there are {len(batches)} batches of text.",
            "Give a dictionary that writes the one site that it reads, and some text.",
        )
    seen = _Seen(dictionary)
    for batch in track(batches, "core scores", unit="windows", total=None, size=lambda one: len(one.tokens)):
        seen.add(subject, batch)
    features = seen.densities() | weight_scores(dictionary)
    return CoreScores(seen.metrics() | {"misc_metrics": _misc(features)}, features)


class _Seen:
    """Sums over batches, and what is kept of every token."""

    def __init__(self, dictionary: Dictionary) -> None:
        self._dictionary = dictionary
        self._tokens: dict[str, list[Tensor]] = {}
        """Numbers of which the mean over tokens is taken."""
        self._batches: dict[str, list[float]] = {}
        """Numbers of which the mean over batches is taken."""
        self._firings = torch.zeros(dictionary.n_features)
        self._windows = torch.zeros(dictionary.n_features)
        self._n_tokens = 0

    def add(self, subject: Subject, batch: Windows) -> None:
        """A batch of windows."""
        run = split_run(subject.model, batch.tokens, self._dictionary.writes[0])
        value = run.value.flatten(2).float()
        counted = batch.counted.to(value.device)
        x = value[counted]
        acts = self._dictionary.encode(x.to(self._dictionary.device))
        rebuilt = self._dictionary.reconstruct(x.to(self._dictionary.device), acts).to(x)
        self._compared(x, rebuilt)
        self._keep("l0", (acts.values != 0).sum(-1).float())
        self._keep("l1", acts.values.sum(-1))
        self._fired(acts.values.cpu() > 0, acts.indices.cpu(), counted.nonzero()[:, 0].cpu())
        put = value.clone()
        put[counted] = rebuilt
        finals = {"sae": put, "ablation": torch.zeros_like(value)}
        finals = {name: run.final_after(new.reshape(run.value.shape).to(run.value)) for name, new in finals.items()}
        for row in range(len(value)):
            self._predicted(
                subject, run.tokens.ids[row], counted[row], run.final[row], {k: v[row] for k, v in finals.items()}
            )

    def _keep(self, name: str, values: Tensor) -> None:
        self._tokens.setdefault(name, []).append(values.double().cpu())

    def _keep_mean(self, name: str, value: Tensor) -> None:
        self._batches.setdefault(name, []).append(float(value))

    def _compared(self, x: Float[Tensor, "token d"], rebuilt: Float[Tensor, "token d"]) -> None:
        squared = (x - rebuilt).square().sum(-1)
        long, rebuilt_long = x.norm(dim=-1), rebuilt.norm(dim=-1)
        self._keep("l2_norm_in", long)
        self._keep("l2_norm_out", rebuilt_long)
        self._keep("l2_ratio", rebuilt_long / torch.where(long < 1e-4, 1.0, long))
        self._keep("mse", squared / len(x))
        self._keep("cossim", (x * rebuilt).sum(-1) / (long * rebuilt_long))
        self._keep("explained_variance_legacy", 1 - squared / (x - x.mean(0)).square().sum(-1))
        self._keep_mean("bias", rebuilt_long.square().mean() / (x * rebuilt).sum(-1).mean())
        self._keep_mean("squares", x.square().sum(-1).mean())
        self._keep_mean("mean squares", x.square().mean())
        self._keep_mean("squared errors", squared.mean())

    def _fired(self, is_active: Tensor, indices: Tensor, window: Tensor) -> None:
        n = self._dictionary.n_features
        fired = torch.zeros(int(window.max()) + 1 if len(window) else 0, n)
        where = window[:, None].expand_as(indices)[is_active]
        fired.index_put_((where, indices[is_active]), torch.ones(len(where)), accumulate=True)
        self._firings += fired.sum(0)
        self._windows += (fired > 0).sum(0)
        self._n_tokens += len(window)

    @torch.no_grad()
    def _predicted(
        self,
        subject: Subject,
        ids: Tensor,
        counted: Bool[Tensor, " pos"],
        final: Float[Tensor, "pos d_model"],
        finals: dict[str, Float[Tensor, "pos d_model"]],
    ) -> None:
        """Losses and divergences of one window, from counted positions."""
        own = subject.model.unembed(final).float().log_softmax(-1)
        asked = counted[:-1]
        self._keep("ce_loss_without_sae", -own[:-1].gather(1, ids[1:, None])[asked, 0])
        for name, changed in finals.items():
            found = subject.model.unembed(changed).float().log_softmax(-1)
            self._keep(f"ce_loss_with_{name}", -found[:-1].gather(1, ids[1:, None])[asked, 0])
            self._keep(f"kl_div_with_{name}", (own.exp() * (own - found)).sum(-1)[counted])

    def metrics(self) -> dict[str, dict[str, float]]:
        """All scores but those of weights and densities."""
        told = {name: float(torch.cat(some).mean()) for name, some in self._tokens.items()}
        means = {name: float(np.mean(some)) for name, some in self._batches.items()}
        told["relative_reconstruction_bias"] = means["bias"]
        told["explained_variance"] = 1 - means["squared errors"] / (means["squares"] - means["mean squares"] ** 2)
        kl, ce = ([told[f"{what}_with_{name}"] for name in _RUNS] for what in ("kl_div", "ce_loss"))
        told["kl_div_score"] = (kl[1] - kl[0]) / kl[1]
        told["ce_loss_score"] = (ce[1] - ce[0]) / (ce[1] - told["ce_loss_without_sae"])
        found: dict[str, dict[str, float]] = {
            category: {name: told[name] for name in names} for category, names in _CATEGORIES.items()
        }
        n_predicted = len(torch.cat(self._tokens["kl_div_with_sae"]))
        counts = {"reconstruction": n_predicted, "sparsity_variance": self._n_tokens}
        found["token_stats"] = {f"total_tokens_eval_{name}": n for name, n in counts.items()}
        return found

    def densities(self) -> dict[str, np.ndarray]:
        """How often each feature fires, and how often in a window where it does."""
        per_window = torch.where(self._windows > 0, self._firings / self._windows, MISSING)
        return {
            "feature_density": (self._firings / self._n_tokens).double().numpy(),
            "consistent_activation_heuristic": per_window.double().numpy(),
        }


_CATEGORIES = {
    "model_behavior_preservation": ("kl_div_score", "kl_div_with_ablation", "kl_div_with_sae"),
    "model_performance_preservation": (
        "ce_loss_score", "ce_loss_with_ablation", "ce_loss_with_sae", "ce_loss_without_sae",
    ),
    "reconstruction_quality": ("explained_variance", "explained_variance_legacy", "mse", "cossim"),
    "shrinkage": ("l2_norm_in", "l2_norm_out", "l2_ratio", "relative_reconstruction_bias"),
    "sparsity": ("l0", "l1"),
}  # fmt: skip


def weight_scores(dictionary: Dictionary) -> dict[str, np.ndarray]:
    """What each feature's weights say: norm and bias of its encoder, and cosines, also with its nearest neighbour's."""
    encoder = dictionary.W_enc.detach().float().cpu().T
    decoder = dictionary.decoder_rows(torch.arange(dictionary.n_features, device=dictionary.device))
    decoder = decoder.detach().float().cpu()
    read, written = functional.normalize(encoder, dim=-1), functional.normalize(decoder, dim=-1)
    told = {
        "encoder_bias": dictionary.b_enc.detach().float().cpu(),
        "encoder_norm": encoder.norm(dim=-1),
        "encoder_decoder_cosine_sim": (read * written).sum(-1),
        "max_decoder_cosine_sim": _nearest(written),
        "max_encoder_cosine_sim": _nearest(read),
    }
    return {name: values.double().numpy() for name, values in told.items()}


def _nearest(rows: Float[Tensor, "feature d"]) -> Float[Tensor, " feature"]:
    found = []
    for start in range(0, len(rows), _AT_ONCE):
        cosines = rows[start : start + _AT_ONCE] @ rows.T
        cosines.diagonal(start).fill_(float("-inf"))
        found.append(cosines.max(1).values)
    return torch.cat(found)


def _misc(features: dict[str, np.ndarray]) -> dict[str, float]:
    density = features["feature_density"]
    found = {"frac_alive": float((density > 0).mean())}
    for words, least in (("1_percent", 0.01), ("10_percent", 0.1)):
        often = density > least
        found[f"freq_over_{words}"] = float(often.mean())
        found[f"normalized_freq_over_{words}"] = float(density[often].sum() / max(density.sum(), 1e-12))
    for part in ("encoder", "decoder"):
        found[f"average_max_{part}_cosine_sim"] = float(features[f"max_{part}_cosine_sim"].mean())
    return found
