"""What a training run is told."""

from dataclasses import dataclass
from typing import Literal

from hooke.dictionaries.dictionary import Kind
from hooke.errors import BadConfig

Centre = Literal["median", "mean", "zero"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """Settings of one training run. Losses are in units in which the centred input, and the centred output where that
    is another site, has mean squared norm d; over several layers they are summed.

    Raises:
        BadConfig: the values do not go together.
    """

    n_features: int
    """Number of features."""
    n_tokens: int
    """How many tokens to train on, repetitions counted."""
    kind: Kind = "topk"
    """Activation function and loss."""
    k: int = 32
    """topk: active features per token; batchtopk and matryoshka: their mean over a batch."""
    sparsity: float = 1.0
    """Weight of the penalty: per unit of activation times decoder norm for relu, per active feature for jumprelu, per
    unit of the gate's pre-activation for gated."""
    tanh_slope: float | None = None
    """relu and jumprelu: penalise tanh(slope · activation · decoder norm) instead, linear for small activations and 1
    for large ones; the norm is that of all of a feature's decoder vectors together."""
    pre_activation: float = 0.0
    """relu and jumprelu: weight of a penalty on how far a feature is below its threshold, so that none dies."""
    skip: bool = False
    """Transcoders: whether the input also reaches the output by one matrix, trained with the rest."""
    groups: tuple[int, ...] = ()
    """matryoshka: how many leading features each nested dictionary has, ascending, the last all of them."""
    batch: int = 4096
    """Tokens per step."""
    lr: float | None = None
    """Largest learning rate of Adam; by default 2e-3 at 8,192 features, falling with their square root."""
    warm_up: float = 0.02
    """Share of the tokens over which the learning rate rises from 0."""
    decay: float = 0.2
    """Share of the tokens at the end over which it falls to 0."""
    sparsity_warm_up: float = 0.2
    """Share of the tokens over which the penalty's weight rises from 0."""
    centre: Centre = "median"
    """What is subtracted from the input: its geometric median, its mean or nothing. Folded into the biases."""
    longest: float = 5.0
    """Inputs longer than this many times the median norm, once centred, are shortened to it: a few tokens in a hundred
    thousand are hundreds of times as long, and their gradient would drown all others. Infinity shortens none."""
    calibration_tokens: int = 32_768
    """Tokens from the start of the stream that centre and scale are computed on."""
    bandwidth: float = 0.5
    """jumprelu: width of the ramp that stands for the jump in gradients."""
    first_threshold: float = 0.5
    """jumprelu: threshold of every feature at the start."""
    ste_to_encoder: bool = False
    """jumprelu: whether the ramp's gradient reaches the encoder, too, and not the thresholds only."""
    k_aux: int = 256
    """How many dead features per token are fitted to what the living ones leave over; 0 revives none."""
    aux_weight: float = 1 / 32
    """Weight of that loss."""
    dead_after: int = 200_000
    """Tokens without firing after which a feature counts as dead."""
    density_half_life: int = 100_000
    """Tokens after which an observation counts half in the running firing density."""
    checkpoint_every: int = 1_000_000
    """Tokens between checkpoints."""
    log_every: int = 10
    """Steps between lines of the training log."""
    seed: int = 0
    """Seed of the first weights."""

    def __post_init__(self) -> None:
        positive = (
            "n_features",
            "n_tokens",
            "batch",
            "bandwidth",
            "first_threshold",
            "dead_after",
            "density_half_life",
        )
        positive += ("calibration_tokens", "checkpoint_every", "log_every", "longest")
        if self.tanh_slope is not None:
            positive += ("tanh_slope",)
        for name in positive:
            if getattr(self, name) <= 0:
                raise BadConfig(f"'{name}' cannot be {getattr(self, name)}.", "", "Give a number above 0.")
        if self.kind not in ("relu", "jumprelu") and (self.tanh_slope is not None or self.pre_activation):
            raise BadConfig(
                f"A dictionary of kind {self.kind} has no such penalty.",
                f"tanh_slope is {self.tanh_slope}, pre_activation {self.pre_activation}.",
                "Leave them out, or take relu or jumprelu.",
            )
        for name in ("warm_up", "decay", "sparsity_warm_up"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadConfig(f"'{name}' cannot be {getattr(self, name)}.", "It is a share.", "Give 0 to 1.")
        if self.is_competitive and not 1 <= self.k <= self.n_features:
            raise BadConfig(f"'k' cannot be {self.k}.", f"There are {self.n_features} features.", "Give 1 to that.")
        if (self.kind == "matryoshka") != bool(self.groups):
            raise BadConfig(
                f"A dictionary of kind {self.kind} cannot have groups {self.groups}.",
                "",
                "Give groups to a matryoshka dictionary and to no other.",
            )
        if self.groups and (list(self.groups) != sorted(set(self.groups)) or self.groups[-1] != self.n_features):
            raise BadConfig(
                f"'groups' cannot be {self.groups}.",
                f"There are {self.n_features} features.",
                "Give ascending prefix widths that end at the number of features.",
            )

    @property
    def is_competitive(self) -> bool:
        """Whether features compete for k places, so that no penalty is needed."""
        return self.kind in ("topk", "batchtopk", "matryoshka")

    @property
    def has_unit_rows(self) -> bool:
        """Whether decoder rows are held at norm 1 while training; some penalties see their norm instead."""
        return self.kind != "relu" and self.tanh_slope is None

    @property
    def prefixes(self) -> tuple[int, ...]:
        """Widths of the nested dictionaries; a plain dictionary is the only one."""
        return self.groups or (self.n_features,)

    @property
    def peak_lr(self) -> float:
        """Largest learning rate."""
        return self.lr if self.lr is not None else 2e-3 * (8192 / self.n_features) ** 0.5
