"""`hooke dictionary finetune`: a trained dictionary, trained on what the model makes of its reconstruction."""

from typing import Annotated

from cyclopts import Group, Parameter
from rich.console import Console

from hooke.cli.answer import Answer
from hooke.cli.bars import sink_for
from hooke.cli.claims import claims
from hooke.cli.options import Everywhere, ModelOptions, TextOptions
from hooke.cli.terminal import note, title
from hooke.cli.train import Metrics
from hooke.errors import BadRequest
from hooke.pages.numerals import number
from hooke.progress import showing
from hooke.training.finetune import FinetuneConfig
from hooke.training.train import LOG, working_folder

_TRAINING = Group("Training", sort_key=3)


def finetune(
    dictionary: str,
    name: str,
    /,
    *,
    model: str | None = None,
    measure: int = 32,
    held_out: str = "default:heldout",
    config: Annotated[FinetuneConfig, Parameter(name="*", group=_TRAINING)] = FinetuneConfig(),
    text: TextOptions = TextOptions(windows_at_once=4),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Train a dictionary a little more, so that the model predicts the same on its reconstruction.

    Only the part of the model above the site is run with gradients. A run that was stopped goes on from its last
    checkpoint when it is asked for again with the same words. Afterwards the new dictionary is held against the one
    that it was made from, on held-out text. --objective reconstruction trains the same way on reconstruction alone:
    the control for what more training does by itself.

    Parameters
    ----------
    dictionary
        The dictionary to start from: a name (see `hooke dictionary list`) or folder. It stays as it is.
    name
        Name of the new dictionary in the lab.
    model
        The model, where it is not the one that the dictionary names.
    measure
        Windows of held-out text that both are measured on; 0 for none.
    held_out
        The held-out text.
    """
    from hooke.dictionaries import load_dictionary
    from hooke.evaluate.splicing import SplicingConfig, splicing
    from hooke.features.store import fingerprint
    from hooke.text.corpora import open_corpus
    from hooke.training import finetune as run

    lab = everywhere.lab
    folder = lab.path("dictionaries", name)
    if folder.exists():
        raise BadRequest(f"There is a dictionary '{name}' already.", f"It is in {folder}.", "Choose another name.")
    opened, corpus, unseen = load_dictionary(dictionary, lab=lab), text.open(), open_corpus(held_out)
    subject = loading.load(model or opened.config.model, lab)
    inputs = {"dictionary": fingerprint(opened), "model": subject.fingerprint, "corpus": corpus.fingerprint}
    with showing(Metrics(sink_for(Console(stderr=True)), working_folder(folder) / LOG)):
        made = run(subject, opened, corpus, folder=folder, config=config, windows=text.windows(), inputs=inputs)
    found = ()
    if measure:
        measured = SplicingConfig(n_windows=measure, windows=text.windows())
        found = splicing(subject, opened, made, unseen, config=measured)
    data = {"name": name, "folder": folder, "from": opened.name, "model": subject.name, "config": made.config}
    shown = (
        title(name, f"'{opened.name}' after {number(config.n_tokens)} more tokens, for {config.objective}"),
        *claims(found, prefix=f"{name}: "),
        note(f"On other text, with a random control: hooke dictionary eval {name}"),
    )
    return Answer(data=data | {"findings": found}, shown=shown)
