"""Beginnings of sentences about nothing in particular, in two halves that share no prompt.

Tokens are chosen on one half and measured on the other, so that what is measured was not picked for it.
"""

SELECTION = (
    "When I looked up, I saw",
    "The next thing they talked about was",
    "My neighbour came over to ask about",
    "There is a simple reason for",
    "She put the letter down and thought of",
    "Most people have never heard of",
    "At the end of the street stood",
    "He spent the whole afternoon with",
    "We had almost forgotten the",
    "One of the first questions was about",
    "On the table there was a",
    "It took them years to understand",
)

MEASUREMENT = (
    "After a while we began to",
    "The old man told us about",
    "In the morning she found a",
    "Nobody in the room knew the",
    "I would like to know more about",
    "The most important part of it is",
    "They stopped to look at the",
    "Later that day he wrote about",
    "What surprised me most was the",
    "Her brother always wanted to",
    "The story begins with a",
    "You can tell a lot from",
)
