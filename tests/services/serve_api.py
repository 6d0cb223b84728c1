"""The API beside programs that know the formats: schemathesis on /openapi.json, promtool on
/metrics, jsonschema on the event's schema; and Kafka behind it, read by kafka-python."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import uuid

from serve_process import SOURCE, Server, clean_environment, marquee, need

need("MARQUEE_TEST_PYTHON", "MARQUEE_TEST_PROMTOOL", "MARQUEE_BINARY")
TOOLS = pathlib.Path(os.environ["MARQUEE_TEST_PYTHON"]).parent


def check_description(server, token):
    run = subprocess.run(
        [TOOLS / "schemathesis", "--config-file", SOURCE / "tests/services/schemathesis.toml", "run",
         f"http://127.0.0.1:{server.port}/openapi.json", "-H", f"Authorization: Bearer {token}",
         "--max-examples", "150", "--seed", os.environ.get("MARQUEE_TEST_SEED", "1"), "--no-color"],
        cwd=server.folder, env=clean_environment(), text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    summary = run.stdout[run.stdout.find("= SUMMARY ="):]
    assert run.returncode == 0, "\n".join(line[:300] for line in run.stdout.splitlines())
    assert " passed" in summary, summary
    print("schemathesis:", [line for line in summary.splitlines() if "passed" in line][0].strip())


def make_model(folder):
    """A small hybrid model in the folder's store, for what recommends."""
    marquee(folder, "simulate", "--as", "ratings", "--users", "80", "--items", "50", "--events", "20000", "-q")
    marquee(folder, "run", "--change-type", "RATING", "-q", "--set", "gate.bounds=",
            "--set", "hybrid.methods=item-based|user-based|content|mf|popular")


def check_recommendations(server, headers):
    """What schemathesis asks is answered by a model: its ids are those of the store."""
    for path in ("/v1/users/u1/recommendations?explain=true", "/v1/users/u1/neighbours", "/v1/users/u1/features",
                 "/v1/items/1", "/v1/items/1/similar", "/v1/explain?user=u1&item=1", "/v1/models"):
        status, _, body = server.ask("GET", path, headers=headers)
        assert status == 200, f"{path}: {status} {body[:300]}"
    status, _, body = server.ask("GET", "/v1/users/u1/recommendations", headers=headers)
    answer = json.loads(body)
    assert answer["known"] and not answer["cold_start"] and answer["items"], body[:500]


