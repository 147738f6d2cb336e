"""`hooke serve`: the microscope as pages in the browser."""

import ipaddress
import json
import re
import socket
import sys
import webbrowser
from pathlib import Path

from hooke.cli.options import Everywhere
from hooke.errors import BadRequest, HookeError
from hooke.lab import Lab

PORT = 7345


def serve(
    *,
    port: int = PORT,
    host: str = "127.0.0.1",
    name: tuple[str, ...] = (),
    read_only: bool = False,
    model: str | None = None,
    root_path: str = "/",
    open_browser: bool = False,
    pages: Path | None = None,
    gateway: str | None = None,
    gateway_key_file: Path | None = None,
    everywhere: Everywhere = Everywhere(),
) -> None:
    """Open the microscope: browse, search, read and steer in the browser.

    Prints a link that works once and lets one browser in; Ctrl-C ends the server. No other machine is asked anything.

    Parameters
    ----------
    port
        Port to listen on; 0 takes a free one.
    host
        Address to listen on. Beyond this machine every reader of the network can see the traffic: put a TLS proxy
        before it, and say by --name under which name browsers reach it.
    name
        Host names, beside the loopback's own, that the server answers to.
    read_only
        Load no model: pages show what indexes know.
    model
        A model, beside those of the zoo and the lab, that pages may open: a folder, an id on the hub, a .gguf file.
    root_path
        Folder of a site, such as /hooke, from which a proxy hands requests on; it takes the folder off, and keeps Host.
    open_browser
        Open the link in the default browser.
    pages
        Folder of built pages to serve in place of hooke's own.
    gateway
        Address of a gateway whose monitors are shown at work, such as http://127.0.0.1:7346. It takes an operator's
        key, in the environment as HOOKE_GATEWAY_KEY or in a file; browsers never see it.
    gateway_key_file
        File with that key.
    """
    import uvicorn

    from hooke.server.access import Keys, lab_secret
    from hooke.server.app import LOOPBACK, STATIC, create_app
    from hooke.server.gateway_link import gateway_address

    lab = everywhere.lab
    if not _is_loopback(host) and not name:
        raise BadRequest(
            f"The microscope does not listen on {host} without a name.",
            "Beyond this machine browsers reach it by a host name, which it must know to tell them from attackers.",
            "Add --name HOST, or leave --host out and use an SSH tunnel: ssh -L 7345:127.0.0.1:7345 MACHINE",
        )
    root = _root(root_path)
    watched = None if gateway is None else gateway_address(gateway, gateway_key_file)
    listening = listen(host, port)
    keys = Keys(lab_secret(lab))
    app = create_app(
        lab,
        keys=keys,
        hosts=(*LOOPBACK, *name),
        read_only=read_only,
        model=model,
        static=pages or STATIC,
        root=root,
        gateway=watched,
    )
    address = f"http://{name[0] if name else '127.0.0.1'}:{listening.getsockname()[1]}{root}"
    link = f"{address}?token={keys.new_link()}"
    _announce(lab, address, link, is_json=everywhere.json)
    if open_browser:
        webbrowser.open(link)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2, server_header=False))
    server.run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        HookeError: the port is in use, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Said in full: asyncio turns Nagle's delay of 40 ms off for sockets that name their protocol, and for no others.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except (OSError, OverflowError) as error:
        listening.close()
        why = getattr(error, "strerror", None) or str(error)
        raise HookeError(
            f"The microscope could not listen on {host}, port {port}.",
            f"{why}.",
            "Take a free port with --port 0, or end what listens there.",
        ) from None
    return listening


def _root(path: str) -> str:
    """The folder with its slashes.

    Raises:
        BadRequest: it is no plain path.
    """
    parts = [part for part in path.split("/") if part]
    if not all(re.fullmatch(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*", part) for part in parts):
        raise BadRequest(f"'{path:.80}' is no folder of an address.", "", "Give one such as --root-path /hooke")
    return "/" + "".join(f"{part}/" for part in parts)


def _announce(lab: Lab, address: str, link: str, *, is_json: bool) -> None:
    # With --json standard output was turned to standard error for the time of the call.
    out = sys.__stdout__ or sys.stdout
    if is_json:
        out.write(json.dumps({"address": address, "link": link, "lab": str(lab.root)}) + "\n")
    else:
        out.write(f"The microscope is open at\n\n  {link}\n\nThe link works once. Lab: {lab.root}. Ctrl-C ends it.\n")
    out.flush()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
