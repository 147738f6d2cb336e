"""Heat maps of tokens."""

from hypothesis import given
from hypothesis import strategies as st

from hooke.cli.terminal import Heat
from hooke.pages.marks import N_LEVELS, heat, heat_legend, level


def test_each_token_is_as_hot_as_its_value():
    found = heat([" a", "b", "c", "d"], [0.0, 1.0, 2.0, 4.0], peak=3)
    assert found == (
        '<span class="tokens"> a<span class="h1" title="1">b</span><span class="h2" title="2">c</span>'
        '<span class="h4 peak" title="4">d</span></span>'
    )


def test_heat_is_relative_to_the_top_that_is_given():
    assert 'class="h1"' in heat(["a"], [1.0], top=4.0)


def test_a_hot_words_space_stays_outside():
    assert '> <span class="h4" title="1">word</span>' in heat([" word"], [1.0])
    assert ">  </span>" in heat(["  "], [1.0])


def test_markup_in_a_token_is_text():
    assert heat(["<b>"], [1.0]) == '<span class="tokens"><span class="h4" title="1">&lt;b&gt;</span></span>'
    assert "<i>" not in heat(["<i>"], [0.0])


def test_the_legend_has_every_step():
    assert all(f'class="h{step}"' in heat_legend("its <largest>") for step in range(1, N_LEVELS + 1))
    assert "<largest>" not in heat_legend("its <largest>")


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20))
def test_the_terminal_has_the_same_steps(values: list[float]):
    top = max(values)
    assert Heat([""] * len(values), values).levels == [level(value, top) for value in values]
