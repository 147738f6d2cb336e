"""`hooke steer --direction`: a direction of the lab turned up while the model speaks."""

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere, ModelOptions
from hooke.cli.steer import chosen_strengths, said_table, say_along
from hooke.cli.steer_response import show_response
from hooke.cli.terminal import note, title
from hooke.pages.numerals import number

USUAL = (0.1, 0.2, 0.4)
DOSES = (-0.2, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Of a dose-response, from what is hardly there to what no text survives, with one the other way."""


def steer_direction(
    name: str,
    prompt: str,
    strengths: tuple[float, ...],
    dose_response: bool,
    more: list,
    max_tokens: int,
    seed: int,
    ref: str | None,
    loading: ModelOptions,
    everywhere: Everywhere,
) -> Answer:
    """What the model says with strength · length of the stream · unit direction added, and the dose-response of it."""
    from hooke.directions import steer
    from hooke.directions.direction import check_fits, load_direction
    from hooke.directions.steer_config import SteerConfig
    from hooke.directions.typical_norm import HELD_OUT, held_out, typical_norm
    from hooke.sites import parse_site

    doses = strengths or DOSES
    strengths = chosen_strengths(strengths, USUAL)
    found = load_direction(everywhere.lab, name)
    model = loading.load(ref or found.made.model, everywhere.lab)
    check_fits(found, model)
    site = parse_site(found.site)
    text = held_out(model)
    unit = typical_norm(model, site, text)
    said = say_along(model, found.site, found.unit * unit, prompt, strengths, more, max_tokens, seed)
    measured = None
    if dose_response:
        config = SteerConfig(strengths=doses, seed=seed)
        measured = steer.dose_response(
            model, site, found.unit, text, name=name, unit=unit, text_name=HELD_OUT, config=config
        )
    about = (
        f"strength: share of the median length of {site}, {number(unit)}, which is "
        f"{number(unit / float(found.vector.norm()))} times the vector's own · surprise: nats per token of the text "
        "under the model without edits"
    )
    shown = [title(name, f"{found.made.method} of '{found.made.concept}'"), said_table(said), note(about)]
    if measured is not None:
        shown += ["", *show_response(measured)]
    data = {"direction": name, "site": found.site, "unit": unit, "prompt": prompt, "said": said}
    return Answer(data=data | {"dose_response": measured}, shown=tuple(shown))
