"""What is compared: one entry a measurement. bench/run reads this table.

name      what the table of results calls it
needs     environments below MARQUEE_PEERS that the peers run in
prepare   commands run once before, e.g. to write shared input
marquee   (command, pattern): the best matching line's rate counts
peers     [(label, command, pattern)]
least     least rate of Marquee itself (optional)
environment  a variable without which the entry is left out (optional)
goal      least ratio to the best peer, or None
pin       True: one processor for everybody

A pattern is searched in "<work> threads=<n>" of each JSON line that a command prints; with a
recall@10 below 0.95 a line does not count. In commands {bin} is the build's bench folder, {scratch} a
scratch folder, {data} the folder of public data sets (MARQUEE_TEST_DATA), {here} this folder, {ml},
{torch}, {tf} … the environments' Python.
"""

ANN_FILES = "--vectors {scratch}/ann.x --queries {scratch}/ann.q"
ANN_PREPARE = ["{ml} {here}/peers/ann.py --save {scratch}/ann"]


def flat(threads):
    return {
        "name": f"flat top-100, 100,000 × 32, batch 256, {threads} thread{'s'[: threads > 1]}",
        "needs": ["ml"],
        "prepare": ANN_PREPARE,
        "marquee": (
            f"{{bin}}/bench_index {ANN_FILES} --kinds flat-batch --threads {threads}",
            rf"k=100 batch 256 threads={threads}",
        ),
        "peers": [
            (
                "faiss",
                f"{{ml}} {{here}}/peers/ann.py --what flat --threads {threads}",
                r"k=100 batch 256",
            )
        ],
        "goal": 2.0,
        "pin": threads == 1,
    }


def graph(name, pattern, threads, goal):
    peer = f"{{ml}} {{here}}/peers/ann.py --threads {threads} --what "
    return {
        "name": name,
        "needs": ["ml"],
        "prepare": ANN_PREPARE,
        "marquee": (f"{{bin}}/bench_index {ANN_FILES} --kinds hnsw --threads {threads}", pattern),
        "peers": [(lib, peer + lib, pattern) for lib in ("faiss", "hnswlib")],
        "goal": goal,
        "pin": threads == 1,
    }


SEQUENCES = ["{ml} {here}/peers/sequences.py {data} {scratch}/sequences.txt"]
# The literal form with the peers' settings, in runs of 16 consecutive plays of a user.
LITERAL = (
    "{bin}/bench_youtubednn {scratch}/sequences.txt youtubednn.pooling=mean youtubednn.batch=512 "
    "youtubednn.negatives=100 youtubednn.run=16 youtubednn.validation_users=0 "
    "youtubednn.rate=0.001 youtubednn.epochs=3"
)


def tower_training(label, needs, command, goal):
    return {
        "name": f"YoutubeDNN training, mean pooling, batch 512, 100 negatives, beside {label}",
        "needs": ["ml"] + needs,
        "prepare": SEQUENCES,
        "marquee": (LITERAL + " run.threads=2", r"batch 512 negatives 100 threads=2"),
        "peers": [(label, command, r"batch 512 negatives 100 threads=2")],
        "goal": goal,
        "pin": False,
    }


DEEPFM_PREPARE = ["{torch} {here}/peers/deepfm_rows.py {data}/ml-1m.zip {scratch}/deepfm"]


def deepfm(mode, peers, goal):
    """Each peer: (label, environment, script and form)."""
    return {
        "needs": sorted({environment for _, environment, _ in peers}),
        "prepare": DEEPFM_PREPARE,
        "marquee": (f"{{bin}}/bench_deepfm {mode} {{scratch}}/deepfm/speed", rf"^{mode} "),
        "peers": [
            (
                label,
                f"{{{environment}}} {{here}}/peers/{script} {mode} {{scratch}}/deepfm/speed",
                rf"^{mode} ",
            )
            for label, environment, script in peers
        ],
        "goal": goal,
        "pin": False,
    }


TORCH = ("torch", "torch", "deepfm_torch.py")
DEEPCTR = ("deepctr", "tf", "deepfm_tf.py deepctr")
TF_GRAPH = ("tf-graph", "tf", "deepfm_tf.py graph")
DEEPFM_WORK = "DeepFM, 38 fields, embedding 32, 128-64, 2 threads"

