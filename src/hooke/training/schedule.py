"""How the learning rate and the penalty's weight move while training. Both depend on the share of tokens seen."""

from typing import Protocol, runtime_checkable

from hooke.training.config import TrainConfig


@runtime_checkable
class Scheduled(Protocol):
    """What a learning rate follows from."""

    @property
    def peak_lr(self) -> float:
        """Largest learning rate."""
        ...

    @property
    def warm_up(self) -> float:
        """Share of the tokens over which it rises from 0."""
        ...

    @property
    def decay(self) -> float:
        """Share of the tokens at the end over which it falls to 0."""
        ...


def learning_rate(config: Scheduled, progress: float) -> float:
    """Rises linearly, stays, falls linearly to 0; `progress` is the share of tokens seen."""
    rise = progress / config.warm_up if config.warm_up else 1.0
    fall = (1 - progress) / config.decay if config.decay else 1.0
    return config.peak_lr * max(0.0, min(1.0, rise, fall))


def sparsity_weight(config: TrainConfig, progress: float) -> float:
    """Rises linearly from 0 and stays, so that features can form before they are pressed."""
    return config.sparsity * (min(1.0, progress / config.sparsity_warm_up) if config.sparsity_warm_up else 1.0)
