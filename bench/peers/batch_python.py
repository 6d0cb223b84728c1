"""The nightly batch in plain Python, the straightforward way: one user after the other, dicts and
lists, faiss for the nearest items, pandas to join features, a TensorFlow graph for the rank.

    python3 batch_python.py DATA [--users 300] [--threads 2]

DATA holds ml-1m.zip and hetrec2011-metadata.zip. Inverted lists, portraits, user and item vectors
(random here: their values cost nothing) are made outside the clock. Prints one JSON line for each of
recall, rank and filter, and one for the three together, in users a second. No file is written.
"""
import collections
import io
import math
import os
import random
import time
import zipfile

from peerlib import emit, options

chosen = options(lambda p: (p.add_argument("data"), p.add_argument("--users", type=int, default=300)))
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import faiss  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import tensorflow as tf  # noqa: E402

PROPERTIES = ["category", "director", "actor", "language", "level", "year"]
PORTRAIT = ["category", "director", "actor", "language"]
DIM = 32
TOP = 10
MERGE = 100
POSITION_WEIGHT, POSITION_BIAS = 0.5, 0.2
DIVERSITY = 5
FEATURES = 117581
rng = np.random.default_rng(1)


def lines(path, member):
    with zipfile.ZipFile(path) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(member)]
        return io.TextIOWrapper(archive.open(name), "latin-1").read().splitlines()


def read(folder):
    """Clicks of each user, oldest first; properties and popularity of each film."""
    table = [l.split("::") for l in lines(f"{folder}/ml-1m.zip", "ratings.dat")]
    clicks = collections.defaultdict(list)
    for user, film, _, _ in sorted(table, key=lambda r: (int(r[0]), int(r[3]))):
        clicks[user].append(film)
    hetrec = {}
    for name, member, column in (
        ("director", "movie_directors.dat", 2),
        ("actor", "movie_actors.dat", 2),
        ("language", "movie_countries.dat", 1),
        ("level", "/movies.dat", 7),
    ):
        values = hetrec[name] = collections.defaultdict(list)
        for line in lines(f"{folder}/hetrec2011-metadata.zip", member)[1:]:
            cells = line.split("\t")
            if len(cells) > column and cells[column] not in ("", "0", "\\N"):
                values[cells[0]].append(cells[column].lower())
    films = {}
    for line in lines(f"{folder}/ml-1m.zip", "movies.dat"):
        film, title, genres = line.split("::")
        films[film] = {
            "category": genres.lower().split("|"),
            "director": hetrec["director"][film][:1],
            "actor": hetrec["actor"][film][:5],
            "language": hetrec["language"][film],
            "level": hetrec["level"][film][:1],
            "year": [title[-5:-1]],
        }
    plays = collections.Counter(r[1] for r in table)
    return clicks, films, {film: math.log1p(plays[film]) for film in films}


def inverted_lists(films, popularity):
    lists = {p: collections.defaultdict(list) for p in PROPERTIES}
    for film, properties in films.items():
        for p in PROPERTIES:
            for value in properties[p]:
                lists[p][value].append(film)
    for p in PROPERTIES:
        for value in lists[p]:
            lists[p][value].sort(key=lambda film: -popularity[film])
    return lists


def portrait(clicks, films):
    """Scores that fade by 0.8 a click, and the values that led at some time."""
    result = {}
    for p in PORTRAIT:
        scores, recent, best = {}, [], 0.0
        for film in clicks:
            met = films[film][p]
            for value in scores:
                if value not in met:
                    scores[value] *= 0.8
            for value in met:
                scores[value] = scores.get(value, 0.0) + 1.0
            for value, score in scores.items():
                if score >= best and value not in recent:
                    recent.append(value)
                    best = score
        result[p] = recent
    result["vector"] = rng.normal(size=(1, DIM)).astype(np.float32)
    return result


def recall(clicks, user_portrait, films, lists, index, film_of_row):
    hits = collections.Counter()
    channels = []

    def take(channel, candidates, skip):
        chosen_films = []
        for film in candidates:
            if len(chosen_films) == TOP:
                break
            if film != skip:
                chosen_films.append(film)
        scored = []
        for place, film in enumerate(chosen_films):
            hits[film] += 1
            score = (len(chosen_films) - 1 - place) * POSITION_WEIGHT + POSITION_BIAS
            scored.append((film, channel, score))
        channels.append(scored)

    for film in clicks:
        for p in PROPERTIES:
            for value in films[film][p]:
                take(p, lists[p][value], film)
    for p in PORTRAIT:
        for value in user_portrait[p]:
            take("portrait_" + p, lists[p][value], None)
    products, rows = index.search(user_portrait["vector"], TOP)
    nearest = [(film_of_row[row], "portrait_ub", score) for score, row in zip(products[0], rows[0])]
    for film, _, _ in nearest:
        hits[film] += 1
    channels.append(nearest)
    best = {}
    for scored in channels:
        for place, (film, channel, score) in enumerate(scored):
            whole = score + hits[film]
            if film not in best or whole > best[film][2]:
                best[film] = (channel, place, whole)
    order = sorted(best.items(), key=lambda entry: entry[1][2], reverse=True)
    return dict(order[:MERGE])


