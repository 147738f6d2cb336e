"""The tables of topic tracing: speed by length, beside circuit-tracer, beside autograd."""

from collections.abc import Sequence
from typing import Any

from cells import table, version, whole
from harness import medians

Reports = Sequence[dict[str, Any]]

ALL_ROWS = 10**6
"""More rows than any prompt here has."""

_NUMBERS = (
    "n_rows",
    "n_active",
    "seconds",
    "rows_per_second",
    "pass_seconds",
    "rows_per_pass",
    "own_megabytes",
    "matmul_gflops",
)


def tracing_tables(reports: Reports) -> list[str]:
    """Speed and memory by length; then the same rows beside circuit-tracer and how far edges agree; then autograd."""
    parts = {name: [one for one in reports if one["part"] == name] for name in ("length", "peer", "autograd")}
    writers = {"length": _length_table, "peer": _peer_tables, "autograd": _autograd_table}
    return [writers[name](found) for name, found in parts.items() if found]


def _length_table(reports: Reports) -> str:
    rows = medians(reports, ["basis", "n_tokens", "asked_rows"], _NUMBERS)
    lines = [
        [
            row["basis"],
            str(row["n_tokens"]),
            whole(row["n_active"]),
            whole(row["n_rows"]),
            f"{row['seconds']:.2f}",
            whole(row["rows_per_second"]),
            f"{1000 * row['pass_seconds']:.0f}",
            whole(row["rows_per_pass"]),
            whole(row["own_megabytes"]),
            whole(row["matmul_gflops"]),
        ]
        for row in sorted(rows, key=lambda row: (row["basis"], row["n_tokens"]))
    ]
    heads = [
        "basis",
        "tokens",
        "active",
        "rows",
        "seconds",
        "rows/s",
        "bare pass, ms",
        "rows in a bare pass's time",
        "peak MB over the model",
        "matrix product, GFLOP/s",
    ]
    note = (
        "Seconds are a whole trace, from the prompt to the graph with its scores. The bare pass is the plain "
        "transformers model on the same prompt, in the same process and in turns; the matrix product is of that "
        "process too. Neurons without a row are told apart as sources up to 8,000; transcoders are random."
    )
    return f"**hooke, by length of the prompt**\n\n{table(heads, lines, 'lrrrrrrrrr')}\n\n{note}"


def _peer_tables(reports: Reports) -> str:
    for one in reports:
        one["version"] = version(one)
    rows = medians(reports, ["tool", "version", "asked_rows", "n_tokens"], _NUMBERS)
    peers = {row["asked_rows"]: row for row in rows if row["tool"] == "circuit-tracer"}
    lines = []
    for row in sorted(rows, key=lambda row: (row["asked_rows"], row["tool"])):
        peer = peers.get(row["asked_rows"])
        lines.append(
            [
                row["tool"],
                row["version"],
                asked_words(row["asked_rows"]),
                whole(row["n_rows"]),
                f"{row['seconds']:.2f}",
                whole(row["rows_per_second"]),
                f"{row['seconds'] / peer['seconds']:.3f}" if peer else "",
                whole(row["own_megabytes"]),
                f"{row['own_megabytes'] / peer['own_megabytes']:.3f}" if peer else "",
                whole(row["matmul_gflops"]),
            ]
        )
    heads = [
        "tool",
        "version",
        "asked",
        "rows",
        "seconds",
        "rows/s",
        "time ÷ circuit-tracer",
        "peak MB over the model",
        "memory ÷ circuit-tracer",
        "matrix product, GFLOP/s",
    ]
    title = f"**Beside circuit-tracer: {reports[0]['n_tokens']} tokens, the same random transcoders**"
    parts = [title, table(heads, lines, "lllrrrrrrr")]
    agreed = [one | one["agreement"] for one in reports if "agreement" in one]
    return "\n\n".join([*parts, *([_agreement_table(agreed)] if agreed else [])])


def _agreement_table(reports: Reports) -> str:
    numbers = ["shared_nodes", "compared_edges", "largest_relative_difference", "median_relative_difference"]
    lines = [
        [
            asked_words(row["asked_rows"]),
            whole(row["shared_nodes"]),
            whole(row["compared_edges"]),
            f"{row['largest_relative_difference']:.1e}",
            f"{row['median_relative_difference']:.1e}",
        ]
        for row in medians(reports, ["asked_rows"], numbers)
    ]
    heads = ["asked", "shared nodes", "compared edges", "largest relative difference", "median"]
    note = (
        "Compared are the edges between features that both have expanded: the largest ones, that hold 99 % of the "
        "mass of circuit-tracer's. hooke gives no row to a feature that reaches no target, so 'all' is fewer there."
    )
    return f"{table(heads, lines, 'lrrrr')}\n\n{note}"


def _autograd_table(reports: Reports) -> str:
    numbers = ["n_rows", "sweep_seconds", "autograd_seconds", "autograd_over_sweep", "compared_edges"]
    numbers += ["largest_relative_difference", "median_relative_difference"]
    lines = [
        [
            str(row["n_tokens"]),
            whole(row["n_rows"]),
            f"{row['sweep_seconds']:.2f}",
            f"{row['autograd_seconds']:.2f}",
            f"{row['autograd_over_sweep']:.1f}",
            whole(row["compared_edges"]),
            f"{row['largest_relative_difference']:.1e}",
            f"{row['median_relative_difference']:.1e}",
        ]
        for row in medians(reports, ["n_tokens", "asked_rows"], numbers)
    ]
    heads = [
        "tokens",
        "rows",
        "sweep, s",
        "autograd, s",
        "autograd ÷ sweep",
        "compared edges",
        "largest relative difference",
        "median",
    ]
    title = "**The sweep beside autograd: the same rows of the same frozen model, random transcoders**"
    note = "In one process and in turns; compared are the edges that hold 99 % of the mass of autograd's."
    return f"{title}\n\n{table(heads, lines, 'rrrrrrrr')}\n\n{note}"


def asked_words(n_rows: int) -> str:
    """How many rows were asked for, in words where it is all of them."""
    return "all" if n_rows >= ALL_ROWS else whole(n_rows)