RATINGS = ["{ml} {here}/peers/ratings.py {data} {scratch}/ratings.txt"]


def neighbours(rows, measure, peer, environment, goal):
    work = f"top-100 of all {rows}, {measure}"
    threads = 1 if peer == "surprise" else 2  # it has no more
    script = f"{{{environment}}} {{here}}/peers/neighbours_{peer}.py {{scratch}}/ratings.txt lists"
    return {
        "name": f"neighbours of ml-1m: {work}",
        "needs": sorted({"ml", environment}),
        "prepare": RATINGS,
        "marquee": (
            f"{{bin}}/bench_neighbours {{scratch}}/ratings.txt lists --threads 2 --only '{work}'",
            rf"^{work} threads=2",
        ),
        "peers": [(peer, f"{script} --only '{work}'", rf"^{work} threads={threads}")],
        "goal": goal,
        "pin": False,
    }


def neighbour_quality(name, command, peers):
    """Peers: (label, environment, script and arguments, pattern). Quality is what counts."""
    return {
        "name": f"{name}: quality in `quality` (bench/quality/README.md)",
        "needs": sorted({"ml"} | {environment for _, environment, _, _ in peers}),
        "prepare": RATINGS,
        "marquee": (f"{{bin}}/bench_neighbour_quality {{scratch}}/ratings.txt {command}", r"."),
        "peers": [
            (label, f"{{{environment}}} {{here}}/peers/{script} --threads 2", pattern)
            for label, environment, script, pattern in peers
        ],
        "goal": None,
        "pin": False,
    }


IMPLICIT_RANK = ("implicit", "ml", "neighbours_implicit.py {scratch}/ratings.txt rank", r"^items")
LENSKIT_RANK = ("lenskit", "ml", "neighbours_lenskit.py {scratch}/ratings.txt --only users", r"^users")


def surprise_ratings(based):
    script = f"neighbours_surprise.py {{scratch}}/ratings.txt ratings --only '{based}: KNNBaseline'"
    return ("surprise", "surprise", script, rf"^{based}: KNNBaseline")


INGEST = "{bin}/bench_ingest {bin}/../cli/marquee {scratch} "


def ingest(where, kind, least, more=""):
    """Events over HTTP, all on one machine; p99 at half load is in the second line's quality."""
    arrays = kind == "many"
    work = "events in arrays of 500" if arrays else "events one by one"
    return {
        "name": f"POST /v1/events into {where}: {work}",
        "needs": [],
        "prepare": [],
        "marquee": (f"{INGEST}--only {kind} {more}", rf"^{work} threads"),
        "peers": [],
        "goal": None,
        "least": least,
        "pin": False,
    } | ({"environment": "MARQUEE_TEST_KAFKA"} if "kafka" in more else {})


KAFKA_LOG = "--log kafka:{kafka} --connections 1000"
BATCH_STEPS = "python3 {here}/batch_steps.py {bin}/../cli/marquee {data} {scratch}/batch "


def batch(name, command):
    return {
        "name": f"recall + rank + filter of ml-1m's users, {name}",
        "needs": ["tf"],
        "prepare": [BATCH_STEPS + "prepare"],
        "marquee": (command, r"^recall\+rank\+filter"),
        "peers": [("python", "{tf} {here}/peers/batch_python.py {data}", r"^recall\+rank\+filter")],
        "goal": 500.0,
        "pin": False,
    }


S3_PEER = "{here}/with_s3 {s3} {here}/peers/s3_transfer.py ENDPOINT {scratch} --what "


def s3_large(direction):
    pattern = rf"^object {direction} "
    return {
        "name": f"S3: {direction} of 1 GiB, server on the same machine",
        "needs": ["s3"],
        "prepare": [],
        "marquee": (
            "{here}/with_s3 {bin}/bench_object_store s3://bench/p?endpoint=ENDPOINT {scratch} 1024 0",
            pattern,
        ),
        "peers": [("aws s3 cp", S3_PEER + "cli", pattern), ("aws crt", S3_PEER + "crt", pattern)],
        "goal": 0.7,
        "pin": False,
    }


