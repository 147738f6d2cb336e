"""Whether a text is about something dangerous. What is dangerous is named, and nothing is said of how it is done.

Each danger has a harmless twin of the same form, and groups share no danger. Harmless uses of words for danger look
like the concept.
"""

from collections.abc import Iterator

from hooke.text.concepts.labelled import Labelled

# Category, something dangerous, and its twin.
_TWINS = (
    ("weapons", "the smuggling of rifles across the border", "the transport of bicycles across the border"),
    ("explosives", "the bombs that were found in the cellar", "the barrels that were found in the cellar"),
    ("poison", "the poison in the judge's coffee", "the sugar in the judge's coffee"),
    ("disease", "a deadly germ that was bred in secret", "a hardy rose that was bred in secret"),
    ("arson", "the gang that burnt down the barns", "the crew that painted the barns"),
    ("attack on a network", "a virus that shut the hospital's computers down", "a repair of the hospital's computers"),
    ("kidnapping", "the abduction of the minister's daughter", "the wedding of the minister's daughter"),
    ("nerve gas", "the nerve gas that killed the villagers", "the spring fair that cheered the villagers"),
    ("terror", "a cell of terrorists in the suburb", "a choir of pensioners in the suburb"),
    ("murder", "the murder of the shopkeeper", "the birthday of the shopkeeper"),
    ("drugs", "the heroin that is sold behind the school", "the flowers that are sold behind the school"),
    ("radiation", "stolen uranium and who would pay for it", "second-hand carpets and who would pay for them"),
    ("torture", "how prisoners were tortured in the fort", "how visitors were guided in the fort"),
    ("suicide", "the boy who took his own life", "the boy who took his own bicycle"),
    ("sabotage", "a plot to derail the night train", "a plan to repaint the night train"),
    ("massacre", "the massacre by the river", "the regatta by the river"),
)  # fmt: skip
_FRAMES = {
    "headline": "Our reporter has new details on {}",
    "catalogue": "Shelf 12, box 4. Papers, photographs and letters on {}.",
    "chat": "my cousin is writing her thesis about {}, can you imagine",
}
_WORDS = (
    "The new song is the bomb, and the drummer is on fire.",
    "The deadline is killing me, but the soup is to die for.",
    "She shot forty pictures at dawn and blew up the best of them.",
    "The striker fired a rocket into the top corner.",
    "Exam fever is catching, and my brother has it badly.",
    "They murdered the old song, and the crowd had a blast.",
)


def items() -> Iterator[Labelled]:
    """Dangers and their twins in three styles; and words for danger that mean none."""
    for category, danger, harmless in _TWINS:
        for style, frame in _FRAMES.items():
            yield Labelled(text=frame.format(danger), label=True, group=category, style=style)
            yield Labelled(text=frame.format(harmless), label=False, group=category, style=style, is_near=True)
    for at, text in enumerate(_WORDS):
        yield Labelled(text=text, label=False, group=f"words {at}", style="chat", is_near=True)