def rank_graph(threads):
    """38 fields by id and value: 32 of the user's vector, six of the film."""
    v1 = tf.compat.v1
    v1.disable_eager_execution()
    ids = v1.placeholder(tf.int64, [None, DIM + 6])
    values = v1.placeholder(tf.float32, [None, DIM + 6])
    linear = v1.get_variable("linear", [FEATURES], initializer=v1.glorot_normal_initializer())
    table = v1.get_variable("table", [FEATURES, DIM], initializer=v1.glorot_normal_initializer())
    first = tf.reduce_sum(tf.nn.embedding_lookup(linear, ids) * values, 1)
    vectors = tf.nn.embedding_lookup(table, ids) * values[:, :, None]
    summed = tf.reduce_sum(vectors, 1)
    pairs = 0.5 * tf.reduce_sum(tf.square(summed) - tf.reduce_sum(tf.square(vectors), 1), 1)
    deep = tf.reshape(vectors, [-1, (DIM + 6) * DIM])
    for units in (128, 64):
        deep = tf.keras.layers.Dense(units, activation="relu")(deep)
    deep = tf.squeeze(tf.keras.layers.Dense(1)(deep), 1)
    probability = tf.sigmoid(first + pairs + deep)
    session = v1.Session(
        config=v1.ConfigProto(
            intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads
        )
    )
    session.run(v1.global_variables_initializer())

    def predict(id_rows, value_rows):
        return session.run(probability, {ids: id_rows, values: value_rows})

    return predict


def feature_frame(films):
    columns = {"film": list(films)}
    for p in PROPERTIES:
        texts = ["|".join(films[film][p]) for film in films]
        code = {text: k for k, text in enumerate(sorted(set(texts)))}
        columns[p] = [code[text] for text in texts]
    return pd.DataFrame(columns)


def rank(candidates, user_portrait, frame, predict):
    rows = pd.DataFrame({"film": list(candidates)}).merge(frame, on="film", how="left")
    ids, values = [], []
    for _, row in rows.iterrows():
        ids.append(list(range(1, DIM + 1)) + [int(row[p]) for p in PROPERTIES])
        values.append([float(x) for x in user_portrait["vector"][0]] + [1.0] * len(PROPERTIES))
    probability = predict(np.array(ids), np.array(values, dtype=np.float32))
    order = sorted(zip(rows["film"], probability), key=lambda pair: -pair[1])
    return {film: float(p) for film, p in order}


def final_list(candidates, ranked, films, lists):
    final = {
        film: round(min(1.0, round(entry[2], 2) / 40 + round(ranked[film], 2)), 2)
        for film, entry in candidates.items()
    }
    rank_place = {film: k for k, film in enumerate(ranked)}
    place = {film: k for k, film in enumerate(sorted(final, key=final.get, reverse=True))}
    result, shown = {}, {category: 0 for category in lists["category"]}
    for film, (channel, at, score) in candidates.items():
        trace = (
            f"batch_{channel}_{at}|{score:.2f}|batch_deepfm_{rank_place[film]}|{ranked[film]:.2f}"
            f"|batch_recommend_{place[film]}|{final[film]:.2f}"
        )
        result[film] = [film, "recommend", final[film], trace]
        for category in films[film]["category"]:
            shown[category] += 1
    fewest = sorted(shown, key=shown.get)
    added = 0
    for category in fewest * DIVERSITY:
        if added == DIVERSITY:
            break
        film = random.choice(lists["category"][category])
        if film not in result:
            result[film] = [film, "diversity", 0.0, f"batch_diversity_{len(result)}|{category}"]
            added += 1
    return result


def main():
    clicks, films, popularity = read(chosen.data)
    lists = inverted_lists(films, popularity)
    users = random.Random(1).sample(sorted(clicks), min(chosen.users, len(clicks)))
    film_of_row = list(films)
    index = faiss.IndexFlatIP(DIM)
    index.add(rng.normal(size=(len(films), DIM)).astype(np.float32))
    frame = feature_frame(films)
    predict = rank_graph(chosen.threads)
    predict(np.zeros((2, DIM + 6), np.int64), np.zeros((2, DIM + 6), np.float32))
    portraits = {user: portrait(clicks[user], films) for user in users}
    clock = time.perf_counter
    start = clock()
    recalled = {
        user: recall(clicks[user], portraits[user], films, lists, index, film_of_row)
        for user in users
    }
    recall_end = clock()
    ranked = {user: rank(recalled[user], portraits[user], frame, predict) for user in users}
    rank_end = clock()
    finished = {user: final_list(recalled[user], ranked[user], films, lists) for user in users}
    end = clock()
    assert all(len(entries) >= MERGE for entries in finished.values())
    version = f"tf {tf.__version__} faiss {faiss.__version__} pandas {pd.__version__}"
    for work, seconds in (
        ("recall", recall_end - start),
        ("rank", rank_end - recall_end),
        ("filter", end - rank_end),
        ("recall+rank+filter", end - start),
    ):
        emit("python", version, work, chosen.threads, [seconds], len(users), "users")


main()
