import asyncio
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import hooke.server.residents
from hooke.circuits.graph_file import keep_graph
from hooke.errors import BadArtefact, BadRequest, UnknownName
from hooke.lab import Lab
from hooke.models.model import Model
from hooke.server.problems import NoModel
from hooke.server.residents import Residents, Waiting
from tests.circuits.hand_made import random_graph
from tests.cli.tiny_lab import TinyLab
from tests.server.loops import awaited


@pytest.fixture
def residents(server_lab: TinyLab) -> Iterator[Residents]:
    made = Residents(server_lab.lab, model=str(server_lab.model))
    yield made
    made.close()


def test_an_index_is_opened_once_and_again_when_it_was_replaced(server_lab: TinyLab, tmp_path: Path):
    lab = Lab(tmp_path / "lab")
    shutil.copytree(server_lab.lab.path("features", "tiny"), lab.path("features", "tiny"))
    residents = Residents(lab)
    first = residents.index("tiny")
    assert residents.index("tiny") is first
    shutil.rmtree(lab.path("features", "tiny"))
    with pytest.raises(UnknownName):
        residents.index("tiny")
    shutil.copytree(server_lab.lab.path("features", "tiny"), lab.path("features", "tiny"))
    again = residents.index("tiny")
    assert again is not first
    assert first.card(3).name == again.card(3).name  # who has the old one open can still read it
    residents.close()


def test_a_list_of_many_indexes_leaves_the_one_in_use_open(server_lab: TinyLab, tmp_path: Path):
    lab = Lab(tmp_path / "lab")
    names = [f"tiny-{number}" for number in range(8)]
    for name in names:
        shutil.copytree(server_lab.lab.path("features", "tiny"), lab.path("features", name))
    residents = Residents(lab)
    first = residents.index(names[0])
    assert {residents.index(name).n_features for name in names} == {48}
    assert residents.index(names[0]) is first
    residents.close()


def test_a_damaged_index_is_refused_and_the_next_one_opened(server_lab: TinyLab, tmp_path: Path):
    lab = Lab(tmp_path / "lab")
    shutil.copytree(server_lab.lab.path("features", "tiny"), lab.path("features", "tiny"))
    residents = Residents(lab)
    (lab.path("features", "tiny") / "index.json").write_text("{")
    with pytest.raises(BadArtefact):
        residents.index("tiny")
    assert len(residents.index("smollm2-res")) == 8192
    residents.close()


@pytest.mark.parametrize("name", ["../tiny", "/etc", "a/b", "", "a\0b", "..", "tiny\n", "x" * 101])
def test_names_never_become_paths(residents: Residents, name: str):
    for look_up in (residents.index, residents.dictionary, residents.graph, residents.graph_summary):
        with pytest.raises(BadRequest):
            look_up(name)


def test_requests_cannot_name_a_folder_as_a_model(residents: Residents, server_lab: TinyLab):
    for name in (str(server_lab.model), "owner/name", "../tiny-model"):
        with pytest.raises(UnknownName):
            awaited(residents.with_model(name, "a", lambda model: model.name))


def test_concurrent_first_requests_load_a_model_once(residents: Residents, monkeypatch: pytest.MonkeyPatch):
    loads: list[str] = []
    original = hooke.server.residents.load

    def counted(ref: str, **rest: object) -> Model:
        loads.append(ref)
        return original(ref, **rest)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(hooke.server.residents, "load", counted)

    async def both() -> list[int]:
        asked = [residents.with_model("tiny-model", name, lambda model: model.n_layers) for name in "abc"]
        return await asyncio.gather(*asked)

    assert awaited(both()) == [3, 3, 3]
    assert len(loads) == 1
    assert residents.loaded() == ["tiny-model"]


