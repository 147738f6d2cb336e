"""`hooke direction`: vectors at a site, with where they come from and what they were measured to do."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hooke.cli.answer import Answer
from hooke.cli.claims import claims
from hooke.cli.label import EndpointOptions
from hooke.cli.options import Everywhere, ModelOptions, ModelRef
from hooke.cli.probe import DEFAULT_MODEL, How, read_set
from hooke.cli.terminal import note, table, title
from hooke.errors import BadRequest
from hooke.pages.numerals import number
from hooke.sites import parse_feature

if TYPE_CHECKING:
    import torch

    import hooke.directions.board
    import hooke.directions.direction
    import hooke.directions.persona_judges
    import hooke.directions.traits
    import hooke.lab
    import hooke.models.model
    import hooke.sites

Way = Literal["means", "logistic", "ridge", "pca", "subspace", "learnt"]
_ROLLOUTS = "rollouts.jsonl"


def make(
    name: str,
    /,
    *,
    texts: str | None = None,
    feature: str | None = None,
    persona: str | None = None,
    probe: str | None = None,
    method: Way = "means",
    site: tuple[str, ...] = (),
    pooling: How = "mean",
    dose: float = 0.3,
    samples: int = 2,
    judge: Literal["signs", "endpoint"] = "signs",
    seed: int = 0,
    model: ModelRef = DEFAULT_MODEL,
    asking: EndpointOptions = EndpointOptions(),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Make a direction: from labelled texts, of a feature, learnt through the model, or of a persona.

    What is measured stands on its card, beside random directions. Steer by it: hooke steer --direction NAME PROMPT.

    Parameters
    ----------
    name
        Name of the direction in the lab.
    texts
        A concept set that comes with hooke, or a file of labelled texts.
    feature
        A feature, `site/number@dictionary`, whose decoder row it is.
    persona
        A trait that comes with hooke (enthusiasm), or a JSON file of one: the model answers under instructions for and
        against it, and the direction is what sets the clear answers apart.
    probe
        A probe of the lab that reads one site, whose vector it is.
    method
        Of texts: means, logistic, ridge, pca, subspace; or learnt, by what it does when it is added.
    site
        Where; several are compared on texts that are held out for it. Eight layers unless given; of a learnt one the
        layer at two thirds of the depth.
    pooling
        Of texts: how the rows of tokens become one.
    dose
        Length of what is learnt, or added to steer answers, as a share of the median length of the site's rows.
    samples
        Of a persona: answers to each question with each instruction.
    judge
        Of a persona: signs, which counts the words and marks that the trait names; or endpoint, a language model.
    seed
        Seed of everything random.
    """
    given = [one for one in (texts, feature, persona, probe) if one is not None]
    if len(given) != 1:
        raise BadRequest(
            f"A direction is made of one thing, not of {len(given)}.",
            "",
            "Give --texts, --feature, --persona or --probe.",
        )
    from hooke.directions.direction import save_direction

    lab = everywhere.lab
    lab.path("directions", name)
    if probe is not None:
        from hooke.directions.make_direction import direction_of_probe
        from hooke.directions.probe import load_probe

        found = direction_of_probe(load_probe(lab, probe), name=name)
    elif feature is not None:
        found = _of_feature(feature, name, loading.load(model, lab), lab)
    elif persona is not None:
        return _of_persona(persona, name, loading.load(model, lab), site, dose, samples, judge, seed, asking, lab)
    else:
        assert texts is not None
        found = _of_texts(texts, name, method, site, pooling, dose, seed, model, loading, lab)
    save_direction(lab, found)
    return _answer(found, lab)


