/* The stream of runs: every sample once an epoch, batches and shards of exact size. */
#include "check.h"

#include <stdlib.h>

#include "base/memory.h"
#include "model/youtubednn_runs.h"

enum { USERS = 50 };

struct world {
    int64_t offset[USERS + 1];
    int32_t item[USERS * 200];
    uint8_t held[USERS];
    struct mq_youtubednn_data data;
    struct mq_youtubednn_options options;
    int64_t samples;
};

static void
make_world(struct world *w)
{
    memset(w, 0, sizeof(*w));
    for (int u = 0; u < USERS; u++) {
        int plays = u < 3 ? u : (u * 37) % 190; /* none, one, two, and many */
        w->offset[u + 1] = w->offset[u] + plays;
        w->held[u] = u >= 3 && plays >= 3 && u % 4 == 0;
        int targets = plays - 1 - w->held[u];
        w->samples += targets > 0 ? targets : 0;
    }
    for (int64_t i = 0; i < w->offset[USERS]; i++)
        w->item[i] = (int32_t)(i % 7);
    w->data = (struct mq_youtubednn_data){
        .user_count = USERS, .item_count = 7, .offset = w->offset, .item = w->item};
    w->options = (struct mq_youtubednn_options){.run = 16, .batch = 600, .user_dropout = 0.3f};
}

static int32_t
owner_of(const struct world *w, int64_t play)
{
    int32_t u = 0;
    while (w->offset[u + 1] <= play)
        u++;
    return u;
}

static void
every_sample_once_an_epoch(void **state)
{
    struct mq_error err = {0};
    struct world w;
    struct mq_tower_runs runs;
    struct mq_rng rng;
    make_world(&w);
    mq_rng_init(&rng, 1, 1);
    check_ok(mq_tower_runs_init(&runs, &w.data, w.held, &w.options, &err));
    assert_int_equal(runs.samples, w.samples);
    int unknown = 0;
    for (int epoch = 0; epoch < 3; epoch++) {
        uint8_t *times = calloc((size_t)w.offset[USERS], 1);
        check_ok(mq_tower_runs_shuffle(&runs, &rng, &err));
        int64_t total = 0;
        const struct mq_tower_shard_runs *parts;
        int32_t shards, samples;
        while ((shards = mq_tower_runs_next(&runs, &parts, &samples)) > 0) {
            assert_int_equal(samples, MQ_MIN(600, w.samples - total));
            for (int32_t s = 0; s < shards; s++) {
                int32_t size = 0;
                for (int32_t r = 0; r < parts[s].run_count; r++) {
                    const struct mq_tower_run *run = &parts[s].runs[r];
                    int32_t owner = owner_of(&w, run->first);
                    assert_true(run->count >= 1 && run->count <= 16);
                    assert_int_equal(run->before, run->first - w.offset[owner]);
                    assert_true(run->user == owner || run->user == USERS);
                    unknown += run->user == USERS;
                    for (int32_t j = 0; j < run->count; j++)
                        times[run->first + j]++;
                    size += run->count;
                }
                assert_int_equal(size, MQ_MIN(MQ_TOWER_SHARD, samples - s * MQ_TOWER_SHARD));
            }
            total += samples;
        }
        assert_int_equal(total, w.samples);
        for (int u = 0; u < USERS; u++)
            for (int64_t i = w.offset[u]; i < w.offset[u + 1]; i++)
                assert_int_equal(times[i],
                                 i > w.offset[u] && !(w.held[u] && i == w.offset[u + 1] - 1));
        free(times);
    }
    assert_true(unknown > 0);
    mq_tower_runs_release(&runs);
}

static void
nobody_played(void **state)
{
    struct mq_error err = {0};
    struct world w;
    struct mq_tower_runs runs;
    struct mq_rng rng;
    make_world(&w);
    w.data.user_count = 2;
    mq_rng_init(&rng, 1, 1);
    check_ok(mq_tower_runs_init(&runs, &w.data, w.held, &w.options, &err));
    check_ok(mq_tower_runs_shuffle(&runs, &rng, &err));
    const struct mq_tower_shard_runs *parts;
    int32_t samples;
    assert_int_equal(mq_tower_runs_next(&runs, &parts, &samples), 0);
    mq_tower_runs_release(&runs);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sample_once_an_epoch),
        cmocka_unit_test(nobody_played),
    };
    return cmocka_run_group_tests_name("youtubednn_runs", tests, NULL, NULL);
}
