"""What can go wrong, by what the reader can do about it.

HookeError                 every refusal: what was asked, what was found, what to do
├── BadRequest             the words are wrong (exit code 2)
│   ├── UnknownName        a model, corpus, dictionary, index or feature that is not there
│   ├── UnknownSite        a site that this model does not have
│   └── BadConfig          a setting that is unknown or impossible
├── UnsupportedModel       the model's structure could not be resolved, or a site was refused
├── ShapeMismatch          tensors or a dictionary that belong to another model
├── BadArtefact            a file that is truncated, hostile or not what it claims to be
├── PromptTooLong          more tokens than the model's context
├── LabBusy                another process is writing the same artefact
├── EndpointFailed         a service that was asked over the network did not answer, or answered nonsense
├── CostLimit              going on would cost more than was allowed
└── OutOfSpace             the disk cannot hold what was asked for
"""

from collections.abc import Iterable
from difflib import get_close_matches


class HookeError(Exception):
    """A refusal in three parts: what was asked, what was found, what to do."""

    exit_code = 1

    def __init__(self, asked: str, found: str = "", do: str = "") -> None:
        self.asked, self.found, self.do = asked, found, do
        super().__init__(" ".join(part for part in (asked, found, do) if part))

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        return type(self), (self.asked, self.found, self.do)


class BadRequest(HookeError):
    """The caller's words are wrong."""

    exit_code = 2


class UnknownName(BadRequest):
    """No artefact, model, corpus or feature has this name."""


class UnknownSite(BadRequest):
    """No site has this name in this model."""


class BadConfig(BadRequest):
    """A setting is unknown, of the wrong type or impossible."""


class UnsupportedModel(HookeError):
    """The model's structure could not be resolved, or one of its sites was refused."""


class ShapeMismatch(HookeError):
    """Two things that should fit together have different shapes."""


class BadArtefact(HookeError):
    """A file is truncated, hostile or not what it claims to be."""


class PromptTooLong(HookeError):
    """A prompt has more tokens than the model's context."""


class LabBusy(HookeError):
    """Another process is writing the same artefact."""


class EndpointFailed(HookeError):
    """A service that was asked over the network did not answer, or answered nonsense."""


class CostLimit(HookeError):
    """Going on would cost more than was allowed."""


class OutOfSpace(HookeError):
    """The disk cannot hold what was asked for."""


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """ "Did you mean 'x'?" with the nearest option, or an empty string when none is near."""
    near = get_close_matches(name, list(options), n=1, cutoff=0.6)
    return f"Did you mean '{near[0]}'?" if near else ""