def features(name, pattern):
    return {
        "name": name,
        "needs": ["lmdb"],
        "prepare": [],
        "marquee": ("{bin}/bench_feature_store {scratch}/features", pattern),
        "peers": [
            ("python-lmdb", "{lmdb} {here}/peers/features_lmdb.py {scratch}/features-peer", pattern)
        ],
        "goal": None,
        "pin": False,
    }


FACTORS = "{bin}/bench_factors "
FACTOR_PEERS = "{ml} {here}/peers/factors.py {scratch}/sequences.txt --what "


def factors(name, what, peer, pattern, peer_pattern, goal):
    """A row of the factor models; peer: its label and what factors.py is asked for."""
    return {
        "name": name,
        "needs": ["ml"],
        "prepare": SEQUENCES,
        "marquee": (FACTORS + what, pattern),
        "peers": [(peer[0], FACTOR_PEERS + peer[1], peer_pattern)],
        "goal": goal,
        "pin": False,
    }


def ials(size):
    ours, peer = f"ials {{scratch}}/sequences.txt {size}", ("implicit", f"als --factors {size}")
    iteration, lists = rf"^ALS f={size} iteration", rf"^ALS f={size} lists"
    return {
        f"ials-{size}": factors(
            f"iALS on ml-1m, {size} factors: an iteration, 2 threads, L after each in `quality`",
            ours, peer, iteration, iteration, 2.0,
        ),
        f"ials-lists-{size}": factors(
            f"iALS on ml-1m, {size} factors: all users' top-100, seen left out",
            ours, peer, lists, lists, 5.0,
        ),
        f"ials-lists-{size}-lenskit": factors(
            f"iALS on ml-1m, {size} factors: top-100, beside LensKit's batch",
            ours, ("lenskit", f"lenskit --factors {size}"), lists, lists, 100.0,
        ),
    }


CONSUME = "python3 {here}/consume.py {bin}/.. {scratch} "

