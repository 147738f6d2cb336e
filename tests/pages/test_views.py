"""Views say the numbers, and no corpus text or model output gets out of its place."""

import re

import pytest
from markupsafe import Markup

from hooke.pages.page import Section, page
from hooke.pages.views import (
    arms_view,
    dictionary_view,
    feature_view,
    hits_view,
    lens_view,
    reading_view,
    response_view,
)
from tests.pages.specimens import HOSTILE, arms, card, hits, lens, measured, reading, response
from tests.pages.test_page import tags

VIEWS = {
    "hits": lambda: hits_view(hits()),
    "feature": lambda: feature_view(card()),
    "feature without text": lambda: feature_view(card(with_text=False)),
    "reading": lambda: reading_view(reading(), {7: HOSTILE}),
    "dictionary": lambda: dictionary_view({HOSTILE: HOSTILE}, measured()),
    "response": lambda: response_view(response(), label=HOSTILE),
    "lens": lambda: lens_view((HOSTILE,), lens(), note=HOSTILE),
    "arms": lambda: arms_view(HOSTILE, arms(), control=HOSTILE),
}


@pytest.mark.parametrize("name", VIEWS)
def test_hostile_text_stays_text(name: str):
    html = page("t", [Section(name="s", title="s", body=VIEWS[name]())])
    assert "script" not in {tag for tag, _ in tags(html)}
    assert not any(attribute.startswith("on") for _, attributes in tags(html) for attribute in attributes)
    assert re.search(r"[\x00-\x08\x0b-\x1f\u202e]", html) is None


@pytest.mark.parametrize("name", VIEWS)
def test_views_are_markup_and_close_what_they_open(name: str):
    view = VIEWS[name]()
    assert isinstance(view, Markup)
    for tag in ("figure", "table", "tbody", "tr", "td", "span", "div", "svg", "p"):
        assert len(re.findall(rf"<{tag}[ >]", view)) == view.count(f"</{tag}>"), tag


def test_a_card_says_its_numbers_and_its_control():
    view = feature_view(card())
    for words in ("resid_post.0/7@d", "2.0 %: active on 20 of 1,000", "largest 8", "+4.0", "−2.0", "stays below 3.9"):
        assert words in view
    assert 'class="h4 peak"' in view


def test_a_card_without_text_says_so():
    assert "The text is not here." in feature_view(card(with_text=False))


def test_uncounted_tokens_are_not_heated():
    view = reading_view(reading(), {})
    assert 'title="4"' in view
    assert 'title="6"' not in view
    assert "not counted" in view
    assert "Token by token" not in reading_view(reading(), {}, per_token=0)


def test_a_dictionary_without_measurements_is_its_facts():
    assert "table" in dictionary_view({"kind": "topk"}, None)
    assert "recovered" not in dictionary_view({}, measured(with_losses=False))
    assert "0.160 <span" in dictionary_view({}, measured())


def test_a_response_shows_verdict_doses_and_controls():
    view = response_view(response())
    assert ">Steers</span>" in view
    assert "+0.400" in view
    assert "3 random" in view
    assert "n = 12 prompts" in view
    assert view.count("<svg") == 2


def test_a_response_without_controls_says_so():
    view = response_view(response(n_controls=0))
    assert "0 random" in view
    assert "random 1" not in view


def test_arms_without_surprise_or_control_are_shown():
    view = arms_view("I went", arms(), control="")
    assert "none for these edits" in view
    assert "–" in view
