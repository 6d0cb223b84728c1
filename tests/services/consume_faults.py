"""The consumer while something dies again and again: every acknowledged event is in bronze once.

consume_faults.py FAULT [EVENTS]     FAULT: a function below, without "fault_"

Producers send 200,000 events with ids of their own while the fault repeats; afterwards what is left
is consumed in peace, `marquee bronze verify` proves the chain, and check_bronze.py counts the ids with
none of Marquee's code. Prints one row of the fault table as JSON, and "ok: …" or "not ok: …".

The servers are this test's own, on free ports, and are stopped whatever happens.
"""
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from fixture_server import SERVICES, Server
from serve_process import free_port

HERE = pathlib.Path(__file__).resolve().parent
MARQUEE = os.environ["MARQUEE_BINARY"]
PRODUCE = pathlib.Path(MARQUEE).parent.parent / "tests/services/produce_events"
EVENTS = int(sys.argv[2]) if len(sys.argv) > 2 else 200_000
MEMORY_BOUND = 256 << 20
TOPIC = "user-events"
PATIENCE_S = 240  # without any progress, or to read what is left
chance = random.Random(7)


class Consumer:
    """marquee consume, watched: started again when it ends, its peak memory noted."""

    peak = 0
    starts = 0
    complaints = []

    def __init__(self, case, name="consumer"):
        self.case, self.name = case, name
        self.wanted, self.process = True, None
        self.log = open(case.work / f"{name}.log", "ab")
        case.stack.callback(self.end)
        self.start()
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()

    def start(self):
        self.process = subprocess.Popen(
            [MARQUEE, "consume", *self.case.consume_flags()],
            stdout=self.log, stderr=self.log, env=self.case.environment,
        )
        Consumer.starts += 1

    def watch(self):
        while self.wanted:
            note_memory(self.process.pid)
            status = self.process.poll()
            if status is not None and self.wanted:
                if status not in (0, -signal.SIGKILL):
                    Consumer.complaints.append(f"{self.name} ended with status {status}")
                time.sleep(0.2)
                if self.wanted:
                    self.start()
            time.sleep(0.05)

    def kill(self):
        self.process.kill()

    def end(self):
        """However the test ends."""
        self.wanted = False
        self.watcher.join()
        self.process.kill()
        self.process.wait()

    def leave(self):
        """Ask it to go: it hands its partitions over."""
        self.wanted = False
        self.watcher.join()
        note_memory(self.process.pid)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(60)
        if self.process.poll() is None:
            Consumer.complaints.append(f"{self.name} did not end within 60 s of SIGTERM")
            self.process.kill()
            self.process.wait()


def note_memory(pid):
    with contextlib.suppress(OSError):
        for line in open(f"/proc/{pid}/status"):
            if line.startswith("VmHWM:"):
                Consumer.peak = max(Consumer.peak, int(line.split()[1]) << 10)


