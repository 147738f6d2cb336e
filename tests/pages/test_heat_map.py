import numpy as np

from hooke.pages.heat_map import heat_map


def test_every_cell_says_its_number_and_gaps_are_left_out():
    drawn = str(heat_map(np.array([[1.0, -0.5], [np.nan, 0.0]]), ["first <b>", "second"], title="What is held"))
    assert drawn.count("<rect") == 3
    assert "first &lt;b&gt;, layer 0: +1.000" in drawn
    assert 'class="minus"' in drawn
    assert 'fill-opacity="0.5"' in drawn
    assert 'aria-label="What is held"' in drawn


def test_a_map_of_nothing_is_drawn():
    assert "<svg" in str(heat_map(np.zeros((2, 1)), ["only"], title="Nothing"))
