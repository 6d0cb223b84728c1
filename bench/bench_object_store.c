/*
 * An object store: one large object up and down, and many small ones up.
 *   bench_object_store URI FOLDER [MIB] [SMALL]
 * The large one is a file of FOLDER, sent with mq_object_put_file and read back as a stream into
 * another file, as the AWS CLI's cp does; the small ones are 4 KiB each, put by 16 threads. 0
 * leaves one out.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rng.h"
#include "base/stream.h"
#include "emit.h"
#include "store/object_store.h"

enum { THREADS = 16, SMALL_BYTES = 4096, SMALL_ROUNDS = 3 };

static void
must(enum mq_status st, const struct mq_error *err)
{
    if (st != MQ_OK) {
        fprintf(stderr, "bench_object_store: %s\n", err->message);
        exit(1);
    }
}

static void
make_file(const char *path, int64_t size)
{
    struct stat info;
    if (stat(path, &info) == 0 && info.st_size == size)
        return;
    struct mq_error err;
    struct mq_writer *writer;
    struct mq_rng rng;
    static uint64_t block[8192];
    mq_rng_init(&rng, 3, 0);
    must(mq_writer_to_file(path, &writer, &err), &err);
    for (int64_t at = 0; at < size; at += (int64_t)sizeof(block)) {
        for (size_t i = 0; i < MQ_COUNT(block); i++)
            block[i] = mq_rng_next(&rng);
        must(mq_writer_put(writer, block, sizeof(block), &err), &err);
    }
    must(mq_writer_commit(writer, &err), &err);
    mq_writer_close(writer);
}

static void
large(struct mq_object_store *store, const char *folder, int64_t mib)
{
    struct mq_error err;
    char from[4096], to[4096];
    struct bench_times up = {0}, down = {0};
    snprintf(from, sizeof(from), "%s/large", folder);
    snprintf(to, sizeof(to), "%s/large-back", folder);
    make_file(from, mib << 20);
    sync(); /* what was written before must not be paid for here */
    double begin = mq_clock_monotonic_s();
    must(mq_object_put_file(store, "large", from, &err), &err);
    bench_time_add(&up, mq_clock_monotonic_s() - begin);
    begin = mq_clock_monotonic_s();
    struct mq_reader *reader;
    FILE *file = fopen(to, "w"); /* without a sync, as the peers write it */
    static unsigned char block[1 << 20];
    size_t n = 0;
    must(mq_object_reader(store, "large", &reader, &err), &err);
    do {
        must(mq_reader_some(reader, block, sizeof(block), &n, &err), &err);
        if (file == NULL || fwrite(block, 1, n, file) != n) {
            fprintf(stderr, "bench_object_store: cannot write '%s'\n", to);
            exit(1);
        }
    } while (n > 0);
    fclose(file);
    bench_time_add(&down, mq_clock_monotonic_s() - begin);
    mq_reader_close(reader);
    unlink(to);
    bench_emit("object put", 1, &up, (double)mib, "MiB", NULL);
    bench_emit("object get", 1, &down, (double)mib, "MiB", NULL);
}

struct small_work {
    struct mq_object_store *store;
    _Atomic int next;
    int count, round;
};

static void *
put_small(void *argument)
{
    struct small_work *work = argument;
    struct mq_error err;
    char bytes[SMALL_BYTES], key[64];
    memset(bytes, 'x', sizeof(bytes));
    for (int i; (i = atomic_fetch_add(&work->next, 1)) < work->count;) {
        snprintf(key, sizeof(key), "small/%d/%d", work->round, i);
        must(mq_object_put(work->store, key, bytes, sizeof(bytes), MQ_PUT_ALWAYS, NULL, NULL, &err),
             &err);
    }
    return NULL;
}

static void
small(struct mq_object_store *store, int count)
{
    struct bench_times times = {0};
    for (int round = 0; round < SMALL_ROUNDS; round++) {
        struct small_work work = {.store = store, .count = count, .round = round};
        pthread_t threads[THREADS];
        double begin = mq_clock_monotonic_s();
        for (int i = 0; i < THREADS; i++)
            if (pthread_create(&threads[i], NULL, put_small, &work) != 0)
                exit(1);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        bench_time_add(&times, mq_clock_monotonic_s() - begin);
    }
    bench_emit("small puts", THREADS, &times, (double)count, "puts", NULL);
}

int
main(int argc, char **argv)
{
    struct mq_error err;
    struct mq_object_store *store;
    if (argc < 3) {
        fprintf(stderr, "use: bench_object_store URI FOLDER [MIB] [SMALL]\n");
        return 2;
    }
    must(mq_object_store_open(argv[1], &store, &err), &err);
    int64_t mib = argc > 3 ? strtoll(argv[3], NULL, 10) : 1024;
    int count = argc > 4 ? atoi(argv[4]) : 1000;
    if (mib > 0)
        large(store, argv[2], mib);
    if (count > 0)
        small(store, count);
    mq_object_store_free(store);
    return 0;
}
