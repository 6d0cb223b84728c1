"""A broker that changes under those that use it: partitions are added, transactions end in markers, a
topic is made anew, the broker hangs, sessions are too short, a password is wrong. What happens is read,
waited for, or told with its next step."""
import gzip
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from fixture_server import Server
from serve_process import BINARY, clean_environment, free_port, marquee, need
from serve_process import Server as Api

GROUP = "movie-rec-consumer-group"


def event(number):
    return b'{"user_id":%d,"movie_id":%d,"rating":4,"timestamp":%d}' % (number % 97, number, time.time())


class Case:
    def __init__(self, folder, broker):
        self.folder, self.broker = pathlib.Path(folder), broker
        self.servers = f"127.0.0.1:{broker.port}"
        self.sent = 0

    def words(self, topic, region):
        return ["--store", "file:store", "--region", region, "--events", f"kafka:{self.servers}", "--topic", topic,
                "--group", f"{GROUP}-{topic}", "--set", f"events.rejected_topic={topic}.rejected"]  # fmt: skip

    def make(self, topic, partitions):
        marquee(self.folder, "stores", "create", "--set", f"events.log=kafka:{self.servers}", "--set",
                f"events.topic={topic}", "--set", f"events.rejected_topic={topic}.rejected", "--set",
                f"events.partitions={partitions}", "-q")  # fmt: skip

    def send(self, topic, count, partitions, **settings):
        from kafka import KafkaProducer

        producer = KafkaProducer(bootstrap_servers=self.servers, acks="all", **settings)
        if settings:
            producer.init_transactions()
            producer.begin_transaction()
        futures = [producer.send(topic, event(self.sent + i), partition=i % partitions) for i in range(count)]
        self.sent += count
        if settings:
            producer.flush()
        return producer, [future.get(timeout=30) for future in futures]

    def consume(self, topic, region, *more):
        return json.loads(marquee(self.folder, "consume", *self.words(topic, region), "--until-end", "--json", "-q",
                                  *more))  # fmt: skip

    def fails(self, words, within_s, *parts):
        """A command that ends by itself, in time, and says why."""
        begun = time.monotonic()
        done = subprocess.run([BINARY, *words], cwd=self.folder, env=clean_environment(), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)  # fmt: skip
        took = time.monotonic() - begun
        assert done.returncode not in (0, -signal.SIGSEGV), f"{words}: {done.returncode} {done.stderr}"
        for part in parts:
            assert part in done.stderr, f"{words}: no '{part}' in {done.stderr}"
        assert took < within_s, f"{words} took {took:.1f} s: {done.stderr}"
        return took

    def verify(self, topic, region):
        words = self.words(topic, region)
        return json.loads(marquee(self.folder, "bronze", "verify", "--json", *words[:6], "--set",
                                  f"events.topic={topic}", "--set", f"events.group={GROUP}-{topic}",
                                  *words[-2:]))  # fmt: skip

    def lines(self, region):
        base = self.folder / "store" / region / "bronze/user-events"
        return sum(len(gzip.decompress(path.read_bytes()).splitlines()) for path in base.rglob("*.gz"))


def partitions_are_added(case):
    from kafka import KafkaConsumer
    from kafka.admin import KafkaAdminClient

    case.make("grows", 2)
    case.send("grows", 100, 2)
    with open(case.folder / "grows.log", "wb") as log:
        consumer = subprocess.Popen([BINARY, "consume", *case.words("grows", "1"), "--batch-age", "0.5"],
                                    cwd=case.folder, env=clean_environment(), stderr=log)  # fmt: skip
    try:
        wait(lambda: case.lines("1") == 100, "the first events")
        KafkaAdminClient(bootstrap_servers=case.servers).create_partitions({"grows": 12})
        known = lambda: KafkaConsumer(bootstrap_servers=case.servers).partitions_for_topic("grows")  # noqa: E731
        wait(lambda: len(known() or ()) == 12, "twelve partitions")
        case.send("grows", 1200, 12)
        wait(lambda: case.lines("1") == 1300, "events of new partitions")
    finally:
        consumer.send_signal(signal.SIGTERM)
        status = consumer.wait(60)
    assert status == 0, f"the consumer ended with {status}: {(case.folder / 'grows.log').read_text()}"
    assert case.verify("grows", "1")["events"] == 1300


