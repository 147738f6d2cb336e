"""`hooke graph group`: nodes that a person reads as one."""

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere
from hooke.cli.terminal import note, table, title


def groups(ref: str, /, *, top: int = 8, everywhere: Everywhere = Everywhere()) -> Answer:
    """Show a graph's groups, the edges between them, and groups to consider.

    Parameters
    ----------
    ref
        A graph of the lab, or a file.
    top
        How many suggestions, and how many of each group's inputs to show.
    """
    from hooke.circuits.graph_file import open_graph
    from hooke.circuits.supernodes import between, suggest

    graph = open_graph(ref, everywhere.lab)
    found, suggestions = between(graph), suggest(graph)[:top]
    sizes = dict(graph.supernodes)
    edges = [
        (found.names[source], found.names[target], float(found.shares[target, source]))
        for target in range(len(found.names))
        for source in sorted(range(len(found.names)), key=lambda at: -found.shares[target, at])[:top]
        if found.shares[target, source] > 0
    ]
    listed = [
        (name, len(sizes[name]), f"{influence:.3f}")
        for name, influence in zip(found.names, found.influence, strict=True)
        if name in sizes
    ]
    offered = [(one.name, one.reason, " ".join(one.ids)) for one in suggestions]
    return Answer(
        data={
            "groups": [{"name": name, "nodes": list(ids)} for name, ids in graph.supernodes],
            "edges": [dict(zip(("source", "target", "share"), edge, strict=True)) for edge in edges],
            "suggestions": suggestions,
        },
        shown=(
            title("Groups", graph.prompt),
            *((table(("group", "nodes>", "influence>"), listed),) if listed else (note("There are none yet."),)),
            *(
                (table(("from", "to", "share of its input>"), [(*pair, f"{share:.1%}") for *pair, share in edges]),)
                if listed
                else ()
            ),
            *((table(("to consider", "why", "nodes"), offered),) if offered else ()),
        ),
    )


def group(ref: str, name: str, nodes: list[str], /, *, everywhere: Everywhere = Everywhere()) -> Answer:
    """Group nodes under a name.

    A node leaves the group that it was in; an old group of the name is replaced.

    Parameters
    ----------
    ref
        A graph of the lab.
    name
        The group's name.
    nodes
        Ids of its nodes, e.g. 12/345@7.
    """
    from hooke.circuits.graph_file import keep_graph, open_kept
    from hooke.circuits.supernodes import group as group_nodes

    lab = everywhere.lab
    keep_graph(group_nodes(open_kept(ref, lab), name, nodes), lab, ref)
    return Answer(data={"graph": ref, "group": name, "nodes": nodes}, shown=(note(f"'{name}': {len(nodes)} nodes."),))


def ungroup(ref: str, name: str, /, *, everywhere: Everywhere = Everywhere()) -> Answer:
    """Undo a group; its nodes stay.

    Parameters
    ----------
    ref
        A graph of the lab.
    name
        The group's name.
    """
    from hooke.circuits.graph_file import keep_graph, open_kept
    from hooke.circuits.supernodes import ungroup as ungroup_nodes

    lab = everywhere.lab
    keep_graph(ungroup_nodes(open_kept(ref, lab), name), lab, ref)
    return Answer(data={"graph": ref, "group": name}, shown=(note(f"'{name}' is no group any more."),))
