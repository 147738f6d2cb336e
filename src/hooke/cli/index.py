"""`hooke index`: what each feature of a dictionary fires on and promotes."""

from typing import TYPE_CHECKING

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere, ModelOptions, TextOptions
from hooke.cli.terminal import note, table, title
from hooke.lab import Lab
from hooke.pages.numerals import number

if TYPE_CHECKING:
    from hooke.dictionaries import Dictionary
    from hooke.models.model import Model
    from hooke.models.pair import ModelPair


def index(
    dictionary: str,
    /,
    *,
    name: str | None = None,
    model: str | None = None,
    other: str | None = None,
    tokens: int = 1_000_000,
    posting: str = "capped:4096",
    text: TextOptions = TextOptions(),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Find out what each feature of a dictionary fires on and promotes.

    One pass over the text; memory does not grow with it. A build that was stopped goes on where it was when it is
    asked for again with the same words.

    Parameters
    ----------
    dictionary
        A dictionary's name (see `hooke dictionary list`) or folder, or neurons.15 for the neurons of layer 15 of a
        model: nothing has to be trained for them.
    name
        Name of the index in the lab; the dictionary's own unless given.
    model
        The model, where it is not the one that the dictionary names. Of a crosscoder of two models: the one in which
        what features promote is shown, the first unless given.
    other
        Crosscoders of two models: the other model, where its name does not lead to it.
    tokens
        How many tokens to read.
    posting
        What is kept beside the cards: examples keeps nothing, capped:N each feature's N strongest tokens, full every
        token's features as well.
    """
    from hooke.features.index import build_index
    from hooke.features.prepare import prepare
    from hooke.features.query import Index

    lab = everywhere.lab
    lab.path("features", name or "unnamed")
    corpus, windows = text.open(), text.windows()
    opened, subject, reader = _opened(dictionary, model, other, loading, lab)
    name = name or opened.name
    folder = build_index(
        subject,
        opened,
        corpus,
        name=name,
        n_tokens=tokens,
        windows=windows,
        lab=lab,
        posting=posting,
        pair=reader,
    )
    found = Index.open(folder, lab=lab)
    prepare(found, subject)
    alive = len(found.ranked("density", len(found)))
    data = {
        "name": name,
        "folder": folder,
        "dictionary": opened.name,
        "model": subject.name,
        "corpus": corpus.name,
        "n_features": len(found),
        "n_alive": alive,
        "n_counted": found.manifest.n_counted,
        "n_bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    }
    rows = [(key.removeprefix("n_"), number(value) if isinstance(value, int) else value) for key, value in data.items()]
    shown = (title(name, "index"), table(("", ""), rows[1:]), note(f"Ask it: hooke search --index {name} WORDS"))
    return Answer(data=data, shown=shown)


def _opened(
    ref: str, model: str | None, other: str | None, loading: ModelOptions, lab: Lab
) -> tuple["Dictionary", "Model", "ModelPair | None"]:
    """A dictionary, its model, and what reads for it where that is two models."""
    from hooke.dictionaries import load_dictionary
    from hooke.dictionaries.neurons import parse_neurons
    from hooke.models.neurons import open_dictionary
    from hooke.models.pair import pair_of

    if parse_neurons(ref) is None:
        dictionary = load_dictionary(ref, lab=lab)
        if dictionary.config.models:
            both, place = pair_of(dictionary.config, lambda one: loading.load(one, lab), model=model, other=other)
            return dictionary, both.models[place], both
    return *open_dictionary(ref, lambda one: loading.load(one, lab), model=model, lab=lab), None
