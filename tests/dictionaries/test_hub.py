"""Against a small server that answers as the hub does, and breaks as hubs do."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from hooke.dictionaries import hub, load_dictionary
from hooke.dictionaries.formats.native import save_dictionary
from hooke.dictionaries.hub import HubRef, fetched, parse_hub_ref
from hooke.errors import BadRequest, UnknownName
from hooke.lab import Lab, open_lab
from tests.dictionaries.test_dictionary import dictionary

COMMIT = "c0ffee" + 34 * "0"
REPOSITORY = "owner/some-saes"


class Hub(ThreadingHTTPServer):
    """Files of one repository; some may break off, or the whole may be gone."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.files: dict[str, bytes] = {}
        self.broken: set[str] = set()
        self.is_down = False
        self.asked: list[str] = []


class Answers(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(f"{self.command} {path}")
        if self.server.is_down:
            self._send(503, b"")
        elif path.startswith(f"/api/models/{REPOSITORY}"):
            siblings = [{"rfilename": name, "size": len(one)} for name, one in self.server.files.items()]
            self._send(200, json.dumps({"id": REPOSITORY, "sha": COMMIT, "siblings": siblings}).encode())
        elif path.startswith(f"/{REPOSITORY}/resolve/{COMMIT}/"):
            name = path.removeprefix(f"/{REPOSITORY}/resolve/{COMMIT}/")
            self._send(200, self.server.files[name], cut=name in self.server.broken)
        else:
            self._send(404, b"")

    def _send(self, status: int, content: bytes, *, cut: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hash(content):x}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[: len(content) // 2] if cut else content)
        self.close_connection = cut

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    made = Hub()
    for kind, folder in (("relu", "layer-1"), ("topk", "layer-2")):
        save_dictionary(dictionary(kind), tmp_path / "made" / folder)
        for file in (tmp_path / "made" / folder).iterdir():
            made.files[f"{folder}/{file.name}"] = file.read_bytes()
    made.files |= {"README.md": b"words", "layer-1/notes.txt": b"words", "../out.json": b"{}"}
    Thread(target=made.serve_forever, daemon=True).start()
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    endpoint = f"http://127.0.0.1:{made.server_address[1]}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return open_lab(tmp_path / "lab")


def kept(lab: Lab) -> list[str]:
    return [
        str(path.relative_to(lab.root)) for path in lab.root.rglob("*") if path.is_file() and ".lock" not in path.name
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("hf:owner/repo", HubRef("owner/repo", "", None)),
        ("hf:owner/repo/a/b.c@main", HubRef("owner/repo", "a/b.c", "main")),
        ("hf://owner/repo/a/", HubRef("owner/repo", "a", None)),
        ("hf:o/r@refs/pr/1", HubRef("o/r", "", "refs/pr/1")),
    ],
)
def test_a_reference_is_a_repository_a_place_inside_and_a_revision(text: str, place: HubRef):
    assert parse_hub_ref(text) == place


@pytest.mark.parametrize(
    "text", ["hf:", "hf:owner", "hf:owner/repo/../../x", "hf:../../x", "hf:o/r@", "hf:o/r/a b", "hf:o/r?x"]
)
def test_what_is_no_reference_is_refused(text: str):
    with pytest.raises(BadRequest, match="is no reference to the hub"):
        parse_hub_ref(text)


def test_a_folder_is_fetched_once_and_no_more_than_it(server: Hub, lab: Lab):
    found = load_dictionary(f"hf:{REPOSITORY}/layer-1", lab=lab)
    assert found.config.kind == "relu"
    names = {path.name for path in (lab.root / "cache").rglob("*") if path.is_file() and ".lock" not in path.name}
    assert names == {"config.json", "weights.safetensors", "fetched.json"}
    assert fetched(f"hf:{REPOSITORY}/layer-1", lab).parts[-2:] == ("owner--some-saes", "layer-1")
    assert [
        one for one in server.asked if one.startswith("GET") and "resolve" in one and server.asked.count(one) > 1
    ] == []


def test_a_commit_that_is_here_needs_no_network(server: Hub, lab: Lab, monkeypatch: pytest.MonkeyPatch):
    here = fetched(f"hf:{REPOSITORY}/layer-2@main", lab)
    server.is_down = True
    assert fetched(f"hf:{REPOSITORY}/layer-2@{COMMIT}", lab) == here
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UnknownName, match=f"set to work offline.*{COMMIT}.*after '@'"):
        fetched(f"hf:{REPOSITORY}/layer-2", lab)


def test_a_file_comes_with_the_descriptions_beside_it(server: Hub, lab: Lab):
    found = fetched(f"hf:{REPOSITORY}/layer-1/weights.safetensors", lab)
    assert found.is_file()
    assert (found.parent / "config.json").is_file()


def test_offline_is_told(lab: Lab):
    with pytest.raises(UnknownName, match="set to work offline. Nothing of it is here. Unset HF_HUB_OFFLINE"):
        load_dictionary(f"hf:{REPOSITORY}/layer-1", lab=lab)


def test_a_hub_that_is_down_is_told(server: Hub, lab: Lab):
    server.is_down = True
    with pytest.raises(UnknownName, match="was not fetched; nothing of it was kept"):
        fetched(f"hf:{REPOSITORY}/layer-1", lab)
    assert kept(lab) == []


def test_a_hub_that_breaks_off_leaves_nothing_half_written(server: Hub, lab: Lab, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    server.broken = {"layer-1/weights.safetensors"}
    with pytest.raises(UnknownName, match="was not fetched; nothing of it was kept"):
        fetched(f"hf:{REPOSITORY}/layer-1", lab)
    assert kept(lab) == []
    server.broken = set()
    assert load_dictionary(f"hf:{REPOSITORY}/layer-1", lab=lab).config.kind == "relu"


def test_what_is_not_there_is_told_with_what_is(server: Hub, lab: Lab):
    with pytest.raises(UnknownName, match=r"no weights at.*Did you mean 'layer-1'"):
        fetched(f"hf:{REPOSITORY}/layer_1", lab)
    with pytest.raises(UnknownName, match="RepositoryNotFound|404"):
        fetched("hf:owner/another", lab)


def test_a_whole_repository_may_be_too_much(server: Hub, lab: Lab, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hub, "MOST_BYTES", 100)
    with pytest.raises(BadRequest, match=r"layer-1, layer-2.*Name a folder inside it"):
        fetched(f"hf:{REPOSITORY}", lab)
