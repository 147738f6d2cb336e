"""The microscope in a folder of another site: behind a proxy that takes the folder off and keeps Host."""

import http.client
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Page, expect

from tests.cli.tiny_lab import TinyLab
from tests.server.tiny_server import running

FOLDER = "/tools/hooke/"


class Stripping(BaseHTTPRequestHandler):
    """Hands on what is under the folder; anything else is not found."""

    behind: str

    def do_GET(self) -> None:
        """Hand on a request."""
        if not self.path.startswith(FOLDER):
            self.send_error(404)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server = http.client.HTTPConnection(self.behind, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name != "Connection"}
        server.request(self.command, "/" + self.path.removeprefix(FOLDER), body, headers | {"Connection": "close"})
        answer = server.getresponse()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        self.end_headers()
        while piece := answer.read1():
            self.wfile.write(piece)
        server.close()

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def site(server_lab: TinyLab) -> Iterator[tuple[str, str]]:
    """The address of the site, and a link into the microscope there."""
    with running(server_lab.lab, model=server_lab.model, root=FOLDER) as server:
        behind = {"behind": server.address.removeprefix("http://")}
        proxy = ThreadingHTTPServer(("127.0.0.1", 0), type("Proxy", (Stripping,), behind))
        thread = threading.Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{proxy.server_port}"
        yield address, f"{address}{FOLDER}?token={server.keys.new_link()}"
        proxy.shutdown()
        proxy.server_close()


def test_pages_in_a_folder_of_another_site_stay_in_it(page: Page, site: tuple[str, str]):
    address, link = site
    wrong: list[str] = []
    page.on("request", lambda request: wrong.append(request.url) if FOLDER not in request.url else None)
    page.goto(link)
    expect(page).to_have_url(re.compile(f"^{address}{FOLDER}$"))
    assert [cookie.get("path") for cookie in page.context.cookies()] == [FOLDER]
    page.goto(f"{address}{FOLDER}d/tiny?sort=number")
    rows = page.get_by_role("table", name="Features").locator("[role=row][aria-rowindex]")
    expect(rows.first).to_be_visible()
    rows.first.locator("a").first.click()
    expect(page).to_have_url(re.compile(f"{FOLDER}d/tiny/f/"))
    page.reload()
    page.get_by_role("button", name="Continue the text").click()
    expect(page.locator("th", has_text="promoted mass")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("alert")).to_have_count(0)
    assert wrong == []
