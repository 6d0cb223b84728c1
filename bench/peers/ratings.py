"""MovieLens' ratings as text for bench_neighbours and its peers.

    python3 ratings.py DATA OUT     DATA: folder with ml-1m.zip; OUT: "user item rating folds" a line,
                                    users in order, each one's ratings oldest first, codes from 0

Equal timestamps keep the order of the file. Bit s of `folds` is set where the rating belongs to the
tenth that is held out with seed s, 0 to 4.
"""
import sys

import numpy as np

SEEDS = 5


def load(path):
    """Columns user, item, rating, folds, as int64 [n, 4]."""
    return np.loadtxt(path, dtype=np.int64)


def last_of_users(user):
    return np.flatnonzero(np.r_[user[1:] != user[:-1], True])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    from sequences import read_ratings

    table = read_ratings(sys.argv[1])
    user = np.unique(table[:, 0], return_inverse=True)[1]
    item = np.unique(table[:, 1], return_inverse=True)[1]
    folds = np.zeros(len(table), np.int64)
    for seed in range(SEEDS):
        held = np.random.default_rng(seed).permutation(len(table))[: len(table) // 10]
        folds[held] |= 1 << seed
    order = np.lexsort((np.arange(len(table)), table[:, 3], user))
    np.savetxt(sys.argv[2], np.stack([user, item, table[:, 2], folds], 1)[order], fmt="%d")
