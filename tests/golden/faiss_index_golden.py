"""faiss index files, both ways.

make OUT        write OUT/faiss-*.index with faiss (committed in tests/golden/data)
check DIR       check with faiss what write_faiss_index wrote into DIR, against OUT's committed files
"""
import pathlib
import sys

import faiss
import numpy as np

N, DIM = 200, 8
DATA = pathlib.Path(__file__).parent / "data"
THEIRS = ("flat-l2", "flat-ip", "hnsw-l2", "hnsw-ip", "hnsw-empty")


def vectors():
    i, j = np.meshgrid(np.arange(N), np.arange(DIM), indexing="ij")
    return (((i * 37 + j * 11 + i * j) % 127 - 63) / 16).astype(np.float32)


def make(out):
    x = vectors()
    for name, metric in ("l2", faiss.METRIC_L2), ("ip", faiss.METRIC_INNER_PRODUCT):
        flat = faiss.IndexFlat(DIM, metric)
        flat.add(x)
        faiss.write_index(flat, str(out / f"faiss-flat-{name}.index"))
        graph = faiss.IndexHNSWFlat(DIM, 6, metric)
        graph.hnsw.efConstruction = 50
        graph.hnsw.efSearch = 33
        graph.add(x)
        faiss.write_index(graph, str(out / f"faiss-hnsw-{name}.index"))
    faiss.write_index(faiss.IndexHNSWFlat(DIM, 6), str(out / "faiss-hnsw-empty.index"))


def expect(what, condition):
    if not condition:
        sys.exit(f"faiss_index: {what}")


def check(folder):
    x = vectors()
    queries = x[::7] + np.float32(0.01)
    for name, metric in ("l2", faiss.METRIC_L2), ("ip", faiss.METRIC_INNER_PRODUCT):
        mine = faiss.read_index(str(folder / f"marquee-flat-{name}.index"))
        expect(f"{name}: shape", (mine.ntotal, mine.d, mine.metric_type) == (N, DIM, metric))
        expect(f"{name}: vectors", np.array_equal(mine.reconstruct_n(0, N), x))
        theirs = faiss.IndexFlat(DIM, metric)
        theirs.add(x)
        for a, b in zip(mine.search(queries, 10), theirs.search(queries, 10)):
            expect(f"{name}: search", np.array_equal(a, b))
    expect("empty", faiss.read_index(str(folder / "marquee-flat-empty.index")).ntotal == 0)
    # With a queue longer than the table a connected graph finds the exact neighbours.
    mine = faiss.read_index(str(folder / "marquee-hnsw.index"))
    expect("graph: efSearch", mine.hnsw.efSearch == 400)
    exact = ((queries[:, None, :] - x[None]) ** 2).sum(-1)
    distances, _ = mine.search(queries, 10)
    expect("graph: search", np.allclose(distances, np.sort(exact, 1)[:, :10], rtol=1e-5, atol=1e-5))
    for name in THEIRS:
        again, theirs = folder / f"faiss-{name}.index", DATA / f"faiss-{name}.index"
        expect(f"{name}: read and written again differs", again.read_bytes() == theirs.read_bytes())
        expect(f"{name}: loads", faiss.read_index(str(again)).d == DIM)


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
