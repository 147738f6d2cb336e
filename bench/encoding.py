"""Encoding rows with a TopK dictionary by hooke, and the same weights written for the peers. Prints one JSON object.

python bench/encoding.py FOLDER --make 8192     # writes hooke/, saelens/ and sparsify/: 576 -> 8,192, k = 32
python bench/encoding.py FOLDER                 # tokens per second
"""

import torch
from peers.arguments import encoding_arguments
from peers.measure import encoding_facts, report, versions
from torch import Tensor

from hooke.dictionaries import Dictionary, DictionaryConfig, load_dictionary, save_dictionary
from hooke.dictionaries.dictionary import weight_shapes
from hooke.dictionaries.formats.written import OF_ONE

D_IN, K = 576, 32


def random_topk(n_features: int) -> Dictionary:
    """A TopK dictionary of random weights: choosing the largest costs the same whatever the weights are."""
    config = DictionaryConfig(
        name="random", model="smollm2-135m", kind="topk", activation="topk", k=K,
        reads=("resid_post.15",), writes=("resid_post.15",), n_features=n_features, d_in=D_IN, d_out=D_IN,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    weights = {name: torch.randn(shape, generator=generator) for name, shape in weight_shapes(config).items()}
    return Dictionary(config, **weights)


def main() -> None:
    """Write the dictionary, or report how quickly it encodes."""
    asked = encoding_arguments()
    if asked.make:
        made = random_topk(asked.make)
        asked.folder.mkdir(parents=True)
        save_dictionary(made, asked.folder / "hooke")
        for name in ("saelens", "sparsify"):
            OF_ONE[name](made, asked.folder / name, model=None)
        return
    dictionary = load_dictionary(asked.folder / "hooke")

    def encode(x: Tensor) -> Tensor:
        return dictionary.encode(x).values

    facts = encoding_facts(encode, dictionary.W_enc.detach(), asked.rows, asked.repetitions)
    report(task="encoding", tool="hooke", variant="encode", versions=versions("hooke"), **asked.facts, **facts)


if __name__ == "__main__":
    main()
