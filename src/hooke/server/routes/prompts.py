"""Prompts taken apart: tokens by layers, attention, two prompts compared, one token against another."""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Annotated
from weakref import WeakKeyDictionary

import numpy as np
import torch
from anyio.to_thread import run_sync
from fastapi import APIRouter, Body, Query, Response

from hooke.errors import BadArtefact, BadRequest
from hooke.features.query import Index
from hooke.features.vocabulary import Vocabulary, read_vocabulary
from hooke.models.generate import conversation, conversation_tokens
from hooke.models.model import Model, Tokens
from hooke.prompts.attention import looks_at, read_by
from hooke.prompts.compare import Difference, align, changes, differences
from hooke.prompts.fitted_lens import KINDS, LIMITS, fit_command, lens_kinds, open_lenses
from hooke.prompts.inspect import Inspection, inspect, limit_of
from hooke.prompts.kept import KeptPrompt, Message, PromptMeta, keep, kept_prompts, open_prompt, read_metas, throw_away
from hooke.prompts.targets import NOTE, Attribution, ThroughDictionary, attribute
from hooke.server.arrays import arrays_response
from hooke.server.residents import ClientHere, Residents, ResidentsHere
from hooke.server.routes.features import cursor_after, known, place_of, rounded
from hooke.server.routes.indexes import index_names
from hooke.server.routes.prompt_answers import (
    AlignedPair,
    Attended,
    Cell,
    CellFeature,
    CellFeatures,
    Comparison,
    DictionaryEffects,
    FeatureEffect,
    LensChoice,
    LensGuess,
    MessageIn,
    PairDifference,
    PairFeatures,
    PartEffect,
    PreviewBody,
    PromptBody,
    PromptDictionary,
    PromptEntry,
    PromptList,
    PromptOut,
    PromptPreview,
    Targets,
    TargetsBody,
    TokenOut,
)

router = APIRouter(prefix="/api/prompts", tags=["prompts"])


@router.post("/preview")
async def preview_prompt(
    body: Annotated[PreviewBody, Body()], here: ResidentsHere, client: ClientHere
) -> PromptPreview:
    """What the model would read, with the chat template in force; nothing is run or kept."""
    return await here.with_model(body.model, client, lambda model: _preview(model, body))


@router.post("")
async def create_prompt(body: Annotated[PromptBody, Body()], here: ResidentsHere, client: ClientHere) -> PromptOut:
    """Run a prompt once and keep everything that its pages show; afterwards no model is needed to read it."""
    dictionaries = await run_sync(lambda: [here.dictionary(name) for name in dict.fromkeys(body.dictionaries)])

    def work(model: Model) -> tuple[Inspection, Vocabulary, str]:
        tokens, text = tokens_of(model, body.text, body.messages)
        lenses, refused = open_lenses(here.lab, model)
        found = inspect(model, tokens, dictionaries, lenses)
        return replace(found, notes=(*found.notes, *refused)), vocabulary_of(model), text

    found, vocabulary, text = await here.with_model(body.model, client, work)
    messages = tuple(Message(role=one.role, content=one.content) for one in body.messages) if body.messages else None
    kept = await run_sync(lambda: keep(here.lab, found, vocabulary, model=body.model, text=text, messages=messages))
    return await run_sync(lambda: _prompt_out(here, kept.meta))


@router.get("")
def list_prompts(
    here: ResidentsHere, cursor: str | None = None, limit: Annotated[int, Query(ge=1, le=200)] = 20
) -> PromptList:
    """Kept prompts, latest first."""
    names = kept_prompts(here.lab)
    start = place_of(cursor)
    metas = read_metas(here.lab, names[start : start + limit])
    items = [
        PromptEntry(
            id=meta.id,
            model=meta.model,
            text=meta.text[:200],
            n_tokens=len(meta.token_ids),
            created=meta.created,
            dictionaries=[one.name for one in meta.dictionaries],
        )
        for meta in metas
    ]
    return PromptList(items=items, next=cursor_after(start, limit, len(names)), total=len(names))


@router.get("/compare")
def compare_prompts(a: str, b: str, here: ResidentsHere) -> Comparison:
    """Two kept prompts of one model, aligned token by token."""
    first, second = open_prompt(here.lab, a), open_prompt(here.lab, b)
    pairs = align(first.meta.token_ids, second.meta.token_ids)
    found = differences(first, second, pairs)
    named = {token for one in found for token in (*one.lens_a.tolist(), *one.lens_b.tolist())}
    moved = {(feature.dictionary, feature.feature) for one in found for feature in one.features}
    labels = _labels(here, moved)
    return Comparison(
        a=_prompt_out(here, first.meta),
        b=_prompt_out(here, second.meta),
        pairs=[AlignedPair(a=pair.a, b=pair.b, kind=pair.change) for pair in pairs],
        edits=changes(pairs),
        differences=[_difference_out(one, labels) for one in found],
        lens_texts={token: first.texts.get(token, second.texts.get(token, "")) for token in sorted(named)},
    )