def transactions_end_in_markers(case):
    case.make("sold", 2)
    producer, _ = case.send("sold", 20, 2, transactional_id="t1")
    producer.commit_transaction()
    begun = time.monotonic()
    report = case.consume("sold", "2")
    assert report["events"] == 20, report
    # One that is broken off leaves offsets without events, and no batch.
    producer.begin_transaction()
    producer.send("sold", event(0), partition=0).get(timeout=30)
    producer.abort_transaction()
    assert case.consume("sold", "2")["events"] == 0
    assert case.verify("sold", "2")["finding_count"] == 0
    words = [w for w in case.words("sold", "2") if w not in ("--group", f"{GROUP}-sold")]
    replayed = json.loads(marquee(case.folder, "replay", *words, "--from", "2020-01-01", "--json", "-q", "--set",
                                  f"events.group={GROUP}-sold"))  # fmt: skip
    assert replayed["events"] == 20 and replayed["finding_count"] == 0, replayed
    producer.begin_transaction()
    for partition in range(2):
        producer.send("sold", event(partition), partition=partition).get(timeout=30)
    producer.commit_transaction()
    assert case.consume("sold", "2")["events"] == 2
    verified = case.verify("sold", "2")
    assert (verified["finding_count"], verified["events"]) == (0, 22), verified
    took = time.monotonic() - begun
    assert took < 90, f"transactions held the consumer up for {took:.0f} s"


def topic_is_made_anew(case):
    from kafka.admin import KafkaAdminClient

    case.make("anew", 1)
    case.send("anew", 50, 1)
    assert case.consume("anew", "3")["events"] == 50
    KafkaAdminClient(bootstrap_servers=case.servers).delete_topics(["anew"])
    wait(lambda: "anew" not in KafkaAdminClient(bootstrap_servers=case.servers).list_topics(), "the topic's end")
    time.sleep(2)
    case.make("anew", 1)
    case.send("anew", 5, 1)
    words = case.words("anew", "3")
    case.fails(["consume", *words, "--until-end"], 60, "begun anew", "partition 0 of topic 'anew'", "events.topic")
    case.fails(["consume", *words], 60, "begun anew")
    case.fails(["consume", *case.words("anwe", "3")], 30, "no topic 'anwe'", "marquee stores create")
    assert case.lines("3") == 50


def broker_hangs(case):
    api = Api(case.folder, ["--no-auth", "--events", f"kafka:{case.servers}"]).start()
    post = lambda: api.ask("POST", "/v1/events", event(1))[0]  # noqa: E731
    wait(lambda: api.ask("GET", "/readyz")[0] == 200, "that the broker is found", 30)
    assert post() == 202
    assert api.ask("GET", "/readyz")[0] == 200
    case.broker.hang()
    try:
        noticed = wait(lambda: api.ask("GET", "/readyz")[0] == 503, "that the broker hangs", 10)
        begun = time.monotonic()
        assert post() == 503
        assert time.monotonic() - begun < 5
    finally:
        case.broker.hang(False)
    wait(lambda: api.ask("GET", "/readyz")[0] == 200, "that the broker is back", 30)
    wait(lambda: post() == 202, "that events are taken again", 30)
    api.stop()
    return noticed


def settings_are_wrong(case, sasl_port):
    words = case.words("sold", "4")
    case.fails(["consume", *words, "--set", "consume.session_s=1"], 40, "session timeout", "consume.session_s")
    user = "security.protocol=sasl_plaintext&sasl.mechanism=PLAIN&sasl.username=marquee&sasl.password="
    uri = f"kafka:127.0.0.1:{sasl_port}?{user}"
    listed = words[:4] + ["--topic", "sold", "--until-end", "--events"]
    took = case.fails(["consume", *listed, uri + "wrong"], 8, "uthentication", "sasl.password")
    case.fails(["consume", *listed, f"kafka:{case.servers}?security.protocol=ssl"], 12, "SSL", "security.protocol")
    case.fails(["consume", *listed, f"kafka:127.0.0.1:{sasl_port}"], 12, "security.protocol")
    marquee(case.folder, "consume", *listed, uri + "secret", "--set", "events.rejected_topic=sold.rejected",
            "--group", "another", "-q")  # fmt: skip
    return took


def wait(condition, what, seconds=60):
    """@return how long it took"""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, f"waited {seconds} s in vain for {what}"
        time.sleep(0.1)
    return time.monotonic() - begun


def main():
    need("MARQUEE_BINARY", "MARQUEE_SERVICES", "MARQUEE_TEST_KAFKA", "MARQUEE_TEST_PYTHON")
    with tempfile.TemporaryDirectory() as folder:
        sasl_port = free_port()
        broker = Server(pathlib.Path(folder), "kafka", KAFKA_SASL_PORT=str(sasl_port))
        try:
            case = Case(folder, broker)
            wanted = sys.argv[1:]
            for name, part in (
                ("partitions", lambda: partitions_are_added(case)),
                ("transactions", lambda: transactions_end_in_markers(case)),
                ("anew", lambda: topic_is_made_anew(case)),
                ("hangs", lambda: broker_hangs(case)),
                ("settings", lambda: settings_are_wrong(case, sasl_port)),
            ):
                if wanted and name not in wanted:
                    continue
                begun = time.monotonic()
                told = part()
                print(f"{name}: ok ({time.monotonic() - begun:.0f} s{f', told after {told:.1f} s' if told else ''})",
                      flush=True)  # fmt: skip
        finally:
            broker.stop()


main()
