import gzip
import json
import shutil
import threading
import time
from collections import Counter
from itertools import cycle
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from fastapi.testclient import TestClient

from hooke.lab import Lab, staged
from hooke.server.access import COOKIE, Keys
from hooke.server.app import STATIC, create_app
from tests.cli.tiny_lab import TinyLab
from tests.server.tiny_server import Microscope, running


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A folder of built pages, and a file beside it that must not be reached."""
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text("<p>the app")
    (static / "assets" / "app-1a2b.js").write_text("1")
    (tmp_path / "secret").write_text("secret")
    (static / "link").symlink_to(tmp_path / "secret")
    return static


def let_in(lab: Lab, static: Path, **settings: object) -> TestClient:
    keys = Keys()
    app = create_app(lab, keys=keys, static=static, **settings)  # pyright: ignore[reportArgumentType]
    client = TestClient(app, base_url="http://127.0.0.1", headers={"X-Hooke": "1"}, raise_server_exceptions=False)
    client.cookies.set(COOKIE, keys.open(keys.new_link()) or "")
    return client


def test_page_addresses_are_the_app_and_assets_are_kept(built: Path, tmp_path: Path):
    client = let_in(Lab(tmp_path / "lab"), built)
    for path in ("/", "/d/x/f/3", "/search?q=a", "/nowhere"):
        answer = client.get(path)
        assert (answer.status_code, answer.text) == (200, "<p>the app")
        assert answer.headers["cache-control"] == "no-cache"
    asset = client.get("/assets/app-1a2b.js")
    assert asset.text == "1"
    assert "immutable" in asset.headers["cache-control"]
    assert client.get("/assets/gone.js").status_code == 404


def test_assets_are_a_fraction_on_the_wire_for_whom_can_unpack_them(built: Path, tmp_path: Path):
    (built / "assets" / "long-3c4d.css").write_text(text := "\n".join(f".c{n} {{ color: red; }}" for n in range(999)))
    client = let_in(Lab(tmp_path / "lab"), built)
    sizes = {}
    for accepted in ("gzip, deflate, br", "identity"):
        with client.stream("GET", "/assets/long-3c4d.css", headers={"Accept-Encoding": accepted}) as answer:
            wire = b"".join(answer.iter_raw())
        sizes[accepted] = len(wire)
        assert (gzip.decompress(wire) if accepted != "identity" else wire).decode() == text
        assert (answer.headers.get("content-encoding") == "gzip") == (accepted != "identity")
        assert answer.headers["content-type"].startswith("text/css")
        assert "immutable" in answer.headers["cache-control"]
        assert int(answer.headers["content-length"]) == len(wire)
    assert sizes["gzip, deflate, br"] < sizes["identity"] / 3


def test_the_pages_scripts_are_less_than_half_on_the_wire(tmp_path: Path):
    client = let_in(Lab(tmp_path / "lab"), STATIC)
    scripts = [f"/assets/{file.name}" for file in (STATIC / "assets").glob("*.js")]
    packed = sum(int(client.get(path).headers["content-length"]) for path in scripts)
    plain = sum(file.stat().st_size for file in (STATIC / "assets").glob("*.js"))
    assert scripts
    assert packed < 0.5 * plain


@pytest.mark.parametrize(
    "path",
    ["/../secret", "/%2e%2e/secret", "/assets/..%2f..%2fsecret", "//etc/passwd", "/link", "/a%00b", "/" + "a" * 5000],
)
def test_nothing_outside_the_built_pages_is_sent(built: Path, tmp_path: Path, path: str):
    answer = let_in(Lab(tmp_path / "lab"), built).get(path)
    assert "secret" not in answer.text
    assert "root:" not in answer.text
    assert answer.status_code in (200, 404)


def test_pages_that_are_not_built_say_so(tmp_path: Path):
    answer = let_in(Lab(tmp_path / "lab"), tmp_path / "nothing").get("/")
    assert answer.status_code == 404
    assert "make web" in answer.text


def test_errors_are_problems_with_a_hint(api: httpx.Client):
    for answer in (
        api.get("/api/nothing"),
        api.get("/api/dictionaries/tin/features/3"),
        api.get("/api/dictionaries/tiny/features/x"),
        api.request("PATCH", "/api/library"),
        api.post("/api/jobs", content=b"{"),
    ):
        assert 400 <= answer.status_code < 500
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["hint"]


def test_an_error_inside_is_a_problem_without_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import hooke.server.routes.health

    def broken(_: object) -> None:
        raise ValueError("secret")

    client = let_in(Lab(tmp_path / "lab"), tmp_path)
    monkeypatch.setattr(hooke.server.routes.health, "_lab_check", broken)
    answer = client.get("/api/health")
    assert answer.status_code == 500
    assert answer.json()["type"] == "inside"
    assert "secret" not in answer.text


def test_a_lab_that_disappears_is_told_and_the_server_stays_up(server_lab: TinyLab, tmp_path: Path):
    root = tmp_path / "lab"
    shutil.copytree(server_lab.lab.root, root)
    with running(Lab(root), model=server_lab.model) as server, server.client() as client:
        assert client.get("/api/dictionaries/tiny/features/3").status_code == 200
        shutil.move(root, tmp_path / "moved")
        gone = client.get("/api/dictionaries/tiny/features/3")
        assert (gone.status_code, gone.json()["type"]) == (404, "unknown-name")
        health = client.get("/api/health").json()
        assert not health["is_well"]
        assert client.get("/api/library").status_code == 200
        shutil.move(tmp_path / "moved", root)
        assert client.get("/api/dictionaries/tiny/features/3").status_code == 200


def test_a_lab_that_cannot_be_written_refuses_jobs_and_goes_on(server_lab: TinyLab, tmp_path: Path):
    root = tmp_path / "lab"
    shutil.copytree(server_lab.lab.root, root, ignore=shutil.ignore_patterns("jobs"))
    (root / "jobs").write_text("a file where a folder should be")
    client = let_in(Lab(root), tmp_path)
    answer = client.post("/api/jobs", json={"kind": "map", "arguments": {"dictionary": "tiny"}})
    assert (answer.status_code, answer.json()["type"]) == (503, "lab-unavailable")
    assert client.get("/api/jobs").json()["total"] == 0
    assert client.get("/api/dictionaries/tiny/features/3").status_code == 200


def test_an_index_that_is_built_again_can_be_read_all_the_while(server_lab: TinyLab, tmp_path: Path):
    lab, built_index = Lab(tmp_path / "lab"), server_lab.lab.path("features", "tiny")
    target = lab.path("features", "tiny")
    shutil.copytree(built_index, target)
    questions = ("features?sort=density", "features/3", "features/3/examples", "search?q=the&mode=token", "map/state")
    found: Counter[int] = Counter()
    is_over = threading.Event()

    def ask(server: Microscope) -> None:
        with server.client() as client:
            for question in cycle(questions):
                found[client.get(f"/api/dictionaries/tiny/{question}").status_code] += 1
                if is_over.is_set():
                    return

    with running(lab) as server:
        asking = [threading.Thread(target=ask, args=(server,)) for _ in range(2)]
        for one in asking:
            one.start()
        for _ in range(20):
            with staged(target) as aside:
                shutil.copytree(built_index, aside)
            time.sleep(0.03)
        is_over.set()
        for one in asking:
            one.join()
        with server.client() as client:
            assert {client.get(f"/api/dictionaries/tiny/{one}").status_code for one in questions} == {200}
    # Between two renames there is none for an instant; nothing worse may be said than that.
    assert set(found) <= {200, 404}
    assert found[200] > 20 * found[404]


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "tiny\0", "..\\..", "%2e%2e", "a" * 300])
def test_no_route_takes_a_path_for_a_name(server_lab: TinyLab, tmp_path: Path, name: str):
    client = let_in(server_lab.lab, tmp_path)
    before = sorted(server_lab.lab.root.rglob("*"))
    asked = 0
    for path, operations in client.get("/api/openapi.json").json()["paths"].items():
        for method in {"get", "delete"} & set(operations):
            parameters = [one for one in operations[method].get("parameters", []) if one["in"] == "path"]
            if not any(one["schema"].get("type") == "string" for one in parameters):
                continue
            values = {
                one["name"]: quote(name, safe="") if one["schema"].get("type") == "string" else "0"
                for one in parameters
            }
            answer = client.request(method.upper(), path.format(**values))
            asked += 1
            assert 400 <= answer.status_code < 500, (method, path, answer.text)
            assert answer.headers["content-type"] == "application/problem+json", (method, path, answer.text)
    assert asked > 20
    assert sorted(server_lab.lab.root.rglob("*")) == before


def test_read_only_serves_what_indexes_know_and_refuses_the_model(server_lab: TinyLab, tmp_path: Path):
    client = let_in(server_lab.lab, tmp_path, read_only=True)
    assert client.get("/api/library").json()["read_only"] is True
    assert client.get("/api/dictionaries/tiny/features/3").status_code == 200
    answer = client.post("/api/dictionaries/tiny/features/3/try", json={"text": "the river"})
    assert (answer.status_code, answer.json()["type"]) == (409, "no-model")


def test_the_committed_description_is_what_the_server_answers(tmp_path: Path):
    committed = Path(__file__).parent.parent.parent / "web" / "openapi.json"
    assert json.loads(committed.read_text(encoding="utf-8")) == create_app(Lab(tmp_path)).openapi()


def test_every_operation_has_a_name_of_its_own_and_says_how_it_refuses(tmp_path: Path):
    names = []
    for methods in create_app(Lab(tmp_path)).openapi()["paths"].values():
        for operation in methods.values():
            names.append(operation["operationId"])
            assert "application/problem+json" in operation["responses"]["404"]["content"]
    assert len(set(names)) == len(names)
