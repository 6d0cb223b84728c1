"""safetensors files, both ways.

make OUT        write OUT/safetensors-small.safetensors (committed in tests/golden/data)
check DIR       check with the safetensors package what write_safetensors wrote into DIR
"""
import pathlib
import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file


def make(out):
    save_file({
        "dense/kernel:0": np.arange(6, dtype=np.float32).reshape(2, 3) / 4,
        "bias": np.arange(3, dtype=np.float64),
        "codes": np.array([-1, 2], dtype=np.int64),
        "small": np.array([1, 255], dtype=np.uint8),
        "half": np.array([1.5], dtype=np.float16),
        "one": np.array(7, dtype=np.int32),
        "none": np.zeros((0, 4), dtype=np.float32),
        "mask": np.array([True, False, True]),
    }, out / "safetensors-small.safetensors", metadata={"format": "np"})


def written():
    return {
        "é \"quoted\"": np.arange(6, dtype=np.float32).reshape(2, 3) / 4,
        "a": np.arange(3, dtype=np.uint8),
        "b": np.array([2.5], dtype=np.float64),
        "c": np.array([[-7]], dtype=np.int64),
        "none": np.zeros((0, 4), dtype=np.float32),
    }


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def check(folder):
    path = folder / "marquee.safetensors"
    mine, theirs = load_file(path), written()
    if sorted(mine) != sorted(theirs) or not all(same(mine[k], theirs[k]) for k in theirs):
        sys.exit(f"safetensors: tensors differ: {mine!r}")
    with safe_open(path, "np") as file:
        if file.metadata() != {"model": "deepfm", "version": "1"}:
            sys.exit(f"safetensors: metadata differs: {file.metadata()!r}")
    # The comparison must see a wrong value.
    mine["b"][0] += 1e-12
    if same(mine["b"], theirs["b"]):
        sys.exit("safetensors: a planted wrong value was not seen")


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
