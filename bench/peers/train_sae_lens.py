"""SAELens' TopK SAE, through its own `SAETrainer.fit`, on rows from a file. Prints one JSON object."""

import torch
from arguments import training_arguments
from measure import Clock, quality, report, rows_file, step_facts, versions
from sae_lens import TopKTrainingSAE, TopKTrainingSAEConfig
from sae_lens.config import SAETrainerConfig
from sae_lens.training.sae_trainer import SAETrainer


def main() -> None:
    """Train as the command line says and report speed, or speed and quality."""
    asked = training_arguments()
    rows = rows_file(asked.rows)
    clock = Clock(rows, asked.batch, asked.steps)
    torch.manual_seed(0)
    sae = TopKTrainingSAE(TopKTrainingSAEConfig(d_in=rows.shape[1], d_sae=asked.features, k=asked.k, device="cpu"))
    config = SAETrainerConfig(
        total_training_samples=asked.steps * asked.batch,
        train_batch_size_samples=asked.batch,
        lr=asked.lr,
        lr_end=asked.lr,
        device="cpu",
    )
    SAETrainer(cfg=config, sae=sae, data_provider=iter(clock)).fit()
    clock.stop()
    facts = step_facts(clock, asked.warm_up, asked.features)
    if asked.held_out:
        facts |= quality(sae.encode, sae.decode, rows_file(asked.held_out), rows)
    report(task="training", tool="SAELens", variant="TopK", versions=versions("sae-lens"), **asked.facts, **facts)


if __name__ == "__main__":
    main()
