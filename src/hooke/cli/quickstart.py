"""`hooke quickstart`: the main job. A real model is opened, taken apart, searched, read and steered."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from hooke.cli.answer import Answer
from hooke.cli.claims import claims
from hooke.cli.feature import fetch_text, show_card
from hooke.cli.options import Everywhere, IndexOptions, ModelOptions
from hooke.cli.search import by_text, labels_of
from hooke.cli.steer_response import respond, show_response
from hooke.cli.terminal import note, table, title
from hooke.dictionaries.load import DEFAULT_STARTER
from hooke.errors import BadRequest
from hooke.lab import Lab
from hooke.pages.numerals import number, percent

if TYPE_CHECKING:
    import hooke.features.query
    import hooke.models.model
    from hooke.features.query import Hit, Index

MODEL, SITE, SCRATCH = "smollm2-135m", "resid_post.15", "quickstart-res"
WORDS = "music"
SENTENCE = "The orchestra played a slow waltz in Vienna, and the audience asked whether it would end."
# Three of the ten largest effects among 1,960 features of the starter in random order, screened on other prompts than
# those that the tour measures on, and taken because a reader recognises their tokens. Most features do far less.
STEERED = (5496, 2965, 6802)
SCREENED = (
    "three of the ten largest effects among 1,960 features in random order, taken because their tokens are easily "
    "recognised; 5.4 % of the 1,960 move their tokens by over 0.01"
)
STRENGTHS = (0.25, 0.5, 1.0, 2.0)
N_TOKENS, N_LOSS_WINDOWS = 16_384, 8
"""How much text the dictionary is measured on."""


def quickstart(
    *,
    from_scratch: bool = False,
    tokens: int = 200_000,
    features: int = 2048,
    html: Path | None = None,
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Do the main job on the default model: features, a tour, steering.

    Opens SmolLM2-135M-Instruct and its starter dictionary, then shows the dictionary's quality, a search, a feature, a
    sentence as features, and what three features do when they are turned up. The same goes into one HTML page.

    Parameters
    ----------
    from_scratch
        Harvest, train and index a small dictionary now instead of taking the starter.
    tokens
        From scratch: how many tokens to harvest.
    features
        From scratch: how many features to train.
    html
        Where to write the page; reports/quickstart.html in the lab unless given.
    """
    from hooke.features.query import Index

    lab = everywhere.lab
    if from_scratch and tokens < 10_000:
        raise BadRequest(f"{tokens} tokens teach a dictionary nothing.", "", "Give at least 10,000.")
    model = loading.load(MODEL, lab)
    if from_scratch:
        make_dictionary(model, lab, tokens, features)
    index = Index.open(SCRATCH if from_scratch else "starter", lab=lab)
    fetch_text(index, IndexOptions(), loading, lab)
    found = tour(model, index)
    page = html or lab.root / "reports" / ("from-scratch.html" if from_scratch else "quickstart.html")
    write_tour(found, index, page)
    return Answer(data={**found, "page": page}, shown=(*show_tour(found, index), *_next(page, found["hits"][0])))


def make_dictionary(model: "hooke.models.model.Model", lab: Lab, n_tokens: int, n_features: int) -> None:
    """Harvest, train and index a small dictionary; what is there already is kept."""
    import torch

    from hooke.activations.harvest import harvest
    from hooke.activations.sampler import ActivationStore
    from hooke.dictionaries import load_dictionary
    from hooke.features.index import build_index
    from hooke.text.corpora import open_corpus
    from hooke.training import TrainConfig
    from hooke.training.train import train

    corpus = open_corpus("default")
    store = ActivationStore.open(harvest(model, corpus, [SITE], name=SCRATCH, n_tokens=n_tokens, lab=lab))
    folder = lab.path("dictionaries", SCRATCH)
    if not folder.exists():
        config = TrainConfig(n_features=n_features, n_tokens=4 * n_tokens, batch=2048)
        train(
            config,
            lambda skip: store.batches(
                SITE, config.batch, generator=torch.Generator().manual_seed(config.seed), epochs=None, skip=skip
            ),
            site=SITE,
            model_name=model.name,
            folder=folder,
            inputs={"activations": SCRATCH},
        )
    build_index(model, load_dictionary(folder), corpus, name=SCRATCH, n_tokens=n_tokens, lab=lab, posting="examples")


