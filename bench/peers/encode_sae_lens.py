"""SAELens' own encode with weights that hooke wrote for it. Prints one JSON object."""

from arguments import encoding_arguments
from measure import encoding_facts, report, versions
from sae_lens import SAE


def main() -> None:
    """Encode as the command line says."""
    asked = encoding_arguments()
    sae = SAE.load_from_disk(asked.folder / "saelens", device="cpu")
    facts = encoding_facts(sae.encode, sae.W_enc.detach(), asked.rows, asked.repetitions)
    report(
        task="encoding", tool="SAELens", variant="encode, dense", versions=versions("sae-lens"), **asked.facts, **facts
    )


if __name__ == "__main__":
    main()
