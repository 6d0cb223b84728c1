/*
 * The embedded feature store: a million features of 200 bytes written, then read in batches.
 *   bench_feature_store FOLDER [RECORDS]        FOLDER is removed first
 * A line for the write (in batches of 20,000, durable), one for gets of 100 random keys, whose
 * quality holds the times of single calls in milliseconds: the median, p99 and the longest, and p99
 * of the processor time alone, which tells a slow call from a busy machine.
 */
#include <string.h>
#include <time.h>

#include "base/filesystem.h"
#include "base/rng.h"
#include "emit.h"
#include "store/feature_store.h"

enum { BATCH = 20000, KEYS = 100, GETS = 20000, VALUES = 20, KEY_SIZE = 24 };

static void
must(enum mq_status st, const struct mq_error *err)
{
    if (st != MQ_OK) {
        fprintf(stderr, "bench_feature_store: %s\n", err->message);
        exit(1);
    }
}

static double
cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* 200 bytes: a vector of 20, some counters, a set. */
static void
fill(int64_t user, char *key, struct mq_attribute *attributes, double *vector,
     struct mq_record *record)
{
    static const struct mq_text genres[] = {{"action", 6}, {"drama", 5}};
    struct mq_rng rng;
    mq_rng_init(&rng, (uint64_t)user, 0);
    for (int i = 0; i < VALUES; i++)
        vector[i] = mq_rng_uniform(&rng);
    snprintf(key, KEY_SIZE, "u%lld", (long long)user);
    attributes[0] =
        (struct mq_attribute){.name = "v", .type = MQ_ATTRIBUTE_REALS, .reals = {vector, VALUES}};
    attributes[1] = (struct mq_attribute){
        .name = "plays", .type = MQ_ATTRIBUTE_INTEGER, .integer = user % 1000};
    attributes[2] =
        (struct mq_attribute){.name = "g", .type = MQ_ATTRIBUTE_TEXT_SET, .texts = {genres, 2}};
    *record = (struct mq_record){.key = key, .attributes = attributes, .attribute_count = 3};
}

static void
write_all(struct mq_feature_store *store, int64_t count)
{
    static char keys[BATCH][KEY_SIZE];
    static struct mq_attribute attributes[BATCH][3];
    static double vectors[BATCH][VALUES];
    static struct mq_record records[BATCH];
    struct mq_error err;
    struct bench_times times = {0};
    double begin = mq_clock_monotonic_s();
    for (int64_t at = 0; at < count; at += BATCH) {
        int64_t n = MQ_MIN((int64_t)BATCH, count - at);
        for (int64_t i = 0; i < n; i++)
            fill(at + i, keys[i], attributes[i], vectors[i], &records[i]);
        must(mq_feature_batch_put(store, "users", records, (size_t)n, &err), &err);
    }
    bench_time_add(&times, mq_clock_monotonic_s() - begin);
    bench_emit("features write 200 bytes", 1, &times, (double)count, "records", NULL);
}

static void
read_batches(struct mq_feature_store *store, int64_t count)
{
    static char keys[KEYS][KEY_SIZE];
    static double seconds[GETS], cpu[GETS];
    const char *pointers[KEYS];
    struct mq_record records[KEYS];
    struct mq_error err;
    struct mq_arena arena = {0};
    struct mq_rng rng;
    mq_rng_init(&rng, 7, 0);
    for (int g = 0; g < GETS; g++) {
        for (int i = 0; i < KEYS; i++) {
            snprintf(keys[i], KEY_SIZE, "u%u", mq_rng_below(&rng, (uint32_t)count));
            pointers[i] = keys[i];
        }
        double begin = mq_clock_monotonic_s(), cpu_begin = cpu_s();
        must(mq_feature_batch_get(store, "users", pointers, KEYS, MQ_READ_STRONG, &arena, records,
                                  &err),
             &err);
        seconds[g] = mq_clock_monotonic_s() - begin;
        cpu[g] = cpu_s() - cpu_begin;
        if (!records[0].found || mq_record_find(&records[0], "v")->reals.count != VALUES) {
            fprintf(stderr, "bench_feature_store: %s is not as it was written\n", keys[0]);
            exit(1);
        }
        mq_arena_reset(&arena);
    }
    struct bench_times times = {0};
    double sum = 0;
    for (int g = 0; g < GETS; g++)
        sum += seconds[g];
    bench_time_add(&times, sum);
    qsort(seconds, GETS, sizeof(*seconds), bench_compare);
    qsort(cpu, GETS, sizeof(*cpu), bench_compare);
    char quality[192];
    snprintf(quality, sizeof(quality),
             "{\"p50_ms\": %.4f, \"p99_ms\": %.4f, \"max_ms\": %.4f, \"p99_cpu_ms\": %.4f}",
             seconds[GETS / 2] * 1e3, seconds[GETS * 99 / 100] * 1e3, seconds[GETS - 1] * 1e3,
             cpu[GETS * 99 / 100] * 1e3);
    bench_emit("features get 100 random keys", 1, &times, (double)GETS * KEYS, "records", quality);
    mq_arena_release(&arena);
}

int
main(int argc, char **argv)
{
    struct mq_error err;
    struct mq_feature_store *store;
    char uri[4096];
    if (argc < 2) {
        fprintf(stderr, "use: bench_feature_store FOLDER [RECORDS]\n");
        return 2;
    }
    int64_t count = argc > 2 ? strtoll(argv[2], NULL, 10) : 1000000;
    snprintf(uri, sizeof(uri), "lmdb:%s", argv[1]);
    must(mq_fs_remove(argv[1], &err), &err);
    must(mq_feature_store_open(uri, &store, &err), &err);
    must(mq_feature_table_create(store, "users", &err), &err);
    write_all(store, count);
    read_batches(store, count);
    mq_feature_store_free(store);
    return 0;
}
