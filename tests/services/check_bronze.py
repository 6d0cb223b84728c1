"""Count the events of a bronze layer without any of Marquee's code, against what was acknowledged.

check_bronze.py STORE ACKNOWLEDGED [--field event_id] [--invented-ok]
  STORE         a folder, or s3://bucket/prefix?endpoint=URL; the region's folder below it is "1"
  ACKNOWLEDGED  file of ids, one a line; "-": none are known, count only

Prints {"found": distinct ids, "lines": N, "doubled": N, "lost": N, "unlisted": N, "rejected": N}.
An unlisted id was produced but not acknowledged to the producer (its fate was unknown), and is there
at most once too. Exit status 1 when an id is lost or doubled, a line is no JSON, or lies on the wrong
day, or a day holds an object that is no gzip text.
"""
import collections
import datetime
import gzip
import json
import pathlib
import sys
import urllib.parse


def objects_of(store, prefix):
    """(key, bytes) of every object below prefix."""
    if store.startswith("s3://"):
        import boto3

        parts = urllib.parse.urlsplit(store)
        endpoint = urllib.parse.parse_qs(parts.query)["endpoint"][0]
        client = boto3.client("s3", endpoint_url=endpoint)
        base = parts.path.strip("/")
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket=parts.netloc, Prefix=f"{base}/{prefix}" if base else prefix
        )
        for page in pages:
            for item in page.get("Contents", []):
                body = client.get_object(Bucket=parts.netloc, Key=item["Key"])["Body"].read()
                yield item["Key"], body
        return
    folder = pathlib.Path(store.removeprefix("file:")) / prefix
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.endswith(".partial"):
            yield str(path), path.read_bytes()


def superseded(store):
    """Names of objects that compaction merged, and of merged objects that are not done."""
    gone = set()
    for key, body in objects_of(store, "1/bronze/merges/"):
        day = key.rsplit("/", 1)[1].removesuffix(".json")
        for merge in json.loads(body)["merges"]:
            if merge["done"]:
                gone.update(f"{day}/{part}" for part in merge["parts"])
            else:
                gone.add(f"{day}/{merge['name']}")
    return gone


def day_of(event):
    t = event["timestamp"]
    if isinstance(t, str):
        return datetime.datetime.fromisoformat(t).astimezone(datetime.timezone.utc).date()
    if t >= 1e11:
        t /= 1000
    return datetime.datetime.fromtimestamp(t, datetime.timezone.utc).date()


def main():
    store, listed = sys.argv[1], sys.argv[2]
    field = sys.argv[sys.argv.index("--field") + 1] if "--field" in sys.argv else "event_id"
    gone = superseded(store)
    seen = collections.Counter()
    wrong = []
    for key, body in objects_of(store, "1/bronze/user-events/"):
        day, name = key.rsplit("/", 2)[-2:]
        if f"{day}/{name}" in gone:
            continue
        for line in gzip.decompress(body).split(b"\n")[:-1]:
            event = json.loads(line)
            seen[event[field]] += 1
            if f"dt={day_of(event)}" != day:
                wrong.append(f"{key}: event {event[field]} of {day_of(event)}")
    rejected = sum(
        gzip.decompress(body).count(b"\n") for _, body in objects_of(store, "1/bronze/rejected/")
    )
    acknowledged = set() if listed == "-" else set(pathlib.Path(listed).read_text().split())
    doubled = [i for i, n in seen.items() if n > 1]
    lost = [i for i in acknowledged if i not in seen]
    unlisted = [i for i in seen if i not in acknowledged] if acknowledged else []
    print(
        json.dumps(
            {
                "acknowledged": len(acknowledged),
                "found": len(seen),
                "lines": sum(seen.values()),
                "doubled": len(doubled),
                "lost": len(lost),
                "unlisted": len(unlisted),
                "rejected": rejected,
            }
        )
    )
    for what, which in (("doubled", doubled), ("lost", lost), ("on a wrong day", wrong)):
        if which:
            print(f"{what}: {which[:5]}", file=sys.stderr)
    sys.exit(1 if doubled or lost or wrong else 0)


main()
