"""Runs every example of docs/howto/events.md (blocks marked sh, python, js) against a server with
Kafka behind it; each must end well, and its event must be in the topic."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import uuid

from serve_process import SOURCE, Server, clean_environment, marquee, need

SOURCES = {"curl": 1, "curl-gzip": 2, "python": 1, "javascript": 1, "kcat": 1, "kafka-python": 1}


def examples(port, broker, topic):
    """(language, program) of each, pointed at our servers."""
    text = (SOURCE / "docs/howto/events.md").read_text()
    for language, program in re.findall(r"^```(sh|python|js)\n(.*?)^```$", text, re.M | re.S):
        for old, new in ("127.0.0.1:8080", f"127.0.0.1:{port}"), ("localhost:9092", broker):
            program = program.replace(old, new)
        program = re.sub(r"user-events", topic, program)
        yield language, program


def main():
    need("MARQUEE_BINARY", "MARQUEE_TEST_KAFKA", "MARQUEE_TEST_PYTHON")
    from kafka import KafkaConsumer, TopicPartition

    broker, topic = os.environ["MARQUEE_TEST_KAFKA"], f"howto-{uuid.uuid4().hex}"
    with tempfile.TemporaryDirectory() as folder:
        token = marquee(folder, "token", "create", "web", "--scope", "events:write", "-q").strip()
        server = Server(folder, ["--events", f"kafka:{broker}", "--set", f"events.topic={topic}"])
        server.start()
        environment = dict(clean_environment(), MARQUEE_TOKEN=token)
        ran = 0
        for language, program in examples(server.port, broker, topic):
            name = pathlib.Path(folder) / {"sh": "e.sh", "python": "e.py", "js": "e.mjs"}[language]
            name.write_text(program)
            run = {"sh": ["bash", "-eu", "-o", "pipefail"], "js": ["node"],
                   "python": [os.environ["MARQUEE_TEST_PYTHON"]]}[language]
            done = subprocess.run([*run, name], env=environment, text=True, timeout=120,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            assert done.returncode == 0, f"{language} example fails:\n{program}\n{done.stdout}"
            ran += 1
        assert ran == len(SOURCES), f"{ran} examples, {len(SOURCES)} expected"
        server.stop()
        consumer = KafkaConsumer(bootstrap_servers=broker, auto_offset_reset="earliest",
                                 consumer_timeout_ms=10000)
        consumer.assign([TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)])
        found = {}
        for record in consumer:
            event = json.loads(record.value)
            found[event["source"]] = found.get(event["source"], 0) + 1
            if sum(found.values()) == sum(SOURCES.values()):
                break
        consumer.close()
        assert found == SOURCES, f"in the topic: {found}"
        marquee(folder, "consume", "--events", f"kafka:{broker}", "--set", f"events.topic={topic}",
                "--set", f"events.rejected_topic={topic}.rejected", "--until-end", "--store",
                "file:bronze", "-q")
        assert not list(pathlib.Path(folder).glob("bronze/1/bronze/rejected/**/*.gz")), "refused"
        print(f"{ran} examples ran; all their events are valid and in the topic")


sys.exit(main())
