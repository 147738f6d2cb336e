"""How much each neuron counts for a logit, by its activation times the logit's gradient."""

from torch import Tensor, nn

from hooke.models.model import Model

Neuron = tuple[int, int, int]


def influence(model: Model, prompt: str, token: int) -> dict[Neuron, float]:
    """Activation times gradient of a logit at the last position, for every neuron at every position."""
    hidden: list[Tensor] = []

    def keep(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        inputs[0].retain_grad()
        hidden.append(inputs[0])

    blocks = model.hf.transformer.h  # pyright: ignore
    handles = [block.mlp.c_proj.register_forward_pre_hook(keep) for block in blocks]  # pyright: ignore
    try:
        model.hf(input_ids=model.tokenize(prompt).ids, use_cache=False).logits[0, -1, token].backward()
    finally:
        for handle in handles:
            handle.remove()
        model.hf.zero_grad()
    found = {}
    for layer, values in enumerate(hidden):
        assert values.grad is not None
        products = (values * values.grad)[0].tolist()
        for position, row in enumerate(products):
            found |= {(layer, index, position): product for index, product in enumerate(row)}
    return found
