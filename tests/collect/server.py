#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An HTTP server that misbehaves on request, for the tests of hone_collect.

    server.py FOLDER LOG

serves the files of FOLDER as /MODE/NAME on a loopback port of its own choice, prints that port as its first line, and
appends "NUMBER PATH RANGE IF-RANGE" to LOG for each request, NUMBER counting those for that path. It ends when its
standard input does. The modes are the functions named mode_*."""
import http.server
import pathlib
import sys
import threading
import time

FOLDER, LOG = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
counts = {}
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        with lock:
            self.number = counts[self.path] = counts.get(self.path, 0) + 1
            with LOG.open("a") as log:
                wanted, version = self.headers.get("Range", "-"), self.headers.get("If-Range", "-")
                log.write(f"{self.number} {self.path} {wanted} {version}\n")
        _, mode, name = self.path.split("/", 2)
        self.body = (FOLDER / name).read_bytes() if (FOLDER / name).is_file() else None
        if self.body is None:
            return self.answer(404, b"no such file")
        getattr(self, "mode_" + mode)(self.body)

    def answer(self, code, body, headers=(), length=None, sent=None):
        """Sends body (or its first `sent` bytes, and then hangs up) under its own Content-Length or a given one."""
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        if length is not False:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body if sent is None else body[:sent])
        if sent is not None or length is False:
            self.close_connection = True

    def ranged(self, body, etag='"one"', sent=None):
        """What a good server does with Range and If-Range."""
        headers = [("ETag", etag), ("Accept-Ranges", "bytes")]
        wanted = self.headers.get("Range")
        if wanted and self.headers.get("If-Range", etag) == etag:
            begin = int(wanted[len("bytes="):].split("-")[0])
            if begin >= len(body):
                return self.answer(416, b"", [("Content-Range", f"bytes */{len(body)}")])
            headers.append(("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}"))
            return self.answer(206, body[begin:], headers, sent=sent)
        return self.answer(200, body, headers, sent=sent)

    def mode_good(self, body):
        self.ranged(body)

    def mode_breaks(self, body):
        """The first answer breaks off in the middle."""
        self.ranged(body, sent=len(body) // 2 if self.number == 1 else None)

    def mode_always_breaks(self, body):
        self.ranged(body, sent=1000)

    def mode_forgets(self, body):
        """Breaks off, and knows nothing of ranges afterwards."""
        self.answer(200, body, sent=len(body) // 2 if self.number == 1 else None)

    def mode_changes(self, body):
        """Breaks off in an old version of the file; then there is a new one."""
        if self.number == 1:
            return self.ranged(bytes(len(body)), '"old"', sent=len(body) // 2)
        return self.ranged(body, '"new"')

    def mode_joins(self, body):
        """Breaks off in an old version, and continues with the new one because it names no version at all."""
        if self.number == 1:
            return self.answer(200, bytes(len(body)), sent=len(body) // 2)
        wanted = self.headers.get("Range")
        if wanted:
            begin = int(wanted[len("bytes="):].split("-")[0])
            return self.answer(206, body[begin:], [("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")])
        return self.answer(200, body)

    def mode_lies(self, body):
        """Answers every range with another one."""
        if self.headers.get("Range"):
            return self.answer(206, body[1:], [("Content-Range", f"bytes 1-{len(body) - 1}/{len(body)}")])
        return self.answer(200, body, [("ETag", '"one"')], sent=len(body) // 2)

    def mode_busy(self, body):
        """Overloaded twice, then well."""
        if self.number <= 2:
            return self.answer(503, b"<html>later</html>")
        return self.ranged(body)

    def mode_missing(self, body):
        self.answer(404, b"<html>gone</html>")

    def mode_forbidden(self, body):
        self.answer(403, b"")

    def mode_garbage(self, body):
        self.answer(200, b"\xff" * len(body))

    def mode_page(self, body):
        """A login page in place of the file, as hotels send."""
        self.answer(200, b"<html><body>Welcome! Please log in.</body></html>")

    def mode_empty(self, body):
        self.answer(200, b"")

    def mode_endless(self, body):
        """Without a length, ended by hanging up in the middle."""
        self.answer(200, body[: len(body) // 2], length=False)

    def mode_too_long(self, body):
        """Promises more than it has."""
        self.answer(200, body, length=len(body) + 100, sent=len(body))

    def mode_stalls(self, body):
        """Sends a little, then nothing."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:1000])
        self.wfile.flush()
        time.sleep(20)
        self.close_connection = True

    def mode_slow(self, body):
        """In pieces with pauses; ranges at full speed."""
        if self.headers.get("Range"):
            return self.ranged(body)
        self.send_response(200)
        self.send_header("ETag", '"one"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            for begin in range(0, len(body), 16384):
                self.wfile.write(body[begin:begin + 16384])
                self.wfile.flush()
                time.sleep(0.02)
        except OSError:
            pass
        self.close_connection = True

    def mode_moved(self, body):
        self.answer(302, b"", [("Location", self.path.replace("/moved/", "/good/"))])

    def mode_circles(self, body):
        self.answer(302, b"", [("Location", self.path)])

    def mode_escapes(self, body):
        """Sends the client to a file of its own machine."""
        self.answer(302, b"", [("Location", "file:///etc/hostname")])


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """Clients that hang up are what this server is for."""


def main():
    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
