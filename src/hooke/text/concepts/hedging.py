"""Hedging: whether who says something says, too, that it may not be so.

Each group has a hedge of its own beside a phrase of certainty that shares words with it, and groups share no hedge.
Words that hedges are made of, in a sense that hedges nothing, look like the concept.
"""

from collections.abc import Iterator

from hooke.text.concepts.labelled import Labelled

# A hedge, and a phrase of certainty in its place.
_PHRASES = (
    ("perhaps {so}", "beyond any question {so}"),
    ("{so}, though I would not swear to it", "{so}, and I would swear to it"),
    ("it seems that {so}", "it is plain that {so}"),
    ("{so}, if I am not mistaken", "{so}, and I am not mistaken"),
    ("I have a feeling that {so}", "I have it in writing that {so}"),
    ("as far as anybody can tell {so}", "as everybody can see for himself {so}"),
    ("{so}, but do not take my word for it", "{so}, and you can take my word for it"),
    ("some say that {so}, and there may be something in it", "all agree that {so}, and there is proof of it"),
    ("my best guess is that {so}", "the records show that {so}"),
    ("{so}, or so I have heard", "{so}, as I have seen myself"),
    ("it could be the case that {so}", "it is certainly the case that {so}"),
    ("I tend to think that {so}", "I know that {so}"),
    ("{so}, although one can never be quite sure", "{so}, and of that one can be quite sure"),
    ("in all likelihood {so}", "in actual fact {so}"),
    ("I wonder whether {so}", "I can confirm that {so}"),
    ("{so}, give or take; I have not checked", "{so}, exactly so; I have checked it twice"),
)
_FACTS = (
    "the bridge was built by monks", "the shop closes at six", "the letter came from Rome",
    "the old road leads to the mill", "the lake is forty metres deep", "the painter had two brothers",
    "the bread was baked last night", "the museum owns three of these coins",
)  # fmt: skip
_FRAMES = {
    "report": "On the second question we found this: {said}.",
    "chat": "re your question, {said}",
    "interview": "Asked about it, the old man said: {said}.",
}
_WORDS = (
    "The month of May has thirty-one days and April has thirty.",
    "The might of the river drives four mills and a saw.",
    "The guests took their seats and the play began.",
    "Her looks were praised, and her voice even more.",
    "The party appears on stage at nine; doors open at eight.",
    "He sounds the horn whenever a ship enters the harbour.",
    "The cook could lift a barrel with one hand when he was young.",
    "The chance meeting was held in the rough part of the town.",
)


def items() -> Iterator[Labelled]:
    """Hedged and certain statements in three styles; and words of hedges that hedge nothing."""
    for at, phrases in enumerate(_PHRASES):
        fact = at
        for style, frame in _FRAMES.items():
            fact += 3
            for label, phrase in zip((True, False), phrases, strict=True):
                text = frame.format(said=phrase.format(so=_FACTS[fact % len(_FACTS)]))
                yield Labelled(text=text, label=label, group=phrases[0], style=style, is_near=not label)
    for at, text in enumerate(_WORDS):
        yield Labelled(text=text, label=False, group=f"words {at}", style="prose", is_near=True)
