import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooke.server.gateway.pieces import Pieces


def decode(ids: list[int]) -> str:
    """A tokenizer whose tokens are bytes."""
    return bytes(ids).decode("utf-8", errors="replace")


def said(text: str, stops: tuple[str, ...] = ()) -> tuple[list[str], bool]:
    pieces, found = Pieces(decode, stops), []
    for token in text.encode():
        piece, is_stopped = pieces.add(token)
        found.append(piece)
        if is_stopped:
            return found, True
    return [*found, pieces.rest()], False


@given(st.text())
def test_whole_characters_only_and_all_of_them(text: str) -> None:
    found, _ = said(text)
    assert "".join(found) == text
    assert not any("\ufffd" in piece for piece in found) or "\ufffd" in text


@given(st.text("ab", max_size=12), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
def test_the_text_ends_before_the_first_stop_text(text: str, stops: list[str]) -> None:
    found, is_stopped = said(text, tuple(stops))
    ends = [text.index(stop) + len(stop) for stop in stops if stop in text]
    assert is_stopped == bool(ends)
    if not ends:
        assert "".join(found) == text
        return
    seen = text[: min(ends)]
    assert "".join(found) == seen[: min(seen.index(stop) for stop in stops if stop in seen)]


def test_no_beginning_of_a_stop_text_is_said_too_early() -> None:
    assert said("ab\nUsx", ("\nUser",)) == (["a", "b", "", "", "", "\nUsx", ""], False)


def test_a_character_cut_short_is_said_at_the_end() -> None:
    pieces = Pieces(decode)
    assert pieces.add("é".encode()[0]) == ("", False)
    assert pieces.rest() == "\ufffd"
    assert pieces.rest() == ""


@pytest.mark.parametrize("n", [4000])
def test_a_long_text_costs_the_same_at_its_end(n: int) -> None:
    lengths: list[int] = []

    def counted(ids: list[int]) -> str:
        lengths.append(len(ids))
        return decode(ids)

    pieces = Pieces(counted)
    for _ in range(n):
        pieces.add(97)
    assert max(lengths) <= 2
