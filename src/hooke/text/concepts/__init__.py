"""Sets of labelled texts, written for hooke: what probes, monitors and single features are tried on.

Each has texts with and without one concept, in several styles (and, where that makes sense, languages), in groups that
are held out together, with texts that look like the other label.
"""

from hooke.text.concepts.collection import CONCEPTS, Concept, concept, open_concept
from hooke.text.concepts.files import read_labelled
from hooke.text.concepts.labelled import Labelled

__all__ = ["CONCEPTS", "Concept", "Labelled", "concept", "open_concept", "read_labelled"]
