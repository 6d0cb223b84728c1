/*
 * A recall result as pickle: {user: {item: [item, channel, position, score]}}, 100 items a user,
 * written to a file and read back entry by entry. bench_pickle FILE [USERS]; prints one JSON line
 * for each way, with the peak memory of the whole process, and removes the file.
 */
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "base/stream.h"
#include "emit.h"
#include "format/pickle_reader.h"
#include "format/pickle_writer.h"

#define ITEMS 50000
#define LIST 100

static void
require(enum mq_status st, const struct mq_error *err)
{
    if (st == MQ_OK)
        return;
    fprintf(stderr, "bench_pickle: %s\n", err->message);
    exit(1);
}

static void
write_users(const char *path, int64_t users)
{
    static const char *const channels[] = {"category", "director", "actor", "portrait_ub", "heat"};
    struct mq_error err = {0};
    struct mq_writer *out;
    struct mq_pickle_writer *pickle;
    struct mq_rng rng;
    mq_rng_init(&rng, 1, 0);
    require(mq_writer_to_file(path, &out, &err), &err);
    require(mq_pickle_writer_new(out, &pickle, &err), &err);
    mq_pickle_begin_dict(pickle);
    for (int64_t user = 0; user < users; user++) {
        char text[32];
        int size = snprintf(text, sizeof(text), "%lld", (long long)user);
        mq_pickle_put_text(pickle, text, (size_t)size);
        mq_pickle_begin_dict(pickle);
        uint32_t item = mq_rng_below(&rng, ITEMS);
        for (int i = 0; i < LIST; i++) {
            item = (item + 1 + mq_rng_below(&rng, ITEMS / LIST)) % ITEMS;
            size = snprintf(text, sizeof(text), "%u", item);
            mq_pickle_put_text(pickle, text, (size_t)size);
            mq_pickle_begin_list(pickle);
            mq_pickle_put_text(pickle, text, (size_t)size);
            mq_pickle_put_string(pickle, channels[mq_rng_below(&rng, MQ_COUNT(channels))]);
            mq_pickle_put_int(pickle, i);
            mq_pickle_put_real(pickle, mq_rng_uniform(&rng) * 40);
            mq_pickle_end(pickle);
        }
        mq_pickle_end(pickle);
    }
    mq_pickle_end(pickle);
    require(mq_pickle_finish(pickle, &err), &err);
    mq_pickle_writer_free(pickle);
    require(mq_writer_commit(out, &err), &err);
    mq_writer_close(out);
}

static enum mq_status
count_entry(void *context, const struct mq_pickle_value *key, const struct mq_pickle_value *value,
            struct mq_error *err)
{
    int64_t *entries = context;
    *entries += (int64_t)mq_pickle_count(value);
    return MQ_OK;
}

int
main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "use: bench_pickle FILE [USERS]\n");
        return 2;
    }
    int64_t users = argc > 2 ? atoll(argv[2]) : 1000000, read = 0, entries = 0;
    struct mq_error err = {0};
    struct bench_times times = {.count = 0};
    double begin = mq_clock_monotonic_s();
    write_users(argv[1], users);
    bench_time_add(&times, mq_clock_monotonic_s() - begin);
    bench_emit("pickle write", 1, &times, (double)users * LIST, "entries", NULL);

    struct mq_reader *reader;
    times.count = 0;
    begin = mq_clock_monotonic_s();
    require(mq_reader_from_file(argv[1], &reader, &err), &err);
    require(mq_pickle_stream(reader, NULL, count_entry, &entries, &read, &err), &err);
    mq_reader_close(reader);
    bench_time_add(&times, mq_clock_monotonic_s() - begin);
    bench_emit("pickle read", 1, &times, (double)users * LIST, "entries", NULL);
    unlink(argv[1]);
    return read == users && entries == users * LIST ? 0 : 1;
}
