"""What a server has open: indexes, dictionaries, graphs and models, shared by all requests; models run by turns."""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request

from hooke.circuits.graph_file import load_graph
from hooke.circuits.kept_discovery import KeptDiscovery, manifest_path, open_discovery
from hooke.circuits.table import GraphSummary, GraphTable, summary_of, table_of
from hooke.dictionaries.dictionary import Dictionary
from hooke.dictionaries.load import find_dictionary, load_dictionary, load_replacement
from hooke.dictionaries.replacement import Replacement
from hooke.errors import UnknownName, did_you_mean
from hooke.features.query import Index, find_index
from hooke.features.store import MANIFEST
from hooke.lab import Lab
from hooke.models.load import load
from hooke.models.model import Model
from hooke.models.zoo import ZOO
from hooke.server.problems import NoModel
from hooke.server.turns import Turns

T = TypeVar("T")
_END = object()
_AT_ONCE = 4
"""Dictionaries and graphs that are kept open, of each kind; the one not used for longest goes first."""
_INDEXES = 64
"""Indexes that are kept open: they read their files as they are asked, and lists look at all of them."""
_SUMMARIES = 1000
"""Graphs of which it is kept what a list says of them."""
_KINDS = ("index", "dictionary", "replacement", "graph", "summary", "discovery")
_MODELS = 2
"""Models that are kept in memory."""
_LOOKS = 0.2
"""Seconds between two looks at a place in the queue; who waits for less is told nothing."""


@dataclass(frozen=True)
class Waiting:
    """An item of a stream whose first turn has not come."""

    place: int
    """How many turns of the model come before it; 0 once it has come."""


