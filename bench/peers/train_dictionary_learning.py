"""dictionary_learning's TopK trainer, through its own `trainSAE`, on rows from a file. Prints one JSON object."""

import tempfile
from pathlib import Path

from arguments import training_arguments
from dictionary_learning.trainers import TopKTrainer
from dictionary_learning.trainers.top_k import AutoEncoderTopK
from dictionary_learning.training import trainSAE
from measure import Clock, quality, report, rows_file, step_facts, versions


def main() -> None:
    """Train as the command line says and report speed, or speed and quality."""
    asked = training_arguments()
    rows = rows_file(asked.rows)
    clock = Clock(rows, asked.batch, asked.steps)
    config = {
        "trainer": TopKTrainer,
        "steps": asked.steps,
        "activation_dim": rows.shape[1],
        "dict_size": asked.features,
        "k": asked.k,
        "layer": 0,
        "lm_name": "none",
        "lr": asked.lr,
        "warmup_steps": 0,
        "seed": 0,
        "device": "cpu",
    }
    with tempfile.TemporaryDirectory() as folder:
        trainSAE(clock, [config], steps=asked.steps, save_dir=folder, device="cpu")
        facts = step_facts(clock, asked.warm_up, asked.features)
        if asked.held_out:
            dictionary = AutoEncoderTopK.from_pretrained(Path(folder) / "trainer_0" / "ae.pt", device="cpu")
            facts |= quality(dictionary.encode, dictionary.decode, rows_file(asked.held_out), rows)
    report(
        task="training",
        tool="dictionary_learning",
        variant="TopK",
        versions=versions("dictionary-learning"),
        **asked.facts,
        **facts,
    )


if __name__ == "__main__":
    main()
