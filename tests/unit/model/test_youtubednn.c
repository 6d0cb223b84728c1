#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"
#include "model/youtubednn_train.h"

enum { USERS = 240, ITEMS = 40, PLAYS = 12 };

/* Two tastes: even users play items below 20, odd users those above, each item once. */
struct plays {
    int64_t offset[USERS + 1];
    int32_t item[USERS * PLAYS];
    float weight[USERS * PLAYS];
    struct mq_youtubednn_data data;
};

static void
make_plays(struct plays *p)
{
    struct mq_rng rng;
    mq_rng_init(&rng, 5, 0);
    for (int u = 0; u < USERS; u++) {
        int32_t order[ITEMS / 2];
        for (int i = 0; i < ITEMS / 2; i++)
            order[i] = i + (u % 2) * ITEMS / 2;
        mq_rng_shuffle(&rng, order, ITEMS / 2);
        memcpy(p->item + u * PLAYS, order, sizeof(int32_t) * PLAYS);
        p->offset[u] = u * PLAYS;
    }
    p->offset[USERS] = USERS * PLAYS;
    p->data = (struct mq_youtubednn_data){
        .user_count = USERS, .item_count = ITEMS, .offset = p->offset, .item = p->item};
}

static struct mq_youtubednn_options
quick_options(void)
{
    struct mq_error err = {0};
    struct mq_config *config = NULL;
    struct mq_youtubednn_options options;
    check_ok(mq_config_new(&config, &err));
    mq_youtubednn_options_read(config, &options);
    mq_config_free(config);
    options.heads = 3;
    options.batch = 100;
    options.negatives = 15;
    options.epochs = 15;
    options.validation_users = 100;
    options.rate = 0.01f;
    options.item_deviation = 0.1f;
    return options;
}

static void
options_come_from_the_table(void **state)
{
    struct mq_error err = {0};
    struct mq_config *config = NULL;
    struct mq_youtubednn_options options;
    check_ok(mq_config_new(&config, &err));
    mq_youtubednn_options_read(config, &options);
    assert_int_equal(options.pooling, MQ_POOLING_POSITION);
    check_ok(mq_config_set(config, "youtubednn.pooling", "mean", MQ_FROM_FLAG, "test", &err));
    check_ok(mq_config_set(config, "youtubednn.negative_source", "in-batch", MQ_FROM_FLAG, "test",
                           &err));
    mq_youtubednn_options_read(config, &options);
    assert_int_equal(options.pooling, MQ_POOLING_MEAN);
    assert_int_equal(options.negative_source, MQ_NEGATIVES_IN_BATCH);
    mq_config_free(config);
}

static void
learns_two_tastes(const struct plays *p, struct mq_youtubednn_options options, const char *what)
{
    struct mq_error err = {0};
    struct mq_user_tower *tower = NULL;
    struct mq_youtubednn_report report;
    check_ok(mq_youtubednn_train(&p->data, &options, 1, NULL, &tower, &report, &err));
    assert_int_equal(report.samples, USERS * (PLAYS - 1) - 100);
    assert_int_equal(report.held_out.count, 100);
    /* 28 unseen items, 8 of them of the user's taste: by chance 0.36 of the targets are in 10. */
    if (!(report.held_out.hit_10[1] > 0.85))
        fail_msg("%s: held-out hit rate is %.3f", what, report.held_out.hit_10[1]);
    /* A user that training never saw, with a history of one taste. */
    int32_t user = -1, history[3] = {1, 5, 7};
    int64_t offset[2] = {0, 3};
    float vector[MQ_TOWER_DIM], near = 0, far = 0;
    check_ok(mq_user_tower_forward(tower, 1, &user, offset, history, vector, NULL, &err));
    for (int i = 0; i < ITEMS; i++)
        for (int d = 0; d < MQ_TOWER_DIM; d++)
            *(i < ITEMS / 2 ? &near : &far) += vector[d] * tower->item[i * MQ_TOWER_DIM + d];
    if (!(near > far))
        fail_msg("%s: an unknown user's taste is not seen (%g, %g)", what, (double)near,
                 (double)far);
    mq_user_tower_free(tower);
}

static void
learns(void **state)
{
    struct plays p;
    make_plays(&p);
    struct mq_youtubednn_options options = quick_options();
    learns_two_tastes(&p, options, "position, uniform");
    options.pooling = MQ_POOLING_MEAN;
    options.negative_source = MQ_NEGATIVES_POPULARITY;
    learns_two_tastes(&p, options, "mean, popularity");
    options.negative_source = MQ_NEGATIVES_IN_BATCH;
    options.run = 1; /* runs would make a user's own plays each other's negatives */
    learns_two_tastes(&p, options, "mean, in batch");
    options.negative_source = MQ_NEGATIVES_ALL;
    learns_two_tastes(&p, options, "mean, all");
}

