"""Models: what can be opened, what is in memory, and a model's size, sites and template."""

from fastapi import APIRouter
from pydantic import BaseModel

from hooke.models.model import Model
from hooke.models.zoo import ZOO
from hooke.server.residents import ClientHere, Residents, ResidentsHere
from hooke.sites import KINDS

router = APIRouter(prefix="/api/models", tags=["models"])


class SiteKind(BaseModel):
    """A kind of site that a model has."""

    kind: str
    """The kind."""
    layers: list[int]
    """Its layers; empty where the kind has none."""
    axes: list[str]
    """Names of the tensor's axes."""
    width: int | None
    """The last axis; null for patterns, whose last axis is the prompt's length."""
    meaning: str
    """What it holds."""


class Refused(BaseModel):
    """A site that the model does not have."""

    site: str
    """The site."""
    why: str
    """Why it was refused."""
    instead: str
    """What to use instead."""


class ModelFacts(BaseModel):
    """What is known of a model once it is in memory."""

    architecture: str
    """Its family, as transformers calls it."""
    n_layers: int
    """Decoder blocks."""
    n_heads: int | None
    """Attention heads of a block."""
    width: int
    """Width of the residual stream."""
    vocab: int
    """Tokens."""
    context: int
    """Tokens of the longest prompt."""
    parameters: int
    """Numbers that it learned."""
    memory: int
    """Bytes of its weights."""
    dtype: str
    """Type of the weights."""
    device: str
    """Where it is."""
    has_template: bool
    """Whether it takes chat messages."""
    sites: list[SiteKind]
    """Where it can be read and edited."""
    refusals: list[Refused]
    """Sites that it does not have."""


class ModelOut(BaseModel):
    """A model that can be opened."""

    name: str
    """Its name."""
    about: str
    """One sentence; empty for models of the lab."""
    licence: str
    """Licence of the weights, where it is known."""
    is_loaded: bool
    """Whether it is in memory."""
    can_load: bool
    """False where the microscope runs without models."""
    facts: ModelFacts | None
    """Its size and sites; null until it is in memory."""


class ModelList(BaseModel):
    """The models that can be opened."""

    items: list[ModelOut]
    """By name."""
    next: str | None
    """Always null: the list is short."""
    total: int
    """How many there are."""


@router.get("")
def list_models(here: ResidentsHere) -> ModelList:
    """Models that can be opened, with facts of those in memory."""
    items = [_out(here, name) for name in here.model_names()]
    return ModelList(items=items, next=None, total=len(items))


@router.post("/{model}/load")
async def load_model(model: str, here: ResidentsHere, client: ClientHere) -> ModelOut:
    """Put a model into memory; this takes as long as its size demands."""
    facts = await here.with_model(model, client, facts_of)
    return _entry(here, model, facts)


@router.get("/{model}")
def get_model(model: str, here: ResidentsHere) -> ModelOut:
    """One model; its facts are known when it is in memory."""
    here.require_name(model)
    return _out(here, model)


def _out(here: Residents, name: str) -> ModelOut:
    resident = here.peek(name)
    return _entry(here, name, None if resident is None else facts_of(resident))


def _entry(here: Residents, name: str, facts: ModelFacts | None) -> ModelOut:
    known = ZOO.get(name)
    return ModelOut(
        name=name,
        about=known.about if known else "",
        licence=known.licence if known else "",
        is_loaded=facts is not None,
        can_load=not here.read_only,
        facts=facts,
    )


def facts_of(model: Model) -> ModelFacts:
    """Size and sites of a model."""
    parameters = list(model.hf.parameters())
    return ModelFacts(
        architecture=str(getattr(model.config, "model_type", "unknown")),
        n_layers=model.n_layers,
        n_heads=getattr(model.config, "num_attention_heads", None),
        width=model.d_model,
        vocab=model.d_vocab,
        context=model.context,
        parameters=sum(one.numel() for one in parameters),
        memory=sum(one.numel() * one.element_size() for one in parameters),
        dtype=str(model.dtype).removeprefix("torch."),
        device=str(model.device),
        has_template=bool(getattr(model.tokenizer, "chat_template", None)),
        sites=_site_kinds(model),
        refusals=[Refused(site=one.what, why=one.why, instead=one.instead) for one in model.refusals.values()],
    )


def _site_kinds(model: Model) -> list[SiteKind]:
    found = []
    sites = model.sites()
    for kind, about in KINDS.items():
        own = [site for site in sites if site.kind == kind]
        if own:
            layers = [site.layer for site in own if site.layer is not None]
            width = None if kind == "pattern" else model.width(own[0])
            found.append(SiteKind(kind=kind, layers=layers, axes=list(about.axes), width=width, meaning=about.meaning))
    return found
