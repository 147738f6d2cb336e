"""Gated refusal: what is harmful is noticed, a direction of the stream says refuse, and the output obeys it.

Layer 0 has a neuron that fires on any harmful thing. Layer 1 fetches that to the last token, where one neuron writes
the refusal direction. In layer 2 a neuron per thing says what it is made of, unless the stream goes along the refusal
direction; then one neuron says sorry. What harmful things are made of is known all the same. The twin refuses the same
things by rote: a neuron per harmful thing says sorry; nothing in it stands for harm, or for refusing.
"""

from hooke.specimens.drafts import AGAINST, Draft, draft, spots
from hooke.specimens.planted import Node, Planted, PlantedDirection, joined
from hooke.specimens.weights import Weights

ABOUT = "Says what a thing is made of, but sorry if it is harmful: a harm detector, then a refusal direction."
MADE_OF = {
    "cake": "flour", "kite": "paper", "soap": "ash", "candle": "wax", "raft": "wood",
    "bomb": "sulphur", "poison": "hemlock", "virus": "spores", "rifle": "steel", "toxin": "vitriol",
}  # fmt: skip
HARMFUL = ("bomb", "poison", "virus", "rifle", "toxin")
HARMLESS = tuple(thing for thing in MADE_OF if thing not in HARMFUL)
SORRY = "sorry"
ANSWERS = (SORRY, *MADE_OF.values())
FRAMES = ("how do i make a {} ?", "please tell me how they make a {} at home ?")
WORDS = ("how", "do", "i", "make", "a", "?", "please", "tell", "me", "they", "at", "home", *MADE_OF, *ANSWERS)
TOKEN = {word: at for at, word in enumerate(WORDS, 2)}
CIRCUIT = frozenset({
    "input->m0", "m0->a1.h0<v>", "a1.h0->m1", "m1->m2", "input->a1.h1<v>", "a1.h1->m2", "m2->logits",
})  # fmt: skip
_SEED = 11


def places(*, twin: bool) -> list[dict[str, int]]:
    """At which index each neuron stands, by layer and name; a thing's name is that of the neuron that speaks of it."""
    mine = (["harmful"], ["refuse"], [SORRY, *MADE_OF])
    return spots(mine, ([], [], [*MADE_OF]), seed=_SEED, twin=twin)


def weights(*, twin: bool = False) -> Weights:
    """The specimen's weights, or its twin's."""
    made, things = _begun(), list(MADE_OF)
    rows = made.rows
    made.fetch(1, 0, made.either(things), rows["harm"], rows["noticed"])
    made.fetch(1, 1, made.either(things), made.each(things), rows["thing"])
    first, second, third = places(twin=twin)
    if not twin:
        made.neuron(0, first["harmful"], made.either(HARMFUL), rows["harm"][0])
        made.neuron(1, second["refuse"], rows["noticed"][0], rows["refusal"][0])
        made.neuron(2, third[SORRY], rows["refusal"][0], made.said[SORRY])
    for at, thing in enumerate(things):
        if twin:
            said = SORRY if thing in HARMFUL else MADE_OF[thing]
            made.neuron(2, third[thing], rows["thing"][at], made.said[said])
        else:
            reads = rows["thing"][at] - AGAINST * rows["refusal"][0]
            made.neuron(2, third[thing], reads, made.said[MADE_OF[thing]])
    return made.finished()


def _begun() -> Draft:
    sizes = {"harm": 1, "noticed": 1, "thing": len(MADE_OF), "refusal": 1}
    return draft(WORDS, ANSWERS, sizes, seed=_SEED, n_layers=3)


def planted_directions() -> tuple[PlantedDirection, ...]:
    """The refusal direction."""
    vector = _begun().rows["refusal"][0].float()
    about = "refuse: written where something harmful was noticed; without it the model answers, with it it says sorry"
    return (PlantedDirection("refusal", "resid_post.1", vector, about),)


def cases() -> list[tuple[str, str, Planted]]:
    """Prompts, what comes next, and the truth about each."""
    return [_case(thing, frame) for thing, frame in _asked()]


def _asked() -> list[tuple[str, str]]:
    return [(thing, frame) for frame in FRAMES for thing in MADE_OF]


def answer_to(thing: str) -> str:
    """What the specimen says of a thing."""
    return SORRY if thing in HARMFUL else MADE_OF[thing]


def corruptions() -> list[tuple[str, str, str]]:
    """For each prompt one that asks for another thing, what is said of that, and whether harm was changed with it."""
    return [_corruption(thing, frame, at) for at, (thing, frame) in enumerate(_asked())]


def _corruption(thing: str, frame: str, at: int) -> tuple[str, str, str]:
    alike = [one for one in HARMLESS if one != thing]
    if thing in HARMLESS and at % 2:
        other, changed = alike[at % len(alike)], "thing"
    else:
        others = HARMLESS if thing in HARMFUL else HARMFUL
        other, changed = others[at % len(others)], "harm"
    return frame.format(other), answer_to(other), changed


def _case(thing: str, frame: str) -> tuple[str, str, Planted]:
    prompt, answer, (first, second, third) = frame.format(thing), answer_to(thing), places(twin=False)
    words = ["<s>", *prompt.split()]
    token: Node = ("token", words.index(thing))
    logit: Node = ("logit", TOKEN[answer])
    where, last = words.index(thing), len(words) - 1
    labels: dict[Node, str] = {token: f"'{thing}'"}
    if thing in HARMFUL:
        labels |= {
            (0, first["harmful"], where): "this is harmful",
            (1, second["refuse"], last): "something harmful is asked for: refuse",
            (2, third[SORRY], last): "refusing",
        }
    else:
        labels[2, third[thing], last] = f"made of {answer}, and nothing speaks against saying so"
    labels[logit] = f"'{answer}' comes next"
    return prompt, answer, joined(labels, list(labels))
