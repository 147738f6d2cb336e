"""People's data are in the texts that say so, and in no other."""

import re

from hooke.text.concepts.personal_data import items

_OF_PEOPLE = re.compile(
    r"0555 \d{3} \d{4}|@mail\.example|\d+ \w+ (?:Lane|Street|Road|Hill|Row|End|Way|Close|Walk|View|Bank)"
)


def test_only_labelled_texts_have_data_of_people():
    for one in items():
        assert bool(_OF_PEOPLE.search(one.text)) == one.label, one.text


def test_those_without_have_numbers_of_their_own():
    others = [one for one in items() if not one.label and "______" not in one.text]
    assert others
    assert all(re.search(r"\d", one.text) for one in others)


def test_all_mail_and_phones_are_made_up():
    text = "\n".join(one.text for one in items())
    assert set(re.findall(r"@([\w.]+\w)", text)) == {"mail.example"}
    assert all(number.startswith("0555") for number in re.findall(r"\b0\d{3}\b", text))