class Residents:
    """What is open. Looking things up is cheap and safe from any thread; a model runs in one thread, by turns."""

    def __init__(self, lab: Lab, *, read_only: bool = False, model: str | None = None) -> None:
        self.lab, self.read_only = lab, read_only
        self._given = model
        self._open: dict[str, OrderedDict[str, tuple[object, Any]]] = {}
        self._locks: dict[str, threading.Lock] = {kind: threading.Lock() for kind in _KINDS}
        self._models: OrderedDict[str, Model] = OrderedDict()
        self._turns = Turns("models")

    def index(self, name: str) -> Index:
        """The index of a name, opened again when its files were replaced.

        Raises:
            UnknownName: there is none.
            BadArtefact: it is damaged.
        """
        folder = find_index(self._plain("features", name), self.lab)
        return self._kept("index", name, folder / MANIFEST, lambda: Index(folder, self.lab), most=_INDEXES)

    def dictionary(self, name: str) -> Dictionary:
        """The dictionary of a name.

        Raises:
            UnknownName: there is none.
            BadArtefact: it is damaged.
        """
        folder = find_dictionary(self._plain("dictionaries", name), lab=self.lab)
        return self._kept("dictionary", name, folder / "config.json", lambda: load_dictionary(folder, lab=self.lab))

    def replacement(self, name: str) -> Replacement:
        """The transcoders of a name.

        Raises:
            UnknownName: there are none.
            BadArtefact: they are damaged, or stand in for no MLP.
        """
        folder = find_dictionary(self._plain("dictionaries", name), lab=self.lab)
        file = folder / "config.json"
        return self._kept("replacement", name, file, lambda: load_replacement(folder, lab=self.lab))

    def graph(self, name: str) -> GraphTable:
        """The graph of a name with its columns, read again when its file was replaced.

        Raises:
            UnknownName: there is none.
            BadArtefact: it is damaged.
        """
        file = self.lab.find("graphs", f"{name}.json")
        return self._kept("graph", name, file, lambda: table_of(load_graph(file)))

    def graph_summary(self, name: str) -> GraphSummary:
        """What a list says of a graph.

        Raises:
            UnknownName: there is none.
            BadArtefact: it is damaged.
        """
        file = self.lab.find("graphs", f"{name}.json")
        return self._kept("summary", name, file, lambda: summary_of(file), most=_SUMMARIES)

    def discovery(self, name: str) -> KeptDiscovery:
        """The discovery of a name, read again when its files were replaced.

        Raises:
            UnknownName: there is none.
            BadArtefact: it is damaged.
        """
        file = manifest_path(self.lab, name)
        return self._kept("discovery", name, file, lambda: open_discovery(file))

    def model_names(self) -> list[str]:
        """Models that requests may name: those of the zoo, of the lab, and the one that the server was started with."""
        return sorted(self._references())

    def reference(self, name: str) -> str:
        """What another process opens the model of a name by.

        Raises:
            NoModel: the server runs without models.
            UnknownName: requests may not name this model.
        """
        self._require(name)
        return self._references()[name]

    def loaded(self) -> list[str]:
        """Names of the models in memory."""
        return list(self._models)

    def peek(self, name: str) -> Model | None:
        """A model that is in memory, to be asked what never changes about it; only its own thread may run it."""
        return self._models.get(name)

    async def with_model(self, name: str, client: str, work: Callable[[Model], T]) -> T:
        """What `work` returns for the model, in the client's turn; the model is loaded first where it is not in memory.

        Raises:
            NoModel: the server runs without models.
            UnknownName: requests may not name this model.
        """
        self._require(name)
        return await asyncio.wrap_future(self._turns.submit(client, lambda: work(self._model(name))))

    async def stream_with_model(
        self, name: str, client: str, work: Callable[[Model], Iterator[T]]
    ) -> AsyncIterator[T | Waiting]:
        """What an iterator over the model gives, each item in a turn of its own; it is closed when the reader leaves.

        Before the first item, where others are served first, come the places in the queue, each when it changes.

        Raises:
            NoModel: the server runs without models.
            UnknownName: requests may not name this model.
        """
        self._require(name)
        beginning = self._turns.submit(client, lambda: iter(work(self._model(name))))
        waited, shown = asyncio.wrap_future(beginning), 0
        try:
            while not (await asyncio.wait({waited}, timeout=_LOOKS))[0]:
                if (place := self._turns.place(beginning)) != shown:
                    yield Waiting(place)
                    shown = place
        finally:
            # Off the queue, where the reader left before its turn came: at once, not when the loop comes round.
            beginning.cancel()
            waited.cancel()
        items = waited.result()
        try:
            while (
                item := await asyncio.wrap_future(self._turns.submit(client, lambda: next(items, _END)))
            ) is not _END:
                yield item  # pyright: ignore[reportReturnType]
        finally:
            close = getattr(items, "close", None)
            # A generator may only be closed by the thread that runs it; nobody needs to wait for that.
            if close is not None:
                with suppress(RuntimeError):
                    self._turns.submit(client, close)

    def close(self) -> None:
        """End the models' thread."""
        self._turns.close()

    def _references(self) -> dict[str, str]:
        """What to load for each name. A request gives a name, never a path."""
        # Conversions of the zoo's files are in the lab's room of models, too; their names are the zoo's.
        folders = [name for name in self.lab.names("models") if not name.startswith(tuple(f"{one}-" for one in ZOO))]
        found = {name: name for name in ZOO} | {name: str(self.lab.path("models", name)) for name in folders}
        if self._given:
            path = Path(self._given).expanduser()
            called = path.resolve().name.removesuffix(".gguf") if path.exists() else self._given.replace("/", "--")
            found[called] = self._given
        return found

    def _model(self, name: str) -> Model:
        if name not in self._models:
            while len(self._models) >= _MODELS:
                self._models.popitem(last=False)
            self._models[name] = load(self._references()[name], name=name, lab=self.lab)
        self._models.move_to_end(name)
        return self._models[name]

    def _require(self, name: str) -> None:
        if self.read_only:
            raise NoModel(
                "This needs a model, and the microscope runs without one.",
                "It was started read-only.",
                "Start it again without --read-only: hooke serve",
            )
        self.require_name(name)

    def require_name(self, name: str) -> None:
        """Raises:
        UnknownName: requests may not name this model.
        """
        names = self.model_names()
        if name not in names:
            raise UnknownName(
                f"This microscope does not open the model '{name}'.",
                did_you_mean(name, names) or f"It knows: {', '.join(names[:8])}.",
                f"Start it with hooke serve --model {name}",
            )

    def _plain(self, room: str, name: str) -> str:
        self.lab.path(room, name)
        return name

    def _kept(self, kind: str, name: str, file: Path, opening: Callable[[], T], most: int = _AT_ONCE) -> T:
        stamp = _stamp(file)
        with self._locks[kind]:
            kept = self._open.setdefault(kind, OrderedDict())
            if name in kept and kept[name][0] == stamp:
                kept.move_to_end(name)
                return kept[name][1]
            opened = opening()
            kept[name] = (stamp, opened)
            while len(kept) > most:
                kept.popitem(last=False)
            return opened


def _stamp(file: Path) -> tuple[str, int, int, int] | None:
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return str(file), status.st_ino, status.st_mtime_ns, status.st_size


def residents_of(request: Request) -> Residents:
    """What the server that answers this request has open."""
    return request.app.state.residents


def client_of(request: Request) -> str:
    """Who asks: the browser's session, so that turns are shared fairly between browsers."""
    return request.scope.get("hooke_client") or "anonymous"


ResidentsHere = Annotated[Residents, Depends(residents_of)]
ClientHere = Annotated[str, Depends(client_of)]
