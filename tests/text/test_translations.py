"""Sentences are in every language, and none has what is written alike in all of them."""

from hooke.text.translations import LANGUAGES, translations


def test_every_sentence_is_in_every_language_and_no_text_is_there_twice():
    found = list(translations())
    assert found == list(translations())
    assert len(found) == len({one.text for one in found}) == 40 * len(LANGUAGES)
    assert [one.language for one in found[:6]] == list(LANGUAGES)
    assert {one.sentence for one in found} == set(range(40))


def test_no_sentence_has_a_number_or_a_name():
    for one in translations():
        assert not any(character.isdigit() for character in one.text)
        if one.language == "en":
            words = one.text.split()[1:]
            assert all(word[0].islower() or word in ("I", "Sundays.") for word in words), one.text
