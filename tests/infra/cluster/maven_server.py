"""A Maven repository on loopback that can be as bad as real ones: it breaks off, stalls, corrupts, cannot resume."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class MavenServer:
    """`files` by path. `asked` records each request as (path, Range header). The rest are faults."""

    files: dict[str, bytes]
    url: str = ""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    resumable: bool = True
    break_after: int | None = None
    """Cut the first answer of each file after so many bytes."""
    stall: threading.Event | None = None
    """Instead of cutting, wait for this."""
    status: int | None = None


def _handler(server: MavenServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, asked = self.path.lstrip("/"), self.headers.get("Range")
            first = path not in {p for p, _ in server.asked}
            server.asked.append((path, asked))
            body = server.files.get(path)
            if server.status or body is None:
                self.send_error(server.status or 404)
                return
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.resumable else 0
            self.send_response(206 if asked and server.resumable else 200)
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            if first and server.break_after is not None:
                self.wfile.write(body[start : start + server.break_after])
                self.wfile.flush()
                if server.stall:
                    server.stall.wait(30)
                self.close_connection = True
                return
            self.wfile.write(body[start:])

        def log_message(self, format: str, *args: object) -> None:
            """Tests read `asked`."""

    return Handler


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[MavenServer]:
    """The server, for the length of a test."""
    server = MavenServer(files)
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        if server.stall:
            server.stall.set()
        http.shutdown()
        thread.join()
        http.server_close()
