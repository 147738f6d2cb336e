"""`hooke graph aggregate` and `hooke graph diff`: graphs of many prompts."""

from fnmatch import fnmatch
from typing import TYPE_CHECKING, Literal

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere
from hooke.cli.terminal import note, table, title

if TYPE_CHECKING:
    import hooke.circuits.graph
    from hooke.lab import Lab


def aggregate(
    refs: list[str],
    /,
    *,
    edges: bool = False,
    place: Literal["feature", "end"] = "feature",
    top: int = 20,
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Show which nodes or edges return over a set of graphs.

    Parameters
    ----------
    refs
        Graphs of the lab, patterns such as "ioi-*", or files.
    edges
        Compare edges instead of nodes.
    place
        "feature" sums a feature's positions; "end" tells positions apart, counted from the prompt's end.
    top
        How many to show.
    """
    from hooke.circuits.aggregate import aggregate as aggregate_graphs

    graphs = _graphs(refs, everywhere.lab)
    found = aggregate_graphs(graphs, edges=edges, place=place)
    rows = [
        (
            " → ".join(one.key),
            one.label,
            f"{one.frequency:.0%}",
            f"{one.mean:.4f}",
            f"[{one.interval[0]:.4f}, {one.interval[1]:.4f}]",
        )
        for one in found[:top]
    ]
    kind = "edge" if edges else "node"
    return Answer(
        data={"graphs": len(graphs), "found": len(found), f"{kind}s": found[:top]},
        shown=(
            title(f"{len(graphs)} graphs", graphs[0].model),
            table((kind, "label", "in>", "mean share>", "95 %>"), rows),
            note(f"{len(found):,} {kind}s in all. {_MEANING[edges]}"),
        ),
    )


def diff(
    *,
    first: list[str],
    second: list[str],
    edges: bool = False,
    place: Literal["feature", "end"] = "feature",
    top: int = 20,
    seed: int = 0,
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Show what sets two sets of graphs apart, beside what luck does.

    Parameters
    ----------
    first
        A graph of the first set, or a pattern such as "ioi-*"; may be given several times.
    second
        A graph of the second set; may be given several times.
    edges
        Compare edges instead of nodes.
    place
        "feature" sums a feature's positions; "end" tells positions apart, counted from the prompt's end.
    top
        How many to show.
    seed
        Seed of resampling and shuffling.
    """
    from hooke.circuits.aggregate import difference

    sets = _graphs(first, everywhere.lab), _graphs(second, everywhere.lab)
    found = difference(*sets, edges=edges, place=place, seed=seed)
    sure = sum(one.chance < 0.05 for one in found)
    rows = [
        (
            " → ".join(one.key),
            one.label,
            f"{one.first:.4f}",
            f"{one.second:.4f}",
            f"[{one.interval[0]:+.4f}, {one.interval[1]:+.4f}]",
            f"{one.chance:.3f}",
        )
        for one in found[:top]
    ]
    kind = "edge" if edges else "node"
    return Answer(
        data={
            "graphs": [len(one) for one in sets],
            "found": len(found),
            "beyond_chance": sure,
            f"{kind}s": found[:top],
        },
        shown=(
            title("Two sets of graphs", f"{len(sets[0])} and {len(sets[1])}"),
            table((kind, "label", "first>", "second>", "difference, 95 %>", "chance>"), rows),
            note(
                f"{sure} of {len(found):,} {kind}s differ by more than the largest difference of shuffled sets does in "
                f"95 of 100 shuffles. {_MEANING[edges]}"
            ),
        ),
    )


_MEANING = {
    False: "A node's share is of the influence that all features (or all tokens) have on the targets.",
    True: "An edge's share is what it passes of the targets' weight.",
}


def _graphs(refs: list[str], lab: "Lab") -> list["hooke.circuits.graph.Graph"]:
    from hooke.circuits.graph_file import graph_ids, open_graph

    kept = graph_ids(lab)
    names = [
        name
        for ref in refs
        for name in ([one for one in kept if fnmatch(one, ref)] if set("*?[") & set(ref) else [ref])
    ]
    return [open_graph(name, lab) for name in dict.fromkeys(names)]
