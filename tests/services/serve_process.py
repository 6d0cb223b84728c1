"""A `marquee serve` of one's own, for the tests of the API: start, kill, stop, ask."""
import atexit
import http.client
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import time

BINARY = os.environ.get("MARQUEE_BINARY", "")
SOURCE = pathlib.Path(__file__).resolve().parents[2]
PATIENCE_S = 60


def need(*names):
    """Skip the test where the environment lacks a service."""
    for name in names:
        if not os.environ.get(name):
            print(f"skip: {name} is not set (run: make test-services)")
            sys.exit(77)


def free_port():
    """Of two free ports in a row, the first; below those that the system gives to outgoing connections:
    a client that tries again and again while a server is down would take one of them, or even find
    itself there."""
    while True:
        port = random.randrange(10000, 30000)
        with socket.socket() as a, socket.socket() as b:
            try:
                a.bind(("127.0.0.1", port))
                b.bind(("127.0.0.1", port + 1))
                return port
            except OSError:
                continue


def clean_environment():
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MARQUEE_")}
    return dict(kept, PYTHONDONTWRITEBYTECODE="1")


class Server:
    """@param words of the command line, beside "serve" and the port"""

    def __init__(self, folder, words):
        self.folder = pathlib.Path(folder)
        self.words = words
        self.port = free_port()
        self.process = None
        self.starts = 0
        atexit.register(self.end)  # however the test ends

    def start(self):
        self.starts += 1
        log = self.folder / f"serve-{self.starts}.log"
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                [BINARY, "serve", "--port", str(self.port), *self.words],
                cwd=self.folder, stderr=out, env=clean_environment())
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if re.search(r"serving on https?://[^ ]*:\d+,", log.read_text()):
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise SystemExit(f"the server does not start:\n{log.read_text()}")

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE_S)
        assert status == 0, f"the server ended with {status}"

    def peak_mib(self):
        """Most memory that the process held so far."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", text)[1]) / 1024

    def ask(self, method, path, body=None, headers=None):
        """(status, headers, body) of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        wanted = dict({"Content-Type": "application/json"} if body is not None else {},
                      **(headers or {}))
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        connection.request(method, path, body, wanted)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), data


def marquee(folder, *words):
    """Standard output of a command."""
    done = subprocess.run([BINARY, *words], cwd=folder, env=clean_environment(), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, f"marquee {words}: {done.stderr}"
    return done.stdout