@router.get("/{prompt}")
def get_prompt(prompt: str, here: ResidentsHere) -> PromptOut:
    """A kept prompt."""
    return _prompt_out(here, open_prompt(here.lab, prompt).meta)


@router.delete("/{prompt}", status_code=204)
def delete_prompt(prompt: str, here: ResidentsHere) -> None:
    """Throw a kept prompt away."""
    throw_away(here.lab, prompt)


@router.get("/{prompt}/grid", response_class=Response)
def prompt_grid(prompt: str, here: ResidentsHere, lens: str = "logit") -> Response:
    """Tokens by layers, as safetensors; `lens` is one of the kinds that the prompt was read with.

    [layer, token]: `lens_id` i32, `lens_logprob` f32, `lens_rank` i32 (of the actual next token, -1 at the last),
    `entropy` f32, `norm` f32. Per dictionary n of the prompt: `dictionary.n.id` i32 and `dictionary.n.act` f32
    [token, k] (0 where nothing more fires), `dictionary.n.n_active` i32 and `dictionary.n.unexplained` f32 [token].
    Texts of the tokens in `lens_id` are in the header's metadata under `texts`, a JSON object from id to text.
    """
    kept = open_prompt(here.lab, prompt)
    arrays = {"norm": kept.arrays["norm"]}
    texts: dict[int, str] = {}
    read = kept.lens(lens)
    if read:
        best = np.ascontiguousarray(read["lens_ids"][..., 0])
        arrays |= {"lens_id": best, "lens_logprob": np.ascontiguousarray(read["lens_logprobs"][..., 0])}
        arrays |= {name: read[name] for name in ("lens_rank", "entropy")}
        texts = {token: kept.texts.get(token, "") for token in np.unique(best).tolist()}
    arrays |= {name: array for name, array in kept.arrays.items() if name.startswith("dictionary.")}
    return arrays_response(arrays, {"texts": json.dumps(texts, ensure_ascii=False)})


@router.get("/{prompt}/cell")
def prompt_cell(
    prompt: str,
    here: ResidentsHere,
    layer: Annotated[int, Query(ge=0)],
    position: Annotated[int, Query(ge=0)],
    lens: str = "logit",
) -> Cell:
    """One layer at one position in full; `lens` is one of the kinds that the prompt was read with."""
    kept = open_prompt(here.lab, prompt)
    meta, arrays = kept.meta, kept.arrays
    _require_within("layer", layer, meta.n_layers)
    _require_within("position", position, len(meta.token_ids))
    is_last = position + 1 == len(meta.token_ids)
    read = kept.lens(lens)
    return Cell(
        layer=layer,
        position=position,
        token=_token_at(meta, position),
        next_token=None if is_last else _token_at(meta, position + 1),
        lens=_guesses(kept, read, layer, position),
        rank=None if is_last or not read else int(read["lens_rank"][layer, position]),
        actual_logprob=None if is_last or not read else known(float(read["lens_actual"][layer, position])),
        entropy=known(float(read["entropy"][layer, position])) if read else None,
        norm=float(arrays["norm"][layer, position]),
        features=[_cell_features(here, kept, place, layer, position) for place in range(len(meta.dictionaries))],
        looks_at=[Attended(**asdict(one)) for one in looks_at(arrays, layer, position)],
        read_by=[Attended(**asdict(one)) for one in read_by(arrays, layer + 1, position)],
    )


@router.get("/{prompt}/attention/{layer}/{head}", response_class=Response)
def prompt_attention(prompt: str, layer: int, head: int, here: ResidentsHere) -> Response:
    """A head's attention pattern, as safetensors: `pattern` u8, the lower triangle row by row, and `scale` f32 [query].

    Attention of query q to key k is pattern[q (q + 1) / 2 + k] · scale[q], true to half a step of that scale.
    """
    kept = open_prompt(here.lab, prompt)
    _require_within("layer", layer, kept.meta.n_layers)
    _require_within("head", head, kept.meta.n_heads)
    arrays = {"pattern": kept.arrays[f"pattern.{layer}"][head], "scale": kept.arrays[f"scale.{layer}"][head]}
    return arrays_response(arrays)


