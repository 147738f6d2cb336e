"""Randomness by seed and purpose, so that parts of a run do not shift each other's numbers."""

from zlib import crc32

from torch import Generator


def generator_for(seed: int, purpose: str) -> Generator:
    """The source of randomness of one part of a run."""
    # The generator of the CPU takes no more than 32 bits of a seed.
    return Generator().manual_seed(crc32(f"{seed} {purpose}".encode()))
