"""Tiny randomly initialised models of real architectures: transformers' own code, no weights needed."""

import torch
from torch import nn
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

from hooke.models.model import Model

_SHAPE = {
    "vocab_size": 128,
    "hidden_size": 32,
    "intermediate_size": 56,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "initializer_range": 0.2,
}
_HEADS_OF_ONE = {"num_key_value_heads": 4}
_EXPERTS = {"num_local_experts": 4, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}

ARCHITECTURES: dict[str, dict[str, object]] = {
    "llama": {},
    "mistral": {"sliding_window": 8},
    "qwen2": {},
    "qwen3": {"head_dim": 16},
    "gemma2": {"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 8},
    "gemma3_text": {"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 8},
    "gpt2": {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64, "n_inner": 56},
    "gpt_neox": {**_HEADS_OF_ONE},
    "phi3": {},
    "olmo2": {},
    "falcon": {"ffn_hidden_size": 56, "new_decoder_architecture": False, "parallel_attn": True, "alibi": False},
    "stablelm": {},
    "mixtral": {**_EXPERTS},
    "qwen3_moe": {"head_dim": 16, **_EXPERTS},
    "gpt_oss": {"head_dim": 16, "sliding_window": 8, **_EXPERTS},
}
"""Settings of each architecture beyond the common shape."""


def tiny_hf(architecture: str, seed: int = 0, **settings: object) -> nn.Module:
    """A tiny model of an architecture with random weights."""
    config_class = CONFIG_MAPPING[architecture]
    known = (
        _SHAPE
        if architecture != "gpt2"
        else {key: _SHAPE[key] for key in ("vocab_size", "bos_token_id", "eos_token_id", "initializer_range")}
    )
    config = config_class(**{**known, **ARCHITECTURES.get(architecture, {}), **settings})
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(config).eval()


def tiny_model(architecture: str = "llama", seed: int = 0, **settings: object) -> Model:
    """A tiny model of an architecture, opened by hooke, without a tokenizer."""
    return Model(tiny_hf(architecture, seed, **settings), None, name=f"tiny-{architecture}")
