"""Training of dictionaries: one loop, in which a kind is an activation function and a loss."""

from hooke.training.config import TrainConfig
from hooke.training.finetune import FinetuneConfig, finetune
from hooke.training.train import train, train_crosscoder, train_replacement, working_folder

__all__ = [
    "FinetuneConfig",
    "TrainConfig",
    "finetune",
    "train",
    "train_crosscoder",
    "train_replacement",
    "working_folder",
]
