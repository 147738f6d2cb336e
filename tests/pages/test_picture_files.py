import xml.etree.ElementTree as ElementTree

import numpy as np

from hooke.pages.heat_map import heat_map
from hooke.pages.picture_files import standalone


def test_a_picture_stands_alone_with_its_colours():
    file = standalone(heat_map(np.eye(2), ["a", "b"], title="Eye"))
    assert ElementTree.fromstring(file).tag == "{http://www.w3.org/2000/svg}svg"
    assert ".chart .plus" in file
    assert "prefers-color-scheme: dark" in file
