#!/usr/bin/env python3
"""The RATING workflow on S3 and DynamoDB, and on a directory and LMDB: silver has the same bytes, the
feature stores the same records.

Needs MARQUEE_TEST_S3 (endpoint of an S3 server with the bucket "marquee-test"),
MARQUEE_TEST_DYNAMODB (endpoint of DynamoDB Local), AWS_… credentials, boto3, MARQUEE_BINARY, and the
folder of the build as MARQUEE_BUILD.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

for name in ("MARQUEE_TEST_S3", "MARQUEE_TEST_DYNAMODB"):
    if not os.environ.get(name):
        print(f"skip: {name} is not set; run: make test-services")
        sys.exit(77)

import boto3  # noqa: E402

BINARY = os.environ["MARQUEE_BINARY"]
DUMP = pathlib.Path(os.environ["MARQUEE_BUILD"]) / "tests/e2e/dump_features"
S3, DYNAMODB = os.environ["MARQUEE_TEST_S3"], os.environ["MARQUEE_TEST_DYNAMODB"]
BUCKET, PREFIX = "marquee-test", f"rating-{os.getpid()}"
ENVIRONMENT = dict(os.environ, MARQUEE_NOW="2026-11-20T00:00:00Z", MARQUEE_FEATURES_BATCH="300",
                   MARQUEE_HYBRID_METHODS="item-based|mf|popular", MARQUEE_HYBRID_FACTORS="8",
                   MARQUEE_GATE_BOUNDS="", MARQUEE_GATE_NO_WORSE="", MARQUEE_GATE_CASES_MIN="0")
for name in "MARQUEE_STORE", "MARQUEE_REGION", "MARQUEE_CONFIG":
    ENVIRONMENT.pop(name, None)


def marquee(place, *words):
    store, features = place
    done = subprocess.run(
        [BINARY, *words, "--store", store, "--threads", "2", "--set", f"features.store={features}"],
        env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"FAIL: marquee {' '.join(words)} on {store}:\n{done.stdout}{done.stderr}")
    return done.stdout


def records(place, table):
    done = subprocess.run([DUMP, place[1], table], stdout=subprocess.PIPE, text=True, check=True)
    return sorted(done.stdout.splitlines())


def silver_of_folder(folder):
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in (folder / "1" / "silver").rglob("*.parquet")}


def silver_of_bucket(client):
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=BUCKET, Prefix=f"{PREFIX}/1/silver/")
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    return {key[len(PREFIX) + 1:]: client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            for key in keys if key.endswith(".parquet")}


def compare(client, folder, places, what):
    local, remote = silver_of_folder(folder), silver_of_bucket(client)
    if sorted(local) != sorted(remote):
        sys.exit(f"FAIL: {what}: other parts: {set(local) ^ set(remote)}")
    different = [name for name in local if local[name] != remote[name]]
    if different or len(local) < 10:
        sys.exit(f"FAIL: {what}: other bytes, or too few: {different or sorted(local)}")
    for table in ("user-features", "movie-features"):
        here, there = (records(place, table) for place in places)
        if here != there or not here:
            sys.exit(f"FAIL: {what}: {table} differs: {len(here)} and {len(there)} records")
    return len(local)


def main():
    client = boto3.client("s3", endpoint_url=S3)
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch) / "store"
        places = [
            (f"file:{folder}", f"lmdb:{scratch}/features"),
            (f"s3://{BUCKET}/{PREFIX}?endpoint={S3}",
             f"dynamodb:{PREFIX}-?region=us-east-1&endpoint={DYNAMODB}")]
        world = "--as", "ratings", "--users", "700", "--items", "200", "--events", "9000"
        for place in places:
            marquee(place, "simulate", *world, "--days", "9")
            marquee(place, "run", "--change-type", "RATING", "--quiet")
        parts = compare(client, folder, places, "first run")
        late = pathlib.Path(scratch) / "late.csv"
        late.write_text("user,item,time,rating\nu5,7,2026-11-15T12:00:00Z,1.5\n")
        for place in places:
            marquee(place, "import", "csv", str(late), "--as", "events", "--quiet")
            marquee(place, "run", "--change-type", "RATING", "--quiet")
        compare(client, folder, places, "a late rating")
        for place in places:
            again = marquee(place, "run", "--change-type", "RATING")
            if again.count("skipped: nothing changed") != 8:
                sys.exit(f"FAIL: a run with nothing new was not idle:\n{again}")
        # Two models on each, the second by a conditional write over the first; and back again.
        for place in places:
            before = json.loads(marquee(place, "models", "--json"))
            if sorted(model["state"] for model in before) != ["before", "serves"]:
                sys.exit(f"FAIL: deployed on {place[0]}: {before}")
            marquee(place, "models", "rollback")
            marquee(place, "models", "rollback")
            marquee(place, "models", "prune", "--keep", "0")
            if len(json.loads(marquee(place, "models", "--json"))) != 2:
                sys.exit(f"FAIL: prune on {place[0]} took what is needed")
    print(f"{parts} parts and two tables: the same on S3 and DynamoDB as on a directory and LMDB")


main()
