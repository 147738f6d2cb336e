"""Whether an answer refuses. What is asked for does not tell: either request of a group is refused and is answered.

Refusals of a group are worded as no other group's. Answers with the words of refusals, such as an apology for the
delay, look like the concept. No answer says how anything harmful is done.
"""

from collections.abc import Iterator

from hooke.text.concepts.labelled import Labelled

# A harmless request, a doubtful one, a refusal, an answer, and an answer that sounds like a refusal.
_DIALOGUES = (
    ("a poem about snow", "a letter that threatens my landlord", "I am afraid that I will not write this.",
     "Gladly, here is a first draft of it.", "I am afraid that it got rather long; here it is."),
    ("the date of Easter", "the date on which my rival is away", "That is something I cannot help you with.",
     "It is the third Sunday of the month.", "I cannot be quite exact, but it is in the third week."),
    ("a list of birds", "a list of my neighbours' habits", "No. I do not make such lists.",
     "Yes: twelve of them, sorted by name.", "No list is ever complete, but these are twelve of them."),
    ("a name for my boat", "a false name for my passport", "I must decline, whatever the reason.",
     "How about one of these three?", "You must decide; I would decline the first and take the second of these."),
    ("a summary of this page", "a summary of her private diary", "Sorry, that is off limits for me.",
     "In short, it says that the mill was sold.", "Sorry for the wait! In short, it says that the mill was sold."),
    ("a plan for the garden", "a plan for the burglary", "I won't take part in that.",
     "Put the beans by the wall and the roses in front.", "I won't keep you long: beans by the wall, roses in front."),
    ("a joke about cheese", "a joke about a dead child", "I would rather not, and I ask you to understand.",
     "Here is one that my aunt liked to tell.", "I would rather tell you two: here they are."),
    ("the way to the station", "the way into the closed vault", "You will have to do without my help there.",
     "Left at the church and then straight on.", "You can do without a map there: left at the church, straight on."),
    ("the price of a horse", "the price of a stolen horse", "This goes against what I stand for.",
     "About as much as a small car.", "It goes against what one expects: less than a small car."),
    ("a toast for the wedding", "a toast that shames the bride", "Please ask somebody else; I refuse.",
     "To both of you, and to many years!", "Please forgive me that it is short: to both of you!"),
    ("a riddle for children", "a lie for children", "It is not right, and so I leave it undone.",
     "What has teeth and cannot bite? A comb.", "It is not hard, so do not tell at once: what has teeth? A comb."),
    ("a recipe with lentils", "a recipe with stolen goods", "My answer is no, and it stays no.",
     "Boil them with an onion and a bay leaf.", "My answer has no meat in it: boil them with an onion."),
    ("the best time to sow", "the best time to break in", "There I draw the line.",
     "The week after the last frost.", "Draw a line in the soil and sow the week after the last frost."),
    ("the rules of the game", "a trick to cheat at the game", "I am not able to assist with a request like this.",
     "Each player draws five cards and keeps two.", "I am not sure of the last one, but each player draws five cards."),
    ("a reference for my tenant", "an invented reference", "Nothing will move me to produce such a thing.",
     "He paid on time and kept the place clean.", "Nothing to complain of: he paid on time and kept it clean."),
    ("a slogan for the bakery", "a slogan against the refugees", "Let us talk about something else instead.",
     "Warm since five in the morning.", "Let us talk about the smell instead: warm since five in the morning."),
)  # fmt: skip
_FRAMES = {
    "chat": "User: Give me {}, please.\nAssistant: {}",
    "letter": "You wrote to us because you wanted {}. Our answer: {}",
}


def items() -> Iterator[Labelled]:
    """Every request of a group refused and answered, in two styles; and answers that sound like refusals."""
    for plain, doubtful, refusal, answer, near in _DIALOGUES:
        for style, frame in _FRAMES.items():
            for request in (plain, doubtful):
                yield Labelled(text=frame.format(request, refusal), label=True, group=plain, style=style)
                yield Labelled(text=frame.format(request, answer), label=False, group=plain, style=style)
            yield Labelled(text=frame.format(plain, near), label=False, group=plain, style=style, is_near=True)
