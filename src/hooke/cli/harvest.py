"""`hooke harvest`: a model's activations, onto disk."""

import sys
from typing import Annotated, Literal

from cyclopts import Parameter

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere, ModelOptions, ModelRef, TextOptions
from hooke.cli.terminal import size, table, title
from hooke.pages.numerals import number


def harvest(
    model: ModelRef,
    /,
    *,
    name: str,
    site: Annotated[tuple[str, ...], Parameter(required=True)],
    tokens: int = 1_000_000,
    storage: Literal["float16", "bfloat16", "float32"] = "float16",
    text: TextOptions = TextOptions(),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Store a model's activations at chosen sites over a corpus.

    One pass serves all sites. A harvest that was stopped, in whatever way, goes on where it was when it is asked for
    again with the same words.

    Parameters
    ----------
    name
        Name of the store in the lab.
    site
        A site such as `resid_post.15`, or several by a wildcard such as `mlp_out.*`; may be given several times.
    tokens
        How many tokens; whole windows are stored.
    storage
        Number format on disk.
    """
    from hooke.activations.harvest import harvest as run
    from hooke.activations.harvest import plan
    from hooke.activations.sampler import ActivationStore

    lab = everywhere.lab
    lab.path("activations", name)
    corpus, windows = text.open(), text.windows()
    opened = loading.load(model, lab)
    need = plan(opened, corpus, site, windows=windows, n_tokens=tokens, dtype=storage)
    sys.stderr.write(
        f"harvest: {number(tokens)} tokens at {len(need.sites)} sites need {size(need.n_bytes)} in {lab.root}\n"
    )
    folder = run(opened, corpus, site, name=name, n_tokens=tokens, windows=windows, dtype=storage, lab=lab)
    store = ActivationStore.open(folder)
    n_bytes = sum(path.stat().st_size for path in folder.iterdir())
    facts = {
        "name": name,
        "folder": folder,
        "n_tokens": store.n_tokens,
        "n_counted": store.n_counted,
        "n_bytes": n_bytes,
    }
    rows = [
        ("tokens", f"{number(store.n_tokens)}, {number(store.n_counted)} of them counted"),
        ("on disk", size(n_bytes)),
        ("folder", folder),
    ]
    shown = (
        title(name, "activations"),
        table(("", ""), rows),
        "",
        table(("site", "width>"), [(site, store.width(site)) for site in store.sites]),
    )
    sites = [{"site": site, "width": store.width(site)} for site in store.sites]
    return Answer(data={**facts, "sites": sites, "storage": storage}, shown=shown)
