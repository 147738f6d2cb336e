import torch

from hooke.seeds import generator_for


def test_parts_of_a_run_have_randomness_of_their_own():
    def draw(seed: int, purpose: str) -> list[float]:
        return torch.rand(4, generator=generator_for(seed, purpose)).tolist()

    assert draw(0, "a") == draw(0, "a")
    assert draw(0, "a") != draw(0, "b")
    assert draw(0, "a") != draw(1, "a")
