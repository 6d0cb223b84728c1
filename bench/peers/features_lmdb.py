"""The embedded feature store's work by python-lmdb alone: a table of packed records, no more.

    features_lmdb.py FOLDER [--records 1000000]

Written durably in batches of 20,000 (sorted, one putmulti each); then 20,000 gets of 100 random keys, each in
a transaction of its own, the records unpacked. A record has 200 bytes: 20 doubles, a counter, a text. The
vectors come from a pool that is made before: making them is not measured.
"""
import random
import shutil
import struct
import sys
import time

import lmdb
from peerlib import emit, options

BATCH, KEYS, GETS, VALUES, POOL = 20000, 100, 20000, 20, 4096
RECORD = struct.Struct(f"<{VALUES}dq32s")


def add(parser):
    parser.add_argument("folder")
    parser.add_argument("--records", type=int, default=1000000)


def write_all(environment, count, vectors):
    begin = time.perf_counter()
    for first in range(0, count, BATCH):
        users = range(first, min(first + BATCH, count))
        rows = sorted((b"u%d" % user, RECORD.pack(*vectors[user % POOL], user % 1000, b"action|drama"))
                      for user in users)
        with environment.begin(write=True) as transaction, transaction.cursor() as cursor:
            cursor.putmulti(rows)
    return time.perf_counter() - begin


def read_batches(environment, count):
    chosen, seconds = random.Random(7), []
    for _ in range(GETS):
        keys = [b"u%d" % chosen.randrange(count) for _ in range(KEYS)]
        begin = time.perf_counter()
        with environment.begin(buffers=True) as transaction:
            records = [RECORD.unpack(transaction.get(key)) for key in keys]
        seconds.append(time.perf_counter() - begin)
        if len(records[0]) != VALUES + 2:
            sys.exit("features_lmdb: a record is not as it was written")
    return seconds


def main():
    chosen = options(add)
    shutil.rmtree(chosen.folder, ignore_errors=True)
    source = random.Random(1)
    vectors = [[source.random() for _ in range(VALUES)] for _ in range(POOL)]
    version = ".".join(map(str, lmdb.version())) + ", binding " + lmdb.__version__
    with lmdb.open(chosen.folder, map_size=4 << 30) as environment:
        took = write_all(environment, chosen.records, vectors)
        emit("python-lmdb", version, "features write 200 bytes", 1, [took], chosen.records, "records")
        seconds = read_batches(environment, chosen.records)
    took = sum(seconds)
    seconds.sort()
    emit("python-lmdb", version, "features get 100 random keys", 1, [took], GETS * KEYS, "records",
         {"p50_ms": round(seconds[GETS // 2] * 1e3, 4), "p99_ms": round(seconds[GETS * 99 // 100] * 1e3, 4)})


if __name__ == "__main__":
    main()
