"""A Hugging Face hub of one's own on this machine: it serves folders as repositories, or the hub's own errors."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

SHA = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """``repositories`` maps ``owner/id`` to a folder, or to a pair of status and ``X-Error-Code``."""

    def __init__(self):
        self.repositories = {}
        self.fetched = []
        self.sizes = {}
        """Sizes to claim in place of the true ones, by file name."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path):
        """Status, headers and body for a path."""
        api = path.startswith("/api/models/")
        owner, name, what, _, *rest = path.removeprefix("/api/models").strip("/").split("/")
        repository = self.repositories.get(f"{owner}/{name}", (401, "RepoNotFound"))
        if isinstance(repository, tuple):
            status, code = repository
            return status, {"X-Error-Code": code}, b"{}"
        files = [file for file in sorted(repository.rglob("*")) if file.is_file()]
        if api and what == "revision":
            body = {"id": f"{owner}/{name}", "sha": SHA, "siblings": []}
        elif api:
            body = [
                {
                    "type": "file",
                    "path": file.relative_to(repository).as_posix(),
                    "size": self.sizes.get(file.name, file.stat().st_size),
                    "oid": file.name,
                }
                for file in files
            ]
        else:
            file = repository.joinpath(*rest)
            size = {"X-Linked-Size": str(self.sizes[file.name])} if file.name in self.sizes else {}
            return 200, {"ETag": f'"{file.name}"', "X-Repo-Commit": SHA, **size}, file.read_bytes()
        return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()

    def _handler(self):
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                status, headers, body = hub.answer(unquote(urlsplit(self.path).path))
                self.send_response(status)
                for header, value in headers.items():
                    self.send_header(header, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)
                    if "/resolve/" in self.path:
                        hub.fetched.append(self.path.split("/", 5)[5])

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        return Handler