static bool
same_towers(const struct mq_user_tower *a, const struct mq_user_tower *b)
{
    bool same = memcmp(a->user, b->user, sizeof(float) * (USERS + 1) * 16) == 0 &&
                memcmp(a->item, b->item, sizeof(float) * ITEMS * 32) == 0 &&
                memcmp(a->pooling, b->pooling, sizeof(float) * 51 * 50 * (size_t)a->heads) == 0;
    for (int i = 0; i < MQ_TOWER_LAYERS; i++)
        same =
            same && memcmp(a->layer[i].kernel, b->layer[i].kernel,
                           sizeof(float) * (size_t)(a->layer[i].inputs * a->layer[i].outputs)) == 0;
    return same;
}

static void
same_seed_same_bytes_on_any_threads(void **state)
{
    struct mq_error err = {0};
    struct plays p;
    make_plays(&p);
    struct mq_youtubednn_options options = quick_options();
    options.epochs = 2;
    options.batch = 700; /* three shards */
    struct mq_pool *pool = NULL;
    check_ok(mq_pool_new(3, &pool, &err));
    struct mq_user_tower *tower[3] = {NULL};
    struct mq_youtubednn_report report;
    check_ok(mq_youtubednn_train(&p.data, &options, 7, NULL, &tower[0], &report, &err));
    check_ok(mq_youtubednn_train(&p.data, &options, 7, pool, &tower[1], &report, &err));
    check_ok(mq_youtubednn_train(&p.data, &options, 8, pool, &tower[2], &report, &err));
    assert_true(same_towers(tower[0], tower[1]));
    assert_false(same_towers(tower[0], tower[2]));
    for (int i = 0; i < 3; i++)
        mq_user_tower_free(tower[i]);
    mq_pool_free(pool);
}

static void
train_small(int32_t users, int32_t items, const int64_t *offset, const int32_t *item,
            int64_t samples, enum mq_negative_source source)
{
    struct mq_error err = {0};
    struct mq_youtubednn_options options = quick_options();
    options.negative_source = source;
    struct mq_youtubednn_data data = {
        .user_count = users, .item_count = items, .offset = offset, .item = item};
    struct mq_user_tower *tower = NULL;
    struct mq_youtubednn_report report;
    check_ok(mq_youtubednn_train(&data, &options, 1, NULL, &tower, &report, &err));
    assert_int_equal(report.samples, samples);
    for (int64_t i = 0; i < (int64_t)items * MQ_TOWER_DIM; i++)
        assert_true(isfinite(tower->item[i]));
    mq_user_tower_free(tower);
}

static void
tiny_data(void **state)
{
    const int64_t none[] = {0, 0, 0, 0};
    const int32_t empty[] = {0};
    const int64_t one_each[] = {0, 0, 1, 2};
    const int32_t items[] = {0, 1, 1, 0};
    const int64_t two[] = {0, 2, 4};
    for (int s = MQ_NEGATIVES_UNIFORM; s <= MQ_NEGATIVES_ALL; s++) {
        enum mq_negative_source source = (enum mq_negative_source)s;
        train_small(0, 0, none, empty, 0, source);     /* nobody, nothing */
        train_small(3, 0, none, empty, 0, source);     /* users without plays, no items */
        train_small(3, 1, none, empty, 0, source);     /* one item, never played */
        train_small(3, 2, one_each, items, 0, source); /* no play and one play: no sample */
        train_small(2, 2, two, items, 2, source);      /* fewer items than negatives */
        train_small(2, 1000, two, items, 2, source);   /* most items never played */
    }
}

static void
epochs_are_cut_to_the_samples_allowed(void **state)
{
    struct mq_error err = {0};
    struct plays p;
    make_plays(&p);
    struct mq_youtubednn_options options = quick_options();
    struct mq_user_tower *tower = NULL;
    struct mq_youtubednn_report report;
    options.patience = 100;
    options.samples_max = 3 * (USERS * (PLAYS - 1) - 100) + 7;
    check_ok(mq_youtubednn_train(&p.data, &options, 1, NULL, &tower, &report, &err));
    assert_int_equal(report.epochs, 3);
    mq_user_tower_free(tower);
    options.samples_max = 1;
    check_ok(mq_youtubednn_train(&p.data, &options, 1, NULL, &tower, &report, &err));
    assert_int_equal(report.epochs, 1);
    mq_user_tower_free(tower);
}

