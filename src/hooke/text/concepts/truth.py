"""Whether a plain statement is true.

Each fact comes true and false, said and denied; a group is a fact with its falsehood.
"""

from collections.abc import Iterator

from hooke.text.concepts.labelled import Labelled

_CAPITALS = {
    "France": "Paris", "Japan": "Tokyo", "Italy": "Rome", "Germany": "Berlin", "Spain": "Madrid", "Russia": "Moscow",
    "Greece": "Athens", "Egypt": "Cairo", "Austria": "Vienna", "Poland": "Warsaw", "Sweden": "Stockholm",
    "Norway": "Oslo", "Portugal": "Lisbon", "Ireland": "Dublin", "Cuba": "Havana", "Peru": "Lima",
}  # fmt: skip
_CLASSES = (
    ("sparrow", "bird"), ("salmon", "fish"), ("oak", "tree"), ("carrot", "vegetable"), ("spaniel", "dog"),
    ("violin", "musical instrument"), ("copper", "metal"), ("hammer", "tool"), ("rose", "flower"), ("ant", "insect"),
    ("triangle", "shape"), ("January", "month"), ("Mars", "planet"), ("Portuguese", "language"),
)  # fmt: skip
_LARGER = (
    ("elephant", "mouse"), ("whale", "herring"), ("mountain", "pebble"), ("house", "shoe"), ("lake", "puddle"),
    ("lorry", "bicycle"), ("horse", "beetle"), ("cathedral", "tent"), ("melon", "cherry"), ("eagle", "wasp"),
)  # fmt: skip
_SUMS = ((2, 3), (4, 4), (6, 1), (5, 4), (3, 7), (8, 3), (9, 2), (6, 6), (7, 5), (8, 8))
_NUMBERS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
)  # fmt: skip
_OTHER_LANGUAGES = {
    "fr": ("{0} est la capitale de ce pays : {1}.", {"Paris": "la France", "Rome": "l'Italie", "Tokyo": "le Japon",
           "Berlin": "l'Allemagne", "Madrid": "l'Espagne", "Moscou": "la Russie"}),
    "es": ("{0} es la capital de {1}.", {"París": "Francia", "Roma": "Italia", "Tokio": "Japón", "Berlín": "Alemania",
           "Lisboa": "Portugal", "Moscú": "Rusia"}),
    "de": ("{0} ist die Hauptstadt von {1}.", {"Paris": "Frankreich", "Rom": "Italien", "Tokio": "Japan",
           "Madrid": "Spanien", "Moskau": "Russland", "Athen": "Griechenland"}),
}  # fmt: skip


def items() -> Iterator[Labelled]:
    """Statements about capitals, kinds, sizes and sums."""
    for group, style, true, false, denied, denied_false in _facts():
        yield Labelled(text=true, label=True, group=group, style=style)
        yield Labelled(text=false, label=False, group=group, style=style, is_near=True)
        yield Labelled(text=denied, label=False, group=group, style=f"{style}, denied", is_near=True)
        yield Labelled(text=denied_false, label=True, group=group, style=f"{style}, denied")
    for language, (frame, capitals) in _OTHER_LANGUAGES.items():
        cities = list(capitals)
        for at, (city, country) in enumerate(capitals.items()):
            other = cities[(at + 1) % len(cities)]
            for label, named in ((True, city), (False, other)):
                yield Labelled(
                    text=frame.format(named, country), label=label, group=f"capital {country}", style="capital",
                    language=language, is_near=not label,
                )  # fmt: skip


def _facts() -> Iterator[tuple[str, str, str, str, str, str]]:
    """Group, style, and the fact true, false, denied, and its falsehood denied."""
    capitals = list(_CAPITALS.items())
    for at, (country, city) in enumerate(capitals):
        other = capitals[(at + 5) % len(capitals)][1]
        yield f"capital {country}", "capital", *_said("The capital of {} {} {}.", country, city, other)
    for at, (thing, kind) in enumerate(_CLASSES):
        other = _CLASSES[(at + 3) % len(_CLASSES)][1]
        yield f"class {thing}", "kind", *_said("Everybody knows that {} {} {}.", *map(_noun, (thing, kind, other)))
    for large, small in _LARGER:
        true, false = (f"larger than {_noun(one)}" for one in (small, "continent"))
        yield f"size {large}", "size", *_said("In size, {} {} {}.", _noun(large), true, false)
    for one, other in _SUMS:
        right = one + other
        told = _said("{} {} {}.", f"{_NUMBERS[one].capitalize()} plus {_NUMBERS[other]}", *(
            _NUMBERS[some] for some in (right, right - 2)))  # fmt: skip
        yield f"sum {one}+{other}", "sum", *told


def _said(frame: str, subject: str, right: str, wrong: str) -> tuple[str, str, str, str]:
    said = (frame.format(subject, verb, what) for verb, what in
            (("is", right), ("is", wrong), ("is not", right), ("is not", wrong)))  # fmt: skip
    true, false, denied, denied_false = said
    return true, false, denied, denied_false


def _noun(word: str) -> str:
    if word[0].isupper() or word == "copper":
        return word
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"
