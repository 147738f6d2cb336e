import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

import hooke.server.access
from hooke.lab import Lab
from hooke.server.access import COOKIE, SESSION_SECONDS, Access, Keys, lab_secret

BASE = "http://127.0.0.1:7345"


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def locked(keys: Keys) -> Iterator[TestClient]:
    app = FastAPI()

    @app.get("/api/thing")
    def get_thing(request: Request) -> str:
        return request.scope["hooke_client"]

    @app.post("/api/thing")
    async def post_thing(request: Request) -> int:
        return len(await request.body())

    @app.post("/api/words")
    async def post_words(words: dict[str, str]) -> int:
        return len(words)

    @app.get("/{path:path}")
    def page(path: str) -> str:
        return path

    app.add_middleware(Access, keys=keys, hosts=("127.0.0.1", "[::1]"), max_body=1000)
    with TestClient(app, base_url=BASE, follow_redirects=False) as client:
        yield client


@pytest.fixture
def client(locked: TestClient, keys: Keys) -> TestClient:
    session = keys.open(keys.new_link())
    assert session
    locked.cookies.set(COOKIE, session)
    return locked


def test_without_the_cookie_nothing_answers(locked: TestClient):
    answer = locked.get("/api/thing")
    assert answer.status_code == 401
    assert answer.json()["type"] == "locked"
    page = locked.get("/d/x")
    assert page.status_code == 401
    assert "hooke serve" in page.text


def test_a_link_opens_once_and_the_token_leaves_the_address(locked: TestClient, keys: Keys):
    token = keys.new_link()
    answer = locked.get(f"/d/x?a=1&token={token}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/d/x?a=1")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert locked.get("/api/thing").status_code == 200
    locked.cookies.clear()
    assert locked.get(f"/?token={token}").status_code == 401


def test_a_link_never_leads_to_another_host(locked: TestClient, keys: Keys):
    answer = locked.get(f"//evil.example/?token={keys.new_link()}")
    assert not answer.headers.get("location", "/").startswith("//")


@pytest.mark.parametrize("token", ["", "x", "é", "a" * 10_000])
def test_a_wrong_token_opens_nothing(locked: TestClient, token: str):
    assert locked.get("/", params={"token": token}).status_code == 401


def test_a_forged_or_old_session_is_not_known(keys: Keys, monkeypatch: pytest.MonkeyPatch):
    session = keys.open(keys.new_link())
    assert session
    assert keys.knows(session)
    assert not Keys().knows(session)
    for forged in ("", ".", "a.b.c", session[:-1], f"9{session}", session + "é"):
        assert not keys.knows(forged)
    now = hooke.server.access.time.time()
    monkeypatch.setattr(hooke.server.access.time, "time", lambda: now + SESSION_SECONDS + 1)
    assert not keys.knows(session)


def test_a_restarted_server_knows_the_sessions_of_the_one_before(tmp_path: Path):
    lab = Lab(tmp_path / "lab")
    keys = Keys(lab_secret(lab))
    session = keys.open(keys.new_link())
    assert session
    assert Keys(lab_secret(lab)).knows(session)
    assert stat.S_IMODE((lab.root / ".serve-key").stat().st_mode) == 0o600


def test_a_lab_that_cannot_be_written_still_gets_a_secret(tmp_path: Path):
    (tmp_path / "file").write_text("")
    assert len(lab_secret(Lab(tmp_path / "file" / "lab"))) == 32


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::2]", "127.0.0.1@evil.example"])
def test_another_host_name_is_refused(client: TestClient, host: str):
    answer = client.get("/api/thing", headers={"Host": host})
    assert (answer.status_code, answer.json()["type"]) == (403, "wrong-host")


def test_hosts_with_any_port_are_known(client: TestClient):
    for host in ("127.0.0.1:1", "[::1]:99", "127.0.0.1"):
        assert client.get("/api/thing", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9", "http://127.0.0.1:7345.evil"])
def test_another_origin_is_refused(client: TestClient, origin: str):
    for call in (client.get, client.post):
        answer = call("/api/thing", headers={"Origin": origin, "X-Hooke": "1"})
        assert (answer.status_code, answer.json()["type"]) == (403, "foreign-origin")


def test_a_request_that_another_site_caused_is_refused(client: TestClient):
    assert client.get("/api/thing", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_a_write_needs_its_header(client: TestClient):
    answer = client.post("/api/thing", headers={"Origin": BASE})
    assert (answer.status_code, answer.json()["type"]) == (403, "no-write-header")
    assert client.post("/api/thing", headers={"Origin": BASE, "X-Hooke": "1"}).status_code == 200


def test_a_large_body_is_refused_by_its_length_and_by_counting(client: TestClient):
    headers = {"X-Hooke": "1"}
    assert client.post("/api/thing", headers=headers, content=b"x" * 1000).json() == 1000
    answer = client.post("/api/thing", headers=headers, content=b"x" * 1001)
    assert (answer.status_code, answer.json()["type"]) == (413, "body-too-large")
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(50):
            sent += 1
            yield b"x" * 100

    assert client.post("/api/thing", headers=headers, content=endless()).status_code == 413
    for length in ("-1", "1e9", "x"):
        assert client.post("/api/thing", headers={**headers, "Content-Length": length}).status_code == 413


def test_a_body_too_large_is_that_also_where_the_framework_reads_it_and_its_rest_is_not_waited_for(client: TestClient):
    """FastAPI turns whatever goes wrong while it reads a body into an answer of its own."""
    parts = iter([b'{"a": "', *[b"x" * 100] * 50])
    headers = {"X-Hooke": "1", "Content-Type": "application/json"}
    answer = client.post("/api/words", headers=headers, content=parts)
    assert (answer.status_code, answer.json()["type"]) == (413, "body-too-large")
    assert answer.headers["connection"] == "close"


def test_every_answer_says_what_a_page_may_do(client: TestClient, locked: TestClient):
    for answer in (client.get("/api/thing"), client.get("/x"), client.post("/api/thing")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


def test_two_browsers_are_two_clients_and_one_is_always_the_same(locked: TestClient, keys: Keys):
    names = []
    for _ in range(2):
        session = keys.open(keys.new_link())
        locked.cookies.set(COOKIE, session or "")
        names.append({locked.get("/api/thing").json() for _ in range(2)})
    assert [len(name) for name in names] == [1, 1]
    assert names[0] != names[1]