def tour(model: "hooke.models.model.Model", index: "hooke.features.query.Index") -> dict[str, Any]:
    """Everything that the quickstart shows, measured now."""
    from hooke.directions.steer_config import SteerConfig
    from hooke.evaluate.reconstruction import ReconstructionConfig, reconstruction
    from hooke.text.corpora import open_corpus

    steering = SteerConfig(strengths=STRENGTHS, n_continued=4, max_tokens=16)
    config = ReconstructionConfig(n_tokens=N_TOKENS, n_loss_windows=N_LOSS_WINDOWS)
    measured = reconstruction(model, index.dictionary, open_corpus("default:heldout"), config=config)
    hits = index.search(WORDS, 8) or index.ranked("score", 8, max_density=0.01)
    chosen, rule = _steered(index)
    return {
        "index": index.manifest.name,
        "measured": measured,
        "hits": hits,
        "card": index.card(hits[0].feature),
        "reading": index.active_on(model, SENTENCE, n=6),
        "steered": [respond(model, index, hit.feature, config=steering) for hit in chosen],
        "steered_labels": [hit.label.text if hit.label else "no label" for hit in chosen],
        "steered_rule": rule,
    }


def _steered(index: "Index") -> tuple[list["Hit"], str]:
    """Features to steer, and how they were chosen."""
    if index.manifest.name == DEFAULT_STARTER:
        return [index.hit(feature) for feature in STEERED], SCREENED
    return index.ranked("score", len(STEERED), max_density=0.01), "the features with the best label scores"


def show_tour(found: dict[str, Any], index: "Index") -> tuple[RenderableType, ...]:
    """The tour in a terminal."""
    measured = found["measured"]
    about = f"{number(measured.n_features)} features at {measured.sites[0]} of {measured.model}"
    rows = [
        (
            hit.name,
            hit.label.text if hit.label else "",
            number(hit.label.score if hit.label else None),
            number(hit.label.null if hit.label else None),
            number(hit.label.n if hit.label else None),
            percent(hit.density),
        )
        for hit in found["hits"]
    ]
    shown: list[RenderableType] = [
        title(f"1  The dictionary {measured.dictionary}", about),
        *claims(measured.findings(), prefix=f"{measured.dictionary}: "),
        note(f"measured now on {number(measured.n_counted)} tokens of {measured.corpus}"),
        "",
        title(f"2  Search: {WORDS}"),
        table(("feature", "label", "score>", "others>", "n>", "density>"), rows),
        "",
        title("3  A feature"),
        *show_card(found["card"], 5),
        "",
        title("4  A sentence as features"),
        *by_text(index, found["reading"]),
        title("5  Steering", "beside random directions of the same norm"),
        note(f"chosen: {found['steered_rule']}"),
    ]
    for response, label in zip(found["steered"], found["steered_labels"], strict=True):
        shown += ["", note(label), *show_response(response)]
    return tuple(shown)


def write_tour(found: dict[str, Any], index: "Index", path: Path) -> None:
    """The tour as one self-contained HTML page."""
    from hooke.pages.page import Section, page, write_page
    from hooke.pages.views import dictionary_view, feature_view, hits_view, reading_view, response_view

    measured, reading = found["measured"], found["reading"]
    facts = {"features": number(measured.n_features), "site": measured.sites[0], "model": measured.model}
    sections = [
        Section(name="dictionary", title="The dictionary", body=dictionary_view(facts, measured)),
        Section(name="search", title=f"Search: {WORDS}", body=hits_view(found["hits"])),
        Section(name="feature", title="A feature", body=feature_view(found["card"])),
        Section(name="reading", title="A sentence as features", body=reading_view(reading, labels_of(index, reading))),
    ]
    for response, label in zip(found["steered"], found["steered_labels"], strict=True):
        name = "steering-" + re.sub(r"\D+", "-", response.name.split("@")[0]).strip("-")
        about = f"Promoted tokens and perplexity by strength. Chosen: {found['steered_rule']}."
        sections.append(
            Section(
                name=name, title=f"Steering {response.name}", about=about, body=response_view(response, label=label)
            )
        )
    lead = (
        f"{measured.model} opened at {measured.sites[0]} and taken apart into {measured.n_features:,} features: what "
        "they fire on, a sentence seen through them, and what three of them do when they are turned up."
    )
    origin = index.manifest.provenance
    provenance = {"index": index.manifest.name, "made": str(origin.get("date", "")), "command": "hooke quickstart"}
    write_page(path, page("Quickstart", sections, lead=lead, provenance=provenance))


def _next(page: Path, hit: "Hit") -> tuple[RenderableType, ...]:
    rows = [
        ("the page", page),
        ("the microscope", "hooke serve"),
        ("search", "hooke search WORDS"),
        ("a feature", f"hooke feature {hit.name}"),
        ("your text", 'hooke read "any sentence"'),
        ("steer", f'hooke steer {hit.name} "Yesterday I went to"'),
        ("learn", "docs/tutorial.md"),
    ]
    return ("", title("What to look at next"), table(("", ""), rows))
