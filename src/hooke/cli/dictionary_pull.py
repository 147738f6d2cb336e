"""`hooke dictionary pull`: a public dictionary from the hub into the lab; and the catalogue that `list` shows."""

from pathlib import Path

from hooke.cli.answer import Answer
from hooke.cli.dictionary import Storage, import_
from hooke.cli.options import Everywhere, ModelOptions, TextOptions
from hooke.errors import BadRequest


def pull(
    source: str,
    name: str,
    /,
    *filled: str,
    model: str | None = None,
    site: str | None = None,
    storage: Storage = "float32",
    check: bool = False,
    text: TextOptions = TextOptions(corpus="default:heldout", context=64),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Fetch a public dictionary from the hub, and take it into the lab.

    Parameters
    ----------
    source
        A suite of the catalogue (`hooke dictionary list --catalogue ''`), or hf:owner/repository/folder@revision.
    name
        Its name in the lab.
    filled
        What the suite leaves open, such as layer=20 width=16k l0=71.
    model
        Its model, where the files do not name it or the model's norms are needed; see `hooke dictionary import`.
    site
        The site that a single dictionary reads, where its files leave it out.
    storage
        float32, float16, or, for what is not cross-layer, int8.
    check
        Hold a single dictionary against its model before it is taken; see `hooke dictionary import`.
    """
    from hooke.dictionaries.catalogue import suite
    from hooke.dictionaries.hub import is_hub_ref, parse_hub_ref

    if is_hub_ref(source):
        if filled:
            raise BadRequest(f"'{source}' leaves nothing open.", f"Given: {' '.join(filled)}.", "Leave that out.")
        reference = str(parse_hub_ref(source))
    else:
        wrong = [one for one in filled if "=" not in one]
        if wrong:
            raise BadRequest(f"'{wrong[0]}' fills in nothing.", "", "Write it like layer=20.")
        reference = suite(source).reference(dict(one.split("=", 1) for one in filled))
    how = {
        "model": model,
        "site": site,
        "storage": storage,
        "check": check,
        "text": text,
        "loading": loading,
        "everywhere": everywhere,
    }
    return import_(Path(reference), name, **how)
