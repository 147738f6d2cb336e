"""Maps of signed numbers as inline SVG: layers from left to right, and what was measured in each from top to bottom."""

from collections.abc import Sequence

from jaxtyping import Float
from markupsafe import Markup
from numpy import ndarray

from hooke.pages.charts import mark, svg
from hooke.pages.numerals import number, signed

_CELL = 14.0
_LEFT, _TOP, _BOTTOM = 96.0, 22.0, 34.0


def heat_map(
    values: Float[ndarray, "layer row"], rows: Sequence[str], *, title: str, names: str = "{row}, layer {layer}"
) -> Markup:
    """A cell for each layer and row, as strong as its number is large; NaN leaves a gap. Every cell says its number."""
    top = max((abs(float(one)) for one in values.flat if one == one), default=0.0) or 1.0
    n_layers, n_rows = values.shape
    parts = [mark('<text class="quiet" x="{}" y="{}">{}</text>', _LEFT, 13, title)]
    for layer in range(n_layers):
        for row in range(n_rows):
            value = float(values[layer, row])
            if value != value:
                continue
            said = f"{names.format(row=rows[row], layer=layer)}: {signed(value)}"
            parts.append(
                mark(
                    '<rect class="{}" x="{}" y="{}" width="{}" height="{}" fill-opacity="{}"><title>{}</title></rect>',
                    "plus" if value >= 0 else "minus",
                    _LEFT + layer * _CELL,
                    _TOP + row * _CELL,
                    _CELL - 1,
                    _CELL - 1,
                    max(0.06, abs(value) / top),
                    said,
                )
            )
    parts += [
        mark('<text class="quiet end" x="{}" y="{}">{}</text>', _LEFT - 6, _TOP + (row + 0.78) * _CELL, name)
        for row, name in enumerate(rows)
    ]
    parts += [
        mark('<text class="quiet middle" x="{}" y="{}">{}</text>', _at(layer), _TOP + n_rows * _CELL + 13, layer)
        for layer in range(0, n_layers, 5 if n_layers > 8 else 1)
    ]
    bottom = _TOP + n_rows * _CELL
    parts.append(mark('<text class="quiet" x="{}" y="{}">{}</text>', _LEFT, bottom + 29, "layer"))
    right = _LEFT + n_layers * _CELL
    parts.append(mark('<text class="quiet end" x="{}" y="{}">strongest ±{}</text>', right, bottom + 29, number(top)))
    return svg(_LEFT + max(n_layers * _CELL, 200.0), bottom + _BOTTOM, title, parts)


def _at(layer: int) -> float:
    return _LEFT + (layer + 0.5) * _CELL
