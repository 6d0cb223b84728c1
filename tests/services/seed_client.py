"""The streaming design's own client, unchanged, and kcat, with Marquee's consumer behind the broker:
what they sent is in the bronze layer byte for byte, and `marquee replay` brings it back when it is
lost."""
import gzip
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import uuid

from serve_process import marquee, need


def send_as_designed(bootstrap_servers, kafka_topic, payloads):
    from kafka import KafkaProducer

    kafka_producer = KafkaProducer(
        bootstrap_servers=bootstrap_servers,
        value_serializer=lambda v: json.dumps(v).encode("utf-8"),
        acks="all",
        retries=3,
        linger_ms=20,
    )
    futures = [kafka_producer.send(kafka_topic, payload) for payload in payloads]
    records = [future.get(timeout=20) for future in futures]
    kafka_producer.close()
    return records


def bronze(folder, kind="user-events"):
    """{"<day>/<object>": its lines}"""
    base = pathlib.Path(folder) / "store/1/bronze" / kind
    return {
        str(path.relative_to(base)): gzip.decompress(path.read_bytes()).split(b"\n")[:-1]
        for path in base.rglob("*.gz")
    }


def main():
    need("MARQUEE_BINARY", "MARQUEE_TEST_KAFKA", "MARQUEE_TEST_PYTHON")
    broker, topic = os.environ["MARQUEE_TEST_KAFKA"], f"seed-{uuid.uuid4().hex}"
    now = int(time.time())
    payloads = [
        {"user_id": i % 97, "movie_id": i % 389, "rating": 0.5 + i % 10 / 2, "timestamp": now - i % 3 * 86400}
        for i in range(3000)
    ]
    with tempfile.TemporaryDirectory() as folder:
        words = ["--store", "file:store", "--events", f"kafka:{broker}", "--topic", topic]
        settings = ["--set", f"events.topic={topic}", "--set", f"events.rejected_topic={topic}.rejected"]
        marquee(folder, "stores", "create", "--store", "file:store", "--set", f"events.log=kafka:{broker}",
                *settings)
        records = send_as_designed(broker, topic, payloads)
        by_hand = [b'{"user_id":  "k", "movie_id": 7, "rating": 4, "timestamp": %d, "more": [1, {}]}' % now,
                   b'{"user_id": "k", "movie_id": 8, "rating": 77, "timestamp": %d}' % now, b"no event at all"]
        subprocess.run(["kcat", "-P", "-b", broker, "-t", topic, "-X", "acks=all"],
                       input=b"\n".join(by_hand) + b"\n", check=True, timeout=60)
        group = ["--group", f"group-{uuid.uuid4().hex}"]
        report = json.loads(marquee(folder, "consume", *words, *group, *settings, "--until-end", "--json", "-q"))
        assert (report["events"], report["rejected"]) == (3001, 2), report
        objects = bronze(folder)
        lines = [line for text in objects.values() for line in text]
        sent = [json.dumps(payload).encode() for payload in payloads] + by_hand[:1]
        assert sorted(lines) == sorted(sent), "bronze does not hold the bytes that were sent"
        # Names come from offsets, days from the events.
        firsts = {record.partition: 0 for record in records}
        for key, text in objects.items():
            day, name = key.split("/")
            partition, first = name.removesuffix(".jsonl.gz").removeprefix(f"{topic}-").split("-")
            assert int(first) >= firsts[int(partition)] and len(first) == 20, key
            for line in text:
                event_day = time.strftime("dt=%Y-%m-%d", time.gmtime(json.loads(line)["timestamp"]))
                assert event_day == day, f"{key} holds an event of {event_day}"
        reasons = {json.loads(line)["reason"] for text in bronze(folder, "rejected").values() for line in text}
        assert reasons == {"off-scale", "not-json"}, reasons
        marquee(folder, "bronze", "verify", "--store", "file:store")

        base = pathlib.Path(folder) / "store/1/bronze"
        before = {path: path.read_bytes() for path in base.rglob("*") if path.is_file()}
        shutil.rmtree(base / "user-events")
        replayed = json.loads(marquee(folder, "replay", *words, *settings, "--from", "2020-01-01", "--json", "-q"))
        assert replayed["events"] == 3001, replayed
        after = {path: path.read_bytes() for path in base.rglob("*") if path.is_file()}
        assert after == before, "a replay did not bring back the same bytes"
        again = json.loads(marquee(folder, "consume", *words, *group, *settings, "--until-end", "--json", "-q"))
        assert again["events"] + again["rejected"] == 0, f"the replay moved the group: {again}"
    print(f"seed client: ok ({len(lines)} events in {len(objects)} objects, as sent)")


main()
