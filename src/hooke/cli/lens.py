"""`hooke lens`: what each layer would say next, through the final norm and the unembedding."""

from pathlib import Path

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere, ModelOptions, ModelRef
from hooke.cli.terminal import note, table, title
from hooke.errors import BadRequest


def lens(
    text: str,
    /,
    *,
    model: ModelRef = "smollm2-135m",
    kind: str = "logit",
    fitted: str | None = None,
    last: int = 8,
    every: int = 1,
    html: Path | None = None,
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Show what each layer of a model would say next, token by token.

    The stream that leaves each layer goes through the final norm and the unembedding (the logit lens). Early layers
    were never meant to be read so; the last row is the model's own prediction. A tuned or a Jacobian lens translates
    the stream first; `hooke fit-lens` fits one.

    Parameters
    ----------
    text
        The text.
    kind
        logit, tuned or jacobian.
    fitted
        Name of a fitted lens in the lab; the one that goes by the model's name unless given.
    last
        How many tokens to show, from the end; --json and --html have all of them.
    every
        Show every so many layers, and always the last.
    html
        Write what is shown as an HTML page, too.
    """
    from hooke.features.vocabulary import read_vocabulary
    from hooke.prompts.fitted_lens import KINDS, LIMITS, open_lens, require_kind, translated
    from hooke.prompts.inspect import require_length
    from hooke.prompts.lens import lens_rows, logit_lens
    from hooke.sites import Site

    if last < 1 or every < 1:
        raise BadRequest(f"{last} tokens of every {every} layers cannot be shown.", "", "Give numbers above 0.")
    require_kind(kind)
    if kind == "logit" and fitted is not None:
        raise BadRequest(f"'{fitted}' is not read.", "The logit lens is fitted to nothing.", "Say its --kind, too.")
    opened = loading.load(model, everywhere.lab)
    translation = None if kind == "logit" else open_lens(everywhere.lab, opened, kind, fitted)
    tokens = opened.tokenize(text)
    require_length(opened, tokens.ids.shape[1])
    layers = sorted({*range(0, opened.n_layers, every), opened.n_layers - 1})
    run = opened.run(tokens, capture=[Site("resid_post", layer) for layer in layers], logits=False)
    streams = [run[Site("resid_post", layer)][0] for layer in layers]
    vocabulary = read_vocabulary(opened.tokenizer, opened.d_vocab)
    read = logit_lens(opened, translated(translation, streams, layers), tokens.ids[0])
    rows = lens_rows(read, vocabulary.text, layers)
    texts = vocabulary.texts(tokens.ids[0].tolist())
    if html is not None:
        from hooke.pages.page import Section, page, write_page
        from hooke.pages.views import lens_view

        body = lens_view(texts, rows, note=LIMITS[kind])
        section = Section(name="lens", title=KINDS[kind], body=body)
        write_page(html, page(KINDS[kind], [section], provenance={"model": opened.name}))
    shown = [(row.layer, *(f"'{cell.text}'" for cell in row.cells[-last:])) for row in rows]
    ranks = ["" if cell.rank is None else cell.rank for cell in rows[-1].cells[-last:]]
    columns = ("layer>", *(f"'{one}'" for one in texts[-last:]))
    return Answer(
        data={"model": opened.name, "kind": kind, "tokens": texts, "layers": rows, "note": LIMITS[kind]},
        shown=(title(KINDS[kind], opened.name), table(columns, [*shown, ("rank", *ranks)]), note(LIMITS[kind])),
    )
