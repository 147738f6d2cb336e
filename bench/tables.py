"""Saved results as Markdown tables, put between markers into docs/benchmarks.md."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from cells import cell, table, version, whole
from harness import medians
from tracing_tables import tracing_tables

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"

Reports = Sequence[dict[str, Any]]


def place(topic: str, text: str, page: Path = PAGE) -> None:
    """Put the text between the topic's markers; a page that has none gets them at its end."""
    opening, closing = f"<!-- bench:{topic} -->", f"<!-- /bench:{topic} -->"
    whole = page.read_text(encoding="utf-8") if page.exists() else "# Benchmarks\n"
    if opening not in whole or closing not in whole:
        whole += f"\n{opening}\n{closing}\n"
    before, _, rest = whole.partition(opening)
    _, _, after = rest.partition(closing)
    page.write_text(f"{before}{opening}\n{text.strip()}\n{closing}{after}", encoding="utf-8")


def render(topic: str, result: dict[str, Any]) -> str:
    """The tables of one topic, under a line that says on what machine and under what load they were measured."""
    reports = result["reports"]
    failures = [f"- {one['tool']}: failed: {one['failed']}" for one in reports if "failed" in one]
    done = [one for one in reports if "failed" not in one]
    return "\n\n".join([_machine(topic, result), *RENDERERS[topic](done), *(["\n".join(failures)] if failures else [])])


def harvest_tables(reports: Reports) -> list[str]:
    """Tokens per second and time against the bare pass in the same process, one row per tool and way."""
    flat = [
        {"tool": one["tool"], "version": version(one)}
        | {name: one.get(name) for name in ("peak_megabytes", "largest_activation", "bare_tokens_per_second")}
        | row
        for one in reports
        for row in one["rows"]
    ]
    rows = medians(flat, ["tool", "version", "variant"], _HARVEST_NUMBERS)
    lines = [
        [
            row["tool"],
            row["version"],
            row["variant"],
            whole(row["tokens_per_second"]),
            whole(row.get("bare_tokens_per_second")),
            f"{row['ratio']:.2f}",
            _share_off(row),
            whole(row.get("peak_megabytes")),
        ]
        for row in sorted(rows, key=lambda row: row["ratio"])
    ]
    heads = [
        "tool",
        "version",
        "way",
        "tokens/s",
        "bare pass beside it",
        "time ÷ bare pass",
        "largest error",
        "peak MB",
    ]
    note = (
        "The bare pass is the plain transformers model cut behind the same block, in the same process and in turns; "
        "the error is the largest difference from its output, as a share of the largest activation."
    )
    return [table(heads, lines, "lllrrrrr"), note]


_HARVEST_NUMBERS = (
    "tokens_per_second",
    "bare_tokens_per_second",
    "ratio",
    "peak_megabytes",
    "largest_activation",
    "max_abs_difference",
)


def training_tables(reports: Reports) -> list[str]:
    """Speed at each width, then quality after the same number of the same real tokens."""
    for one in reports:
        one["version"] = version(one)
    speed = [one for one in reports if "fvu" not in one]
    quality = [one for one in reports if "fvu" in one]
    return [
        *(_speed_table(speed, width) for width in sorted({one["features"] for one in speed})),
        *([_quality_table(quality)] if quality else []),
    ]


def _speed_table(reports: Reports, width: int) -> str:
    keys, numbers = ["tool", "version", "variant"], ["tokens_per_second", "share_of_dense_roof", "peak_megabytes"]
    here = [one for one in reports if one["features"] == width]
    rows = sorted(medians(here, keys, numbers), key=lambda row: -row["tokens_per_second"])
    others = [row["tokens_per_second"] for row in rows if row["tool"] != "hooke"]
    lines = []
    for row in rows:
        times = f"{row['tokens_per_second'] / max(others):.2f}" if others else ""
        roof = f"{row['share_of_dense_roof']:.0%}"
        shown = [whole(row["tokens_per_second"]), times, roof, whole(row["peak_megabytes"])]
        lines.append([row["tool"], row["version"], row["variant"], *shown])
    asked = here[0]
    title = f"Training step on noise, 576 → {width:,} features, k = {asked['k']}, batch {asked['batch']:,}"
    heads = ["tool", "version", "way", "tokens/s", "÷ fastest peer", "of dense roof", "peak MB"]
    parts = [f"**{title}**", table(heads, lines, "lllrrrr")]
    (least,) = medians(here, [], ["step_over_encoder_and_largest"])
    if "step_over_encoder_and_largest" in least:
        ratio = least["step_over_encoder_and_largest"]
        parts.append(f"A step of hooke takes {ratio:.2f} times its encoder's product and its choice of the k largest.")
    return "\n\n".join(parts)


