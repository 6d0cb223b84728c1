#!/usr/bin/env python3
"""New films: all ratings of 5 % of ml-1m's films are held out. Do those who chose them find them?

all     ranked among all films, those the user had rated left out
new     ranked among the new films alone: what nobody rated comes in an order by chance, so the figure
        of popularity is that of chance

    MARQUEE_TEST_DATA=FOLDER python3 cold_films.py [--seeds 3] [--store FOLDER]

A store with ml-1m's ratings and catalogue (--store) is used; without, one is made for the while. A case
is a user with all their ratings of new films, eight or nine in the mean: HR@10 is the share of users
with one of them among ten, recall@10 the share of them, precision@10 that of the ten.
"""
import json
import subprocess
import tempfile

import numpy as np

import protocols as p


def more(parser):
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--store")


KEYS = ("hit_rate_10", "recall_10", "precision_10", "ndcg_10", "hit_rate_50")
chosen = p.options(__doc__, more)
tool = f"{chosen.build}/cli/marquee"
scratch = tempfile.TemporaryDirectory()
store = chosen.store or f"{scratch.name}/store"


def run(*words):
    command = [tool, *words, "--store", f"file:{store}", "--quiet", "--json",
               "--threads", str(chosen.threads)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if not chosen.store:
    run("import", "movielens", f"{chosen.data}/ml-1m.zip", "--metadata",
        f"{chosen.data}/hetrec2011-metadata.zip", "--as", "events")
    run("run", "--change-type", "RATING", "--only", "extract-features",
        "--set", f"features.store=lmdb:{scratch.name}/features")
for name, among in ("all", "all"), ("new", "held-out"):
    found = {}
    for seed in range(1, chosen.seeds + 1):
        report = json.loads(run(
            "eval", "--ratings", "--measure", "lists", "--seed", str(seed),
            "--set", "eval.split=cold-items", "--set", "eval.share=0.05",
            "--set", f"eval.among={among}", "--set", "eval.resamples=0",
            "--set", "hybrid.methods=content", "--set", "hybrid.blended=content"))
        for system in report["systems"]:
            if system["name"] in ("popular", "content"):
                row = [system["figures"][key]["value"] for key in KEYS]
                found.setdefault(system["name"], []).append(row)
    for system, rows in found.items():
        p.show(f"{name} {system}", dict(zip(KEYS, np.mean(rows, 0))))
    if "popular" in found:
        ratio = np.mean(found["content"], 0) / np.maximum(np.mean(found["popular"], 0), 1e-9)
        print("    content / popular: " + "  ".join(
            f"{key} {value:.2f}" if value < 1e6 else f"{key} –" for key, value in zip(KEYS, ratio)))
