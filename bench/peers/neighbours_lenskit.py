"""LensKit's UserKNN and ItemKNN of choices: its ranking of held-out choices.

    python3 neighbours_lenskit.py RATINGS [--threads N] [--only TEXT]
                                                       RATINGS: as ratings.py writes it

Each user's newest item held out, all items ranked, those of the history left out.
"""
import os
import sys
import time

import peerlib

o = peerlib.options(lambda p: (p.add_argument("ratings"), p.add_argument("--only", default="")))
for name in "LK_NUM_THREADS", "LK_NUM_BACKEND_THREADS", "LK_NUM_PROCS":
    os.environ[name] = str(o.threads)
import logging
import warnings

import lenskit
import numpy as np
import pandas as pd
from lenskit.batch import recommend
from lenskit.data import from_interactions_df
from lenskit.knn import ItemKNNScorer, UserKNNScorer
from lenskit.pipeline import topn_pipeline
from ratings import last_of_users, load

warnings.simplefilter("ignore")
logging.disable(logging.INFO)


def main():
    table = load(o.ratings)
    last = last_of_users(table[:, 0])
    known = np.ones(len(table), bool)
    known[last] = False
    target = dict(zip(table[last, 0].tolist(), table[last, 1].tolist()))
    frame = pd.DataFrame({"user_id": table[known, 0], "item_id": table[known, 1]})
    data = from_interactions_df(frame)
    for work, scorer in (
        ("users: UserKNN of choices, 50 neighbours", UserKNNScorer(max_nbrs=50, feedback="implicit")),
        ("items: ItemKNN of choices, 50 neighbours",
         ItemKNNScorer(max_nbrs=50, save_nbrs=50, feedback="implicit")),
    ):
        if o.only not in work:
            continue
        pipeline = topn_pipeline(scorer, n=50)
        pipeline.train(data)
        begin = time.perf_counter()
        lists = recommend(pipeline, list(target), 50, n_jobs=o.threads)
        seconds = [time.perf_counter() - begin]
        hits = {10: 0, 50: 0}
        for key, found in lists.items():
            wanted = target[int(key.user_id)]
            for k in hits:
                hits[k] += wanted in found.ids()[:k]
        quality = {f"HR@{k}": round(n / len(target), 4) for k, n in hits.items()}
        peerlib.emit("lenskit", lenskit.__version__, work, o.threads, seconds, len(target), "users",
                     quality)


if __name__ == "__main__":
    main()
