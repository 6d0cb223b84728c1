#!/usr/bin/env python3
"""The whole nightly job on S3 and on a directory: every artifact has the same bytes.

Needs MARQUEE_TEST_S3 (endpoint of an S3 server with the bucket "marquee-test"), AWS_… credentials,
boto3, and MARQUEE_BINARY. Runs simulate, import, run --change-type CONTENT, run, recommend, explain
and inspect in both stores; boto3, not Marquee, reads the bucket.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

if not os.environ.get("MARQUEE_TEST_S3"):
    print("skip: MARQUEE_TEST_S3 is not set; run: make test-services")
    sys.exit(77)

import boto3  # noqa: E402

BINARY = os.environ["MARQUEE_BINARY"]
ENDPOINT = os.environ["MARQUEE_TEST_S3"]
BUCKET = "marquee-test"
PREFIX = f"nightly-{os.getpid()}"
# One moment for both, so that dates in the bytes agree.
ENVIRONMENT = dict(os.environ, MARQUEE_NOW="2026-11-20T00:00:00Z")
for name in "MARQUEE_STORE", "MARQUEE_REGION", "MARQUEE_CONFIG":
    ENVIRONMENT.pop(name, None)


def marquee(store, *words):
    done = subprocess.run(
        [BINARY, *words, "--store", store, "--threads", "2"],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"FAIL: marquee {' '.join(words)} on {store}:\n{done.stdout}{done.stderr}")
    return done.stdout


def files_of_folder(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def files_of_bucket(client):
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=PREFIX + "/")
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    return {
        key[len(PREFIX) + 1 :]: client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        for key in keys
    }


def is_record(name):
    """Records of runs hold run ids, durations and ETags."""
    return name.split("/")[1] == "runs"


def compare_outputs(stores):
    """What a person sees is the same, but for the store's own name."""
    user = "u7"
    item = json.loads(marquee(stores[0], "recommend", user, "--json"))["items"][0]["item"]
    commands = [
        ("recommend", user),
        ("recommend", user, "--json"),
        ("portrait", user),
        ("explain", user, item),
        ("similar", item),
        ("inspect", "feature/recommend-list/movie/filter_batch_result.pickle"),
        ("inspect", "feature/action/ub_item_vector.index"),
        ("inspect", "model/recall/youtubednn/user_embeddings.h5"),
    ]
    for words in commands:
        seen = []
        for store in stores:
            seen.append(marquee(store, *words).replace(store, "STORE"))
        if seen[0] != seen[1] or not seen[0].strip():
            sys.exit(f"FAIL: marquee {' '.join(words)} differs:\n{seen[0]}\n---\n{seen[1]}")


def main():
    client = boto3.client("s3", endpoint_url=ENDPOINT)
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch) / "store"
        stores = [f"file:{folder}", f"s3://{BUCKET}/{PREFIX}?endpoint={ENDPOINT}"]
        for store in stores:
            marquee(store, "simulate", "--users", "400", "--items", "300", "--days", "12")
            marquee(store, "run", "--quiet", "--change-type", "CONTENT")
            marquee(store, "run", "--quiet")
        compare_outputs(stores)
        # A run with nothing new does nothing, there as here.
        for store in stores:
            again = marquee(store, "run")
            steps = [line.split()[1] for line in again.splitlines() if not line.startswith("run ")]
            if not steps or set(steps) != {"skipped:"}:
                sys.exit(f"FAIL: a second run on {store} was not idle:\n{again}")
        # A new day: the stream goes on, and only what depends on it is made again.
        for store in stores:
            world = "--users", "400", "--items", "300", "--days", "13"
            marquee(store, "simulate", "--replace", *world)
            marquee(store, "run", "--quiet")
        # Own data, imported into another region.
        ratings = pathlib.Path(scratch) / "ratings.csv"
        with ratings.open("w") as out:
            out.write("user_id,item_id,rating,timestamp\n")
            for i in range(3000):
                rating, time_s = i % 10 / 2 + 0.5, 1790000000 + i * 977
                out.write(f"v{i * 7 % 60},f{i * i % 90},{rating},{time_s}\n")
        for store in stores:
            marquee(store, "import", "csv", str(ratings), "--region", "2")
            marquee(store, "run", "--quiet", "--region", "2")
        local, remote = files_of_folder(folder), files_of_bucket(client)
    artifacts = sorted(name for name in local if not is_record(name))
    if sorted(name for name in remote if not is_record(name)) != artifacts:
        sys.exit(f"FAIL: other names: {set(local) ^ set(remote)}")
    different = [name for name in artifacts if local[name] != remote[name]]
    if different:
        sys.exit(f"FAIL: other bytes: {different}")
    size = sum(len(local[name]) for name in artifacts)
    if len(artifacts) < 40:
        sys.exit(f"FAIL: only {len(artifacts)} artifacts")
    leftovers = client.list_multipart_uploads(Bucket=BUCKET, Prefix=PREFIX).get("Uploads", [])
    if leftovers:
        sys.exit(f"FAIL: unfinished uploads are left: {leftovers}")
    for name in remote:
        client.delete_object(Bucket=BUCKET, Key=f"{PREFIX}/{name}")
    print(f"{len(artifacts)} artifacts, {size:,} bytes: the same on S3 as on a directory")


main()
