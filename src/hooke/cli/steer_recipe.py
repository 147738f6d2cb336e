"""`hooke steer --recipe`: what the model says with a recipe, and the dose-response of it."""

from pathlib import Path

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere, IndexOptions, ModelOptions
from hooke.cli.steer_response import show_response
from hooke.cli.terminal import note, table, title
from hooke.errors import BadRequest
from hooke.pages.numerals import number


def steer_recipe(
    path: Path,
    prompt: str,
    strengths: tuple[float, ...],
    dose_response: bool,
    max_tokens: int,
    seed: int,
    where: IndexOptions,
    loading: ModelOptions,
    everywhere: Everywhere,
) -> Answer:
    """The texts of all arms with what they are like, and what the recipe does dose by dose where that was asked for."""
    from hooke.dictionaries.carried import carried_words
    from hooke.directions.measures import NOTE, measure
    from hooke.directions.recipe import read_recipe, warnings_of
    from hooke.directions.speak import ARMS
    from hooke.directions.steer import recipe_response
    from hooke.directions.steer_config import SteerConfig
    from hooke.directions.sweep import Prepared, SpeakConfig, texts_of
    from hooke.directions.typical_norm import HELD_OUT, held_out

    if where.html is not None:
        raise BadRequest("A recipe has no page.", "Found --html.", "Leave it out, or use --json.")
    if strengths and not dose_response:
        raise BadRequest("A recipe has its own strengths.", "Found --strengths.", "Ask for --dose-response, too.")
    recipe = read_recipe(path)
    indexes = {name: where.open(everywhere.lab, dictionary=name) for name in recipe.dictionaries}
    index = next(iter(indexes.values()), None) or where.open(everywhere.lab)
    model = where.load_model(index, loading, everywhere.lab)
    units = {name: float(indexes[name.dictionary or ""].card(name.index).max) for name in recipe.features}
    dictionaries = {name: one.dictionary for name, one in indexes.items()}
    prepared = Prepared(recipe=recipe, dictionaries=dictionaries, units=units)
    config = SpeakConfig(max_tokens=max_tokens, seed=seed)
    voices, promoted = prepared.voices(ARMS, config), prepared.promoted(model)
    steps = prepared.speak(model, model.tokenize(prompt), voices, promoted, config)
    spoken = [word for step in steps for word in step]
    texts = {arm: texts_of(spoken, voices, arm) for arm in ARMS}
    found = {arm: measure(texts[arm], unit=prepared.unit, seed=seed) for arm in ARMS}
    plain = {arm: ["".join(word.text for word in text) for text in texts[arm]] for arm in ARMS}
    cautions = [text for _, text in warnings_of(recipe, units)]
    measured = None
    if dose_response:
        measuring = SteerConfig(seed=seed, strengths=strengths) if strengths else SteerConfig(seed=seed)
        measured = recipe_response(model, prepared, held_out(model), text_name=HELD_OUT, config=measuring)
    rows = [
        (arm, *(number(getattr(found[arm], name).value) for name in ("perplexity", "kl", "activation")), one)
        for arm in ARMS
        for one in plain[arm]
    ]
    shown = [
        title(recipe.name),
        table(("", "perplexity>", "kl>", "activation>", "the model goes on"), rows),
        *map(note, (*cautions, NOTE)),
        *(note(f"{name}: {carried_words(name, everywhere.lab)}") for name in indexes),
    ]
    if measured is not None:
        shown += ["", *show_response(measured)]
    data = {"recipe": recipe, "prompt": prompt, "texts": plain, "measures": found}
    return Answer(data=data | {"warnings": cautions, "dose_response": measured}, shown=tuple(shown))
