"""Harvesting and training as jobs: what `hooke harvest` and `hooke train` do, asked for by a page."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from hooke.activations.harvest import harvest
from hooke.activations.sampler import ActivationStore
from hooke.lab import Lab
from hooke.models.load import load
from hooke.server.jobs import JobKind
from hooke.text.corpora import open_corpus
from hooke.text.windows import WindowConfig


class HarvestArguments(BaseModel):
    """What to harvest."""

    name: str
    """Name of the store of activations."""
    model: str
    """The model."""
    sites: list[str] = Field(min_length=1, max_length=64)
    """The sites."""
    corpus: str = "default"
    """The corpus."""
    tokens: int = Field(default=1_000_000, ge=1, le=10**10)
    """How many tokens."""
    context: int = Field(default=256, ge=2, le=65_536)
    """Tokens in a window."""


class TrainArguments(BaseModel):
    """What to train."""

    name: str
    """Name of the dictionary."""
    activations: str
    """Name of the store of activations."""
    site: str
    """The site in it."""
    kind: Literal["topk", "batchtopk", "relu", "jumprelu", "gated"] = "topk"
    """Kind of dictionary."""
    n_features: int = Field(default=4096, ge=2, le=2**22)
    """How many features."""
    k: int = Field(default=32, ge=1)
    """Active features per token, where features compete."""
    n_tokens: int = Field(default=2_000_000, ge=1, le=10**11)
    """Tokens to train on, repetitions counted."""
    batch: int = Field(default=4096, ge=1, le=2**20)
    """Tokens per step."""
    seed: int = 0
    """Seed of the first weights and of the order."""


def harvest_work(lab: Lab, arguments: HarvestArguments) -> dict[str, Any]:
    """Harvest; goes on where an earlier attempt ended."""
    model = load(arguments.model, lab=lab)
    windows = WindowConfig(context=arguments.context)
    corpus = open_corpus(arguments.corpus)
    harvest(model, corpus, arguments.sites, name=arguments.name, n_tokens=arguments.tokens, windows=windows, lab=lab)
    return {"activations": arguments.name}


def train_work(lab: Lab, arguments: TrainArguments) -> dict[str, Any]:
    """Train on a store of activations; goes on from the last checkpoint of an earlier attempt."""
    import torch

    from hooke.training import TrainConfig
    from hooke.training.train import train

    store = ActivationStore.open(lab.find("activations", arguments.activations))
    config = TrainConfig(
        kind=arguments.kind,
        n_features=arguments.n_features,
        k=arguments.k,
        batch=arguments.batch,
        n_tokens=arguments.n_tokens,
        seed=arguments.seed,
    )

    def batches(skip: int) -> Any:
        order = torch.Generator().manual_seed(arguments.seed)
        return store.batches(arguments.site, config.batch, generator=order, epochs=None, skip=skip)

    folder = lab.path("dictionaries", arguments.name)
    inputs = {"activations": arguments.activations, "n_tokens": store.n_tokens}
    train(config, batches, site=arguments.site, model_name=store.spec.model, folder=folder, inputs=inputs)
    return {"dictionary": arguments.name}


JOBS: dict[str, JobKind] = {
    "harvest": JobKind(arguments=HarvestArguments, work=harvest_work),
    "train": JobKind(arguments=TrainArguments, work=train_work),
}
