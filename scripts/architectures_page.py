"""Write docs/architectures.md: on which architectures which sites hold, with the error of each contract.

    python scripts/architectures_page.py

Every row is a tiny randomly initialised model of transformers' own code, the same ones that the tests open.
"""

import sys
from pathlib import Path

import torch

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from hooke.models.check import CheckReport  # noqa: E402
from tests.models.tiny import ARCHITECTURES, tiny_model  # noqa: E402

SHORT = {
    "resid_pre of the next layer = resid_post": "stream",
    "resid_mid = resid_pre + attn_out": "resid_mid",
    "resid_post = resid_mid + mlp_out": "resid_post",
    "resid_post = resid_pre + attn_out + mlp_out": "parallel",
    "mlp_out = down projection of neurons": "neurons",
    "logits = unembedding of final_norm of the last resid_post": "logits",
    "z = pattern · v": "pattern, v, z",
    "attn_out = output projection of z": "attn_out",
    "a padded batch gives what one by one gives": "padding",
    "no edits: bit-identical logits": "no edits",
}
PAGE = """# Architectures

hooke finds a model's sites by structure and by the flow of numbers through a short probe, not by the architecture's
name, and `model.check()` (`hooke model check`) verifies the algebra between them. This page is written by
`python scripts/architectures_page.py`: each row is a tiny model with random weights of transformers' own code for that
architecture, run on a batch of two texts of twelve and seven tokens in float32. A cell is the largest relative error
‖found - expected‖ / ‖expected‖ of a contract over all layers (0 where both sides are the same arithmetic); `-` means
that a site of the contract does not exist there and is refused by name. The limit is {limit:.1e}, a few hundred units
of rounding.

{contracts}

| architecture | class | {columns} |
| --- | --- | {rules} |
{rows}

## What is refused, and what to use instead

| architecture | sites | why | instead |
| --- | --- | --- | --- |
{refusals}
"""


def main() -> None:
    """Check every architecture and write the page."""
    reports = {name: _report(name) for name in ARCHITECTURES}
    models = {name: tiny_model(name) for name in ARCHITECTURES}
    rows = [f"| {name} | {type(models[name].hf).__name__} | {_cells(report)} |" for name, report in reports.items()]
    refusals = [row for name, report in reports.items() for row in _refusals(name, report)]
    page = PAGE.format(
        limit=next(iter(reports.values())).contracts[0].limit,
        contracts="\n".join(f"- **{short}**: {equation}" for equation, short in SHORT.items()),
        columns=" | ".join(SHORT.values()),
        rules=" | ".join("---" for _ in SHORT),
        rows="\n".join(rows),
        refusals="\n".join(refusals),
    )
    (ROOT / "docs" / "architectures.md").write_text(page, encoding="utf-8")


def _report(name: str) -> CheckReport:
    model = tiny_model(name)
    ids = torch.randint(3, 128, (2, 12), generator=torch.Generator().manual_seed(0))
    tokens = model.tokenize(ids)
    tokens.mask[1, 7:] = False
    return model.check(tokens)


def _cells(report: CheckReport) -> str:
    worst = report.worst()
    return " | ".join(
        f"{worst[equation].error:.0e}" + ("" if worst[equation].holds else " **fails**") if equation in worst else "-"
        for equation in SHORT
    )


def _refusals(name: str, report: CheckReport) -> list[str]:
    by_reason: dict[tuple[str, str], set[str]] = {}
    for refusal in report.refusals:
        by_reason.setdefault((refusal.why, refusal.instead), set()).add(refusal.what.split(".")[0])
    return [
        f"| {name} | {', '.join(sorted(kinds))} | {why} | {instead} |" for (why, instead), kinds in by_reason.items()
    ]


if __name__ == "__main__":
    main()
