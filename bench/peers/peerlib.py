"""What the peer scripts share: options, timing, and one JSON line a result."""
import argparse
import json
import os
import resource
import statistics
import time


def options(add=None):
    """--threads and --runs; thread counts are set before the libraries load."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    if add is not None:
        add(parser)
    chosen = parser.parse_args()
    for library in "OMP", "OPENBLAS", "MKL", "NUMBA":
        os.environ[f"{library}_NUM_THREADS"] = str(chosen.threads)
    return chosen


def timed(work, runs, warm=True):
    """Seconds of each run."""
    if warm:
        work()
    seconds = []
    for _ in range(runs):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return seconds


def emit(peer, version, work, threads, seconds, amount, unit, quality=None):
    """amount: units of work in one run, so that rate = amount / seconds."""
    line = {
        "peer": peer,
        "version": version,
        "work": work,
        "threads": threads,
        "seconds": round(min(seconds), 6),
        "rate": round(amount / min(seconds), 1),
        "median_rate": round(amount / statistics.median(seconds), 1),
        "unit": f"{unit}/s",
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }
    if quality is not None:
        line["quality"] = quality
    print(json.dumps(line), flush=True)
