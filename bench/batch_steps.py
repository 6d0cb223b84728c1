"""The nightly batch as it runs: recall-batch, rank-batch and filter-batch with all their reading,
writing and hashing, for MovieLens 1M.

    python3 bench/batch_steps.py MARQUEE DATA STORE prepare|measure

prepare fills STORE (a folder) by import, CONTENT and ACTION. measure runs the three steps again, in a
process of its own, and prints one JSON line in users a second from the run's manifest.
"""
import json
import subprocess
import sys

marquee, data, store, what = sys.argv[1:5]


def run(*words):
    command = [marquee, *words, "--store", f"file:{store}", "--quiet", "--json"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if what == "prepare":
    run("import", "movielens", f"{data}/ml-1m.zip", "--metadata", f"{data}/hetrec2011-metadata.zip")
    run("run", "--change-type", "CONTENT")
    run("run")
else:
    run("run", "--from", "recall-batch", "--force")
    manifest = json.loads(run("runs", "show"))
    steps = {step["step"]: step for step in manifest["steps"] if step["status"] == "done"}
    parts = {name: steps[f"{name}-batch"] for name in ("recall", "rank", "filter")}
    seconds = sum(step["seconds"] for step in parts.values())
    users = parts["filter"]["figures"]["movie users"]
    print(
        json.dumps(
            {
                "peer": "marquee",
                "work": "recall+rank+filter with files",
                "threads": manifest["threads"],
                "seconds": round(seconds, 3),
                "rate": users / seconds,
                "unit": "users/s",
                "quality": {name: step["seconds"] for name, step in parts.items()},
            }
        )
    )
