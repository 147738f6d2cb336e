"""One type for every dictionary: the sites it reads and writes, encode, decode."""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hooke.dictionaries.activation_functions import jumprelu, relu
from hooke.dictionaries.claims import Claims
from hooke.dictionaries.encoding import COMPETING, Activation, activate, encode_in_pieces
from hooke.dictionaries.sparse import SparseActs, sum_rows
from hooke.errors import BadConfig, ShapeMismatch
from hooke.sites import Site, parse_site

Kind = Literal["relu", "topk", "batchtopk", "jumprelu", "matryoshka", "gated"]
Given = Literal["neurons", "groupmax"]

# What each kind does to a pre-activation once it is trained. Kinds that chose over a whole batch while
# training have one threshold afterwards, so that a token's features do not depend on its neighbours.
ACTIVATION: dict[Kind | Given, Activation] = {
    "relu": "relu",
    "topk": "topk",
    "batchtopk": "jumprelu",
    "jumprelu": "jumprelu",
    "matryoshka": "jumprelu",
    # A gate with the magnitude's weights opens where the magnitude's pre-activation passes a threshold.
    "gated": "jumprelu",
    "neurons": "topk",
    "groupmax": "groupmax",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class DictionaryConfig:
    """What a dictionary is, apart from its weights.

    Raises:
        BadConfig: the values do not go together.
        UnknownSite: a site is not named as sites are.
    """

    name: str
    """Name that feature addresses carry."""
    model: str
    """Name of the model that it belongs to."""
    kind: Kind | Given
    """How it was trained, or that it is the neurons; this also says which activation function it has."""
    reads: tuple[str, ...]
    """Sites whose activations it encodes."""
    writes: tuple[str, ...]
    """Sites whose activations it reconstructs."""
    n_features: int
    """Number of features."""
    d_in: int
    """Width of what it reads."""
    d_out: int
    """Width of what it writes."""
    k: int | None = None
    """Active features per token: exact where features compete, the training mean for batchtopk and matryoshka."""
    groups: tuple[int, ...] = ()
    """Matryoshka only: how many leading features each nested dictionary has, ascending; the last is all of them."""
    folded: tuple[str, ...] = ()
    """What was folded into the weights, e.g. 'input_scale=0.031': activations are in the units before it."""
    skip: bool = False
    """Whether what is read also reaches what is written by one matrix, W_skip."""
    signed: bool = False
    """Whether activations below zero stay: jumprelu with thresholds below zero, and topk, as some tools have them."""
    site_scales: tuple[float, ...] = ()
    """Crosscoders: what each site is multiplied by for comparing sites; all have one mean squared norm then."""
    models: tuple[str, ...] = ()
    """Crosscoders of two models: which, as their numbers stand side by side at each site; empty for one model."""
    d_stream: int | None = None
    """Neurons only: width of the residual stream that their outputs are added to."""
    claims: Claims | None = None
    """What its author's files say of its quality."""

    def __post_init__(self) -> None:
        for site in (*self.reads, *self.writes):
            parse_site(site)
        if min(self.n_features, self.d_in, self.d_out) < 1 or not self.reads or not self.writes:
            raise BadConfig(
                f"Dictionary '{self.name}' has no features, no width or no sites.",
                f"n_features={self.n_features}, d_in={self.d_in}, d_out={self.d_out}.",
                "Give each of them.",
            )
        if self.kind in COMPETING and self.k is None or self.k is not None and not 1 <= self.k <= self.n_features:
            raise BadConfig(
                f"Dictionary '{self.name}' of kind {self.kind} cannot have k = {self.k}.",
                f"It has {self.n_features} features.",
                "Give a k from 1 to the number of features.",
            )
        if self.kind == "groupmax" and self.n_features % (self.k or 1):
            raise BadConfig(
                f"Dictionary '{self.name}' of kind groupmax cannot have k = {self.k}.",
                f"It has {self.n_features} features.",
                "Give a k that divides the number of features.",
            )
        if self.kind == "matryoshka" and (
            not self.groups or list(self.groups) != sorted(set(self.groups)) or self.groups[-1] != self.n_features
        ):
            raise BadConfig(
                f"Matryoshka dictionary '{self.name}' cannot have groups {self.groups}.",
                f"It has {self.n_features} features.",
                "Give ascending prefix widths that end at the number of features.",
            )

    @property
    def activation(self) -> Activation:
        """The activation function that `encode` applies."""
        return ACTIVATION[self.kind]


class Dictionary(nn.Module):
    """An overcomplete basis at one or more sites.

        acts  = activation(x · W_enc + b_enc)
        x_hat = acts · W_dec + b_dec  (+ x · W_skip)

    Every matrix is [what goes in, what comes out], W_skip too; other tools keep its transpose. Scalings and biases
    that training put on the input are folded into these weights. What is read is cast to the weights' dtype and what
    is written is in it.

    Raises:
        ShapeMismatch: a weight does not have the shape that the config says.
    """

    def __init__(
        self,
        config: DictionaryConfig,
        *,
        W_enc: Float[Tensor, "d_in feature"],
        b_enc: Float[Tensor, " feature"],
        W_dec: Float[Tensor, "feature d_out"],
        b_dec: Float[Tensor, " d_out"],
        threshold: Float[Tensor, " feature"] | None = None,
        W_skip: Float[Tensor, "d_in d_out"] | None = None,
    ) -> None:
        super().__init__()
        self.describe(config)
        given = {"W_enc": W_enc, "b_enc": b_enc, "W_dec": W_dec, "b_dec": b_dec}
        given |= {"threshold": threshold} if threshold is not None else {}
        given |= {"W_skip": W_skip} if W_skip is not None else {}
        _require_shapes(config, given)
        self.W_enc = nn.Parameter(W_enc, requires_grad=False)
        self.b_enc = nn.Parameter(b_enc, requires_grad=False)
        self.W_dec = nn.Parameter(W_dec, requires_grad=False)
        self.b_dec = nn.Parameter(b_dec, requires_grad=False)
        self.threshold = None if threshold is None else nn.Parameter(threshold, requires_grad=False)
        self.W_skip = None if W_skip is None else nn.Parameter(W_skip, requires_grad=False)

    def describe(self, config: DictionaryConfig) -> None:
        """Take over what the config says."""
        self.config = config
        self.reads: tuple[Site, ...] = tuple(parse_site(site) for site in config.reads)
        self.writes: tuple[Site, ...] = tuple(parse_site(site) for site in config.writes)

    @property
    def name(self) -> str:
        """Name that feature addresses carry."""
        return self.config.name

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.W_enc.device

    @property
    def output_rows(self) -> Float[Tensor, "feature d_out"]:
        """What each feature adds to the residual stream per unit of activation, for a dictionary that writes there."""
        return self.W_dec

    @property
    def n_features(self) -> int:
        """Number of features."""
        return self.config.n_features

    def pre_activations(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch feature"]:
        """x · W_enc + b_enc, of every feature."""
        return x.to(self.W_enc.dtype) @ self.W_enc + self.b_enc

    def encode(self, x: Float[Tensor, "*batch d_in"]) -> SparseActs:
        """The active features of each token, largest first."""
        return encode_in_pieces(
            x, self.n_features, lambda rows: activate(self.pre_activations(rows), self.config, self.threshold)
        )

    def decode(self, acts: SparseActs) -> Float[Tensor, "*batch d_out"]:
        """acts · W_dec + b_dec, through the active rows only; without the skip, which needs x: see `reconstruct`."""
        return sum_rows(acts, self.W_dec) + self.b_dec

    def reconstruct(self, x: Float[Tensor, "*batch d_in"], acts: SparseActs) -> Float[Tensor, "*batch d_out"]:
        """What is written where x was read and these features are active, the skip included."""
        written = self.decode(acts)
        return written if self.skip is None else written + x.to(self.skip.dtype) @ self.skip

    @property
    def skip(self) -> Float[Tensor, "d_in d_out"] | None:
        """W_skip, where there is one."""
        return self.W_skip if self.config.skip else None

    def forward(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_out"]:
        """The reconstruction of x."""
        return self.reconstruct(x, self.encode(x))

    def encode_feature(self, x: Float[Tensor, "*batch d_in"], index: int) -> Float[Tensor, "*batch"]:
        """One feature's activation. Cheap unless the features compete: then all are encoded."""
        if self.config.activation in COMPETING:
            acts = self.encode(x)
            return torch.where(acts.indices == index, acts.values, 0).sum(-1)
        pre = x.to(self.W_enc.dtype) @ self.W_enc[:, index] + self.b_enc[index]
        return relu(pre) if self.threshold is None else jumprelu(pre, self.threshold[index], signed=self.config.signed)

    def decoder_rows(self, indices: Int[Tensor, " n"]) -> Float[Tensor, "n d_out"]:
        """What each of these features writes per unit of activation."""
        return self.W_dec[indices]

    def bar(self, x: Float[Tensor, "*batch d_in"], index: int) -> Float[Tensor, "*batch"]:
        """The pre-activation that the feature has to exceed on each token to be active."""
        if self.config.activation in COMPETING:
            acts = self.encode(x)
            if self.config.activation == "topk":
                return acts.values[..., -1]
            size = self.n_features // (self.config.k or 1)
            return torch.where(acts.indices // size == index // size, acts.values, 0).sum(-1)
        bar = torch.zeros(x.shape[:-1], device=self.device)
        return bar if self.threshold is None else bar + self.threshold[index]

    def margins(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch feature"]:
        """How far every feature's pre-activation is above what it has to exceed: below zero where it stays silent."""
        pre = self.pre_activations(x)
        if self.config.activation == "topk":
            return pre - pre.topk(self.config.k or 1, dim=-1).values[..., -1:].clamp(min=0)
        return pre if self.threshold is None else pre - self.threshold


def weight_shapes(config: DictionaryConfig) -> dict[str, tuple[int, ...]]:
    """The tensors that a dictionary of this config has, with their shapes."""
    if config.kind == "neurons":
        return {"outputs": (config.d_in, config.d_stream or 0)}
    shapes: dict[str, tuple[int, ...]] = {
        "W_enc": (config.d_in, config.n_features),
        "b_enc": (config.n_features,),
        "W_dec": (config.n_features, config.d_out),
        "b_dec": (config.d_out,),
    }
    if config.activation == "jumprelu":
        shapes["threshold"] = (config.n_features,)
    if config.skip:
        shapes["W_skip"] = (config.d_in, config.d_out)
    return shapes


def _require_shapes(config: DictionaryConfig, given: dict[str, Tensor]) -> None:
    expected = weight_shapes(config)
    found = {name: tuple(tensor.shape) for name, tensor in given.items()}
    if found != expected:
        raise ShapeMismatch(
            f"The weights do not make the dictionary '{config.name}'.",
            f"Expected {expected}, found {found}.",
            "Check the config against the weights.",
        )


@runtime_checkable
class HasWidths(Protocol):
    """What `check_fits` asks of a model."""

    @property
    def name(self) -> str:
        """Name of the model."""
        ...

    def row_width(self, site: Site) -> int:
        """How many numbers a token has at one of its sites."""
        ...


def _owners(config: DictionaryConfig) -> str:
    if config.models:
        return f"the models {' and '.join(config.models)}, which it reads together: give it both"
    return f"'{config.model}': load that model"


def check_fits(dictionary: Dictionary, model: HasWidths) -> None:
    """Refuse a dictionary whose widths are not those of its sites in this model.

    Raises:
        ShapeMismatch: a width differs.
        UnknownSite: the model has no such site.
    """
    for sites, width, verb in (
        (dictionary.reads, dictionary.config.d_in, "reads"),
        (dictionary.writes, dictionary.config.d_out, "writes"),
    ):
        found = sum(model.row_width(site) for site in sites)
        if found != width:
            raise ShapeMismatch(
                f"Dictionary '{dictionary.name}' does not fit the model '{model.name}'.",
                f"It {verb} {width} numbers at {', '.join(map(str, sites))}; the model has {found} there.",
                f"It was made for {_owners(dictionary.config)}, or another dictionary.",
            )
