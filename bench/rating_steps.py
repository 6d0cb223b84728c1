"""The data steps of the RATING workflow with all their reading, writing and hashing.

    python3 bench/rating_steps.py MARQUEE STORE import DATA      ml-1m of the folder DATA as events
    python3 bench/rating_steps.py MARQUEE STORE simulate USERS FILMS RATINGS DAYS
    python3 bench/rating_steps.py MARQUEE STORE measure          the first run, then one with nothing new

STORE is a folder; features go to the folder STORE.features. Prints one JSON line a step, in events a
second and the peak of memory, from the run's manifest.
"""
import json
import subprocess
import sys

marquee, store, what, *rest = sys.argv[1:]


def run(*words):
    command = [marquee, *words, "--store", f"file:{store}", "--quiet", "--json"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def rating(name):
    run("run", "--change-type", "RATING", "--set", f"features.store=lmdb:{store}.features")
    manifest = json.loads(run("runs", "show"))
    events = 0
    for step in manifest["steps"]:
        events = (step.get("figures") or {}).get("events", 0) or events
        print(json.dumps({
            "peer": "marquee", "work": f"{name} {step['step']}", "threads": manifest["threads"],
            "seconds": round(step["seconds"], 3), "rate": events / max(step["seconds"], 1e-3),
            "unit": "events/s", "quality": {"status": step["status"]},
            "peak_rss_mb": round((step.get("peak_memory_bytes") or 0) / 2**20, 1)}))
    print(json.dumps({"peer": "marquee", "work": f"{name} whole run",
                      "threads": manifest["threads"], "seconds": round(manifest["seconds"], 3)}))


if what == "import":
    run("import", "movielens", f"{rest[0]}/ml-1m.zip", "--metadata",
        f"{rest[0]}/hetrec2011-metadata.zip", "--as", "events")
elif what == "simulate":
    users, films, ratings, days = rest
    run("simulate", "--as", "ratings", "--users", users, "--items", films, "--events", ratings,
        "--days", days)
else:
    rating("first")
    rating("again")
