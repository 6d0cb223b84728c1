"""The API server is killed by SIGKILL again and again under load; every event that it acknowledged is
in the log once, none is there twice, and none is invented.

serve_killed.py lmdb|kafka [EVENTS]

Four clients send arrays and single events, each event under an id of its own that is sent once. What
they got a 202 for is written down. Then a consumer writes all to a bronze layer, which check_bronze.py
counts without any of Marquee's code."""
import http.client
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time
import uuid

from serve_process import SOURCE, Server, marquee, need

CLIENTS = 4
MEMORY_MIB = 256
KILLS = 12


class Client(threading.Thread):
    def __init__(self, number, server):
        super().__init__(daemon=True)
        self.number, self.server, self.stopping = number, server, False
        self.acknowledged, self.sent, self.unknown, self.refused = [], 0, 0, 0

    def batch(self, size):
        now = int(time.time())
        ids = [f"c{self.number}-{self.sent + i}" for i in range(size)]
        self.sent += size
        return ids, [{"user_id": f"u{hash(i) % 5000}", "movie_id": 7, "rating": 3.5,
                      "timestamp": now, "event_id": i} for i in ids]

    def run(self):
        connection = None
        while not self.stopping:
            ids, events = self.batch(1 if random.random() < 0.3 else 250)
            body = json.dumps(events if len(events) > 1 else events[0])
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self.server.port,
                                                            timeout=30)
                connection.request("POST", "/v1/events", body,
                                   {"Content-Type": "application/json"})
                answer = connection.getresponse()
                text = answer.read()
            except (OSError, http.client.HTTPException):
                self.unknown += len(ids)  # its fate is unknown: it may be in the log
                connection = None
                time.sleep(0.02)
                continue
            if answer.status == 202:
                places = json.loads(text)["events"]
                assert len(places) == len(ids) and all("offset" in p for p in places), text[:300]
                self.acknowledged += ids
            else:
                assert answer.status in (429, 503), (answer.status, text[:300])
                self.refused += len(ids)
                time.sleep(0.05)


def main():
    kind = sys.argv[1]
    events = int(sys.argv[2]) if len(sys.argv) > 2 else 200000
    need("MARQUEE_BINARY", "MARQUEE_TEST_PYTHON")
    if kind == "kafka":
        need("MARQUEE_TEST_KAFKA")
    seed = int(os.environ.get("SEED", time.time()))
    random.seed(seed)
    print("seed", seed)
    with tempfile.TemporaryDirectory() as folder:
        topic = f"killed-{uuid.uuid4().hex}"
        uri = "lmdb:log" if kind == "lmdb" else "kafka:" + os.environ["MARQUEE_TEST_KAFKA"]
        settings = ["--events", uri, "--set", f"events.topic={topic}"]
        server = Server(folder, ["--no-auth", *settings]).start()
        clients = [Client(i, server) for i in range(CLIENTS)]
        for client in clients:
            client.start()
        kills, peak = 0, 0.0
        while kills < KILLS or sum(len(c.acknowledged) for c in clients) < events:
            time.sleep(random.uniform(0.2, 1.5))
            assert all(client.is_alive() for client in clients), "a client got a wrong answer"
            peak = max(peak, server.peak_mib())
            server.kill()
            kills += 1
            server.start()
        for client in clients:
            client.stopping = True
        for client in clients:
            client.join()
        server.stop()
        acknowledged = [i for client in clients for i in client.acknowledged]
        listed = pathlib.Path(folder) / "acknowledged"
        listed.write_text("\n".join(acknowledged) + "\n")
        marquee(folder, "consume", *settings, "--set", f"events.rejected_topic={topic}.rejected",
                "--until-end", "--store", "file:bronze", "-q")
        count = subprocess.run([sys.executable, SOURCE / "tests/services/check_bronze.py", "bronze",
                                "acknowledged"], cwd=folder, text=True, stdout=subprocess.PIPE)
        print(f"{kind}: {kills} kills, {len(acknowledged)} events acknowledged, "
              f"{sum(c.unknown for c in clients)} of unknown fate, "
              f"{sum(c.refused for c in clients)} refused; peak {peak:.0f} MiB; {count.stdout.strip()}")
        assert count.returncode == 0, "events are lost or doubled"
        # What is there and was not acknowledged was sent, and its answer lost.
        unlisted = json.loads(count.stdout)["unlisted"]
        assert unlisted <= sum(c.unknown + c.refused for c in clients), "events are invented"
        assert peak < MEMORY_MIB, f"{peak:.0f} MiB of memory"


sys.exit(main())