def _quality_table(reports: Reports) -> str:
    keys = ["tool", "version", "variant", "lr"]
    numbers = ["fvu", "dead_share", "l0", "tokens_per_second"]
    rows = sorted(medians(reports, keys, numbers), key=lambda row: row["fvu"])
    lines = [
        [
            row["tool"],
            row["version"],
            row["variant"],
            f"{row['lr']:g}" if row["lr"] else "its own",
            f"{row['fvu']:.4f}",
            f"{row['dead_share']:.1%}",
            f"{row['l0']:.1f}",
            whole(row["tokens_per_second"]),
        ]
        for row in rows
    ]
    asked = reports[0]
    title = (
        f"Quality on held-out text after {asked['n_tokens']:,} real tokens: residual stream behind block 15, "
        f"576 → {asked['features']:,}, k = {asked['k']}, batch {asked['batch']:,}, constant rate, one seed"
    )
    heads = ["tool", "version", "way", "rate", "FVU", "dead", "L0", "tokens/s"]
    return f"**{title}**\n\n{table(heads, lines, 'lllrrrrr')}"


def encoding_tables(reports: Reports) -> list[str]:
    """Tokens per second, against the encoder's product in the same process."""
    for one in reports:
        one["version"] = version(one)
    numbers = ["tokens_per_second", "ratio", "peak_megabytes", "sum", "n_active"]
    tables = []
    for width in sorted({one["features"] for one in reports}):
        here = [one for one in reports if one["features"] == width]
        rows = sorted(medians(here, ["tool", "version", "variant"], numbers), key=lambda row: row["ratio"])
        ours = next((row for row in rows if row["tool"] == "hooke"), rows[0])
        lines = [
            [
                row["tool"],
                row["version"],
                row["variant"],
                whole(row["tokens_per_second"]),
                f"{row['ratio']:.2f}",
                f"{row['ratio'] / ours['ratio']:.2f}",
                f"{abs(row['sum'] / ours['sum'] - 1):.0e}" if row is not ours else "",
                whole(row["peak_megabytes"]),
            ]
            for row in rows
        ]
        heads = [
            "tool",
            "version",
            "way",
            "tokens/s",
            "÷ encoder's product",
            "÷ hooke's",
            "sum off by",
            "peak MB",
        ]
        title = f"576 → {width:,} features, TopK, k = 32, batch {here[0]['batch']:,}, the same weights"
        tables.append(f"**{title}**\n\n{table(heads, lines, 'lllrrrrr')}")
    note = (
        "The encoder's product is the matrix product alone, in the same process and in turns, so that the load of the "
        "machine meets both; the third ratio divides those two. The sum is over all activations."
    )
    return [*tables, note]


def import_tables(reports: Reports) -> list[str]:
    """Import times and install sizes, one row per statement."""
    lines = []
    for row in (row for one in reports for row in one["rows"]):
        if "failed" in row:
            lines.append([row["tool"], row["failed"], *[""] * 6])
            continue
        lines.append(
            [
                row["tool"],
                f"`{row['statement']}`",
                f"{row['seconds']:.2f}",
                whole(row["peak_megabytes"]),
                "yes" if row["imports_torch"] else "no",
                whole(row["megabytes"]),
                whole(row["megabytes_without_torch"]),
                str(row["distributions"]),
            ]
        )
    heads = ["tool", "statement", "seconds", "peak MB", "imports torch", "install MB", "without torch", "distributions"]
    return [table(heads, lines, "llrrlrrr")]


def plain_tables(reports: Reports) -> list[str]:
    """A report's rows as they are: their own names are the heads."""
    tables = []
    for one in reports:
        heads = list(dict.fromkeys(key for row in one["rows"] for key in row))
        lines = [[cell(row.get(head)) for head in heads] for row in one["rows"]]
        tables.append(table([head.replace("_", " ") for head in heads], lines, "l" + "r" * (len(heads) - 1)))
    return tables


