"""Sarcasm: praise of what went wrong. The same praise of what went well is meant as it is said.

Each topic went wrong once and well once, and both remarks of praise stand behind either; so neither what happened nor
what is said tells by itself, but only both together. Plain complaints about what went wrong are no sarcasm.
"""

from collections.abc import Iterator

from hooke.text.concepts.labelled import Labelled

# Topic, what went wrong, what went well, two remarks of praise, a plain complaint.
_TOPICS = (
    ("train", "The train is three hours late", "The train came on the minute", "What a marvellous railway we have",
     "I do love to travel like this", "I am tired of waiting on platforms"),
    ("soup", "The soup was cold and full of hair", "The soup was hot and full of herbs", "Hats off to the kitchen",
     "I must have the recipe", "We sent the plate back"),
    ("rain", "It poured on the whole wedding", "The sun shone on the whole wedding", "Such perfect weather for it",
     "The sky really meant well with us", "Everybody went home with wet shoes"),
    ("printer", "The printer ate the last page again", "The printer did all pages at once",
     "This machine is a treasure", "Technology makes life so easy", "I shall have to write it by hand"),
    ("neighbour", "The neighbour drilled holes until midnight", "The neighbour fed our cat all month",
     "How kind of him to think of us", "One could not wish for a better man next door",
     "I hardly slept and I am cross"),
    ("goalkeeper", "The goalkeeper let nine balls in", "The goalkeeper held nine balls", "Give that man a medal",
     "Nobody guards a goal as he does", "The team needs another one"),
    ("haircut", "The barber cut a hole into my hair", "The barber made me look ten years younger",
     "He is a true artist", "I will go nowhere else from now on", "I have to wear a hat until June"),
    ("parcel", "The parcel arrived in four pieces", "The parcel arrived a day early",
     "They handle things with such care", "Five stars for the carrier", "I want my money back"),
    ("meeting", "The meeting took five hours and decided nothing", "The meeting took ten minutes and settled it all",
     "Time well spent", "Let us do that every week", "I got nothing else done"),
    ("hotel", "Our room looked out on a rubbish heap", "Our room looked out on the sea", "What a charming view",
     "We felt like royalty", "We asked for another room"),
    ("child", "My son painted the sofa with jam", "My son tidied the whole flat", "I am blessed with such a helper",
     "The boy will go far", "It took me hours to clean it"),
    ("bank", "The bank lost my papers twice", "The bank sorted it out in a minute", "Such splendid service",
     "My money could not be in better hands", "I shall complain in writing"),
    ("speech", "He read his slides aloud for two hours", "He told three stories and had us in tears",
     "A born speaker, if there ever was one", "I could have listened all night", "Half of the hall fell asleep"),
    ("car", "The new car broke down at the first corner", "The old car took us over the Alps",
     "German engineering at its finest", "It was worth every cent", "Now I have to take the bus"),
    ("diet", "I ate a whole cake before noon", "I have eaten greens for a month", "My willpower is a legend",
     "The doctor will be so proud of me", "I feel sick and a little ashamed"),
    ("teamwork", "They left me to carry the piano alone", "They carried the piano up for me",
     "What would I do without my friends", "It is good to know whom one can count on", "My back hurts and I am angry"),
)  # fmt: skip
_FRAMES = {"chat": "{what}. {said}!", "scene": '"{what}," said Tom. Julia answered: "{said}."'}


def items() -> Iterator[Labelled]:
    """Praise of what went wrong, praise of what went well, and complaints."""
    for topic, wrong, well, first, second, complaint in _TOPICS:
        for style, frame in _FRAMES.items():
            for said in (first, second):
                yield Labelled(text=frame.format(what=wrong, said=said), label=True, group=topic, style=style)
                yield Labelled(
                    text=frame.format(what=well, said=said), label=False, group=topic, style=style, is_near=True
                )
            yield Labelled(text=frame.format(what=wrong, said=complaint), label=False, group=topic, style=style)
