"""How long rows of a site usually are: the unit in which doses of different directions can be compared."""

from hooke.models.model import Model
from hooke.sites import Site
from hooke.text.corpora import open_corpus
from hooke.text.windows import WindowConfig, Windows, windows

HELD_OUT = "default/wiki-en:heldout"
"""What lengths, perplexities and divergences are measured on."""


def typical_norm(model: Model, site: Site, text: Windows) -> float:
    """The median length of a site's rows on text, of the tokens that count.

    Short prompts have rows several times shorter than running text, so that doses measured on them look harmless.

    Raises:
        UnknownSite, UnsupportedModel: the site is not on this model.
    """
    run = model.run(text.tokens, capture=[site], logits=False)
    return float(run.rows(site).cpu()[text.counted].norm(dim=-1).median())


def held_out(model: Model) -> Windows:
    """Windows of prose that nothing was trained on."""
    return next(windows(open_corpus(HELD_OUT), model.tokenizer, WindowConfig(context=64, batch=8)))
