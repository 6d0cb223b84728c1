/*
 * YoutubeDNN: training speed and leave-one-out quality.
 *
 * bench_youtubednn SEQUENCES [key=value …] where SEQUENCES holds "user item" a line, users in order
 * and each user's items oldest first (bench/peers/sequences.py writes it from MovieLens). Each
 * user's newest item is the test; training sees the rest, and holds out its own users for early
 * stopping. Prints one JSON line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "emit.h"
#include "model/youtubednn_train.h"

struct sequences {
    int32_t user_count, item_count;
    int64_t count;
    size_t user_capacity, item_capacity;
    int64_t *offset; /* [user_count+1] */
    int32_t *item;
};

static enum mq_status
load(const char *path, struct sequences *s, struct mq_error *err)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return mq_fail(err, MQ_E_IO, "cannot open '%s'", path);
    long user, item, last = -1;
    enum mq_status st = MQ_OK;
    while (st == MQ_OK && fscanf(file, "%ld %ld", &user, &item) == 2) {
        st = mq_grow(&s->item, &s->item_capacity, (size_t)s->count + 1, sizeof(int32_t), err);
        if (st == MQ_OK && user != last) {
            st = mq_grow(&s->offset, &s->user_capacity, (size_t)s->user_count + 2, sizeof(int64_t),
                         err);
            if (st == MQ_OK)
                s->offset[s->user_count++] = s->count;
            last = user;
        }
        if (st == MQ_OK) {
            s->item[s->count++] = (int32_t)item;
            s->item_count = MQ_MAX(s->item_count, (int32_t)item + 1);
        }
    }
    fclose(file);
    if (st == MQ_OK && s->user_count == 0)
        return mq_fail(err, MQ_E_INPUT, "'%s' holds no 'user item' lines", path);
    if (st == MQ_OK)
        s->offset[s->user_count] = s->count;
    return st;
}

/* Newest item of each user apart. */
static enum mq_status
split(const struct sequences *s, int64_t **ret_offset, int32_t **ret_item, int32_t **ret_target,
      struct mq_error *err)
{
    size_t users = (size_t)s->user_count;
    enum mq_status st = mq_alloc_array(users + 1, sizeof(int64_t), ret_offset, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)s->count, sizeof(int32_t), ret_item, err);
    if (st == MQ_OK)
        st = mq_alloc_array(users, sizeof(int32_t), ret_target, err);
    if (st != MQ_OK)
        return st;
    int64_t at = 0;
    for (size_t u = 0; u < users; u++) {
        (*ret_offset)[u] = at;
        for (int64_t i = s->offset[u]; i < s->offset[u + 1] - 1; i++)
            (*ret_item)[at++] = s->item[i];
        (*ret_target)[u] = s->item[s->offset[u + 1] - 1];
    }
    (*ret_offset)[users] = at;
    return MQ_OK;
}

static enum mq_status
run(const char *path, const struct mq_config *config, struct mq_error *err)
{
    struct sequences s = {0};
    mq_autofree int64_t *offset = NULL;
    mq_autofree int32_t *item = NULL, *target = NULL, *codes = NULL;
    mq_autofree float *vectors = NULL;
    struct mq_pool *pool = NULL;
    struct mq_user_tower *tower = NULL;
    struct mq_youtubednn_report report;
    struct mq_youtubednn_options options;
    struct mq_hit_rates test;
    mq_youtubednn_options_read(config, &options);
    enum mq_status st = load(path, &s, err);
    if (st == MQ_OK)
        st = split(&s, &offset, &item, &target, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)s.user_count, sizeof(float) * MQ_TOWER_DIM, &vectors, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)s.user_count, sizeof(int32_t), &codes, err);
    if (st == MQ_OK)
        st = mq_pool_new((int)mq_config_int(config, "run.threads"), &pool, err);
    struct mq_youtubednn_data data = {
        .user_count = s.user_count, .item_count = s.item_count, .offset = offset, .item = item};
    if (st == MQ_OK)
        st = mq_youtubednn_train(&data, &options, (uint64_t)mq_config_int(config, "run.seed"), pool,
                                 &tower, &report, err);
    for (int32_t u = 0; st == MQ_OK && u < s.user_count; u++)
        codes[u] = u;
    if (st == MQ_OK)
        st = mq_user_tower_forward(tower, s.user_count, codes, offset, item, vectors, pool, err);
    if (st == MQ_OK)
        st = mq_leave_one_out(s.user_count, s.item_count, MQ_TOWER_DIM, vectors, tower->item,
                              target, offset, item, pool, &test, err);
    if (st == MQ_OK) {
        char work[128], quality[256];
        struct bench_times times = {0};
        bench_time_add(&times, report.seconds / MQ_MAX(report.epochs, 1));
        snprintf(work, sizeof(work), "train %s batch %d negatives %d",
                 mq_config_text(config, "youtubednn.pooling"), options.batch, options.negatives);
        snprintf(quality, sizeof(quality),
                 "{\"HR@50\": %.4f, \"HR@50_excl_hist\": %.4f, \"HR@10\": %.4f, "
                 "\"HR@10_excl_hist\": %.4f, \"NDCG@10\": %.4f, \"NDCG@10_excl_hist\": %.4f, "
                 "\"loss\": %.4f, \"epochs\": %d}",
                 test.hit_50[0], test.hit_50[1], test.hit_10[0], test.hit_10[1], test.ndcg_10[0],
                 test.ndcg_10[1], report.loss, report.epochs);
        bench_emit(work, mq_pool_threads(pool), &times, (double)report.samples, "samples", quality);
    }
    mq_user_tower_free(tower);
    mq_pool_free(pool);
    free(s.offset);
    free(s.item);
    return st;
}

int
main(int count, char **values)
{
    struct mq_error err = {0};
    struct mq_config *config = NULL;
    if (count < 2) {
        fprintf(stderr, "usage: bench_youtubednn SEQUENCES [section.key=value …]\n");
        return 2;
    }
    enum mq_status st = mq_config_new(&config, &err);
    mq_progress_enable(false);
    for (int i = 2; i < count && st == MQ_OK; i++) {
        char *equals = strchr(values[i], '=');
        if (equals == NULL) {
            st = mq_fail(&err, MQ_E_USAGE, "'%s' is not key=value", values[i]);
            break;
        }
        *equals = '\0';
        st = mq_config_set(config, values[i], equals + 1, MQ_FROM_FLAG, values[i], &err);
    }
    if (st == MQ_OK)
        st = run(values[1], config, &err);
    if (st != MQ_OK)
        fprintf(stderr, "bench_youtubednn: %s\n", err.message);
    mq_config_free(config);
    return mq_status_exit_code(st);
}
