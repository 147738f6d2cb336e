"""A model whose MLPs are transcoders already: with ReLU for gelu, neurons are features that reconstruct perfectly."""

import torch

from hooke.dictionaries import Dictionary, DictionaryConfig
from hooke.dictionaries.sets import TranscoderSet, set_of
from hooke.models.model import Model
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig
from tests.models.tiny import tiny_hf
from tests.text.small_tokenizer import small_corpus, small_tokenizer

WINDOWS = WindowConfig(context=16, batch=2)
N_NEURONS = 56


def relu_model() -> Model:
    return Model(tiny_hf("gpt2", activation_function="relu"), small_tokenizer(eos="</s>"), name="relu")


def text() -> Corpus:
    words = ["crown of stars.", "a kettle sings", "rain on slate"]
    return small_corpus(*(words[n % 3][n % 5 :] for n in range(60)))


def perfect(model: Model, share: float = 1.0) -> TranscoderSet:
    """Each MLP as a transcoder, what it writes scaled by a share."""
    made = []
    for layer, block in enumerate(model.hf.transformer.h):
        config = DictionaryConfig(
            name=f"perfect.{layer}",
            model="relu",
            kind="relu",
            reads=(f"mlp_in.{layer}",),
            writes=(f"mlp_out.{layer}",),
            n_features=N_NEURONS,
            d_in=32,
            d_out=32,
        )
        weights = {"W_enc": block.mlp.c_fc.weight, "b_enc": block.mlp.c_fc.bias}
        weights |= {"W_dec": share * block.mlp.c_proj.weight, "b_dec": share * block.mlp.c_proj.bias}
        made.append(Dictionary(config, **{name: one.detach().clone() for name, one in weights.items()}))
    return set_of("perfect", made)


def active_neurons(model: Model, tokens: torch.Tensor, counted: torch.Tensor) -> float:
    """How many neurons of all layers together fire on a counted token."""
    run = model.run(tokens, capture=["neurons.*"], logits=False)
    return sum(float((value[counted] > 0).sum(-1).float().mean()) for value in run.values())
