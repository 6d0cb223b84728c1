""".npy files, both ways.

make OUT        write OUT/npy-*.npy with NumPy (committed in tests/golden/data)
check DIR       check with numpy.load what write_npy wrote into DIR
"""
import pathlib
import sys

import numpy as np
from numpy.lib import format as npy


def arrays():
    yield "f4", (1, 0), np.arange(6, dtype="<f4").reshape(2, 3) / 4
    yield "f8-big", (1, 0), (np.arange(6).reshape(2, 3) / 4).astype(">f8")
    yield "i4-fortran", (2, 0), np.asfortranarray(np.arange(24, dtype="<i4").reshape(2, 3, 4))
    yield "i8-big-fortran", (3, 0), np.asfortranarray(np.arange(6, dtype=">i8").reshape(2, 3))
    yield "u1", (3, 0), np.arange(5, dtype="u1")
    yield "one", (1, 0), np.array(2.5, dtype="<f8")
    yield "empty", (1, 0), np.zeros((0, 32), dtype="<f4")
    yield "text", (1, 0), np.array(["a"])


def make(out):
    for name, version, array in arrays():
        with open(out / f"npy-{name}.npy", "wb") as file:
            npy.write_array(file, array, version=version)


def written():
    yield "f4", np.arange(6, dtype="<f4").reshape(2, 3) / 4
    yield "f8", np.arange(6, dtype="<f8").reshape(1, 2, 3) / 4
    yield "i4", np.arange(5, dtype="<i4") - 2
    yield "i8", np.array(2**40, dtype="<i8")
    yield "u1", np.zeros((0, 3), dtype="u1")


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def check(folder):
    for name, theirs in written():
        path = folder / f"marquee-{name}.npy"
        mine = np.load(path, mmap_mode="r" if theirs.size else None)
        if not same(mine, theirs):
            sys.exit(f"npy: {name} differs: {mine!r}")
        with open(path, "rb") as file:
            npy.read_magic(file)
            npy.read_array_header_1_0(file)
            if file.tell() % 64 != 0:
                sys.exit(f"npy: {name}: data is not aligned")
    # The comparison must see a wrong value.
    wrong = np.load(folder / "marquee-f4.npy")
    wrong[1, 1] += 0.25
    if same(wrong, dict(written())["f4"]):
        sys.exit("npy: a planted wrong value was not seen")


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