def test_two_streams_interleave(residents: Residents):
    order: list[str] = []

    def steps(name: str):
        def work(_: Model) -> Iterator[str]:
            for number in range(4):
                order.append(name)
                yield f"{name}{number}"

        return work

    async def read(name: str) -> list[str]:
        items = residents.stream_with_model("tiny-model", name, steps(name))
        return [item async for item in items if not isinstance(item, Waiting)]

    async def both() -> list[list[str]]:
        # Loaded first, so that neither has a head start.
        await residents.with_model("tiny-model", "c", lambda model: model.name)
        return list(await asyncio.gather(read("a"), read("b")))

    assert awaited(both()) == [["a0", "a1", "a2", "a3"], ["b0", "b1", "b2", "b3"]]
    assert "aa" not in "".join(order)[1:-1]
    assert "bb" not in "".join(order)[1:-1]


def test_a_stream_that_waits_says_its_place_and_again_when_it_moves_up(residents: Residents):
    gates = {name: threading.Event() for name in "ab"}

    async def watch() -> list[int | str]:
        await residents.with_model("tiny-model", "c", lambda model: model.name)
        held = [
            asyncio.ensure_future(residents.with_model("tiny-model", name, lambda _, gate=gate: gate.wait(30)))
            for name, gate in gates.items()
        ]
        await asyncio.sleep(0)
        said: list[int | str] = []
        async for item in residents.stream_with_model("tiny-model", "c", lambda _: iter(["first"])):
            said.append(item.place if isinstance(item, Waiting) else item)
            for gate in gates.values():
                if not gate.is_set():
                    gate.set()
                    break
        await asyncio.gather(*held)
        return said

    assert awaited(watch()) == [2, 1, "first"]


def test_a_reader_that_leaves_while_it_waits_is_taken_off_the_queue(residents: Residents):
    gate, ran = threading.Event(), threading.Event()

    def work(_: Model) -> Iterator[int]:
        ran.set()
        return iter([1])

    async def leave() -> None:
        held = asyncio.ensure_future(residents.with_model("tiny-model", "a", lambda _: gate.wait(30)))
        await asyncio.sleep(0)
        stream = residents.stream_with_model("tiny-model", "b", work)
        async for item in stream:
            assert item == Waiting(1)
            break
        await stream.aclose()  # pyright: ignore[reportAttributeAccessIssue]
        gate.set()
        await held
        await residents.with_model("tiny-model", "c", lambda model: model.name)

    awaited(leave())
    assert not ran.is_set()


def test_a_reader_that_leaves_closes_the_iterator_in_the_models_thread(residents: Residents):
    closed, where = threading.Event(), []

    def work(_: Model) -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            where.append(threading.current_thread().name)
            closed.set()

    async def leave() -> None:
        stream = residents.stream_with_model("tiny-model", "a", work)
        async for _ in stream:
            break
        await stream.aclose()  # pyright: ignore[reportAttributeAccessIssue]

    awaited(leave())
    assert closed.wait(10)
    assert where == ["models"]
    assert awaited(residents.with_model("tiny-model", "b", lambda model: model.n_layers)) == 3


def test_an_error_in_the_model_is_the_callers(residents: Residents):
    def work(_: Model) -> int:
        raise BadRequest("no")

    with pytest.raises(BadRequest):
        awaited(residents.with_model("tiny-model", "a", work))


def test_a_read_only_server_refuses_models_and_reads_indexes(server_lab: TinyLab):
    residents = Residents(server_lab.lab, read_only=True)
    with pytest.raises(NoModel):
        awaited(residents.with_model("tiny-model", "a", lambda model: model.name))
    assert len(residents.index("tiny")) == 48
    residents.close()


def test_a_graph_is_read_once_and_again_when_its_file_was_replaced(tmp_path: Path):
    lab = Lab(tmp_path / "lab")
    keep_graph(random_graph(0), lab, "one")
    residents = Residents(lab)
    first = residents.graph("one")
    assert residents.graph("one") is first
    assert residents.graph_summary("one").n_nodes == len(first.graph.nodes)
    keep_graph(replace(random_graph(0), pinned=("token@0",)), lab, "one")
    assert residents.graph("one").graph.pinned == ("token@0",)
    with pytest.raises(UnknownName):
        residents.graph("two")
    residents.close()
