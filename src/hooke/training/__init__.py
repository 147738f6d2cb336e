"""Training of dictionaries: one loop, in which a kind is an activation function and a loss."""

from hooke.training.config import TrainConfig
from hooke.training.train import train, train_crosscoder, train_replacement, working_folder

__all__ = ["TrainConfig", "train", "train_crosscoder", "train_replacement", "working_folder"]
