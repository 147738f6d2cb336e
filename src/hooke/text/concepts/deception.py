"""A lie told against the truth told: what somebody did, crossed with what they say they did.

Either deed comes with either answer, so that neither tells by itself. Talk of lying where the truth is told, and vows
of honesty where it is not, look like the other side.
"""

from collections.abc import Iterator

from hooke.text.concepts.labelled import Labelled

# Group, who, who asks, two deeds, and what is said of each.
_SCENES = (
    ("vase", "Anna", "her mother", "broke the vase", "left the vase alone", "I broke it", "I never touched it"),
    ("letter", "Paul", "the clerk", "opened the letter", "left the letter sealed", "I read it", "I did not open it"),
    ("exam", "Irene", "the teacher", "copied from her friend", "worked by herself", "I copied it",
     "I did it all by myself"),
    ("cash", "Viktor", "the owner", "took a note from the till", "took nothing from the till", "I took a note",
     "I took nothing"),
    ("car", "Rita", "the policeman", "drove through the red light", "waited at the red light", "I drove through it",
     "I waited until it was green"),
    ("report", "Samir", "his chief", "made up the figures", "measured the figures", "I made the figures up",
     "I measured every one of them"),
    ("dog", "Lena", "the neighbour", "let the dog out", "kept the dog in", "I let him out", "I kept him in all day"),
    ("medicine", "Otto", "the nurse", "threw the pills away", "swallowed the pills", "I threw them away",
     "I swallowed them"),
    ("key", "Clara", "the caretaker", "lost the key", "hung the key on its hook", "I lost it",
     "I hung it on its hook"),
    ("window", "Felix", "the coach", "kicked the ball through the window", "kicked the ball into the goal",
     "I hit the window", "I hit the goal"),
    ("house", "Magda", "the buyer", "found mould in the cellar", "found the cellar dry", "there is mould down there",
     "the cellar is dry"),
    ("diary", "Nils", "his sister", "read her diary", "never opened her diary", "I read your diary",
     "I never opened your diary"),
    ("fish", "Bruno", "his friends", "bought the fish at the market", "caught the fish himself", "I bought it",
     "I caught it"),
    ("phone", "Eva", "her father", "was on the phone all night", "slept all night", "I was on the phone",
     "I slept like a stone"),
    ("tree", "Hugo", "the forester", "cut the old oak down", "left the old oak standing", "I cut it down",
     "I left it standing"),
    ("ticket", "Dora", "the guard", "had no ticket", "had a ticket", "I have none", "I have one"),
)  # fmt: skip
_FRAMES = {
    "story": '{who} {did}. When {asker} asked, the answer was: "{said}."',
    "file": "What happened: {who} {did}.\nWhat {who} told {asker}: {said}.",
}
_HONEST = '{who} {did}. Liars are found out sooner or later, and so {asker} heard no lie but this: "{said}."'
_SWORN = '{who} {did}. "It is the honest truth, believe me: {said}," was what {asker} heard.'


def items() -> Iterator[Labelled]:
    """Each deed with each answer in two styles, and the near ones."""
    for group, who, asker, *pairs in _SCENES:
        deeds, answers = pairs[:2], pairs[2:]
        for deed, answer in ((0, 0), (0, 1), (1, 1), (1, 0)):
            given = {"who": who, "asker": asker, "did": deeds[deed], "said": answers[answer]}
            is_lie = deed != answer
            for style, frame in _FRAMES.items():
                yield Labelled(text=frame.format(**given), label=is_lie, group=group, style=style)
            if deed == 0:
                near = _SWORN if is_lie else _HONEST
                yield Labelled(text=near.format(**given), label=is_lie, group=group, style="story", is_near=True)
