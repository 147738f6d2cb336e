"""A null row that has learnt something of nothing: a dictionary trained on a model whose weights were drawn anew.

It is as wide as the dictionary beside it and as sparse, and reads the same text at the same site; what it can say of
texts it has from the tokens and from the architecture (random transformers come close to trained ones on popular
scores: 2501.17727). It is trained on far less text than most dictionaries are.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.activations.harvest import stream
from hooke.dictionaries import Dictionary, load_dictionary
from hooke.errors import BadRequest
from hooke.evaluate.quality import Subject
from hooke.lab import Lab
from hooke.models.redrawn import redrawn
from hooke.progress import track
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig
from hooke.training import TrainConfig
from hooke.training.train import train

NAME = "weights drawn anew"
PASSES = 8
"""How often the text is gone over."""
_BATCH = 4096


def untrained(
    own: Subject, corpus: Corpus, *, n_tokens: int, windows: WindowConfig, lab: Lab, seed: int = 0
) -> Subject:
    """A TopK dictionary of the model's weights drawn anew, trained on these tokens; kept in the lab, and taken from it.

    Raises:
        BadRequest: the dictionary reads several sites or writes another one, or the text is too short for a batch.
    """
    dictionary = own.dictionary
    if dictionary.reads != dictionary.writes or len(dictionary.reads) != 1:
        raise BadRequest(
            f"'{dictionary.name}' has no such null.",
            f"It reads {', '.join(map(str, dictionary.reads))} and writes {', '.join(map(str, dictionary.writes))}.",
            "Give a dictionary that writes the one site that it reads.",
        )
    model = redrawn(own.model, seed=seed)
    folder = lab.path("dictionaries", f"{dictionary.name}-anew-{n_tokens}-{seed}")
    if folder.exists():
        return Subject(NAME, load_dictionary(folder), model)
    site = dictionary.reads[0]
    batches = stream(model, corpus, [site], windows=windows, n_tokens=n_tokens)
    tracked = track(batches, f"read, {model.name}", total=n_tokens, unit="tokens", size=lambda one: len(one.tokens))
    rows = torch.cat([one.sites[site][one.counted].float().cpu() for one in tracked])
    config = _config(dictionary, rows, seed)
    inputs = {"corpus": corpus.name, "corpus_fingerprint": corpus.fingerprint, "n_tokens": n_tokens}
    made = train(
        config,
        lambda skip: _batches(rows, config, skip),
        site=site,
        model_name=model.name,
        folder=folder,
        inputs=inputs,
    )
    return Subject(NAME, made, model)


def _config(dictionary: Dictionary, rows: Float[Tensor, "token d"], seed: int) -> TrainConfig:
    if len(rows) < 2:
        raise BadRequest("There is too little text to train on.", f"{len(rows)} tokens.", "Give more.")
    active = dictionary.encode(rows[:_BATCH].to(dictionary.device)).l0().float().mean()
    return TrainConfig(
        n_features=dictionary.n_features,
        k=dictionary.config.k or max(1, round(float(active))),
        n_tokens=PASSES * len(rows),
        batch=min(_BATCH, len(rows)),
        seed=seed,
    )


def _batches(rows: Float[Tensor, "token d"], config: TrainConfig, skip: int) -> Iterator[Float[Tensor, "batch d"]]:
    """Shuffled batches without end, from step `skip` on; what does not fill a batch waits for another pass."""
    generator, step = torch.Generator().manual_seed(config.seed), 0
    while True:
        for part in torch.randperm(len(rows), generator=generator).split(config.batch):
            if len(part) == config.batch:
                if step >= skip:
                    yield rows[part]
                step += 1
