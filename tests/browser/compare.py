"""How far a picture is from the one that was kept, as an eye would say it and not as bytes do."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from jaxtyping import Bool, Int16
from PIL import Image

STEP = 24
"""Of 255: channels closer than this are the same colour. Blending at edges differs between builds of a browser."""
MOST_DIFFERENT = 0.0002
"""Share of the pixels that may differ: of 300 × 300 pixels, eighteen."""


@dataclass(frozen=True)
class Comparison:
    """What became of comparing two pictures."""

    sizes: tuple[tuple[int, int], tuple[int, int]]
    """Width and height of the actual picture, and of the one kept."""
    share: float
    """Share of pixels that differ; 1 where the sizes do by more than rounding."""
    difference: bytes
    """A PNG with what differs in red over the faded actual picture."""

    @property
    def is_same(self) -> bool:
        """Whether the drawing is the one that was kept."""
        return self.share <= MOST_DIFFERENT


def compare(actual: bytes, kept: bytes, reach: int = 1) -> Comparison:
    """The comparison of two PNGs.

    A pixel differs if no pixel within `reach` of it has its colour in the other picture: a line that lies half a pixel
    lower is the same line, one that is missing is not.
    """
    one, other = _pixels(actual), _pixels(kept)
    sizes = ((one.shape[1], one.shape[0]), (other.shape[1], other.shape[0]))
    # An edge that lies between two pixels is rounded up or down, by what stands above it on the page.
    if max(abs(now - then) for now, then in zip(*sizes, strict=True)) > 2 * reach:
        return Comparison(sizes, 1.0, actual)
    height, width = min(sizes[0][1], sizes[1][1]), min(sizes[0][0], sizes[1][0])
    one, other = one[:height, :width], other[:height, :width]
    differs = _strangers(one, other, reach) | _strangers(other, one, reach)
    painted = (255 - (255 - one) // 4).astype(np.uint8)
    painted[differs] = (220, 0, 0)
    return Comparison(sizes, float(differs.mean()), _png(painted))


def _strangers(
    pixels: Int16[np.ndarray, "height width 3"], among: Int16[np.ndarray, "height width 3"], reach: int
) -> Bool[np.ndarray, "height width"]:
    height, width, _ = pixels.shape
    padded = np.pad(among, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    nearest = np.full((height, width), 255, dtype=np.int16)
    for down in range(2 * reach + 1):
        for right in range(2 * reach + 1):
            shifted = padded[down : down + height, right : right + width]
            nearest = np.minimum(nearest, np.abs(pixels - shifted).max(axis=2))
    return nearest > STEP


def _pixels(png: bytes) -> Int16[np.ndarray, "height width 3"]:
    return np.asarray(Image.open(BytesIO(png)).convert("RGB"), dtype=np.int16)


def _png(pixels: np.ndarray) -> bytes:
    written = BytesIO()
    Image.fromarray(pixels).save(written, "PNG")
    return written.getvalue()
