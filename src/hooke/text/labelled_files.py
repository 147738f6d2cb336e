"""Labelled texts from the files in which public sets come; one's own lines with groups are read by `concepts.files`.

| shape | columns or keys | label | group |
| --- | --- | --- | --- |
| texts | text (or statement, prompt, sentence), label | label | group, else the first other words, else the text |
| XSTest | prompt, type, label (safe, unsafe) | unsafe | type, contrasts with what they contrast |
| preferences | chosen, rejected | chosen | the two together |
| behaviours | question, answer_matching_behavior, answer_not_matching_behavior | matching | the question |
| pairs | clean_prefix, patch_prefix | clean | the two together |
| relations | prompt_templates, samples of subject and object (JSON) | own object, not another's | the subject |
| turns | turns (a list), or instruction | must be given | the text |
"""

import csv
import io
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hooke.errors import BadRequest
from hooke.text.concepts import files
from hooke.text.concepts.labelled import Labelled

_MAX_BYTES = 256_000_000
_TEXTS = ("text", "statement", "prompt", "sentence")
_TRUE, _FALSE = ("1", "1.0", "true", "yes", "unsafe"), ("0", "0.0", "false", "no", "safe")
_CONTRAST = "contrast_"
_LINES = (".jsonl", ".ndjson")

Row = dict[str, Any]


class _Refused(Exception):
    """What was found in the file."""

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(found)


def read_labelled(path: Path, *, label: bool | None = None) -> list[Labelled]:
    """The texts of a .jsonl, .json, .csv or .tsv file, by the shape of its first row.

    Args:
        label: the label of all of them, whatever the file says; sets of plain prompts have none of their own.

    Raises:
        BadRequest: the file cannot be read, its shape is none that is known, or a row is not of its shape.
    """
    try:
        rows = _rows(path)
        if not rows:
            raise _Refused("It has no rows.")
        if (
            label is None
            and path.suffix in _LINES
            and isinstance(rows[0], dict)
            and {"text", "group"} <= rows[0].keys()
        ):
            return files.read_labelled(path)
        read = _shape(rows[0])
        found = [one for at, row in enumerate(rows, 1) for one in _read(read, row, at, label)]
    except _Refused as error:
        raise BadRequest(
            f"'{path}' holds no labelled texts.",
            error.found,
            'Give lines such as {"text": "...", "label": true, "group": "..."}, a CSV with the columns text and label, '
            "or a public set as it is published.",
        ) from error
    return found


def _read(read: Callable[[Row, bool | None], list[Labelled]], row: Any, at: int, label: bool | None) -> list[Labelled]:
    try:
        return read(row, label)
    except _Refused as error:
        raise _Refused(f"Row {at}: {error.found}") from error
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise _Refused(f"Row {at} is not like the first: {type(error).__name__} {error}.") from error


def _rows(path: Path) -> list[Any]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise _Refused(f"It has {path.stat().st_size:,} bytes; at most {_MAX_BYTES:,} are read.")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _Refused(f"{error}.") from error
    try:
        if path.suffix in (".csv", ".tsv"):
            return list(csv.DictReader(io.StringIO(text), delimiter="\t" if path.suffix == ".tsv" else ","))
        if path.suffix == ".json":
            data = json.loads(text)
            return data if isinstance(data, list) else [data]
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError, csv.Error) as error:
        raise _Refused(f"It could not be parsed: {error}.") from error


def _shape(first: Any) -> Callable[[Row, bool | None], list[Labelled]]:
    if not isinstance(first, dict):
        raise _Refused(f"Its first row is {str(first)[:60]!r}.")
    text = next((key for key in _TEXTS if key in first), None)
    if {"chosen", "rejected"} <= first.keys():
        return partial(_two, keys=("chosen", "rejected"), style="dialogue")
    if {"clean_prefix", "patch_prefix"} <= first.keys():
        return partial(_two, keys=("clean_prefix", "patch_prefix"), style="prefix")
    if {"question", "answer_matching_behavior", "answer_not_matching_behavior"} <= first.keys():
        return _behaviour
    if {"prompt_templates", "samples"} <= first.keys():
        return _relation
    if {"prompt", "type", "label"} <= first.keys():
        return _typed
    if text is not None:
        return partial(_text, key=text)
    if "turns" in first or "instruction" in first:
        return _turns
    raise _Refused(f"Its rows have the columns {', '.join(map(str, first))}.")