static void
weights_of_zero_teach_nothing(void **state)
{
    struct mq_error err = {0};
    struct plays p;
    make_plays(&p);
    p.data.weight = p.weight;
    memset(p.weight, 0, sizeof(p.weight));
    struct mq_youtubednn_options options = quick_options();
    options.validation_users = 0;
    struct mq_user_tower *one = NULL, *more = NULL;
    struct mq_youtubednn_report report;
    options.epochs = 1;
    check_ok(mq_youtubednn_train(&p.data, &options, 1, NULL, &one, &report, &err));
    options.epochs = 3;
    check_ok(mq_youtubednn_train(&p.data, &options, 1, NULL, &more, &report, &err));
    assert_true(same_towers(one, more));
    assert_true(report.loss == 0.0);
    mq_user_tower_free(one);
    mq_user_tower_free(more);
}

static void
bad_data_is_refused(void **state)
{
    struct mq_error err = {0};
    struct plays p;
    make_plays(&p);
    struct mq_youtubednn_options options = quick_options();
    struct mq_user_tower *tower = NULL;
    struct mq_youtubednn_report report;
    p.item[17] = ITEMS;
    check_fails(MQ_E_RANGE, mq_youtubednn_train(&p.data, &options, 1, NULL, &tower, &report, &err));
    check_contains(err.message, "play 17 is of item 40 (allowed: 0 to 39)");
    make_plays(&p);
    for (int i = 0; i < USERS * PLAYS; i++)
        p.weight[i] = 1.0f;
    p.weight[3] = NAN;
    p.data.weight = p.weight;
    check_fails(MQ_E_RANGE, mq_youtubednn_train(&p.data, &options, 1, NULL, &tower, &report, &err));
    options.run = 51;
    p.weight[3] = 1.0f;
    check_fails(MQ_E_RANGE, mq_youtubednn_train(&p.data, &options, 1, NULL, &tower, &report, &err));
    assert_null(tower);
}

static void
first_plays_stay(void **state)
{
    int32_t seen[10] = {0}, items[] = {3, 1, 3, 2, 1, 9}, again[] = {1, 1};
    assert_int_equal(mq_history_distinct(items, 6, seen, 1), 4);
    const int32_t expected[] = {3, 1, 2, 9};
    assert_memory_equal(items, expected, sizeof(expected));
    assert_int_equal(mq_history_distinct(again, 2, seen, 2), 1);
    assert_int_equal(mq_history_distinct(again, 0, seen, 3), 0);
}

static struct mq_user_tower *
random_tower(int32_t users, int32_t items, int32_t heads)
{
    struct mq_error err = {0};
    struct mq_user_tower *tower = NULL;
    struct mq_rng rng;
    mq_rng_init(&rng, 3, 3);
    check_ok(mq_user_tower_new(users, items, heads, &tower, &err));
    for (int32_t i = 0; i < (users + 1) * 16; i++)
        tower->user[i] = (float)mq_rng_normal(&rng);
    for (int32_t i = 0; i < items * 32; i++)
        tower->item[i] = (float)mq_rng_normal(&rng);
    for (int32_t length = 1; length <= 50; length++)
        for (int32_t h = 0; h < heads; h++)
            for (int32_t k = 0; k < length; k++)
                tower->pooling[(length * heads + h) * 50 + k] = (float)mq_rng_uniform(&rng);
    for (int i = 0; i < MQ_TOWER_LAYERS; i++) {
        struct mq_tower_layer *layer = &tower->layer[i];
        for (int32_t j = 0; j < layer->inputs * layer->outputs; j++)
            layer->kernel[j] = (float)mq_rng_normal(&rng) * 0.1f;
        for (int32_t j = 0; j < layer->outputs; j++)
            layer->bias[j] = (float)mq_rng_normal(&rng);
    }
    return tower;
}

