"""The RATING workflow on ml-1m, fed through the event API over three simulated days: the first day's
model is deployed, the second's is taken up by the server under load, the third's is refused by a gate set
too high; then a rollback, reloaded under load. Each day is a stretch of the ratings in the order of time.

  MARQUEE_TEST_DATA=FOLDER python3 bench/rating_workflow.py [--binary build/cli/marquee] [--methods a|b|…]

Prints the time of every step, and of the requests during each exchange how many failed and how long they
took. Ten minutes of two processors with all methods; --methods 'item-based|popular' is a try."""
import argparse
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import tempfile
import threading
import time
import zipfile

DAYS = "2026-02-26", "2026-02-27", "2026-02-28"
FIRST_DAY_S = 1772064000  # the first of them
SHARES = 0.98, 0.01, 0.01  # of the ratings, by day
NOW = "2026-03-01T12:00:00Z"


class Marquee:
    def __init__(self, binary, methods):
        self.binary = binary
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("MARQUEE_")}
        self.environment.update(MARQUEE_STORE="file:store", MARQUEE_EVENTS_LOG="lmdb:events",
                                MARQUEE_FEATURES_STORE="lmdb:features", MARQUEE_NOW=NOW)
        if methods:
            self.environment["MARQUEE_HYBRID_METHODS"] = methods

    def run(self, *words, now=NOW, status=0):
        """Both streams of a command that must end with a status."""
        begun = time.monotonic()
        done = subprocess.run([self.binary, *words], env=dict(self.environment, MARQUEE_NOW=now), text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == status, f"marquee {words} ended with {done.returncode}:\n{done.stdout[-3000:]}"
        print(f"$ marquee {' '.join(words)}    {time.monotonic() - begun:.1f} s, status {status}", flush=True)
        return done.stdout

    def rate(self, now, *words, status=0):
        for line in self.run("run", "--change-type", "RATING", *words, now=now, status=status).splitlines():
            if re.search(r"  done in|serves|refused|quality gate", line):
                print("   ", re.sub(r"^\d\d:\d\d:\d\d info  ", "", line)[:200], flush=True)

    def serve(self):
        with open("serve.log", "w", encoding="utf-8") as log:
            process = subprocess.Popen([self.binary, "serve", "--port", "0", "--no-auth"], env=self.environment,
                                       stdin=subprocess.DEVNULL, stderr=log)
        while process.poll() is None:
            found = re.search(r"serving on http://127.0.0.1:(\d+),", pathlib.Path("serve.log").read_text("utf-8"))
            if found:
                return process, int(found[1])
            time.sleep(0.05)
        raise SystemExit(pathlib.Path("serve.log").read_text("utf-8"))


class Load:
    """One client that asks without a pause for lists of users, from its making until `end`."""

    def __init__(self, port, users):
        self.port, self.users = port, users
        self.took_s, self.failed, self.models, self.over = [], [], set(), False
        self.thread = threading.Thread(target=self.ask)
        self.thread.start()
        time.sleep(2)

    def ask(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        chance = random.Random(1)
        while not self.over:
            begun = time.perf_counter()
            try:
                connection.request("GET", f"/v1/users/{chance.choice(self.users)}/recommendations?n=20")
                answer = connection.getresponse()
                body = answer.read()
                self.took_s.append(time.perf_counter() - begun)
                if answer.status != 200:
                    raise OSError(f"{answer.status} {body[:200]}")
                self.models.add(json.loads(body)["model"])
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(error)
                connection.close()

    def end(self, what):
        time.sleep(2)
        self.over = True
        self.thread.join()
        took = sorted(self.took_s)
        print(f"{what}: {len(took)} requests, {len(self.failed)} failed, p50 {took[len(took) // 2] * 1e3:.2f} ms, "
              f"p99 {took[int(len(took) * 0.99)] * 1e3:.2f} ms, greatest {took[-1] * 1e3:.1f} ms; "
              f"answers of {', '.join(sorted(self.models))}", flush=True)
        assert not self.failed, self.failed[:3]
        assert len(self.models) == 2, "the exchange is not seen in the answers"


def send(port, day, rows):
    """A day's ratings over HTTP, a thousand a request."""
    begun = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for at in range(0, len(rows), 1000):
        events = [{"user_id": user, "movie_id": film, "rating": float(rating),
                   "timestamp": (FIRST_DAY_S + day * 86400) * 1000 + (at + i) * 86300000 // len(rows)}
                  for i, (user, film, rating, _) in enumerate(rows[at:at + 1000])]
        connection.request("POST", "/v1/events", json.dumps(events), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 202, f"{answer.status} {body[:500]}"
    print(f"{DAYS[day]}: {len(rows)} ratings sent in {time.monotonic() - begun:.1f} s", flush=True)


def work(marquee, archive):
    marquee.run("import", "movielens", archive, "--as", "events", "--store", "file:films", "-q")
    shutil.copytree("films/1/system", "store/1/system")  # catalogue and users; the ratings come over HTTP
    with zipfile.ZipFile(archive) as zipped:
        name = next(n for n in zipped.namelist() if n.endswith("ratings.dat"))
        rows = [line.split("::") for line in zipped.read(name).decode("ascii").splitlines()]
    rows.sort(key=lambda row: int(row[3]))
    users = sorted({row[0] for row in rows})
    server, port = marquee.serve()
    marquee.environment["MARQUEE_SERVE_RELOAD_URLS"] = f"http://127.0.0.1:{port}"
    try:
        first = 0
        for day, share in enumerate(SHARES):
            last = len(rows) if day == len(SHARES) - 1 else first + int(len(rows) * share)
            send(port, day, rows[first:last])
            first = last
            marquee.run("consume", "--until-end", "-q")
            load = Load(port, users) if day == 1 else None
            now = time.strftime("%Y-%m-%dT02:00:00Z", time.gmtime(FIRST_DAY_S + (day + 1) * 86400))
            if day < 2:
                marquee.rate(now)
            else:
                marquee.rate(now, "--set", "gate.bounds=hit_rate_10 >= 0.9", status=3)
            if load:
                load.end("while the day was taken and its model taken up")
        load = Load(port, users)
        marquee.run("models", "rollback", "--reason", "lists look odd")
        marquee.run("step", "reload", "-q")
        load.end("while it was rolled back")
        print(marquee.run("models"))
    finally:
        server.terminate()
        assert server.wait(60) == 0, "the server did not stop well"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="build/cli/marquee")
    parser.add_argument("--methods", default="")
    options = parser.parse_args()
    archive = pathlib.Path(os.environ["MARQUEE_TEST_DATA"]).resolve() / "ml-1m.zip"
    marquee = Marquee(pathlib.Path(options.binary).resolve(), options.methods)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        work(marquee, str(archive))
        os.chdir("/")


main()
