"""Labelled texts and ordinary traffic, and what monitors make of them: each text run once through the model."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from hooke.configs import content_hash, from_dict
from hooke.errors import BadConfig, BadRequest
from hooke.models.generate import conversation
from hooke.models.model import Model, Tokens
from hooke.monitors.stream import OpenMonitor
from hooke.progress import track
from hooke.sites import Site
from hooke.text.concepts import concept
from hooke.text.documents import Corpus
from hooke.text.lines import read_lines

Form = Literal["plain", "chat"]
FORMS: tuple[Form, ...] = ("plain", "chat")
LONGEST = 256
"""Tokens of a text that are read, unless told."""

_LANGUAGES = {"wiki-en": "en", "wiki-es": "es", "wiki-fr": "fr"}
_BATCH = 16
_CHARACTERS = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """One text that a monitor may see."""

    text: str
    """The text."""
    label: bool | None = None
    """Whether the concept is there; None where nobody knows."""
    source: str = "given"
    """Where it comes from."""
    style: str = ""
    """How it is written."""
    language: str = "en"
    """ISO 639-1 code; empty where it is not known."""
    group: str = ""
    """What it shares with others; groups are held out whole."""
    is_near: bool = False
    """Whether it looks like the other label."""
    prompt: str = ""
    """What comes before it: then the text is what was answered, and its tokens count as new ones."""
    form: Form = "plain"
    """plain: as it stands; chat: in the model's chat template, as the user's message or as the answer to the prompt."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored:
    """What monitors made of a text."""

    text: Text
    """The text."""
    n_tokens: int
    """Its tokens, those of the template included."""
    peaks: tuple[float, ...]
    """Largest score at any token, by monitor; below all numbers where nothing was judged."""


def concept_texts(name: str, form: Form = "plain") -> list[Text]:
    """The texts of a concept set of hooke's own.

    Raises:
        UnknownName: there is none of this name.
    """
    return [
        Text(
            text=one.text,
            label=one.label,
            source=name,
            style=one.style,
            language=one.language,
            group=f"{name}/{one.group}",
            is_near=one.is_near,
            form=form,
        )
        for one in concept(name).items()
    ]


def read_transcripts(path: Path) -> list[Text]:
    """Texts of a file of JSON lines: {"text": ..., "label": true, "source": ..., "group": ..., "prompt": ...}.

    Raises:
        BadRequest: a line is no such object, or the file cannot be read.
    """

    def refuse(found: str) -> BadRequest:
        return BadRequest(f"'{path}' could not be read.", found, 'Give lines such as {"text": "...", "label": true}.')

    texts = []
    for at, line in read_lines(path, "texts", refuse):
        try:
            texts.append(from_dict(Text, json.loads(line)))
        except (ValueError, BadConfig) as error:
            raise refuse(f"Line {at}: {error}") from error
    return texts


def ordinary_texts(corpus: Corpus, n: int, *, skip: int = 0, forms: Sequence[Form] = FORMS) -> list[Text]:
    """The beginnings of a corpus's documents as ordinary traffic. Each document comes in one form, so all are apart.

    Args:
        skip: documents to leave out, which were used before.

    Raises:
        BadRequest: the corpus has fewer documents.
    """
    documents = islice((one for one in corpus.documents() if one.text.strip()), skip, skip + n)
    found = [
        Text(
            text=one.text[:_CHARACTERS],
            source=f"{one.source}, {forms[at % len(forms)]}",
            language=_LANGUAGES.get(one.source, ""),
            group=f"{corpus.name}/{at}",
            form=forms[at % len(forms)],
        )
        for at, one in enumerate(documents, skip)
    ]
    if len(found) < n:
        raise BadRequest(
            f"'{corpus.name}' has only {skip + len(found):,} documents.", f"{skip + n:,} are needed.", "Ask for fewer."
        )
    return found


def forms_of(model: Model) -> tuple[Form, ...]:
    """The forms in which a model can read texts: without a chat template only as they stand."""
    return FORMS if getattr(model.tokenizer, "chat_template", None) else ("plain",)


def texts_fingerprint(texts: Sequence[Text]) -> str:
    """Identifies texts, in their order."""
    return content_hash([[one.text, one.prompt, one.form, one.label] for one in texts])


def tokens_of(model: Model, text: Text, *, longest: int = LONGEST) -> tuple[list[int], int]:
    """A text's first tokens, and how many of them are the prompt's.

    Raises:
        BadRequest: it is empty, or the model has no chat template.
    """
    before, after = _spelled(model, text)
    longest = min(longest, model.context)
    ids = model.tokenizer(before + after, add_special_tokens=text.form == "plain")["input_ids"][:longest]
    if not ids:
        raise BadRequest("A text has no tokens.", "It is empty.", "Leave it out.")
    if not after:
        return ids, len(ids)
    return ids, min(len(ids), len(model.tokenizer(before, add_special_tokens=text.form == "plain")["input_ids"]))


def _spelled(model: Model, text: Text) -> tuple[str, str]:
    if text.form == "plain":
        return (text.prompt, text.text) if text.prompt else (text.text, "")
    asked = conversation(model, [{"role": "user", "content": text.prompt or text.text}])
    return (asked, text.text) if text.prompt else (asked, "")


def read_rows(
    model: Model, texts: Sequence[Text], sites: Sequence[Site], *, longest: int = LONGEST, name: str = "read"
) -> Iterator[tuple[int, dict[Site, Float[Tensor, "token width"]], int]]:
    """What sites hold on each text, shortest texts first: its place, its rows, and how many are the prompt's."""
    tokens = [tokens_of(model, text, longest=longest) for text in texts]
    order = sorted(range(len(texts)), key=lambda at: len(tokens[at][0]))
    for start in track(range(0, len(order), _BATCH), name, unit="batches"):
        batch = order[start : start + _BATCH]
        run = model.run(Tokens.of([tokens[at][0] for at in batch], model.device), capture=sites, logits=False)
        for row, at in enumerate(batch):
            n = len(tokens[at][0])
            yield at, {site: run[site][row, :n].flatten(1).float() for site in sites}, tokens[at][1]


def score_texts(
    model: Model, monitors: Sequence[OpenMonitor], texts: Sequence[Text], *, longest: int = LONGEST, name: str = "score"
) -> list[Scored]:
    """What monitors make of texts, in their order."""
    sites = sorted({site for one in monitors for site in one.sites}, key=lambda site: site.depth)
    found: dict[int, Scored] = {}
    for at, rows, n_prompt in read_rows(model, texts, sites, longest=longest, name=name):
        peaks = tuple(known(one.follow(rows, n_prompt=n_prompt)[1]) for one in monitors)
        found[at] = Scored(text=texts[at], n_tokens=len(next(iter(rows.values()))), peaks=peaks)
    return [found[at] for at in range(len(texts))]


def known(peak: float) -> float:
    """A peak, or what is below all numbers where nothing was judged: such a text is never flagged."""
    return peak if peak == peak else float("-inf")
