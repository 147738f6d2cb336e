"""sparsify's own encode with weights that hooke wrote for it. Prints one JSON object."""

from arguments import encoding_arguments
from measure import encoding_facts, report, versions
from sparsify import SparseCoder
from torch import Tensor


def main() -> None:
    """Encode as the command line says."""
    asked = encoding_arguments()
    coder = SparseCoder.load_from_disk(asked.folder / "sparsify", device="cpu")

    def encode(x: Tensor) -> Tensor:
        return coder.encode(x).top_acts

    facts = encoding_facts(encode, coder.encoder.weight.detach().T, asked.rows, asked.repetitions)
    report(
        task="encoding", tool="sparsify", variant="encode", versions=versions("eai-sparsify"), **asked.facts, **facts
    )


if __name__ == "__main__":
    main()