@router.post("/{prompt}/targets")
async def prompt_targets(
    prompt: str, body: Annotated[TargetsBody, Body()], here: ResidentsHere, client: ClientHere
) -> Targets:
    """What each part of the model, and each feature, writes to the logit difference of two tokens; runs the model."""
    kept = await run_sync(lambda: open_prompt(here.lab, prompt))
    dictionaries = await run_sync(lambda: [here.dictionary(one.name) for one in kept.meta.dictionaries])

    def work(model: Model) -> tuple[Attribution, list[TokenOut]]:
        vocabulary = vocabulary_of(model)
        pair = [_named_token(vocabulary, one) for one in (body.target, body.distractor)]
        tokens = model.tokenize(torch.tensor(kept.meta.token_ids))
        found = attribute(model, tokens, *pair, position=body.position, dictionaries=dictionaries)
        return found, [_token(vocabulary, one) for one in pair]

    found, (target, distractor) = await here.with_model(kept.meta.model, client, work)
    return await run_sync(lambda: _targets_out(here, found, target, distractor, body.n))


def tokens_of(model: Model, text: str | None, messages: list[MessageIn] | None) -> tuple[Tokens, str]:
    """Tokens of a prompt given as text or as messages, and the text that the model reads.

    Raises:
        BadRequest: neither or both were given, or the text is empty.
        PromptTooLong: it is longer than the model's context.
    """
    if (text is None) == (not messages):
        raise BadRequest("A prompt is text, or messages.", "Found neither, or both.", "Give one of the two.")
    if messages:
        said = [one.model_dump() for one in messages]
        return conversation_tokens(model, said), conversation(model, said)
    return model.tokenize(text or ""), text or ""


def vocabulary_of(model: Model) -> Vocabulary:
    """The texts of a model's tokens, read once."""
    if model not in _VOCABULARIES:
        _VOCABULARIES[model] = read_vocabulary(model.tokenizer, model.d_vocab)
    return _VOCABULARIES[model]


_VOCABULARIES: WeakKeyDictionary[Model, Vocabulary] = WeakKeyDictionary()


def _preview(model: Model, body: PreviewBody) -> PromptPreview:
    tokens, text = tokens_of(model, body.text, body.messages)
    ids, limit, vocabulary = tokens.ids[0].tolist(), limit_of(model), vocabulary_of(model)
    shown = ids[:limit]
    out = [
        TokenOut(id=token, text=said, is_special=token in vocabulary.special)
        for token, said in zip(shown, vocabulary.texts(shown), strict=True)
    ]
    return PromptPreview(text=text, tokens=out, n_tokens=len(ids), limit=limit)


def _require_within(what: str, number: int, n: int) -> None:
    if not 0 <= number < n:
        raise BadRequest(f"No {what} {number}.", f"There are {n}.", f"Give 0 to {n - 1}." if n else "")


def _prompt_out(here: Residents, meta: PromptMeta) -> PromptOut:
    indexes = indexes_by_dictionary(here)
    return PromptOut(
        id=meta.id,
        model=meta.model,
        text=meta.text,
        messages=[MessageIn.model_validate(asdict(one)) for one in meta.messages] if meta.messages else None,
        created=meta.created,
        tokens=[_token_at(meta, position) for position in range(len(meta.token_ids))],
        n_layers=meta.n_layers,
        n_heads=meta.n_heads,
        has_lens=meta.has_lens,
        lenses=_lens_choices(here, meta),
        dictionaries=[PromptDictionary(index=indexes.get(one.name), **asdict(one)) for one in meta.dictionaries],
        notes=list(meta.notes),
    )


def indexes_by_dictionary(here: Residents) -> dict[str, str]:
    """The index of each dictionary that has one; of several, the first by name. Damaged ones are left out."""
    found: dict[str, str] = {}
    for name in index_names(here.lab):
        with suppress(BadArtefact):
            found.setdefault(here.index(name).manifest.dictionary, name)
    return found


def _token_at(meta: PromptMeta, position: int) -> TokenOut:
    return TokenOut(id=meta.token_ids[position], text=meta.tokens[position], is_special=position in meta.special)


def _token(vocabulary: Vocabulary, token: int) -> TokenOut:
    return TokenOut(id=token, text=vocabulary.text(token), is_special=token in vocabulary.special)


def _named_token(vocabulary: Vocabulary, name: str | int) -> int:
    return name if isinstance(name, int) else vocabulary.find(name)


