"""Training of dictionaries: one loop, in which a kind is an activation function and a loss."""

from hooke.training.config import TrainConfig
from hooke.training.train import train, working_folder

__all__ = ["TrainConfig", "train", "working_folder"]
