#!/usr/bin/env python3
"""A proxy that misbehaves on purpose, between a client and an HTTP server. Standard library only.

    fault_proxy.py --target HOST:PORT --port N --kind s3|dynamodb [--share 0.3] [--seed 1]
                   [--faults 500,503,…] [--report FILE]

Of each request it passes on whole, or, by a seeded schedule, does one of these:
  500 503     answers so itself; the server never sees the request
  slow        SlowDown (S3), ProvisionedThroughputExceededException (DynamoDB)
  half        passes it on, then sends half of the answer's body and closes
  lost        passes it on, then closes without a word: what was asked for has happened
  reset       resets the connection in the middle of the request
  silent      takes the request and says nothing until the client goes
A run of faults on one connection ends with it, as with a broken load balancer. The decision for
the n-th request depends on the seed and n alone. On SIGTERM it writes what it did to the report,
as JSON, and ends. It prints "ready" when it listens.
"""
import argparse
import json
import os
import random
import signal
import socket
import struct
import sys
import threading

FAULTS = ["500", "503", "slow", "half", "lost", "reset", "silent"]
READ_SIZE = 1 << 16
SILENCE_MAX_S = 30

BODIES = {
    "s3": {
        "500": (500, "application/xml", "<Error><Code>InternalError</Code></Error>"),
        "503": (503, "text/html", "<html>Service Unavailable</html>"),
        "slow": (503, "application/xml", "<Error><Code>SlowDown</Code></Error>"),
    },
    "dynamodb": {
        "500": (500, "application/x-amz-json-1.0", '{"__type": "x#InternalServerError"}'),
        "503": (503, "text/html", "<html>Service Unavailable</html>"),
        "slow": (
            400,
            "application/x-amz-json-1.0",
            '{"__type": "x#ProvisionedThroughputExceededException", "message": "slower"}',
        ),
    },
}


class Schedule:
    """What happens to the n-th request."""

    def __init__(self, share, seed, faults):
        self.share, self.seed, self.faults = share, seed, faults
        self.lock = threading.Lock()
        self.count = 0
        self.done = dict.fromkeys(["passed", *faults], 0)

    def next(self):
        with self.lock:
            self.count += 1
            chance = random.Random(f"{self.seed}:{self.count}")
            what = chance.choice(self.faults) if chance.random() < self.share else "passed"
            self.done[what] += 1
            return what


class Closed(Exception):
    """The other side went away."""


class Stream:
    """Buffered reading of one side."""

    def __init__(self, connection):
        self.connection, self.buffer = connection, b""

    def fill(self):
        more = self.connection.recv(READ_SIZE)
        if not more:
            raise Closed
        self.buffer += more

    def head(self):
        """Start line and headers, raw, with the names in lower case beside."""
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        raw, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = raw.split(b"\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            headers[name.strip().lower()] = value.strip()
        return raw + b"\r\n\r\n", lines[0], headers

    def take(self, size):
        """Pieces of the next `size` bytes."""
        while size > 0:
            if not self.buffer:
                self.fill()
            piece, self.buffer = self.buffer[:size], self.buffer[size:]
            size -= len(piece)
            yield piece

    def chunked(self):
        """A chunked body, raw."""
        while True:
            while b"\r\n" not in self.buffer:
                self.fill()
            line, self.buffer = self.buffer.split(b"\r\n", 1)
            size = int(line.split(b";")[0], 16)
            yield line + b"\r\n"
            yield from self.take(size + 2)
            if size == 0:
                return


def body_of(stream, headers):
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        return stream.chunked()
    return stream.take(int(headers.get(b"content-length", b"0")))


def reset(connection):
    """Close with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def answer(connection, kind, what):
    status, content_type, text = BODIES[kind][what]
    connection.sendall(
        f"HTTP/1.1 {status} Fault\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}".encode()
    )


def forward(client, server, head, headers):
    """Send the request on; return the answer's head and body pieces."""
    server.connection.sendall(head)
    for piece in body_of(client, headers):
        server.connection.sendall(piece)
    raw, line, answer_headers = server.head()
    while line.split()[1] == b"100":
        raw, line, answer_headers = server.head()
    bodyless = head.startswith(b"HEAD ") or line.split()[1] in (b"204", b"304")
    return raw, iter(()) if bodyless else body_of(server, answer_headers), answer_headers


def serve_one(client, server, chosen):
    """One request. @return whether the connection goes on"""
    head, _, headers = client.head()
    what = chosen.schedule.next()
    if what == "reset":
        reset(client.connection)
        return False
    if what == "silent":
        for _ in body_of(client, headers):
            pass
        client.connection.settimeout(SILENCE_MAX_S)
        try:
            client.fill()
        except OSError:
            pass
        return False
    if what in BODIES[chosen.kind]:
        for _ in body_of(client, headers):
            pass
        answer(client.connection, chosen.kind, what)
        return False
    raw, body, answer_headers = forward(client, server, head, headers)
    if what == "lost":
        for _ in body:
            pass
        return False
    whole = b"".join(body) if what == "half" else None
    client.connection.sendall(raw)
    if what == "half":
        client.connection.sendall(whole[: len(whole) // 2])
        return False
    for piece in body:
        client.connection.sendall(piece)
    closing = b"close" in (headers.get(b"connection", b"") + answer_headers.get(b"connection", b""))
    return not closing


def serve(connection, chosen):
    server = None
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = socket.create_connection(chosen.target, timeout=60)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client, upstream = Stream(connection), Stream(server)
        while serve_one(client, upstream, chosen):
            pass
    except (OSError, Closed):
        pass  # to the client it is one fault more
    finally:
        connection.close()
        if server is not None:
            server.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--target", required=True, help="HOST:PORT of the server")
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1; 0: any free one")
    parser.add_argument("--kind", choices=BODIES, required=True)
    parser.add_argument("--share", type=float, default=0.3, help="share of requests that fail")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", default=",".join(FAULTS), help="which of them")
    parser.add_argument("--report", help="file for what was done")
    chosen = parser.parse_args()
    host, _, port = chosen.target.removeprefix("http://").rstrip("/").rpartition(":")
    chosen.target = host, int(port)
    chosen.schedule = Schedule(chosen.share, chosen.seed, chosen.faults.split(","))

    def finish(*_):
        if chosen.report:
            with open(chosen.report, "w", encoding="utf-8") as out:
                json.dump(chosen.schedule.done, out)
        os._exit(0)  # threads may be waiting for either side

    signal.signal(signal.SIGTERM, finish)
    signal.signal(signal.SIGINT, finish)
    listener = socket.create_server(("127.0.0.1", chosen.port), backlog=128)
    print(f"ready {listener.getsockname()[1]}", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, chosen), daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