PAIRS = {
    "s3-put": s3_large("put"),
    "s3-get": s3_large("get"),
    "s3-small": {
        "name": "S3: 1,000 puts of 4 KiB from 16 threads",
        "needs": ["s3"],
        "prepare": [],
        "marquee": (
            "{here}/with_s3 {bin}/bench_object_store s3://bench/p?endpoint=ENDPOINT {scratch} 0 1000",
            r"^small puts ",
        ),
        "peers": [("boto3", S3_PEER + "small", r"^small puts ")],
        "goal": 1.0,
        "pin": False,
    },
    "features-write": features("LMDB: 1,000,000 features of 200 bytes written", r"^features write"),
    "features-get": features("LMDB: 100 random keys a get; times of a get in `quality`", r"^features get"),
    "tower-torch": tower_training(
        "torch", ["torch"], "{torch} {here}/peers/youtubednn_torch.py {scratch}/sequences.txt", 5.0
    ),
    "tower-deepmatch": tower_training(
        "deepmatch",
        ["tf"],
        "{tf} {here}/peers/youtubednn_deepmatch.py {scratch}/sequences.txt --limit 400000",
        10.0,
    ),
    "flat-1": flat(1),
    "flat-2": flat(2),
    "flat-single": {
        "name": "flat top-100, 100,000 × 32, one query a call",
        "needs": ["ml"],
        "prepare": ANN_PREPARE,
        "marquee": (
            f"{{bin}}/bench_index {ANN_FILES} --kinds flat --threads 1",
            r"k=100 one query",
        ),
        "peers": [
            ("faiss", "{ml} {here}/peers/ann.py --what flat --threads 1", r"k=100 batch 1 ")
        ],
        "goal": None,
        "pin": True,
    },
    "hnsw-1": graph(
        "HNSW, 100,000 × 32, recall@10 ≥ 0.95, one query a call", r"one query a call", 1, 1.0
    ),
    "hnsw-build": graph("HNSW build, M=16, efC=200, 2 threads", r"hnsw build", 2, 1.0),
    "deepfm-train-graph": deepfm("train", [TF_GRAPH], 5.0)
    | {"name": f"{DEEPFM_WORK}: training, batch 4096, against the plain TF graph"},
    "deepfm-train-torch": deepfm("train", [TORCH], 8.0)
    | {"name": f"{DEEPFM_WORK}: training, batch 4096, against PyTorch"},
    "deepfm-train-deepctr": deepfm("train", [DEEPCTR], 2.5)
    | {"name": f"{DEEPFM_WORK}: training, batch 4096, against DeepCTR (dense fields unembedded)"},
    "deepfm-predict": deepfm("predict", [TF_GRAPH, TORCH], 8.0)
    | {"name": f"{DEEPFM_WORK}: inference, batch 1024"},
    "deepfm-quality": {
        "name": "DeepFM on ml-1m, rating ≥ 4 against ≤ 2, 8 fields: AUC in `quality`",
        "needs": ["torch"],
        "prepare": DEEPFM_PREPARE,
        "marquee": ("{bin}/bench_deepfm quality {scratch}/deepfm/quality", r"^quality "),
        "peers": [
            (
                "torch",
                "{torch} {here}/peers/deepfm_torch.py quality {scratch}/deepfm/quality",
                r"^quality ",
            )
        ],
        "goal": None,
        "pin": False,
    },
    **ials(64),
    **ials(192),
    "ease": factors("EASE on ml-1m: training", "ease {scratch}/sequences.txt", ("numpy", "ease"),
                    r"^EASE training", r"^EASE training", 1.0),
    "ease-lists": factors("EASE on ml-1m: all users' top-100", "ease {scratch}/sequences.txt",
                          ("numpy", "ease"), r"^EASE lists", r"^EASE lists", 1.0),
    "ingest-one": ingest("the embedded log", "one", 20000),
    "ingest-many": ingest("the embedded log", "many", 250000),
    "ingest-one-kafka": ingest("a local Kafka", "one", 10000, KAFKA_LOG),
    "ingest-many-kafka": ingest("a local Kafka", "many", 100000, KAFKA_LOG),
    "consume": {
        "name": "marquee consume: the embedded log into a directory, whole process",
        "needs": [],
        "prepare": [CONSUME + "embedded prepare"],
        "marquee": (CONSUME + "embedded marquee", r"^consume"),
        "peers": [],
        "goal": None,
        "least": 200000,
        "pin": False,
    },
    "consume-kafka": {
        "name": "marquee consume: Kafka into a directory, whole process",
        "environment": "MARQUEE_TEST_KAFKA",
        "needs": [],
        "prepare": [CONSUME + "{kafka} prepare"],
        "marquee": (CONSUME + "{kafka} marquee", r"^consume"),
        "peers": [("kcat", CONSUME + "{kafka} kcat", r"^consume")],
        "goal": 0.5,
        "pin": False,
    },
    "neighbours-items": neighbours("items", "cosine of choices", "implicit", "ml", 5.0),
    "neighbours-users": neighbours("users", "cosine of choices", "implicit", "ml", 5.0),
    "neighbours-items-common": neighbours("items", "cosine in common", "surprise", "surprise", 50.0),
    "neighbours-users-common": neighbours("users", "cosine in common", "surprise", "surprise", 50.0),
    "neighbours-rank-items": neighbour_quality(
        "films ranked by like films", "rank --only 'items: default'", [IMPLICIT_RANK]
    ),
    "neighbours-rank-users": neighbour_quality(
        "films ranked by like users", "rank --only 'users: default'", [LENSKIT_RANK]
    ),
    "neighbours-ratings-items": neighbour_quality(
        "ratings from like films", "ratings --only 'item-based: default'", [surprise_ratings("item-based")]
    ),
    "neighbours-ratings-users": neighbour_quality(
        "ratings from like users", "ratings --only 'user-based: default'", [surprise_ratings("user-based")]
    ),
    "batch": batch("in memory on both sides", "{bin}/bench_batch file:{scratch}/batch"),
    "batch-steps": batch("Marquee with all its files, Python without", BATCH_STEPS + "measure")
    | {"goal": None},
}
