"""Which encoder finds a label in other words: 50 queries against the labels of the starter index, one JSON object.

    python bench/meaning.py

Each query stands beside the words that a label about the same thing would have; none of them is a form of the query. A
query is answered when one of the ten nearest features says one of these words in its label, and the share of answered
queries is shown beside that of ten features drawn at random (the control) and of search by words.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from hooke.features.encoders import Encoder, ModelWords, Spelling, Static, has_static, reduced_embedding, words_of
from hooke.features.meaning import Vectors
from hooke.features.query import Index
from hooke.lab import Lab, open_lab
from hooke.models.load import load

N_SHOWN = 10
N_DRAWS = 200
PAIRS: dict[str, str] = {
    "automobile": "car cars vehicle vehicles truck",
    "physician": "doctor doctors medical",
    "ocean": "sea seas marine water",
    "sovereign ruler": "king queen emperor monarch prince",
    "movie": "film films cinema",
    "singer": "music song songs vocal musical",
    "combat": "war battle fight fighting military",
    "cash": "money dollars dollar currency",
    "infant": "baby child children babies",
    "illness": "disease diseases sick disorder",
    "attorney": "lawyer law court legal",
    "residence": "house home houses living",
    "begin": "start started starting",
    "huge": "large big great giant enormous",
    "tiny": "small little smaller",
    "quick": "fast rapid rapidly speed",
    "error": "mistake mistakes exception exceptions wrong",
    "instructor": "teacher teachers teaching school",
    "forest": "tree trees wood woods",
    "mountain range": "hill hills peak peaks alps",
    "meal": "food dinner eat eating lunch",
    "feline": "cat cats lion",
    "canine": "dog dogs wolf",
    "reptile": "snake snakes lizard dinosaur dinosaurs",
    "religion": "church god faith christian",
    "nation": "country countries state",
    "city": "town towns urban capital",
    "creek": "stream river rivers water",
    "election": "vote votes voting elected president",
    "employment": "job jobs work worker workers",
    "clothes": "shirt dress wear wearing",
    "joyful": "happy glad happiness fun",
    "angry": "mad anger fury",
    "purchase": "buy bought buying sell",
    "author": "writer book books wrote written novel",
    "painting": "art artist artists portrait",
    "astronomy": "star stars planet planets sun",
    "chemistry": "acid acids molecule molecules reaction",
    "organism": "species animal animals bacteria cell cells",
    "mathematics": "theorem equation number numbers algebra",
    "computer program": "code software function functions",
    "airplane": "aircraft flight flights air",
    "cold weather": "snow ice winter temperature",
    "rainfall": "rain storm storms precipitation climate",
    "jail": "prison crime criminal police",
    "injury": "wound wounds pain hurt",
    "soccer": "football team league game",
    "spouse": "wife husband married marriage",
    "ancient": "old older century empire",
    "quantity": "number amount many count",
}


def answered(index: Index, features: list[int], wanted: set[str]) -> bool:
    """Whether one of some features says a wanted word in its label."""
    labels = index.labels.of_many(features)
    return any(wanted & set(words_of(found[0].text)) for found in labels.values())


def share(index: Index, encoder: Encoder) -> float:
    """The share of queries that an encoder answers."""
    vectors = Vectors.of(index, encoder, wait=True)
    nearest = {query: vectors.nearest(query)[0][:N_SHOWN].tolist() for query in PAIRS}
    return float(np.mean([answered(index, nearest[query], set(words.split())) for query, words in PAIRS.items()]))


def control(index: Index) -> float:
    """The same for features drawn at random."""
    generator = np.random.default_rng(0)
    draws = [generator.choice(len(index), N_SHOWN, replace=False).tolist() for _ in range(N_DRAWS)]
    return float(
        np.mean([answered(index, some, set(words.split())) for words in PAIRS.values() for some in draws[:20]])
    )


def by_words(index: Index) -> float:
    """The same for search by words."""
    found = {query: [hit.feature for hit in index.search(query, N_SHOWN)] for query in PAIRS}
    return float(np.mean([answered(index, found[query], set(words.split())) for query, words in PAIRS.items()]))


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        index = Index(Index.open("starter", lab=open_lab()).folder, Lab(Path(place)))
        model = load(index.manifest.model)
        rows = reduced_embedding(model.anatomy.embedding.weight)  # pyright: ignore[reportArgumentType]
        encoders: list[Encoder] = [Spelling(), ModelWords(rows, index.vocabulary)]
        encoders += [Static()] if has_static() else []
        found = {encoder.name: share(index, encoder) for encoder in encoders}
        found |= {"words": by_words(index), "random": control(index)}
    print(json.dumps({"tool": "hooke", "n_queries": len(PAIRS), "answered": found}))


if __name__ == "__main__":
    main()
