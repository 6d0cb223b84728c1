"""scikit-surprise's neighbours: lists, and predicted ratings of a held-out tenth.

    python3 neighbours_surprise.py RATINGS lists|ratings [--seeds N] [--only TEXT]
                                                 RATINGS: as ratings.py writes it

It keeps similarities of all pairs and no lists; its time is that of making them.
"""
import time

import peerlib

o = peerlib.options(
    lambda p: (
        p.add_argument("ratings"),
        p.add_argument("what"),
        p.add_argument("--seeds", type=int, default=5),
        p.add_argument("--only", default=""),
    )
)
import numpy as np
import pandas as pd
import surprise
from ratings import load
from surprise import Dataset, KNNBaseline, KNNBasic, KNNWithMeans, Reader

table = load(o.ratings)


def train_set(keep):
    frame = pd.DataFrame(table[keep, :3], columns=["user", "item", "rating"])
    return Dataset.load_from_df(frame, Reader(rating_scale=(1, 5))).build_full_trainset()


def model(form, similarity, by_users):
    return form(k=40, sim_options={"name": similarity, "user_based": by_users}, verbose=False)


def root_mean_square(trained, held):
    tests = [(int(u), int(i), float(r)) for u, i, r in table[held, :3]]
    errors = [prediction.r_ui - prediction.est for prediction in trained.test(tests)]
    return float(np.sqrt(np.mean(np.square(errors))))


def say(work, seconds, amount, unit, quality=None):
    peerlib.emit("surprise", surprise.__version__, work, 1, seconds, amount, unit, quality)


if o.what == "lists":
    every = train_set(np.ones(len(table), bool))
    for by_users in False, True:
        work = f"top-100 of all {'users' if by_users else 'items'}, cosine in common"
        if o.only in work:
            fit = lambda: model(KNNBasic, "cosine", by_users).fit(every)
            say(work, peerlib.timed(fit, 1, warm=False), len(table), "ratings")
else:
    forms = (
        (KNNBasic, "cosine"),
        (KNNBaseline, "pearson_baseline"),
        (KNNWithMeans, "pearson"),
    )
    for by_users in False, True:
        for form, similarity in forms:
            work = f"{'user' if by_users else 'item'}-based: {form.__name__} {similarity}, k=40"
            if o.only not in work:
                continue
            found, seconds = [], []
            for seed in range(o.seeds):
                held = (table[:, 3] >> seed & 1) == 1
                begin = time.perf_counter()
                trained = model(form, similarity, by_users).fit(train_set(~held))
                found.append(root_mean_square(trained, held))
                seconds.append(time.perf_counter() - begin)
            quality = {"RMSE": round(float(np.mean(found)), 4),
                       "seeds": [round(rmse, 4) for rmse in found]}
            say(work, seconds, len(table), "ratings", quality)
