"""circuit-tracer's attribution on SmolLM2 with transcoders from a folder. Prints one JSON object.

    python trace_circuit_tracer.py MODEL_FOLDER PROMPT.npy --transcoders FOLDER --edges EDGES.npz [--rows 1000]

Its TransformerLens backend, which is its faster one here, set up by hand, since it opens models of its own list by
name only. The edges go into EDGES.npz, for a comparison with those of others.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import json
from pathlib import Path
from statistics import median

import numpy as np
import torch
from arguments import tracing_arguments, tracing_parser
from circuit_tracer import Graph, attribute
from circuit_tracer.replacement_model.replacement_model_transformerlens import TransformerLensReplacementModel
from circuit_tracer.transcoder.activation_functions import JumpReLU
from circuit_tracer.transcoder.single_layer_transcoder import SingleLayerTranscoder, TranscoderSet
from measure import forget_peak, matmul_gflops, peak_megabytes, report, seconds, versions
from safetensors.torch import load_file
from transformer_lens import HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions.llama import convert_llama_weights
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast


def open_transcoders(folder: Path, n_layers: int) -> TranscoderSet:
    """The transcoders of a folder, one file a layer."""
    transcoders = {}
    for layer in range(n_layers):
        weights = load_file(folder / f"layer_{layer}.safetensors")
        n_features, width = weights["W_enc"].shape
        activation = JumpReLU(weights.pop("activation_function.threshold"))
        one = SingleLayerTranscoder(
            width, n_features, activation, layer, device=torch.device("cpu"), dtype=torch.float32
        )
        one.load_state_dict(weights, strict=False)
        transcoders[layer] = one
    return TranscoderSet(transcoders, "mlp.hook_in", "mlp.hook_out", scan="random")


def open_model(folder: Path, transcoders: TranscoderSet) -> TransformerLensReplacementModel:
    """The replacement model, from a Hugging Face folder that is newer than the transformers that it needs."""
    raw = json.loads((folder / "config.json").read_text())
    rope = raw.pop("rope_parameters")["rope_theta"]
    hf = LlamaForCausalLM(LlamaConfig(**raw, rope_theta=rope))
    hf.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    hf.tie_weights()
    config = HookedTransformerConfig(
        n_layers=raw["num_hidden_layers"],
        d_model=raw["hidden_size"],
        d_head=raw["head_dim"],
        n_heads=raw["num_attention_heads"],
        n_key_value_heads=raw["num_key_value_heads"],
        d_mlp=raw["intermediate_size"],
        d_vocab=raw["vocab_size"],
        n_ctx=256,
        act_fn=raw["hidden_act"],
        gated_mlp=True,
        normalization_type="RMS",
        final_rms=True,
        eps=raw["rms_norm_eps"],
        positional_embedding_type="rotary",
        rotary_dim=raw["head_dim"],
        rotary_base=int(rope),
        rotary_adjacent_pairs=False,
        original_architecture="LlamaForCausalLM",
        model_name="smollm2",
        device="cpu",
        dtype=torch.float32,
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), bos_token="<|im_start|>", pad_token="<|im_end|>"
    )
    model = TransformerLensReplacementModel(config)
    model.tokenizer = tokenizer
    model.load_state_dict(convert_llama_weights(hf, config), strict=False)
    model._configure_replacement_model(transcoders)
    return model


def main() -> None:
    """Attribute and report."""
    parser = tracing_parser()
    parser.add_argument("--transcoders", type=Path, required=True)
    parser.add_argument("--edges", type=Path, required=True, help="where the edges between features go")
    parser.add_argument("--batch", type=int, default=128)
    asked = tracing_arguments(parser)
    n_layers = json.loads((asked.model / "config.json").read_text())["num_hidden_layers"]
    model = open_model(asked.model, open_transcoders(asked.transcoders, n_layers))

    def work() -> Graph:
        return attribute(asked.prompt, model, batch_size=asked.batch, max_feature_nodes=asked.rows)

    graphs: list[Graph] = []
    forget_peak()
    before = peak_megabytes()
    first = seconds(lambda: graphs.append(work()))
    peak = peak_megabytes()
    taken = [seconds(work) for _ in range(asked.repetitions)]
    (graph,) = graphs
    if graph.input_tokens.tolist() != asked.prompt.tolist():
        raise SystemExit(f"It traced other tokens: {graph.input_tokens.tolist()}")
    chosen = graph.active_features[graph.selected_features]
    n = len(chosen)
    np.savez(asked.edges, features=chosen.numpy(), edges=graph.adjacency_matrix[:n, :n].numpy())
    report(
        task="tracing",
        part="peer",
        tool="circuit-tracer",
        basis="transcoders",
        versions=versions("circuit-tracer", "transformer-lens"),
        n_rows=n,
        n_active=len(graph.active_features),
        first_seconds=first,
        seconds=median(taken),
        rows_per_second=n / median(taken),
        loaded_megabytes=before,
        own_megabytes=peak - before,
        matmul_gflops=matmul_gflops(),
        **asked.facts,
    )


if __name__ == "__main__":
    main()