def _lens_choices(here: Residents, meta: PromptMeta) -> list[LensChoice]:
    """Every kind of lens, and of those that the prompt was not read with, what is to be done to have them."""
    if not meta.has_lens:
        return []
    in_lab = lens_kinds(here.lab, meta.model)
    return [
        LensChoice(
            kind=kind,
            title=title,
            is_here=kind in meta.lenses,
            note=LIMITS[kind]
            if kind in meta.lenses
            else "The lab has one; run the prompt again to read it so."
            if kind in in_lab
            else f"None was fitted to this model. Fit it, then run the prompt again: {fit_command(meta.model, kind)}",
        )
        for kind, title in KINDS.items()
    ]


def _guesses(kept: KeptPrompt, read: dict[str, np.ndarray], layer: int, position: int) -> list[LensGuess]:
    if not read:
        return []
    ids = read["lens_ids"][layer, position].tolist()
    logprobs = read["lens_logprobs"][layer, position].tolist()
    return [
        LensGuess(token=token, text=kept.texts.get(token, ""), logprob=logprob)
        for token, logprob in zip(ids, logprobs, strict=True)
    ]


def _cell_features(here: Residents, kept: KeptPrompt, place: int, layer: int, position: int) -> CellFeatures:
    one = kept.meta.dictionaries[place]
    array = {name: kept.arrays[f"dictionary.{place}.{name}"][position] for name in ("id", "act")}
    rows = [(int(feature), float(value)) for feature, value in zip(*array.values(), strict=True) if value > 0]
    index = _index(here, one.name)
    labels = index.labels.of_many([feature for feature, _ in rows]) if index else {}
    return CellFeatures(
        dictionary=one.name,
        index=index.manifest.name if index else None,
        site=one.site,
        is_here=one.layer == layer,
        n_active=int(kept.arrays[f"dictionary.{place}.n_active"][position]),
        unexplained=known(float(kept.arrays[f"dictionary.{place}.unexplained"][position])),
        features=[
            CellFeature(
                feature=feature,
                address=f"{one.site}/{feature}@{one.name}",
                label=labels[feature][0].text if feature in labels else "",
                activation=value,
                max=float(index.maxima[feature]) if index else None,
                density=float(index.densities[feature]) if index else None,
            )
            for feature, value in rows
        ],
    )


def _index(here: Residents, dictionary: str) -> Index | None:
    name = indexes_by_dictionary(here).get(dictionary)
    return here.index(name) if name else None


def _labels(here: Residents, features: Iterable[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """Best labels of features given as (dictionary, number)."""
    wanted: dict[str, list[int]] = {}
    for dictionary, feature in features:
        wanted.setdefault(dictionary, []).append(feature)
    found = {}
    for dictionary, numbers in wanted.items():
        index = _index(here, dictionary)
        labels = index.labels.of_many(numbers) if index else {}
        found |= {(dictionary, feature): labels[feature][0].text for feature in numbers if feature in labels}
    return found


def _difference_out(one: Difference, labels: dict[tuple[str, int], str]) -> PairDifference:
    return PairDifference(
        pair=one.pair,
        cosine=rounded(one.cosine),
        distance=rounded(one.distance),
        lens_a=one.lens_a.tolist(),
        lens_b=one.lens_b.tolist(),
        features=[
            PairFeatures(label=labels.get((moved.dictionary, moved.feature), ""), **asdict(moved))
            for moved in one.features
        ],
    )


def _targets_out(here: Residents, found: Attribution, target: TokenOut, distractor: TokenOut, n: int) -> Targets:
    return Targets(
        position=found.position,
        target=target,
        distractor=distractor,
        difference=found.difference,
        linear_difference=found.linear_difference,
        unaccounted=found.unaccounted,
        parts=[PartEffect(**asdict(part)) for part in found.parts],
        dictionaries=[_effects_out(here, one, n) for one in found.dictionaries],
        note=NOTE,
    )


def _effects_out(here: Residents, one: ThroughDictionary, n: int) -> DictionaryEffects:
    labels = _labels(here, [(one.name, feature) for feature in one.features[:n]])
    listed = list(zip(one.features, one.activations, one.effects, strict=True))[:n]
    index = _index(here, one.name)
    return DictionaryEffects(
        dictionary=one.name,
        index=index.manifest.name if index else None,
        site=one.site,
        features=[
            FeatureEffect(
                feature=feature,
                address=f"{one.site}/{feature}@{one.name}",
                label=labels.get((one.name, feature), ""),
                activation=activation,
                effect=effect,
            )
            for feature, activation, effect in listed
        ],
        n_active=len(one.features),
        rest=sum(one.effects[n:]),
        bias=one.bias,
        unexplained=one.unexplained,
        total=one.total,
    )
