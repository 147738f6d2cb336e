"""Small models whose mechanism is known by construction, to try instruments on: what is planted must be found."""

from hooke.specimens.collection import SPECIMENS, build, keep
from hooke.specimens.planted import Node, Planted, PlantedDirection, Specimen

__all__ = ["SPECIMENS", "Node", "Planted", "PlantedDirection", "Specimen", "build", "keep"]
