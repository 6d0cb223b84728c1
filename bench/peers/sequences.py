"""Users' sequences from MovieLens, and the samples that the peers' trainers are fed.

    python3 sequences.py DATA OUT     DATA: folder with ml-1m.zip; OUT: text, "user item" a line,
                                      users in order, items oldest first, both counted from 0

Equal timestamps keep the order of the file.
"""
import io
import pathlib
import sys
import zipfile

import numpy as np

HISTORY = 50


def read_ratings(folder):
    """Columns user, movie, rating, timestamp, as int64 [n, 4]."""
    with zipfile.ZipFile(pathlib.Path(folder) / "ml-1m.zip") as archive:
        (name,) = [n for n in archive.namelist() if n.endswith("ratings.dat")]
        text = archive.read(name).replace(b"::", b",")
    return np.loadtxt(io.BytesIO(text), dtype=np.int64, delimiter=",")


def write(folder, out):
    table = read_ratings(folder)
    user = np.unique(table[:, 0], return_inverse=True)[1]
    item = np.unique(table[:, 1], return_inverse=True)[1]
    order = np.lexsort((np.arange(len(table)), table[:, 3], user))
    np.savetxt(out, np.stack([user[order], item[order]], 1), fmt="%d")


def load_samples(path):
    """Every play but a user's first as (user, history newest first, length, item); item ids are
    shifted by one, 0 pads. Returns the arrays, counts of users and ids, and where each user's last
    sample is."""
    table = np.loadtxt(path, dtype=np.int64)
    user, item = table[:, 0], table[:, 1] + 1
    first = np.flatnonzero(np.r_[True, user[1:] != user[:-1]])
    begin = first[user]
    at = np.flatnonzero(np.arange(len(user)) > begin)
    history = np.zeros((len(at), HISTORY), np.int32)
    for back in range(HISTORY):
        source = at - 1 - back
        known = source >= begin[at]
        history[known, back] = item[source[known]]
    length = np.minimum(at - begin[at], HISTORY).astype(np.int32)
    last = np.flatnonzero(np.r_[user[at][1:] != user[at][:-1], True])
    return (user[at].astype(np.int32), history, length, item[at].astype(np.int32),
            int(user.max()) + 1, int(item.max()) + 1, last)


def hit_rates(users, items, history, target):
    """Newest item of each user among all, and with those of the history left out."""
    scores = users @ items.T
    scores[:, 0] = -np.inf
    own = scores[np.arange(len(users)), target][:, None]
    rank = (scores > own).sum(1)
    np.put_along_axis(scores, history.astype(np.int64), -np.inf, 1)
    unseen = (scores > own).sum(1)
    return {"HR@50": round(float((rank < 50).mean()), 4),
            "HR@50_excl_hist": round(float((unseen < 50).mean()), 4),
            "HR@10_excl_hist": round(float((unseen < 10).mean()), 4)}


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    write(sys.argv[1], sys.argv[2])