def board(
    concept: str,
    /,
    *,
    site: str | None = None,
    dictionary: str | None = None,
    feature: tuple[str, ...] = (),
    judge: Literal["words", "endpoint"] = "words",
    max_tokens: int = 32,
    seed: int = 0,
    model: ModelRef = DEFAULT_MODEL,
    asking: EndpointOptions = EndpointOptions(),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Score ways to steer towards a concept, in AxBench's form: concept, instruction and fluency, each from 0 to 2.

    Each direction's dose is chosen on half of the instructions, and its score is that of the other half; prompting and
    a random direction stand beside them. Some minutes.

    Parameters
    ----------
    concept
        sea, money or winter.
    site
        Where directions are made and added; resid_post of the middle layer unless given.
    dictionary
        A dictionary of that site: its feature that tells the sentences apart best is tried, too.
    feature
        Features of a dictionary at that site, whose decoder rows are tried, too.
    judge
        words, which counts them; or endpoint, a language model.
    max_tokens
        New tokens of each answer.
    seed
        Seed of the split, the random direction and the intervals.
    """
    from hooke.dictionaries import load_dictionary
    from hooke.directions.board import board as measured
    from hooke.directions.board_marks import asking as asked
    from hooke.directions.board_marks import count_words
    from hooke.sites import Site, parse_site

    opened = loading.load(model, everywhere.lab)
    where = Site("resid_post", opened.n_layers // 2) if site is None else parse_site(site)
    found = measured(
        opened,
        concept,
        where,
        given=_decoder_rows(opened, where, feature, everywhere.lab),
        dictionary=None if dictionary is None else load_dictionary(dictionary, lab=everywhere.lab),
        max_tokens=max_tokens,
        seed=seed,
        judge=count_words if judge == "words" else asked(asking.open(everywhere.lab)),
    )
    heads = ("method", "dose>", "score>", "95 %", "concept>", "task>", "fluent>", "new words>", "tells>")
    judged = "counting words" if judge == "words" else str(asking.endpoint_model)
    return Answer(
        data={"board": found},
        shown=(
            title(f"Steering towards '{concept}'", f"{opened.name}, {where}"),
            table(heads, _board_rows(found)),
            note(f"scores of {found.n} instructions on which no dose was chosen, judged by {judged}"),
            note("new words: answers with words of the concept that nothing was made of; tells: AUROC on sentences"),
        ),
    )


def _decoder_rows(
    model: "hooke.models.model.Model", site: "hooke.sites.Site", features: tuple[str, ...], lab: "hooke.lab.Lab"
) -> "dict[str, torch.Tensor]":
    from hooke.dictionaries import load_dictionary
    from hooke.directions.make_direction import direction_of_feature

    found = {}
    for one in features:
        name = parse_feature(one)
        made = direction_of_feature(
            model, load_dictionary(name.dictionary or "", lab=lab), name, name=f"feature {name}"
        )
        if made.site != str(site):
            raise BadRequest(f"'{one}' is not at {site}.", f"It writes to {made.site}.", f"Give --site {made.site}.")
        found[made.name] = made.vector
    return found


def _board_rows(found: "hooke.directions.board.Board") -> list[tuple[str, ...]]:
    return [
        (
            one.method,
            number(one.factor),
            f"{one.overall.value:.2f}",
            f"{one.overall.interval[0]:.2f} to {one.overall.interval[1]:.2f}",
            f"{one.concept:.2f}",
            f"{one.instruction:.2f}",
            f"{one.fluency:.2f}",
            f"{one.unseen:.0%}",
            "" if one.area is None else f"{one.area:.2f}",
        )
        for one in found.rows
    ]


def list_directions(*, everywhere: Everywhere = Everywhere()) -> Answer:
    """List the directions in the lab."""
    from hooke.directions.direction import load_direction

    lab = everywhere.lab
    rows = []
    for name in lab.names("directions"):
        found = load_direction(lab, name)
        rows.append((name, found.made.model, found.site, found.made.method, found.made.concept))
    keys = ("name", "model", "site", "method", "concept")
    shown = (
        title("Directions", str(lab.root)),
        table(keys, rows),
        *(() if rows else (note("There are none yet. Make one: hooke direction make NAME --texts sentiment"),)),
    )
    return Answer(data={"directions": [dict(zip(keys, row, strict=True)) for row in rows]}, shown=shown)


def show(
    name: str,
    /,
    *,
    recipe: Path | None = None,
    strength: float = 1.0,
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Show where a direction comes from, and what it was measured to do.

    Parameters
    ----------
    name
        A direction of the lab.
    recipe
        Write it as a recipe for `hooke steer --recipe`, too.
    strength
        Of the recipe: how many times the vector is added, as long as it is.
    """
    from hooke.directions.direction import load_direction

    found = load_direction(everywhere.lab, name)
    if recipe is not None:
        _write_recipe(found, recipe, strength)
    return _answer(found, everywhere.lab)


def _of_feature(
    feature: str, name: str, model: "hooke.models.model.Model", lab: "hooke.lab.Lab"
) -> "hooke.directions.direction.Direction":
    from hooke.dictionaries import load_dictionary
    from hooke.directions.make_direction import direction_of_feature

    address = parse_feature(feature)
    return direction_of_feature(model, load_dictionary(address.dictionary or "starter", lab=lab), address, name=name)


def _of_texts(
    texts: str,
    name: str,
    method: Way,
    site: tuple[str, ...],
    pooling: How,
    dose: float,
    seed: int,
    ref: str,
    loading: ModelOptions,
    lab: "hooke.lab.Lab",
) -> "hooke.directions.direction.Direction":
    from hooke.directions.fit_probe import FitConfig
    from hooke.directions.learnt import LearnConfig, learn_direction
    from hooke.directions.make_direction import direction_of_texts
    from hooke.sites import Site

    items, concept, _ = read_set(texts)
    model = loading.load(ref, lab)
    if method != "learnt":
        config = FitConfig(sites=site, methods=(method,), poolings=(pooling,), seed=seed)
        return direction_of_texts(model, items, name=name, concept=concept, lab=lab, config=config)
    sites = model.expand(site) if site else (Site("resid_post", 2 * model.n_layers // 3),)
    if len(sites) != 1:
        raise BadRequest("A vector is learnt at one site.", f"Found {', '.join(map(str, sites))}.", "Give one.")
    learning = LearnConfig(dose=dose, seed=seed)
    return learn_direction(model, items, sites[0], name=name, concept=concept, config=learning)


def _of_persona(
    ref: str,
    name: str,
    model: "hooke.models.model.Model",
    site: tuple[str, ...],
    dose: float,
    samples: int,
    judge: str,
    seed: int,
    asking: EndpointOptions,
    lab: "hooke.lab.Lab",
) -> Answer:
    import json

    from hooke.configs import to_dict
    from hooke.directions.direction import save_direction
    from hooke.directions.fit_probe import spread_sites
    from hooke.directions.persona import PersonaConfig, persona_direction
    from hooke.directions.persona_judges import ChatJudge, SignJudge
    from hooke.directions.traits import find_trait

    trait = find_trait(ref)
    who = SignJudge(trait) if judge == "signs" else ChatJudge(trait, asking.open(lab))
    sites = model.expand(site) if site else spread_sites(model)
    config = PersonaConfig(dose=dose, samples=samples, seed=seed)
    found, rollouts = persona_direction(model, trait, who, sites, name=name, config=config)
    folder = save_direction(lab, found)
    lines = "".join(json.dumps(to_dict(one) | {"is_kept": one.is_kept}, ensure_ascii=False) + "\n" for one in rollouts)
    (folder / _ROLLOUTS).write_text(lines, encoding="utf-8")
    return _answer(found, lab)


def _answer(found: "hooke.directions.direction.Direction", lab: "hooke.lab.Lab") -> Answer:
    made, length = found.made, float(found.vector.norm())
    about = f"{made.method} of '{made.concept}' at {found.site} of {made.model}, length {number(length)}"
    measured = claims(found.findings) if found.findings else (note("Nothing was measured of it yet."),)
    data = {
        "name": found.name,
        "site": found.site,
        "norm": length,
        "made": made,
        "findings": found.findings,
        "folder": lab.path("directions", found.name),
    }
    hint = note(f'Steer by it: hooke steer --direction {found.name} "Yesterday I went to" --dose-response')
    return Answer(data=data, shown=(title(found.name, about), *measured, hint))


def _write_recipe(found: "hooke.directions.direction.Direction", path: Path, strength: float) -> None:
    from hooke.configs import to_dict
    from hooke.directions.recipe import Recipe, RecipeEdit
    from hooke.lab import write_json

    edit = RecipeEdit(site=found.site, vector=tuple(found.vector.tolist()), strength=strength)
    try:
        write_json(path, to_dict(Recipe(name=found.name, edits=(edit,))))
    except OSError as error:
        raise BadRequest(f"'{path}' could not be written.", f"{error}.", "Choose another place.") from error
