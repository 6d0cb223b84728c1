"""Vector search by faiss and hnswlib: flat and HNSW, inner product.

--save PREFIX writes the vectors and queries as raw float32 (PREFIX.x, PREFIX.q) and ends, so that
bench_index measures the very same: rows of 1,000 clusters, lengths log-normal as item towers have.
"""
import peerlib

o = peerlib.options(
    lambda p: (
        p.add_argument("--n", type=int, default=100000),
        p.add_argument("--d", type=int, default=32),
        p.add_argument("--efc", type=int, default=200),
        p.add_argument("--M", type=int, default=16),
        p.add_argument("--what", default="flat,faiss,hnswlib"),
        p.add_argument("--save"),
    )
)
import numpy as np

rng = np.random.default_rng(7)
centres = rng.normal(size=(1000, o.d)).astype(np.float32)
spread, decay = (1.0, 0.0) if o.d <= 32 else (1.5, 0.3)
falling = ((1 + np.arange(o.d)) ** -decay).astype(np.float32)


def rows(count):
    near = centres[rng.integers(0, len(centres), count)]
    x = (near + spread * rng.normal(size=(count, o.d)).astype(np.float32)) * falling
    return np.ascontiguousarray(x * rng.lognormal(0, 0.15, size=(count, 1)), dtype=np.float32)


x, q = rows(o.n), rows(1000)
if o.save:
    x.tofile(o.save + ".x")
    q.tofile(o.save + ".q")
    raise SystemExit

import faiss
import hnswlib

faiss.omp_set_num_threads(o.threads)
shape = f"n={o.n} d={o.d}"
faiss_version = faiss.__version__
exact = faiss.IndexFlatIP(o.d)
exact.add(x)
truth = exact.search(q, 10)[1]


def recall(ids):
    hits = sum(len(set(a) & set(b)) for a, b in zip(ids.tolist(), truth.tolist()))
    return round(hits / truth.size, 4)


def flat(batch, count, blas_from):
    """blas_from: rows of a batch from which faiss multiplies by BLAS; 1.15 keeps it off."""
    before = faiss.cvar.distance_compute_blas_threshold
    faiss.cvar.distance_compute_blas_threshold = blas_from or before

    def work():
        for begin in range(0, count, batch):
            exact.search(q[begin : begin + batch], 100)

    seconds = peerlib.timed(work, o.runs)
    faiss.cvar.distance_compute_blas_threshold = before
    name = f"flat {shape} k=100 batch {batch}" + (f" blas from {blas_from}" if blas_from else "")
    peerlib.emit("faiss", faiss_version, name, o.threads, seconds, count, "queries")


def graph(peer, version, build, set_width, search):
    seconds = peerlib.timed(build, 1, warm=False)
    name = f"hnsw build {shape} M={o.M} efC={o.efc}"
    peerlib.emit(peer, version, name, o.threads, seconds, o.n, "vectors")
    enough = 0
    for width in (16, 24, 32, 40, 48, 56, 64, 72, 80, 96, 128, 192, 256, 512):
        set_width(width)
        quality = recall(search(q))
        if quality < 0.95:
            continue
        enough += 1

        def work():
            for i in range(len(q)):
                search(q[i : i + 1])

        name = f"hnsw {shape} M={o.M} efC={o.efc} ef={width} k=10 one query a call"
        seconds = peerlib.timed(work, o.runs)
        peerlib.emit(peer, version, name, 1, seconds, len(q), "queries", {"recall@10": quality})
        if enough == 2:
            break


if "flat" in o.what:
    flat(1, 300, 0)
    flat(256, 768, 0)
    flat(256, 768, 20)
if "faiss" in o.what:
    index = faiss.IndexHNSWFlat(o.d, o.M, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = o.efc
    graph(
        "faiss",
        faiss_version,
        lambda: index.add(x),
        lambda width: setattr(index.hnsw, "efSearch", width),
        lambda some: index.search(some, 10)[1],
    )
if "hnswlib" in o.what:
    small = hnswlib.Index(space="ip", dim=o.d)
    small.init_index(max_elements=o.n, ef_construction=o.efc, M=o.M)
    small.set_num_threads(o.threads)
    graph(
        "hnswlib",
        "0.8.0",
        lambda: small.add_items(x),
        small.set_ef,
        lambda some: small.knn_query(some, k=10)[0].astype(np.int64),
    )
