#!/usr/bin/env python3
"""The contracts of object store and feature store, with S3 and DynamoDB behind fault_proxy.py.

    stores_under_faults.py OBJECT_STORE_TEST FEATURE_STORE_TEST

Each contract must hold although every fourth request or so fails in one of seven ways. Prints what
the proxy did. Needs MARQUEE_TEST_S3 and MARQUEE_TEST_DYNAMODB; without one, its half is left out.
"""
import concurrent.futures
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
# Share of requests that fail; seconds of silence that a client bears. DynamoDB Local thinks for two
# seconds about a batch of 16 MB, for more about two batches at a time on a busy machine.
KINDS = {"s3": (0.25, 2), "dynamodb": (0.2, 10)}


def run(kind, variable, program, seed, scratch):
    """@return what the proxy did, and seconds"""
    share, stall_s = KINDS[kind]
    report = pathlib.Path(scratch) / f"{kind}-{seed}.json"
    words = [sys.executable, str(HERE / "fault_proxy.py"), "--kind", kind, "--port", "0"]
    words += ["--target", os.environ[variable], "--share", str(share), "--seed", str(seed)]
    proxy = subprocess.Popen(words + ["--report", str(report)], stdout=subprocess.PIPE, text=True)
    try:
        port = proxy.stdout.readline().split()[1]
        environment = dict(os.environ, MARQUEE_TEST_PARAMETERS=f"&stall-s={stall_s}")
        environment[variable] = f"http://127.0.0.1:{port}"
        begin = time.monotonic()
        done = subprocess.run(
            [program], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        seconds = time.monotonic() - begin
    finally:
        proxy.send_signal(signal.SIGTERM)
        proxy.wait()
    if done.returncode != 0:
        raise RuntimeError(f"{kind}, seed {seed}:\n{done.stdout}")
    return json.loads(report.read_text()), seconds


def main():
    rows = [
        ("s3", "MARQUEE_TEST_S3", sys.argv[1]),
        ("dynamodb", "MARQUEE_TEST_DYNAMODB", sys.argv[2]),
    ]
    rows = [row for row in rows if os.environ.get(row[1])]
    if not rows:
        print("skip: MARQUEE_TEST_S3, MARQUEE_TEST_DYNAMODB are not set; run: make test-services")
        sys.exit(77)
    seeds = range(1, int(os.environ.get("MARQUEE_TEST_FAULT_SEEDS", "2")) + 1)
    cases = [(*row, seed) for row in rows for seed in seeds]
    # Side by side: most of their time they wait for answers that do not come.
    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ThreadPoolExecutor() as pool:
        results = [pool.submit(run, *case, scratch) for case in cases]
        for (kind, _, _, seed), result in zip(cases, results):
            try:
                done, seconds = result.result()
            except RuntimeError as error:
                sys.exit(f"FAIL: {error}")
            told = ", ".join(f"{name} {count}" for name, count in done.items())
            print(f"{kind}, seed {seed}: the contract holds ({seconds:.0f} s; {told})")
            if min(done.values()) == 0:
                sys.exit("FAIL: a kind of fault did not happen: nothing was proven of it")


main()
