"""A reverse proxy as people put one before an app: it serves one path and passes on what lies below it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "te", "trailer", "upgrade", "host"}
"""Headers that belong to one connection (RFC 9110, section 7.6.1), and those that this proxy writes itself."""


class _Handler(BaseHTTPRequestHandler):
    server: Proxy

    def do_GET(self) -> None:
        if not self.path.startswith(self.server.prefix + "/"):
            self.server.strays.append(self.path)
            self.send_error(404)
            return
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        upstream = HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        try:
            self._pass_on(upstream, body)
        except (OSError, HTTPException):
            self.close_connection = True  # The browser has closed a stream, or the app has ended.
        finally:
            upstream.close()

    do_POST = do_HEAD = do_GET

    def _pass_on(self, upstream: HTTPConnection, body: bytes) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        headers |= {"Host": self.headers["host"], "Accept-Encoding": "identity"}
        upstream.request(self.command, self.path.removeprefix(self.server.prefix), body or None, headers)
        answer = upstream.getresponse()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        # Ended by closing, so that a stream can go through as it comes.
        self.send_header("Connection", "close")
        self.end_headers()
        while piece := answer.read1(65536):
            self.wfile.write(piece)
            self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Nothing: what went astray is in ``strays``."""


class Proxy(ThreadingHTTPServer):
    """Passes ``prefix``/… on to a port of this machine, without the prefix."""

    daemon_threads = True

    def __init__(self, prefix: str, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.prefix, self.port = prefix, port
        self.strays: list[str] = []
        """Paths that were asked for outside the prefix."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}{self.prefix}/"


@contextmanager
def proxy(prefix: str, port: int) -> Iterator[Proxy]:
    """A proxy that is running."""
    server = Proxy(prefix, port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
