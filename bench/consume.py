"""`marquee consume` from a full topic into a directory, as a process: from the embedded log, or from Kafka
beside kcat's plain consumption of the same topic.

    python3 bench/consume.py BUILD SCRATCH LOG prepare|marquee|kcat [--events 4000000]

LOG is "embedded" or HOST:PORT of a broker. prepare fills the topic; marquee reads all of it with a new
group into a new store; kcat reads it to /dev/null. One JSON line: events a second of the whole process,
and of the consumer from joining to leaving.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import time
import uuid

parser = argparse.ArgumentParser()
parser.add_argument("build")
parser.add_argument("scratch")
parser.add_argument("log")
parser.add_argument("what", choices=("prepare", "marquee", "kcat"))
parser.add_argument("--events", type=int, default=4000000)
chosen = parser.parse_args()

base = pathlib.Path(chosen.scratch) / "consume" / chosen.log.replace(":", "-")
uri = f"lmdb:{base}/log" if chosen.log == "embedded" else f"kafka:{chosen.log}"
topic_file = base / "topic"
if chosen.what == "prepare":
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir(parents=True)
    topic_file.write_text(f"bench-{uuid.uuid4().hex}")
    produce = f"{chosen.build}/tests/services/produce_events"
    out = subprocess.run(
        [produce, uri, topic_file.read_text(), "4", str(chosen.events), "4", "1000", str(base / "ids")],
        check=True, stdout=subprocess.PIPE, text=True).stdout
    acknowledged = json.loads(out)["acknowledged"]
    (base / "ids").unlink()
    (base / "count").write_text(str(acknowledged))
    raise SystemExit(0)

topic, count = topic_file.read_text(), int((base / "count").read_text())
store = base / "store"
shutil.rmtree(store, ignore_errors=True)
os.sync()
quality = {}
begun = time.monotonic()
if chosen.what == "marquee":
    out = subprocess.run(
        [f"{chosen.build}/cli/marquee", "consume", "--events", uri, "--topic", topic, "--group", uuid.uuid4().hex,
         "--store", f"file:{store}", "--until-end", "--json", "--quiet"],
        check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds = time.monotonic() - begun
    report = json.loads(out)
    assert report["events"] == count, report
    quality = {"consumer_events_per_s": round(count / report["seconds"]),
               "peak_mib": report["peak_memory_bytes"] >> 20, "objects": report["objects"]}
else:
    subprocess.run(["kcat", "-C", "-q", "-e", "-b", chosen.log, "-t", topic, "-o", "beginning"],
                   check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - begun
shutil.rmtree(store, ignore_errors=True)
print(json.dumps({"peer": chosen.what, "work": "consume a topic", "threads": 2, "seconds": round(seconds, 3),
                  "rate": count / seconds, "unit": "events/s", "quality": quality}))
