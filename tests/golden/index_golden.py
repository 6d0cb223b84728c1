"""Vector search against faiss, both ways.

make OUT        nothing to make: faiss' files come from faiss_index_golden.py
check DIR       DIR holds what write_index wrote: faiss opens the indexes and finds the same top 50;
                what was found in faiss' own files is what faiss finds there
"""
import pathlib
import sys

import faiss
import numpy as np

N, DIM, QUERIES, K = 5000, 32, 100, 50
DATA = pathlib.Path(__file__).parent / "data"
METRICS = {"l2": faiss.METRIC_L2, "ip": faiss.METRIC_INNER_PRODUCT}


def fill(count, state):
    values = np.empty(count, np.float32)
    for i in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        values[i] = ((state >> 16) - 32768) / 8192
    return values


def expect(what, condition):
    if not condition:
        sys.exit(f"index: {what}")


def found(folder, name, k):
    ids = np.fromfile(folder / f"{name}.ids", np.int32).reshape(-1, k)
    scores = np.fromfile(folder / f"{name}.scores", np.float32).reshape(-1, k)
    return ids, scores


def same(what, ids, scores, their_ids, their_scores):
    """Equal but for the order of scores that rounding cannot tell apart."""
    expect(f"{what}: scores", np.allclose(scores, their_scores, rtol=1e-5, atol=1e-4))
    apart = ids != their_ids
    expect(f"{what}: ids", apart.mean() < 0.01)
    for row in np.flatnonzero(apart.any(1)):
        for i in np.flatnonzero(apart[row]):
            near = np.isclose(their_scores[row], scores[row, i], rtol=1e-5, atol=1e-4)
            expect(f"{what}: id {ids[row, i]}", ids[row, i] in their_ids[row][near] or near[-1])


def recall(ids, truth):
    return np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(ids.tolist(), truth.tolist())])


def check(folder):
    x, q = fill(N * DIM, 1).reshape(N, DIM), fill(QUERIES * DIM, 2).reshape(QUERIES, DIM)
    for metric, number in METRICS.items():
        exact = faiss.IndexFlat(DIM, number)
        exact.add(x)
        truth_scores, truth = exact.search(q, K)
        flat = faiss.read_index(str(folder / f"marquee-search-flat-{metric}.index"))
        expect(f"flat {metric}: row i is id i", np.array_equal(flat.reconstruct_n(0, N), x))
        ids, scores = found(folder, f"marquee-search-flat-{metric}", K)
        same(f"flat {metric}", ids, scores, truth, truth_scores)
        their_scores, their_ids = flat.search(q, K)
        same(f"flat {metric} in faiss", ids, scores, their_ids, their_scores)

        graph = faiss.read_index(str(folder / f"marquee-search-hnsw-{metric}.index"))
        expect(f"hnsw {metric}: vectors", np.array_equal(graph.storage.reconstruct_n(0, N), x))
        ids, scores = found(folder, f"marquee-search-hnsw-{metric}", K)
        their_scores, their_ids = graph.search(q, K)
        ours, theirs = recall(ids, truth), recall(their_ids, truth)
        expect(f"hnsw {metric}: recall {ours:.3f}, in faiss {theirs:.3f}",
               ours > 0.85 and theirs > ours - 0.02)
        # Wide enough, both walk the whole graph and find the exact neighbours.
        graph.hnsw.efSearch = N
        same(f"hnsw {metric} wide", truth, truth_scores, *graph.search(q, K)[::-1])
    for name in ("flat-l2", "flat-ip", "hnsw-l2", "hnsw-ip"):
        index = faiss.read_index(str(DATA / f"faiss-{name}.index"))
        table = index.storage if name.startswith("hnsw") else index
        table = faiss.downcast_index(table)
        queries = table.reconstruct_n(0, table.ntotal)[: table.ntotal // 7 * 7 : 7]
        if name.startswith("hnsw"):
            index.hnsw.efSearch = 2 * table.ntotal
        ids, scores = found(folder, f"faiss-{name}", 10)
        their_scores, their_ids = index.search(queries, 10)
        expect(f"{name}: scores", np.allclose(scores, their_scores, rtol=1e-5, atol=1e-5))
    # The check itself must be able to fail.
    wrong = ids.copy()
    wrong[0, 0] = (wrong[0, 0] + 97) % 200
    try:
        same("planted", wrong, scores - (wrong != ids), their_ids, their_scores)
    except SystemExit:
        return
    sys.exit("index: a planted wrong result was not noticed")


if __name__ == "__main__":
    {"make": lambda out: None, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
