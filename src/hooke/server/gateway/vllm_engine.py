"""vLLM as the engine: the same requests in and events out as the reference engine, at vLLM's scale.

Nothing of vLLM is changed: the stream is read and steered in its worker by `vllm_worker`. A monitored request reads no
prefix from vLLM's cache, since tokens that are not run cannot be scored, and neither does a steered one, whose keys and
values are its own; what it leaves there has a salt of its own. One token more than was asked for is run where a monitor
must still see the last one.
"""

import asyncio
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from hooke.dictionaries import Dictionary, load_dictionary
from hooke.dictionaries.crosscoders import rows_at
from hooke.errors import HookeError, UnsupportedModel
from hooke.models.edits import Add, Edit, dictionaries_of, edits_to_json
from hooke.models.generate import end_tokens
from hooke.models.model import Model
from hooke.monitors.stream import Monitor
from hooke.server.gateway.asks import Ask, Emit, Failed, Said
from hooke.server.gateway.speech import EngineClosed, EngineFull, Gauge, Speech, speech_of
from hooke.server.gateway.verdicts import Bank
from hooke.server.gateway.vllm_worker import EDITS, NAME
from hooke.sites import Site, parse_feature, parse_site

_LOG = logging.getLogger(__name__)
_KINDS = ("resid_pre", "resid_post")
"""Sites that vLLM's worker can read: the stream between layers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VllmConfig:
    """How vLLM is started."""

    context: int = 4096
    """Tokens of prompt and answer at most."""
    prefix_cache: bool = True
    """Whether prompts that begin alike share what was computed; monitored ones never do."""
    chunk: int | None = None
    """Tokens that are read at once at most, so that long prompts come in chunks; 0 reads each whole, None is vLLM's own
    choice."""


class VllmEngine:
    """Requests in, events out, by vLLM. `submit` and `Speech.cancel` may be called from any thread."""

    def __init__(
        self,
        model: Model,
        *,
        monitors: Sequence[Monitor] = (),
        recipes: Mapping[str, tuple[Edit, ...]] | None = None,
        dictionaries: Iterable[Dictionary] = (),
        max_rows: int = 8,
        max_waiting: int = 32,
        on_step: Callable[[float, int], None] = lambda seconds, rows: None,
        config: VllmConfig | None = None,
    ) -> None:
        self.model, self.gauge = model, Gauge()
        self._max_rows, self._max_waiting, self._on_step = max_rows, max_waiting, on_step
        self._config = config or VllmConfig()
        self._context = min(self._config.context, model.context)
        self._known = {one.name: one for one in dictionaries}
        self._bank = Bank(monitors, model.row_width)
        self._require(monitors, recipes or {})
        self._ends = end_tokens(model)
        self._buffers: dict[str, dict[int, list[float]]] = {}
        self._running: dict[str, Speech] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_open = True
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gateway-vllm", daemon=True)
        self._thread.start()
        self._taking = asyncio.Lock()
        try:
            self._vllm = self._call(self._start())
        except BaseException:
            self._end_loop()
            raise

    @property
    def n_running(self) -> int:
        """Requests that were given to vLLM, which lets some of them wait."""
        return min(len(self._running), self._max_rows)

    @property
    def n_waiting(self) -> int:
        """Those of them beyond the number that runs at once."""
        return max(len(self._running) - self._max_rows, 0)

    @property
    def is_alive(self) -> bool:
        """Whether vLLM and its thread run."""
        return self._thread.is_alive() and not self._vllm.errored

    def submit(self, ask: Ask, emit: Emit) -> Speech:
        """Queue a request; `emit` is called from the engine's thread, and must return at once.

        Raises:
            PromptTooLong: prompt and answer exceed the context.
            EngineFull: as many requests wait as may.
            EngineClosed: it takes no more.
            UnsupportedModel: it is steered in a way that vLLM is not taught.
        """
        # One token of the context is kept for scoring the last one.
        speech = speech_of(self.model, self._bank, ask, emit, context=self._context - 1)
        steering = self._resolved(ask.edits)
        if not self._is_open:
            raise EngineClosed("The gateway is ending.", "It takes no more requests.", "Ask another one.")
        if len(self._running) >= self._max_rows + self._max_waiting and not ask.is_canary:
            raise EngineFull(
                "The gateway is busy.", f"{self.n_waiting} requests wait already.", "Try again in a moment."
            )
        name = uuid.uuid4().hex
        self._running[name] = speech
        self._loop.call_soon_threadsafe(self._begin, name, speech, steering)
        return speech

    def close(self, grace: float = 0.0) -> None:
        """Take no more requests, give those under way so many seconds to end, then end vLLM."""
        self._is_open = False
        self._call(self._drain(grace))
        self._vllm.shutdown()
        self._end_loop()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _drain(self, grace: float) -> None:
        deadline = self._loop.time() + grace
        while self._running and self._loop.time() < deadline:
            await asyncio.sleep(0.02)
        for name, speech in list(self._running.items()):
            speech.tell(Failed(EngineClosed("The gateway has ended.", "The answer is not whole.", "Ask again.")))
            speech.cancel()
            await self._vllm.abort(name)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _start(self) -> Any:
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
        # Standard output is for what hooke says.
        os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
        try:
            from vllm import AsyncEngineArgs  # pyright: ignore[reportMissingImports]
            from vllm.v1.engine.async_llm import AsyncLLM  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise UnsupportedModel(
                "vLLM is not here.", f"{error}.", "Install it into an environment of its own; docs/gateway.md says how."
            ) from error
        config, context = self._config, self._context
        found = AsyncLLM.from_engine_args(
            AsyncEngineArgs(
                model=str(self.model.hf.name_or_path),
                dtype=str(self.model.dtype).removeprefix("torch."),
                enforce_eager=True,
                max_model_len=context,
                max_num_seqs=self._max_rows,
                enable_prefix_caching=config.prefix_cache,
                **_chunks(config.chunk, context),
                worker_extension_cls="hooke.server.gateway.vllm_worker.MonitorReads",
                disable_log_stats=True,
            )
        )
        weights = {str(site): one.tolist() for site, one in self._bank.weights.items()}
        sites = [f"resid_post.{layer}" for layer in range(self.model.n_layers)] + ["resid_pre.0"]
        await found.collective_rpc("hooke_attach", args=(weights, sites))
        return found

    def _begin(self, name: str, speech: Speech, steering: tuple[Edit, ...]) -> None:
        task = self._loop.create_task(self._serve(name, speech, steering))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, name: str, speech: Speech, steering: tuple[Edit, ...]) -> None:
        began = time.perf_counter()
        try:
            outputs = self._vllm.generate(
                self._prompt(name, speech, steering), self._parameters(name, speech, steering), name
            )
            async for output in outputs:
                self._on_step(time.perf_counter() - began, self.n_running)
                began = time.perf_counter()
                if speech.is_cancelled:
                    self.gauge.n_cancelled += 1
                    break
                if not await self._hear(name, speech, output.outputs[0]):
                    break
            else:
                speech.tell(Failed(EngineClosed("vLLM has ended an answer.", "It is not whole.", "Ask again.")))
        except Exception as error:  # its own failure, nobody else's
            _LOG.warning("a request failed: %s", type(error).__name__)
            speech.tell(Failed(error))
        finally:
            self._running.pop(name, None)
            self._buffers.pop(name, None)
            if not self._vllm.errored:
                await self._vllm.abort(name)

    @staticmethod
    def _prompt(name: str, speech: Speech, steering: tuple[Edit, ...]) -> dict[str, Any]:
        prompt: dict[str, Any] = {"prompt_token_ids": list(speech.ask.ids)}
        # What a steered request leaves in the cache is not what anybody else's tokens would have left.
        return prompt | {"cache_salt": name} if steering else prompt

    def _parameters(self, name: str, speech: Speech, steering: tuple[Edit, ...]) -> Any:
        from vllm import SamplingParams  # pyright: ignore[reportMissingImports]
        from vllm.sampling_params import RequestOutputKind  # pyright: ignore[reportMissingImports]

        ask = speech.ask
        return SamplingParams(
            temperature=ask.sampling.temperature,
            top_p=ask.sampling.top_p,
            seed=ask.seed,
            max_tokens=max(ask.max_tokens + bool(speech.watched), 1),
            stop_token_ids=sorted(self._ends),
            logprobs=ask.top,
            detokenize=False,
            output_kind=RequestOutputKind.DELTA,
            skip_reading_prefix_cache=bool(speech.watched or steering),
            extra_args={NAME: name, EDITS: edits_to_json(steering)} if speech.watched or steering else None,
        )

    async def _hear(self, name: str, speech: Speech, output: Any) -> bool:
        """Take in tokens that vLLM has chosen; whether there is more to do."""
        for place, token in enumerate(output.token_ids):
            if not await self._see(name, speech):
                return False
            said = _said(token, output.logprobs[place] if output.logprobs else None, speech.ask.top)
            self.gauge.n_tokens += token not in self._ends
            if not speech.say(said, self._ends):
                return False
        return True

    async def _see(self, name: str, speech: Speech) -> bool:
        """Let the monitors see what was read before this token was chosen; whether the answer goes on."""
        is_prompt, rises = not speech.said, []
        if speech.watched:
            first = 0 if is_prompt else speech.last
            rows = await self._read(name, first, speech.last)
            began = time.perf_counter()
            for one in speech.watched:
                rose = [
                    one.see(self._bank.of_products(one.monitor.name, row), at, is_prompt=is_prompt)
                    for at, row in enumerate(rows, first)
                ]
                rises += [one.monitor.name] * any(rose)
            self.gauge.seconds_in_monitors += time.perf_counter() - began
        return speech.begin(rises) if is_prompt else speech.go_on(rises)

    async def _read(self, name: str, first: int, last: int) -> list[list[float]]:
        """Scores of these positions, which the worker has read by now."""
        own = self._buffers.setdefault(name, {})
        async with self._taking:
            if last not in own:
                (found, *_) = await self._vllm.collective_rpc("hooke_take")
                for other, rows in found.items():
                    if other in self._running:
                        self._buffers.setdefault(other, {}).update((int(at), row) for at, row in rows)
        missing = [at for at in range(first, last + 1) if at not in own]
        if missing:
            raise HookeError(
                "A monitor has not seen every token.",
                f"{len(missing)} were not read, the first at {missing[0]}.",
                "Ask again.",
            )
        return [own.pop(at) for at in range(first, last + 1)]

    def _require(self, monitors: Sequence[Monitor], recipes: Mapping[str, tuple[Edit, ...]]) -> None:
        for monitor in monitors:
            if monitor.name not in self._bank.stacked:
                raise UnsupportedModel(
                    f"The monitor '{monitor.name}' cannot be run in vLLM.",
                    "It is not linear in what it reads, such as one of features.",
                    "Serve it with the reference engine.",
                )
            _require_sites(monitor.sites, f"The monitor '{monitor.name}'")
            if monitor.spec.action.recipe:
                raise UnsupportedModel(
                    f"The monitor '{monitor.name}' cannot be run in vLLM.",
                    "It steers an answer that is under way.",
                    "Serve it with the reference engine.",
                )
        for edits in recipes.values():
            self._resolved(edits)

    def _resolved(self, edits: Sequence[Edit]) -> tuple[Edit, ...]:
        """Edits with vectors in the place of features' names.

        Raises:
            UnsupportedModel: one of them is of a kind, or at a site, that vLLM's worker is not taught.
        """
        for name in dictionaries_of(edits) - set(self._known):
            self._known[name] = load_dictionary(name, lab=self.model.lab)
        found = []
        for edit in edits:
            if not isinstance(edit, Add):
                raise UnsupportedModel(
                    f"{type(edit).__name__} cannot be applied in vLLM.",
                    "Only vectors are added there.",
                    "Use the reference engine.",
                )
            if edit.given is not None:
                raise UnsupportedModel(
                    "An edit on a condition cannot be applied in vLLM.",
                    "Its worker adds without looking.",
                    "Use the reference engine.",
                )
            _require_sites([parse_site(edit.site)], "Steering")
            vector = edit.vector
            if isinstance(vector, str):
                feature = parse_feature(vector)
                dictionary = self._known[feature.dictionary or ""]
                vector = rows_at(dictionary, torch.tensor([feature.index]), parse_site(edit.site))[0]
            found.append(replace(edit, vector=vector.detach().float().cpu()))
        return tuple(found)


def _chunks(chunk: int | None, context: int) -> dict[str, Any]:
    """vLLM's settings of how prompts are cut."""
    if chunk is None:
        return {}
    return {"enable_chunked_prefill": chunk > 0, "max_num_batched_tokens": chunk or max(context, 2048)}


def _require_sites(sites: Iterable[Site], what: str) -> None:
    for site in sites:
        if site.kind not in _KINDS:
            raise UnsupportedModel(
                f"{what} cannot be run in vLLM at '{site}'.",
                f"Its worker is read at {' and '.join(_KINDS)}.",
                "Use one of these, or the reference engine.",
            )


def _said(token: int, logprobs: Mapping[int, Any] | None, top: int | None) -> Said:
    if logprobs is None or top is None:
        return Said(token)
    ranked = sorted(logprobs.items(), key=lambda one: -one[1].logprob)[:top]
    return Said(token, logprobs[token].logprob, tuple((one, found.logprob) for one, found in ranked))
