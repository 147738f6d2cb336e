"""Whether somebody liked something.

Groups share their words of praise and blame; what is negated looks like the other side.
"""

from collections.abc import Iterator
from itertools import product

from hooke.text.concepts.labelled import Labelled

_WORDS = (
    ("wonderful", "dreadful"), ("delightful", "miserable"), ("superb", "terrible"), ("charming", "tedious"),
    ("excellent", "awful"), ("splendid", "lousy"), ("lovely", "horrid"), ("fantastic", "pathetic"),
    ("marvellous", "appalling"), ("brilliant", "shabby"), ("pleasant", "unpleasant"), ("perfect", "useless"),
    ("great", "bad"), ("impressive", "disappointing"), ("enjoyable", "boring"), ("magnificent", "atrocious"),
)  # fmt: skip
_THINGS = ("film", "meal", "hotel", "concert", "novel", "phone", "train ride", "service")
_FRAMES = {
    "review": "We tried the {thing} last week and it was {word}.",
    "chat": "hey, just back from the {thing}, honestly it was {word}",
    "letter": "Dear Sir or Madam, I am writing to tell you that your {thing} was {word}. Yours faithfully, A. Miller",
}
_NEGATED = {
    "review": "I had been told that the {thing} would be {word}. It was not, it was the very opposite.",
    "chat": "they said the {thing} is {word}... not {word} at all!",
}
_OTHER_LANGUAGES = {
    "fr": (
        ("Le {thing} était {word}.", "Franchement, le {thing} était {word}, je le dis à tout le monde."),
        ("film", "repas", "concert"),
        (("merveilleux", "affreux"), ("excellent", "horrible"), ("superbe", "ennuyeux"), ("délicieux", "décevant")),
    ),
    "es": (
        ("El {thing} fue {word}.", "La verdad, el {thing} fue {word}, se lo digo a todos."),
        ("concierto", "hotel", "libro"),
        (("maravilloso", "horrible"), ("excelente", "pésimo"), ("estupendo", "aburrido"), ("precioso", "espantoso")),
    ),
    "de": (
        ("Der {thing} war {word}.", "Ehrlich gesagt war der {thing} {word}, das sage ich jedem."),
        ("Film", "Abend", "Urlaub"),
        (("wunderbar", "furchtbar"), ("ausgezeichnet", "schrecklich"), ("herrlich", "langweilig"), ("toll", "mies")),
    ),
}


def items() -> Iterator[Labelled]:
    """Praise and blame in three styles and four languages."""
    yield from _english()
    for language, (frames, things, pairs) in _OTHER_LANGUAGES.items():
        for words, (frame, style), thing in product(pairs, zip(frames, ("review", "chat"), strict=True), things):
            for label, word in zip((True, False), words, strict=True):
                text = frame.format(thing=thing, word=word)
                yield Labelled(text=text, label=label, group="/".join(words), style=style, language=language)


def _english() -> Iterator[Labelled]:
    for at, words in enumerate(_WORDS):
        group = "/".join(words)
        for label, word in zip((True, False), words, strict=True):
            for (style, frame), away in product(_FRAMES.items(), (0, 3)):
                text = frame.format(thing=_THINGS[(at + away) % len(_THINGS)], word=word)
                yield Labelled(text=text, label=label, group=group, style=style)
            for style, frame in _NEGATED.items():
                text = frame.format(thing=_THINGS[(at + 1) % len(_THINGS)], word=word)
                yield Labelled(text=text, label=not label, group=group, style=style, is_near=True)
