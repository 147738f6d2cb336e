import pytest

from hooke.dictionaries.formats.hooks import hook_of, site_of_hook, site_of_module
from hooke.errors import UnknownSite
from hooke.sites import KINDS, Site


@pytest.mark.parametrize(
    ("hook", "model", "site"),
    [
        ("blocks.3.hook_resid_post", "gemma-2-2b", "resid_post.3"),
        ("blocks.3.attn.hook_z", "gpt2", "z.3"),
        ("blocks.3.hook_mlp_in", "gpt2", "resid_mid.3"),
        ("blocks.3.ln2.hook_normalized", "gemma-2-2b", "mlp_in.3"),
        ("blocks.3.mlp.hook_in", "gpt2", "mlp_in.3"),
        ("blocks.3.mlp.hook_out", "gpt2", "mlp_out.3"),
        ("blocks.3.mlp.hook_out", "google/gemma-3-1b", None),
        ("blocks.3.hook_mlp_out", "google/gemma-3-1b", "mlp_out.3"),
        ("blocks.3.ln1.hook_normalized", "gpt2", None),
        ("blocks.3", "gpt2", None),
        ("", "gpt2", None),
    ],
)
def test_hooks(hook: str, model: str, site: str | None):
    if site is not None:
        assert str(site_of_hook(hook, model)) == site
        return
    with pytest.raises(UnknownSite):
        site_of_hook(hook, model)


@pytest.mark.parametrize(
    ("path", "model", "site"),
    [
        ("model.layers.3", "llama", "resid_post.3"),
        ("model.layers.3.output", "llama", "resid_post.3"),
        ("model.layers.3.input", "llama", "resid_pre.3"),
        ("model.language_model.layers.3.output", "gemma-3-4b", "resid_post.3"),
        ("model.layers.3.self_attn.o_proj.input", "gemma-3-4b", "z.3"),
        ("model.layers.3.self_attn.o_proj.output", "gemma-3-4b", None),
        ("model.layers.3.self_attn", "llama", "attn_out.3"),
        ("model.layers.3.self_attn", "gemma-2-2b", None),
        ("model.layers.3.post_attention_layernorm.output", "llama", "mlp_in.3"),
        ("model.layers.3.post_attention_layernorm.output", "gemma-2-2b", "attn_out.3"),
        ("model.layers.3.post_attention_layernorm.input", "llama", "resid_mid.3"),
        ("model.layers.3.pre_feedforward_layernorm.output", "gemma-3-1b", "mlp_in.3"),
        ("model.layers.3.post_feedforward_layernorm.output", "gemma-3-1b", "mlp_out.3"),
        ("model.layers.3.mlp", "llama", "mlp_out.3"),
        ("model.layers.3.mlp.output", "gemma-2-2b", None),
        ("model.layers.3.mlp.down_proj.input", "llama", "neurons.3"),
        ("transformer.h.3.mlp.c_proj.input", "gpt2", "neurons.3"),
        ("transformer.h.3.ln_2.output", "gpt2", "mlp_in.3"),
        ("gpt_neox.layers.3.attention.dense.input", "pythia-70m", "z.3"),
        ("model.layers.three", "llama", None),
        ("model.norm", "llama", None),
    ],
)
def test_modules(path: str, model: str, site: str | None):
    if site is not None:
        assert str(site_of_module(path, model)) == site
        return
    with pytest.raises(UnknownSite):
        site_of_module(path, model)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_read_back(kind: str):
    site = Site(kind, 3 if KINDS[kind].is_layered else None)
    try:
        assert site_of_hook(hook_of(site), "gpt2") == site
    except UnknownSite:
        # Gained or rotated numbers have no name elsewhere that means the same.
        assert kind in ("attn_in", "q", "k", "v", "pattern", "final_norm", "logits")