def _text(row: Row, label: bool | None, *, key: str) -> list[Labelled]:
    others = [
        name for name in row if name not in (key, "label", "style", "language", "is_near") and _is_words(row[name])
    ]
    group = str(row["group"]) if row.get("group") not in (None, "") else row[others[0]] if others else row[key]
    return [
        Labelled(
            text=_some(row[key]),
            label=_label(row.get("label")) if label is None else label,
            group=group,
            style=str(row.get("style") or "text"),
            language=str(row.get("language") or "en"),
            is_near=_label(row["is_near"]) if row.get("is_near") not in (None, "") else False,
        )
    ]


def _typed(row: Row, label: bool | None) -> list[Labelled]:
    kind = str(row["type"])
    return [
        Labelled(
            text=_some(row["prompt"]),
            label=_label(row["label"]) if label is None else label,
            group=kind.removeprefix(_CONTRAST),
            style="request",
            is_near=not kind.startswith(_CONTRAST),
        )
    ]


def _two(row: Row, label: bool | None, *, keys: tuple[str, str], style: str) -> list[Labelled]:
    texts = [_some(row[key]) for key in keys]
    return [
        Labelled(text=text, label=at == 0 if label is None else label, group=texts[0], style=style)
        for at, text in enumerate(texts)
    ]


def _behaviour(row: Row, label: bool | None) -> list[Labelled]:
    question = _some(row["question"])
    answers = [_some(row[f"answer_{which}matching_behavior"]) for which in ("", "not_")]
    return [
        Labelled(
            text=f"{question.rstrip()} {answer.strip()}",
            label=at == 0 if label is None else label,
            group=question,
            style="question",
        )
        for at, answer in enumerate(answers)
    ]


def _relation(row: Row, label: bool | None) -> list[Labelled]:
    template, samples = _some(row["prompt_templates"][0]), row["samples"]
    objects = list(dict.fromkeys(_some(one["object"]) for one in samples))
    if len(objects) < 2:
        raise _Refused("all its samples have one object, so that none is another's.")
    found = []
    for one in samples:
        other = objects[(objects.index(one["object"]) + 1) % len(objects)]
        for is_own, thing in ((True, one["object"]), (False, other)):
            text = f"{template.replace('{}', _some(one['subject']))} {thing}"
            kind = str(row.get("name") or "relation")
            found.append(
                Labelled(text=text, label=is_own if label is None else label, group=one["subject"], style=kind)
            )
    return found


def _turns(row: Row, label: bool | None) -> list[Labelled]:
    if label is None:
        raise _Refused("prompts without labels; they can be texts without the concept, beside others.")
    text = _some(row["turns"][0] if "turns" in row else row["instruction"])
    return [Labelled(text=text, label=label, group=text, style=str(row.get("category") or "prompt"))]


def _label(value: Any) -> bool:
    text = str(value).strip().lower()
    if text not in (*_TRUE, *_FALSE):
        raise _Refused(f"the label {value!r} is none of {', '.join((*_TRUE, *_FALSE))}.")
    return text in _TRUE


def _some(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _Refused(f"{value!r:.60} is no text.")
    return value


def _is_words(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and not value.strip().replace(".", "", 1).isdigit()


def texts_in(sets: Sequence[Sequence[Labelled]]) -> list[Labelled]:
    """Texts of several sets together, each text once: of two alike the first counts."""
    found: dict[str, Labelled] = {}
    for one in (item for items in sets for item in items):
        found.setdefault(one.text, one)
    return list(found.values())