def server_tables(reports: Reports) -> list[str]:
    """Latencies side by side at both sizes, then what each takes, then the encoders of search by meaning."""
    rows = [row for one in reports for row in one.get("rows", [])]
    sizes = list(dict.fromkeys(row["size"] for row in rows))
    heads = {"starter": "8,192 features, 1.8 M tokens", "million": "1,000,000 features, 10 M tokens"}
    timed = _by_what([row for row in rows if "p50_ms" in row])
    lines = [
        [what, *(_latency(found.get(size)) for size in sizes), _kilobytes(found.values())]
        for what, found in timed.items()
    ]
    names = [f"{heads[size]}: p50 / p95 ms" for size in sizes]
    tables = [table(["request", *names, "largest answer"], lines, "l" + "r" * (len(sizes) + 1))]
    taken = _by_what([row for row in rows if "p50_ms" not in row])
    lines = [[what, *(_amount(found.get(size)) for size in sizes)] for what, found in taken.items()]
    tables.append(table(["cost", *(heads[size] for size in sizes)], lines, "l" + "r" * len(sizes)))
    for one in reports:
        if "answered" in one:
            shares = [[name, f"{share:.0%}"] for name, share in one["answered"].items()]
            head = f"of {one['n_queries']} paraphrases answered among ten"
            tables.append(table(["encoder", head], shares, "lr"))
    return tables


def gateway_tables(reports: Reports) -> list[str]:
    """For each number of streams a table of modes: waits, throughput, and what each adds beside none in its turn."""
    found = []
    for one in reports:
        for streams, modes in one["streams"].items():
            lines = [
                [
                    mode,
                    _percentiles(row["first_ms"]),
                    f"{row['added_to_first']:+.1%}",
                    _percentiles(row["token_ms"]),
                    f"{row['added']:+.1%} [{row['added_interval'][0]:+.1%}, {row['added_interval'][1]:+.1%}]",
                    f"{row['scoring_ms']:.2f}",
                    f"{row['tokens_per_second']:.1f}",
                ]
                for mode, row in modes.items()
            ]
            turns = next(iter(modes.values()))["n_turns"]
            found.append(
                f"**{streams} at once**, {one['prompt_tokens']} tokens of prompt, {one['threads']} thread(s), "
                f"{turns} turns"
            )
            heads = [
                "watched or steered by",
                "first token, ms",
                "added",
                "next token, ms",
                "added",
                "scoring, ms",
                "tokens/s",
            ]
            found.append(table(heads, lines, "lrrrrrr"))
    note = (
        "Waits are p50 / p95 / p99 over tokens; what is added is the median over turns of a mode's median beside that "
        "of nothing in the same turn, with a 95 % bootstrap interval over turns. Scoring is what the engine clocked in "
        "its monitors at each step (the prompt's own scoring included)."
    )
    return [*found, note]


def _percentiles(row: dict[str, float]) -> str:
    return " / ".join(f"{row[share]:.1f}" for share in ("p50", "p95", "p99"))


def _by_what(rows: Reports) -> dict[str, dict[str, dict[str, Any]]]:
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["what"], {})[row["size"]] = row
    return found


def _latency(row: dict[str, Any] | None) -> str:
    return "" if row is None else f"{row['p50_ms']:.1f} / {row['p95_ms']:.1f}"


def _kilobytes(rows: Iterable[dict[str, Any]]) -> str:
    return f"{max(row['kilobytes'] for row in rows):,.0f} kB"


def _amount(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    return f"{row['megabytes']:,.0f} MB" if "megabytes" in row else f"{row['seconds']:,.0f} s"


RENDERERS: dict[str, Callable[[Reports], list[str]]] = {
    "harvest": harvest_tables,
    "training": training_tables,
    "encoding": encoding_tables,
    "index": plain_tables,
    "tracing": tracing_tables,
    "import": import_tables,
    "server": server_tables,
    "gateway": gateway_tables,
    "browser": plain_tables,
}


def _machine(topic: str, result: dict[str, Any]) -> str:
    before, after = result["before"], result["after"]
    return (
        f"{before['processor']}, {before['cores']} cores, {before['memory_gigabytes']} GB, float32, "
        f"{before['threads']} threads; matrix product {before['matmul_gflops']:.0f} GFLOP/s before and "
        f"{after['matmul_gflops']:.0f} after, load {before['load']:.1f} and {after['load']:.1f}; "
        f"medians of {result['rounds']} round(s) in turns. Made by `python bench/run.py {topic}`."
    )


def _share_off(row: dict[str, Any]) -> str:
    if row.get("max_abs_difference") is None:
        return ""
    return "0" if not row["max_abs_difference"] else f"{row['max_abs_difference'] / row['largest_activation']:.0e}"
