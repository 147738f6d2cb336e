"""A typeface of blocks, so that a picture with text in it looks the same whatever fonts the machine has."""

from io import BytesIO

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib.tables._g_l_y_f import Glyph

UNITS, WIDTH, ASCENT, DESCENT = 1000, 600, 800, 200
RANGES = ((0x20, 0x7F), (0xA0, 0x100), (0x2010, 0x2040), (0x2190, 0x2240), (0x2400, 0x2430))


def block_font() -> bytes:
    """A TrueType file: each character is a block as high as its code says, so that other words make another picture."""
    codes = [code for low, high in RANGES for code in range(low, high)]
    names = {code: f"c{code:04x}" for code in codes}
    glyphs = {".notdef": _block(700)} | {names[code]: _block(_height(code)) for code in codes}
    builder = FontBuilder(UNITS, isTTF=True)
    builder.setupGlyphOrder(list(glyphs))
    builder.setupCharacterMap(names)
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (WIDTH, 0)))
    builder.setupHorizontalHeader(ascent=ASCENT, descent=-DESCENT)
    builder.setupNameTable({"familyName": "Blocks", "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=ASCENT, sTypoDescender=-DESCENT, usWinAscent=ASCENT, usWinDescent=DESCENT)
    builder.setupPost()
    written = BytesIO()
    builder.save(written)
    return written.getvalue()


def _height(code: int) -> int:
    return 0 if code in (0x20, 0xA0) else 200 + 100 * (code % 6)


def _block(height: int) -> Glyph:
    pen = TTGlyphPen(None)
    if height:
        pen.moveTo((100, 0))
        for corner in ((100, height), (500, height), (500, 0)):
            pen.lineTo(corner)
        pen.closePath()
    return pen.glyph()
