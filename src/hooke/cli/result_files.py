"""`hooke dictionary results`: a dictionary's scores as the result files of SAEBench."""

from pathlib import Path
from typing import Literal

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere, ModelOptions, TextOptions
from hooke.cli.terminal import note, table, title

KindName = Literal["core", "sparse-probing", "absorption"]


def results(
    dictionary: str,
    folder: Path,
    /,
    *,
    kind: list[KindName] | None = None,
    model: str | None = None,
    windows: int = 32,
    seed: int = 0,
    text: TextOptions = TextOptions(corpus="default:heldout"),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Write a dictionary's scores as the result files that SAEBench writes.

    One JSON for each kind, by its schema: FOLDER/core/..., FOLDER/sparse_probing/..., FOLDER/absorption/...
    Definitions are SAEBench's, texts are hooke's, so that numbers can be set beside those of the same texts only; each
    file says what it was measured on. There is no null and no interval in them: see `hooke dictionary quality`.

    Parameters
    ----------
    dictionary
        A dictionary's name (see `hooke dictionary list`) or folder; it has to write the site that it reads.
    folder
        Where to write.
    kind
        Only these: core, sparse-probing, absorption.
    model
        The model, where it is not the one that the dictionary names.
    windows
        Windows of text for core.
    seed
        Seed of splits.
    """
    from hooke.dictionaries import load_dictionary
    from hooke.evaluate.quality import Subject
    from hooke.evaluate.result_files import KINDS, results_of, write_results
    from hooke.text.windows import windows as cut_windows

    lab = everywhere.lab
    opened = load_dictionary(dictionary, lab=lab)
    own = Subject(opened.name, opened, loading.load(model or opened.config.model, lab))
    corpus = text.open()
    batches = list(cut_windows(corpus, own.model.tokenizer, text.windows(), stop=windows))
    found = results_of(own, batches, corpus=corpus.name, kinds=tuple(kind or KINDS), seed=seed)
    paths = write_results(found, folder, opened.name)
    rows = [
        (one.folder, name, f"{value:.4g}")
        for one in found
        for part in one.data["eval_result_metrics"].values()
        for name, value in part.items()
    ]
    shown = (
        title(f"Results of {opened.name}", own.model.name),
        table(("", "metric", "value>"), rows),
        *(note(str(path)) for path in paths),
    )
    return Answer(data={"dictionary": opened.name, "files": paths, "results": rows}, shown=shown)
