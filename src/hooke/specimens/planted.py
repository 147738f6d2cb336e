"""What is known of a specimen: on each prompt, the nodes and edges that were planted, and what each neuron means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor

from hooke.models.model import Model
from hooke.text.pairs import PromptPair

Node = tuple[int, int, int] | tuple[Literal["token", "logit"], int]
"""A neuron as (layer, index, position), a token as ("token", position), a logit at the last position as
("logit", token id)."""


@dataclass(frozen=True, slots=True)
class Planted:
    """The whole truth about one prompt: every path that leads to the answer's logit goes along these edges."""

    nodes: tuple[Node, ...]
    """In the order of the forward pass."""
    edges: tuple[tuple[Node, Node], ...]
    """Pairs (source, target)."""
    labels: Mapping[Node, str]
    """What each node means."""

    @property
    def neurons(self) -> tuple[tuple[int, int, int], ...]:
        """The nodes that are neurons."""
        return tuple(node for node in self.nodes if len(node) == 3)

    def data(self) -> dict[str, Any]:
        """Plain lists, for JSON; edges are pairs of places in the list of nodes."""
        place = {node: at for at, node in enumerate(self.nodes)}
        return {
            "nodes": [{"node": list(node), "label": self.labels[node]} for node in self.nodes],
            "edges": [[place[source], place[target]] for source, target in self.edges],
        }


@dataclass(frozen=True, slots=True, eq=False)
class PlantedDirection:
    """A direction of the stream that stands for something, wherever in the text it is."""

    name: str
    site: str
    """Where it can be read, ablated and steered: 'resid_post.1'."""
    vector: Float[Tensor, " d_model"]
    """Of length 1; the stream goes along it by almost 1 where the thing is, and by 0 where it is not."""
    about: str

    def data(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"name": self.name, "site": self.site, "about": self.about, "vector": self.vector.tolist()}


@dataclass(frozen=True, slots=True)
class Specimen:
    """A model with a planted mechanism, and two without it that look alike from outside."""

    name: str
    model: Model
    twin: Model
    """Of the same shape, vocabulary and weight norms, in which no planted node reaches any logit."""
    random: Model
    """Of the same shape, vocabulary and weight norms, with every matrix drawn at random."""
    prompts: tuple[str, ...]
    answers: tuple[str, ...]
    """A word that comes next, for each prompt: the one whose logit the truth is about. Where several are right, `pairs`
    has all of them."""
    planted: tuple[Planted, ...]
    """The truth about each prompt."""
    pairs: tuple[PromptPair, ...]
    """Each prompt beside one of as many tokens with another answer."""
    circuit: frozenset[str]
    """Edges between components that carry what differs within a pair to the answer: 'input->m0', 'm0->a1.h0<v>',
    'a1.h0->logits'; a component is the input, a head, a whole MLP or the logits, and a head reads by q, k and v."""
    directions: tuple[PlantedDirection, ...] = ()
    """Directions that decide what the specimen does; in the twin nothing reads or writes them."""

    @property
    def models(self) -> dict[str, Model]:
        """All three by what they are: specimen, twin, random."""
        return {"specimen": self.model, "twin": self.twin, "random": self.random}


def chain(*labelled: tuple[Node, str]) -> Planted:
    """A truth that is one path, from nodes with their labels."""
    return joined(dict(labelled), [node for node, _ in labelled])


def joined(labels: Mapping[Node, str], *paths: Sequence[Node]) -> Planted:
    """A truth of several paths that share nodes; `labels` has the nodes in the order of the forward pass."""
    steps = (step for path in paths for step in zip(path, path[1:], strict=False))
    return Planted(tuple(labels), tuple(dict.fromkeys(steps)), dict(labels))


def stages(*labelled: Mapping[Node, str]) -> Planted:
    """A truth in stages: every node of one leads to every node of the next."""
    pairs = zip(labelled, labelled[1:], strict=False)
    edges = tuple((source, target) for sources, targets in pairs for source in sources for target in targets)
    labels = {node: label for stage in labelled for node, label in stage.items()}
    return Planted(tuple(labels), edges, labels)
