"""implicit's CosineRecommender: top-100 lists of all items and users; its ranking of held-out choices.

    python3 neighbours_implicit.py RATINGS lists|rank     RATINGS: as ratings.py writes it

rank: each user's newest item held out, all items ranked, those of the history left out.
"""
import peerlib

o = peerlib.options(
    lambda p: (p.add_argument("ratings"), p.add_argument("what"), p.add_argument("--only", default=""))
)
import warnings

import implicit
import numpy as np
import scipy.sparse
from implicit.nearest_neighbours import CosineRecommender
from ratings import last_of_users, load
from threadpoolctl import threadpool_limits

warnings.simplefilter("ignore")  # it converts what it made itself, and says so
threadpool_limits(1)  # it has threads of its own
table = load(o.ratings)
user, item = table[:, 0], table[:, 1]
shape = (int(user.max()) + 1, int(item.max()) + 1)


def choices(keep):
    ones = np.ones(int(keep.sum()), np.float32)
    return scipy.sparse.csr_matrix((ones, (user[keep], item[keep])), shape=shape)


def fit(matrix, k):
    model = CosineRecommender(K=k, num_threads=o.threads)
    model.fit(matrix, show_progress=False)
    return model


if o.what == "lists":
    every = choices(np.ones(len(user), bool))
    for rows, matrix in ("items", every), ("users", every.T.tocsr()):
        work = f"top-100 of all {rows}, cosine of choices"
        if o.only in work:
            # Its lists hold the row itself.
            seconds = peerlib.timed(lambda: fit(matrix, 101), o.runs)
            peerlib.emit("implicit", implicit.__version__, work, o.threads, seconds, len(user), "ratings")
else:
    last = last_of_users(user)
    known = np.ones(len(user), bool)
    known[last] = False
    matrix, target = choices(known), item[last]
    model = fit(matrix, 50)
    users = np.arange(shape[0])

    def recommend():
        return model.recommend(users, matrix, N=50, filter_already_liked_items=True)[0]

    lists = recommend()
    hit = lists == target[:, None]
    quality = {f"HR@{k}": round(float(hit[:, :k].any(1).mean()), 4) for k in (10, 50)}
    seconds = peerlib.timed(recommend, o.runs, warm=False)
    peerlib.emit("implicit", implicit.__version__, "items: cosine of choices, K=50", o.threads,
                 seconds, shape[0], "users", quality)
