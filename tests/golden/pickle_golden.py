"""Pickles, both ways.

make OUT        write OUT/pickle-<python>-p<protocol>.pickle for each protocol of this interpreter
                (committed in tests/golden/data: Python 3.6, 3.7, 3.11 and 3.13 with NumPy 1.19,
                1.21, 1.26 and 2.2)
check DIR       check with pickle.load what write_pickle wrote into DIR
"""
import collections
import datetime
import math
import pathlib
import pickle
import sys

import numpy as np

LONG = 1100  # more than one batch of 1,000
UTC8 = datetime.timezone(datetime.timedelta(hours=8))


def value():
    shared = ["shared", 7]
    return {
        "none": None,
        "flags": [True, False],
        "ints": [0, 1, 255, 256, 65535, 65536, -1, -2**31, 2**31, 2**63 - 1, -2**63, 2**63,
                 -2**63 - 1, 2**200, -2**200],
        "reals": [0.0, -0.0, 1.5, 1e300, 5e-324, 0.1, math.inf, -math.inf, math.nan],
        "texts": ["", "plain", "é", "日本", "😀", "a\nb\\c\r\x00d\x1a", "x" * 300],
        "bytes": [b"", b"\x00\xff", bytes(range(256)) * 2, bytearray(b"ab")],
        "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        "sets": [set(), {3}, frozenset([4])],
        "shared": [shared, shared],
        "long_list": list(range(LONG)),
        "long_dict": {str(i): i for i in range(LONG)},
        "ordered": collections.OrderedDict([("b", 1), ("a", 2)]),
        "default": collections.defaultdict(list, {"k": [1]}),
        "instants": [datetime.datetime(2020, 2, 29, 13, 14, 15, 160000),
                     datetime.datetime(2020, 2, 29, 13, tzinfo=UTC8),
                     datetime.datetime(2020, 2, 29, 13, tzinfo=datetime.timezone.utc)],
        "date": datetime.date(1969, 12, 31),
        "duration": datetime.timedelta(days=-1, seconds=5, microseconds=7),
        "arrays": {
            "f4": np.arange(6, dtype="f4").reshape(2, 3),
            "fortran": np.asfortranarray(np.arange(24, dtype="i8").reshape(2, 3, 4)),
            "big": np.arange(3).astype(">f8"),
            "f2": np.array([1.5, -2.0, 65504.0], dtype="f2"),
            "i1": np.array([-128, 127], dtype="i1"),
            "i2": np.array([-32768, 32767], dtype="i2"),
            "i4": np.array([-2**31, 2**31 - 1], dtype="i4"),
            "u1": np.array([0, 255], dtype="u1"),
            "u2": np.array([65535], dtype="u2"),
            "u4": np.array([2**32 - 1], dtype="u4"),
            "u8": np.array([2**63], dtype="u8"),
            "bool": np.array([True, False]),
            "bytes": np.array([b"ab", b"c"]),
            "text": np.array(["ab", "é"]),
            "empty": np.zeros((0, 3), dtype="f4"),
            "one": np.array(2.5, dtype="f8"),
        },
        "scalars": [np.float32(0.5), np.float64(2.5), np.float16(1.5), np.int8(-3),
                    np.int64(-2**63), np.uint64(2**64 - 1), np.bool_(True), np.str_("é")],
        "recall": {str(u): {str(i): [str(i), "category", i - u, i * 0.5] for i in range(u, u + 3)}
                   for u in range(3)},
    }


def make(out):
    python = "py%d.%d-numpy%s" % (sys.version_info[0], sys.version_info[1],
                                  ".".join(np.__version__.split(".")[:2]))
    for protocol in range(min(5, pickle.HIGHEST_PROTOCOL) + 1):
        with open(str(out / ("pickle-%s-p%d.pickle" % (python, protocol))), "wb") as file:
            pickle.dump(value(), file, protocol)


def equal(a, b):
    """Same type, same value, to the bit; arrays by type, shape and elements."""
    if isinstance(a, np.ndarray):
        return (isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape
                and a.tobytes() == b.tobytes())
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return a == b and math.copysign(1, a) == math.copysign(1, b) or (a != a and b != b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b))
    return a == b


def written():
    """What write_pickle writes."""
    return {
        "atoms": [None, True, False, 0, 255, 256, 65535, 65536, -1, 2**31 - 1, -2**31, 2**31,
                  -2**31 - 1, 2**63 - 1, -2**63, 0.1, -0.0, math.inf, math.nan],
        "texts": ["", "é", "x" * 300, "again", "again", "again"],
        "bytes": [b"", b"\x00\xff", bytes(i % 256 for i in range(700))],
        "tuple": (1, (), ("a", 2.5)),
        "long_list": list(range(2500)),
        "long_dict": {str(i): i for i in range(2500)},
        "arrays": [np.arange(6, dtype="<f4").reshape(2, 3), np.arange(3, dtype="<f8"),
                   np.array([-1, 2], dtype="<i4"), np.array([[2**40]], dtype="<i8"),
                   np.arange(4, dtype="u1").reshape(1, 2, 2, 1), np.zeros((0, 3), dtype="<f4"),
                   np.arange(6, dtype="<f4")],
        "recall": {str(u): {str(i): [str(i), "category", i - u, i * 0.5] for i in range(u, u + 3)}
                   for u in range(3)},
    }


def check(folder):
    with open(str(folder / "marquee.pickle"), "rb") as file:
        mine = pickle.load(file)
    theirs = written()
    for key in theirs:
        if not equal(mine.get(key), theirs[key]):
            sys.exit("pickle: '%s' differs: %r" % (key, mine.get(key)))
    if list(mine) != list(theirs):
        sys.exit("pickle: keys differ: %r" % list(mine))
    # The comparison must see a wrong value.
    mine["recall"]["1"]["2"][3] += 1e-12
    mine["arrays"][0][1, 2] += 1
    for key in "recall", "arrays":
        if equal(mine[key], theirs[key]):
            sys.exit("pickle: a planted wrong value in '%s' was not seen" % key)
    with open(str(folder / "marquee.pickle"), "rb") as file:
        protocol = file.read(2)
    if protocol != b"\x80\x03":
        sys.exit("pickle: not protocol 3")


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