def check_metrics(server):
    status, _, text = server.ask("GET", "/metrics")
    assert status == 200
    done = subprocess.run([os.environ["MARQUEE_TEST_PROMTOOL"], "check", "metrics"], input=text,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0 and done.stdout == b"", done.stdout.decode()
    print("promtool: no remark on", text.count(b"# TYPE"), "families")


def variants():
    """(event, whether it is good): every field at and beyond its bounds."""
    now = int(time.time())
    good = {"user_id": 1, "movie_id": "tt1", "rating": 3, "timestamp": now}
    yield good, True
    for field in "user_id", "movie_id":
        for value in 0, 9007199254740991, 5.0, "x", "é" * 128, "\U0001f3ac" * 128:
            yield dict(good, **{field: value}), True
        for value in -1, 9007199254740992, 1.5, "", "é" * 129, "a\nb", "\x7f", True, [], {}:
            yield dict(good, **{field: value}), False
        yield {k: v for k, v in good.items() if k != field}, False
        yield dict(good, **{field: None}), False
    for field in "session_id", "event_id":
        for value in 0, "x" * 128, None:
            yield dict(good, **{field: value}), True
        for value in -1, "", "x" * 129, "tab\t", False:
            yield dict(good, **{field: value}), False
    for value in 0.5, 5, 5.0, 4.25:
        yield dict(good, rating=value), True
    for value in 0.49, 5.01, -3, "4", None, [4]:
        yield dict(good, rating=value), False
    iso = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    for value in (now, now + 0.5, now * 1000, iso, iso + "Z", iso + ".123Z", iso + "+02:00",
                  iso.replace("T", " ") + "+0200", iso[:10], iso[:16]):
        yield dict(good, timestamp=value), True
    for value in "yesterday", "", iso + ".Z", iso + "z", "26-01-01", True, None, [now]:
        yield dict(good, timestamp=value), False
    for value in "rating", "exposure", "click", "play", "search", "add-to-list", None:
        yield dict(good, event_type=value), True
    for value in "buy", "", 1, "Play":
        yield dict(good, event_type=value), False
    for value in "click", "play", "exposure", "add-to-list":
        yield {"user_id": 1, "movie_id": 2, "timestamp": now, "event_type": value}, True
        yield {"user_id": 1, "timestamp": now, "event_type": value}, False
    yield {"user_id": 1, "timestamp": now, "event_type": "search"}, True
    yield {"user_id": 1, "movie_id": None, "timestamp": now, "event_type": "search"}, True
    for field, most in ("watch_seconds", 31536000), ("duration_seconds", 31536000), ("position", 1000000):
        for value in 0, most, None:
            yield dict(good, **{field: value}), True
        for value in -1, most + 1, "1":
            yield dict(good, **{field: value}), False
    yield dict(good, position=3.0), True
    yield dict(good, position=3.5), False
    for field, most in ("source", 128), ("trace", 1024):
        for value in "", "x" * most, "a\nb", None:
            yield dict(good, **{field: value}), True
        for value in "x" * (most + 1), 1, []:
            yield dict(good, **{field: value}), False
    yield dict(good, anything={"deep": [1, {"x": None}]}), True
    for value in 17, "x", None, [], [good], True:
        yield value, False


def check_schema(server, headers):
    """jsonschema and the validator agree on each."""
    import jsonschema

    schema = json.loads((SOURCE / "docs/formats/event.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    count = 0
    for event, good in variants():
        assert validator.is_valid(event) == good, f"jsonschema: {event!r} should be {good}"
        if isinstance(event, list):
            continue  # an array is several events there
        status, _, body = server.ask("POST", "/v1/events", json.dumps(event), headers)
        assert (status == 202) == good and status in (202, 422), f"{status} {event!r}: {body[:300]}"
        count += 1
    print("jsonschema: agrees on", count, "events")


def check_kafka(folder):
    if not os.environ.get("MARQUEE_TEST_KAFKA"):
        print("kafka: not started")
        return
    from kafka import KafkaConsumer, TopicPartition

    topic = f"serve-{uuid.uuid4().hex}"
    server = Server(folder, ["--no-auth", "--events", "kafka:" + os.environ["MARQUEE_TEST_KAFKA"],
                             "--set", f"events.topic={topic}", "--set", "serve.ack_ms=30000"]).start()
    now = int(time.time())
    sent = [{"user_id": i % 7, "movie_id": i, "rating": 4, "timestamp": now, "event_id": f"k{i}"}
            for i in range(1000)]
    status, _, body = server.ask("POST", "/v1/events", sent)
    assert status == 202, body[:500]
    places = json.loads(body)["events"]
    assert server.ask("GET", "/readyz")[0] == 200
    server.stop()
    consumer = KafkaConsumer(bootstrap_servers=os.environ["MARQUEE_TEST_KAFKA"],
                             auto_offset_reset="earliest", consumer_timeout_ms=10000)
    consumer.assign([TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)])
    found = {}
    for record in consumer:
        found[record.partition, record.offset] = record
        if len(found) == len(sent):
            break
    consumer.close()
    assert len(found) == len(sent), f"{len(found)} of {len(sent)} events in Kafka"
    users = {}
    for event, place in zip(sent, places):
        record = found[place["partition"], place["offset"]]
        assert record.value == json.dumps(event).encode(), record.value
        assert record.key == str(event["user_id"]).encode()
        assert users.setdefault(event["user_id"], record.partition) == record.partition
    print("kafka:", len(found), "events where the answer said, byte by byte, a user in one partition")


def main():
    with tempfile.TemporaryDirectory() as folder:
        make_model(folder)
        token = marquee(folder, "token", "create", "tester", "--scope", "events:write,recommend:read,admin",
                        "-q").strip()
        server = Server(folder, []).start()
        check_schema(server, {"Authorization": f"Bearer {token}"})
        check_recommendations(server, {"Authorization": f"Bearer {token}"})
        check_description(server, token)
        check_metrics(server)
        server.stop()
        check_kafka(folder)


sys.exit(main())