static void
histories_are_cut_and_unknown_ids_passed_over(void **state)
{
    struct mq_error err = {0};
    struct mq_user_tower *tower = random_tower(4, 9, 2);
    enum { LONG = 70 };
    int32_t history[3 * LONG + 4];
    /* User 0: 70 plays; user 1: its newest 50; user 2: the same with strangers between. */
    int64_t offset[7] = {0, LONG, LONG + 50};
    for (int i = 0; i < LONG; i++)
        history[i] = (i * 5 + i / 7) % 9;
    memcpy(history + LONG, history + LONG - 50, sizeof(int32_t) * 50);
    int64_t at = LONG + 50;
    for (int i = 0; i < 50; i++) {
        if (i % 17 == 0)
            history[at++] = i % 2 == 0 ? 9 : -1;
        history[at++] = history[LONG + i];
    }
    offset[3] = at;
    offset[4] = offset[5] = offset[6] = at; /* nothing played */
    /* Users 3, 4, 5 have no history: unknown by -1, unknown by a later code, the reserved row. */
    const int32_t users[6] = {2, 2, 2, -1, 77, 4};
    float vectors[6 * 32];
    check_ok(mq_user_tower_forward(tower, 6, users, offset, history, vectors, NULL, &err));
    assert_memory_equal(vectors, vectors + 32, sizeof(float) * 32);
    assert_memory_equal(vectors, vectors + 64, sizeof(float) * 32);
    assert_memory_equal(vectors + 96, vectors + 128, sizeof(float) * 32);
    assert_memory_equal(vectors + 96, vectors + 160, sizeof(float) * 32);
    assert_memory_not_equal(vectors, vectors + 96, sizeof(float) * 32);
    check_ok(mq_user_tower_forward(tower, 0, users, offset, history, vectors, NULL, &err));
    mq_user_tower_free(tower);
}

static void
write_to(struct mq_buffer *buffer, const struct mq_user_tower *tower)
{
    struct mq_error err = {0};
    struct mq_writer *writer = NULL;
    check_ok(mq_writer_to_buffer(buffer, &writer, &err));
    check_ok(mq_user_tower_write(tower, writer, &err));
    check_ok(mq_writer_commit(writer, &err));
    mq_writer_close(writer);
}

static enum mq_status
read_from(const void *bytes, size_t size, struct mq_user_tower **ret_tower, struct mq_error *err)
{
    struct mq_reader *reader = NULL;
    enum mq_status st = mq_reader_from_memory(bytes, size, "user_embeddings.h5", &reader, err);
    if (st == MQ_OK)
        st = mq_user_tower_read(reader, ret_tower, err);
    mq_reader_close(reader);
    return st;
}

static void
keras_file_holds_the_tower(void **state)
{
    struct mq_error err = {0};
    struct mq_user_tower *tower = random_tower(USERS, ITEMS, 3), *back = NULL;
    struct mq_buffer buffer = {0}, again = {0};
    write_to(&buffer, tower);
    write_to(&again, tower);
    assert_int_equal(buffer.size, again.size);
    assert_memory_equal(buffer.data, again.data, buffer.size);
    check_ok(read_from(buffer.data, buffer.size, &back, &err));
    assert_int_equal(back->user_count, USERS);
    assert_int_equal(back->item_count, ITEMS);
    assert_int_equal(back->heads, 3);
    assert_true(same_towers(tower, back));
    for (int i = 0; i < MQ_TOWER_LAYERS; i++)
        assert_memory_equal(tower->layer[i].bias, back->layer[i].bias,
                            sizeof(float) * (size_t)tower->layer[i].outputs);
    mq_user_tower_free(back);
    back = NULL;
    assert_int_not_equal(read_from(buffer.data, buffer.size / 2, &back, &err), MQ_OK);
    assert_int_not_equal(read_from("not HDF5", 8, &back, &err), MQ_OK);
    tower->item[40] = NAN;
    mq_buffer_reset(&buffer);
    write_to(&buffer, tower);
    check_fails(MQ_E_FORMAT, read_from(buffer.data, buffer.size, &back, &err));
    check_contains(err.message, "value 40 of 'sparse_seq_emb_hist_movie_id/embeddings' is nan");
    assert_null(back);
    mq_user_tower_free(tower);
    mq_buffer_release(&buffer);
    mq_buffer_release(&again);
}

int
main(void)
{
    mq_progress_enable(false);
    mq_log_configure(MQ_LOG_ERROR, false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_come_from_the_table),
        cmocka_unit_test(learns),
        cmocka_unit_test(same_seed_same_bytes_on_any_threads),
        cmocka_unit_test(tiny_data),
        cmocka_unit_test(epochs_are_cut_to_the_samples_allowed),
        cmocka_unit_test(weights_of_zero_teach_nothing),
        cmocka_unit_test(bad_data_is_refused),
        cmocka_unit_test(first_plays_stay),
        cmocka_unit_test(histories_are_cut_and_unknown_ids_passed_over),
        cmocka_unit_test(keras_file_holds_the_tower),
    };
    return cmocka_run_group_tests_name("youtubednn", tests, NULL, NULL);
}