class Case:
    """One run: where events and objects are, and who produces and consumes."""

    def __init__(self, work, stack):
        self.work, self.stack = work, stack
        self.log, self.store = f"lmdb:{work}/log", str(work / "store")
        self.partitions, self.extra = 4, []
        self.acknowledged = work / "acknowledged"
        self.environment = dict(os.environ)
        self.faults = 0
        self.rate = 12_000
        self.checked_store = None

    def need(self, name):
        server = Server(self.work, name)
        self.stack.callback(server.stop)
        return server

    def need_kafka(self):
        kafka = self.need("kafka")
        self.log = f"kafka:127.0.0.1:{kafka.port}"
        return kafka

    def need_s3(self):
        import boto3

        s3 = self.need("s3")
        endpoint = f"http://127.0.0.1:{s3.port}"
        boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="events")
        self.store = f"s3://events/marquee?endpoint={endpoint}&deadline-s=20"
        return s3

    def consume_flags(self):
        return [
            "--store", self.store, "--events", self.log, "--batch-bytes", "400000",
            "--batch-age", "0.5", "--set", "consume.session_s=3", "--set", "consume.handover_s=5",
            *self.extra,
        ]  # fmt: skip

    def make_topics(self):
        """Before a consumer starts, which makes none."""
        subprocess.run(
            [MARQUEE, "stores", "create", "--store", self.store, "--set", f"events.log={self.log}",
             "--set", f"events.partitions={self.partitions}", "-q"],
            check=True, cwd=self.work, env=self.environment, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def produce(self):
        """Four producers, in the background."""
        self.make_topics()
        producers = subprocess.Popen(
            [PRODUCE, self.log, TOPIC, str(self.partitions), str(EVENTS), "4", "50",
             self.acknowledged, str(self.rate)],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.stack.callback(producers.kill)
        return producers

    def repeat(self, producers, fault, seconds):
        """Let the fault happen until the producers are done: at least three times, and on a slow
        machine no longer than a minute after that."""
        begun = time.monotonic()
        while self.faults < 3 or (producers.poll() is None and time.monotonic() - begun < 60):
            time.sleep(chance.uniform(*seconds))
            fault()
            self.faults += 1
        size, moved = -1, time.monotonic()
        while producers.poll() is None:
            now = self.acknowledged.stat().st_size if self.acknowledged.exists() else 0
            if now != size:
                size, moved = now, time.monotonic()
            assert time.monotonic() - moved < PATIENCE_S, "the producers do not get on"
            time.sleep(0.1)

    def drain(self):
        """Read what is left, in peace."""
        done = subprocess.run(
            [MARQUEE, "consume", *self.consume_flags(), "--until-end", "--json"],
            stdout=subprocess.PIPE, stderr=open(self.work / "drain.log", "wb"), text=True,
            env=self.environment, timeout=PATIENCE_S,
        )  # fmt: skip
        if done.returncode != 0:
            sys.exit((self.work / "drain.log").read_text())
        return json.loads(done.stdout)


# ---- the faults --------------------------------------------------------------------------------


def fault_consumer_killed(case):
    """SIGKILL for the only consumer, Kafka to S3."""
    case.need_kafka()
    case.need_s3()
    producers, consumer = case.produce(), Consumer(case)
    case.repeat(producers, consumer.kill, (2.0, 8.0))
    consumer.leave()


def fault_consumer_killed_embedded(case):
    """SIGKILL for the only consumer, embedded log to a folder."""
    producers, consumer = case.produce(), Consumer(case)
    case.repeat(producers, consumer.kill, (0.3, 1.5))
    consumer.leave()


def fault_broker_killed(case):
    """SIGKILL for the broker, which starts again."""
    kafka = case.need_kafka()
    case.rate = 20_000 # while there is a broker
    producers, consumer = case.produce(), Consumer(case)

    def fault():
        kafka.crash()
        kafka.start()

    case.repeat(producers, fault, (4.0, 7.0))
    consumer.leave()


def fault_s3_killed(case):
    """SIGKILL for the S3 server, which starts again."""
    case.need_kafka()
    s3 = case.need_s3()
    producers, consumer = case.produce(), Consumer(case)

    def fault():
        s3.crash()
        time.sleep(chance.uniform(0, 2))
        s3.start()

    case.repeat(producers, fault, (0.5, 2.0))
    consumer.leave()


def fault_s3_misbehaves(case):
    """S3 answers 500, 503, SlowDown, half a body, or nothing, three times in ten."""
    case.need_kafka()
    s3 = case.need_s3()
    case.checked_store = case.store
    port = free_port()
    proxy = subprocess.Popen(
        [sys.executable, "-B", HERE / "fault_proxy.py", "--target", f"127.0.0.1:{s3.port}",
         "--port", str(port), "--kind", "s3", "--share", "0.3", "--report", case.work / "proxy.json"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    case.stack.callback(proxy.kill)
    assert proxy.stdout.readline().startswith("ready")
    direct = case.store
    case.store = case.store.replace(str(s3.port), str(port)) + "&stall-s=2"
    producers, consumer = case.produce(), Consumer(case)
    producers.wait()
    consumer.leave()
    case.drain() # through the proxy too
    proxy.terminate()
    proxy.wait(30)
    report = json.loads((case.work / "proxy.json").read_text())
    done = report.get("done", report)
    case.faults = sum(n for what, n in done.items() if what != "passed" and isinstance(n, int))
    case.store = direct


def fault_members_come_and_go(case):
    """A second consumer joins and leaves, by SIGTERM and by SIGKILL in turn."""
    case.need_kafka()
    case.need_s3()
    producers, first = case.produce(), Consumer(case)

    def fault():
        second = Consumer(case, "second")
        time.sleep(chance.uniform(2, 5))
        if case.faults % 2 == 1:
            second.wanted = False
            second.kill()
        second.leave()

    case.repeat(producers, fault, (0.2, 1.0))
    first.leave()


def fault_members_come_and_go_embedded(case):
    """The same with the embedded log."""
    producers, first = case.produce(), Consumer(case)

    def fault():
        second = Consumer(case, "second")
        time.sleep(chance.uniform(1, 3))
        if case.faults % 2 == 1:
            second.wanted = False
            second.kill()
        second.leave()

    case.repeat(producers, fault, (0.2, 1.0))
    first.leave()


def fault_disk_full(case):
    """The disk that holds embedded log and store is full, again and again."""
    disk = case.work / "disk"
    disk.mkdir()
    size = 160 << 20
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    subprocess.run(
        [*sudo, "mount", "-t", "tmpfs", "-o", f"size={size},mode=777", "tmpfs", str(disk)], check=True
    )
    case.stack.callback(subprocess.run, [*sudo, "umount", "-l", str(disk)])
    case.log, case.store = f"lmdb:{disk}/log", f"{disk}/store"
    producers, consumer = case.produce(), Consumer(case)

    def fault():
        with contextlib.suppress(OSError), open(disk / "filler", "wb") as filler:
            while True:
                filler.write(bytes(1 << 20))
                filler.flush()
        time.sleep(chance.uniform(0.5, 2))
        (disk / "filler").unlink()

    case.repeat(producers, fault, (0.5, 2.0))
    consumer.leave()


def fault_api_killed(case):
    """SIGKILL for the API server that the producers post to."""
    case.extra = []
    port = free_port()
    server = [None]

    def start():
        server[0] = subprocess.Popen(
            [MARQUEE, "serve", "--no-auth", "--port", str(port), "--events", case.log],
            stdout=subprocess.DEVNULL, stderr=open(case.work / "serve.log", "ab"),
        )  # fmt: skip

    def kill():
        if server[0] is not None:
            server[0].kill()
            server[0].wait()

    case.make_topics()
    start()
    case.stack.callback(kill)
    producers, consumer = HttpProducers(case, port), Consumer(case)

    def fault():
        kill()
        time.sleep(chance.uniform(0, 0.5))
        start()

    case.repeat(producers, fault, (0.5, 2.0))
    consumer.leave()
    producers.end()


class HttpProducers:
    """Four threads that post arrays; an event is acknowledged by its own 202. Retries take new ids."""

    def __init__(self, case, port):
        self.url = f"http://127.0.0.1:{port}/v1/events"
        self.lock, self.out = threading.Lock(), open(case.acknowledged, "a")
        self.done = self.failed = 0
        self.over = False
        case.stack.callback(self.end)
        self.threads = [threading.Thread(target=self.post, args=(n,)) for n in range(4)]
        for thread in self.threads:
            thread.start()

    def poll(self):
        return None if any(thread.is_alive() for thread in self.threads) else 0

    def post(self, number):
        serial, mine = 0, 0
        while mine < EVENTS // 4 and not self.over:
            now = int(time.time())
            ids = [f"{number}-{serial + i}" for i in range(100)]
            serial += len(ids)
            events = [
                {"event_id": i, "user_id": str(n % 997), "movie_id": str(n % 3883), "rating": 4,
                 "timestamp": now - n % 3 * 86400}
                for n, i in enumerate(ids)
            ]  # fmt: skip
            request = urllib.request.Request(
                self.url, json.dumps(events).encode(), {"Content-Type": "application/json"}
            )
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    if answer.status != 202:
                        raise OSError(f"status {answer.status}")
                    answer.read()
            except Exception:
                self.failed += len(ids)
                time.sleep(0.1)
                continue
            mine += len(ids)
            with self.lock:
                self.done += len(ids)
                self.out.write("\n".join(ids) + "\n")

    def end(self):
        """However the test ends."""
        self.over = True
        for thread in self.threads:
            thread.join()
        self.out.close()


# ---- the run -----------------------------------------------------------------------------------


def run(name, work, stack):
    case = Case(work, stack)
    begun = time.monotonic()
    globals()[f"fault_{name}"](case)
    faulted_s = time.monotonic() - begun
    drained = case.drain()
    store = case.checked_store or case.store
    verify = subprocess.run(
        [MARQUEE, "bronze", "verify", "--store", store, "--json"], stdout=subprocess.PIPE, text=True
    )
    proof = json.loads(verify.stdout)
    check = subprocess.run(
        [sys.executable, "-B", HERE / "check_bronze.py", store, case.acknowledged],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    row = {"fault": name, "times": case.faults, **json.loads(check.stdout)}
    row |= {
        "findings": proof["finding_count"],
        "batches": proof["batches"],
        "consumers_started": Consumer.starts,
        "left_to_drain": drained["events"],
        "peak_memory_mb": round(Consumer.peak / (1 << 20)),
        "seconds": round(faulted_s),
    }
    print(json.dumps(row), flush=True)
    wrong = []
    if check.returncode != 0:
        wrong.append("events lost, doubled or on a wrong day")
    if verify.returncode != 0 or proof["finding_count"] != 0:
        wrong.append(f"bronze verify: {proof['findings'][:3]}")
    if row["acknowledged"] < EVENTS:
        wrong.append(f"only {row['acknowledged']} events were acknowledged")
    if proof["events"] != row["lines"]:
        wrong.append(f"verify counts {proof['events']} events, Python {row['lines']}")
    if case.faults < 3:
        wrong.append(f"the fault happened only {case.faults} times")
    if Consumer.peak > MEMORY_BOUND:
        wrong.append(f"peak memory {Consumer.peak >> 20} MiB")
    wrong += Consumer.complaints
    return wrong


def main():
    name = sys.argv[1]
    needs = "embedded" not in name and name not in ("disk_full", "api_killed")
    if needs and not SERVICES.is_dir():
        print("skip: consume_faults (MARQUEE_SERVICES is not set; run: make test-services)")
        sys.exit(77)
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "testsecret")
    os.environ.setdefault("AWS_REGION", "us-east-1")
    work = pathlib.Path(tempfile.mkdtemp(prefix="marquee-faults-"))
    try:
        with contextlib.ExitStack() as stack:
            wrong = run(name, work, stack)
    finally:
        if os.environ.get("MARQUEE_KEEP"):
            print(f"kept: {work}")
        else:
            shutil.rmtree(work, ignore_errors=True)
    print(f"not ok: {name}: {'; '.join(wrong)}" if wrong else f"ok: {name}")
    sys.exit(1 if wrong else 0)


main()
