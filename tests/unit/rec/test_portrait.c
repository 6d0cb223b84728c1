#include "snapshot_fixture.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/rng.h"
#include "format/pickle_reader.h"
#include "rec/result_codec.h"

#define ITEMS 300

/* Items with a category of its own, one of five directors, and two of many actors. */
static struct mq_catalogue *
make_catalogue(void)
{
    static struct fixture_item items[ITEMS];
    static char text[ITEMS][4][32];
    for (int i = 0; i < ITEMS; i++) {
        snprintf(text[i][0], 32, "%d", i + 1);
        snprintf(text[i][1], 32, "category %d|%s", i % 40, i % 2 ? "drama" : "recent");
        snprintf(text[i][2], 32, "director %d", i % 5);
        snprintf(text[i][3], 32, "actor %d|actor %d", i, (i + 1) % ITEMS);
        items[i] = (struct fixture_item){
            .id = text[i][0], .property = {text[i][1], text[i][2], text[i][3], "en", "", ""}};
    }
    return fixture_catalogue(items, ITEMS);
}

static const struct mq_portrait_options options = {
    .half_life_days = 7.3, .recent_max = 6, .values_max = 48};

static void
check_same(const struct mq_portrait *a, const struct mq_portrait *b)
{
    assert_int_equal(a->updated_s, b->updated_s);
    for (int p = 0; p < MQ_PORTRAIT_PROPERTIES; p++) {
        const struct mq_portrait_property *x = &a->property[p], *y = &b->property[p];
        assert_int_equal(x->count, y->count);
        assert_int_equal(x->recent_count, y->recent_count);
        assert_true(x->threshold == y->threshold);
        assert_memory_equal(x->recent, y->recent, sizeof(*x->recent) * (size_t)x->recent_count);
        for (int32_t i = 0; i < x->count; i++) {
            assert_int_equal(x->values[i].value, y->values[i].value);
            assert_true(x->values[i].score == y->values[i].score); /* to the last bit */
            assert_int_equal(mq_portrait_is_marked(a, &x->values[i]),
                             mq_portrait_is_marked(b, &y->values[i]));
        }
    }
}

static void
make_plays(uint64_t seed, int64_t n, int32_t *items, uint32_t *times)
{
    struct mq_rng rng;
    mq_rng_init(&rng, seed, 0);
    uint32_t time = 1000000000;
    for (int64_t i = 0; i < n; i++) {
        items[i] = (int32_t)mq_rng_below(&rng, ITEMS);
        time += 1 + (mq_rng_below(&rng, 4) == 0 ? mq_rng_below(&rng, 9 * MQ_DAY_SECONDS) : 60);
        times[i] = time;
    }
}

static void
round_trip(const struct mq_catalogue *catalogue, const struct mq_portrait *portrait,
           struct mq_portrait *ret_back)
{
    struct mq_error err = {0};
    struct mq_buffer buffer = {0};
    struct mq_writer *writer;
    struct mq_reader *reader;
    struct mq_pickle_writer *pickle;
    struct mq_arena arena = {0};
    const struct mq_pickle_value *root;
    check_ok(mq_writer_to_buffer(&buffer, &writer, &err));
    check_ok(mq_pickle_writer_new(writer, &pickle, &err));
    mq_portrait_put(pickle, catalogue, portrait);
    check_ok(mq_pickle_finish(pickle, &err));
    mq_pickle_writer_free(pickle);
    check_ok(mq_writer_commit(writer, &err));
    mq_writer_close(writer);
    check_ok(mq_reader_from_memory(buffer.data, buffer.size, "portrait", &reader, &err));
    check_ok(mq_pickle_read(reader, NULL, &arena, &root, &err));
    mq_reader_close(reader);
    check_ok(mq_portrait_get(root, catalogue, false, ret_back, &err));
    mq_arena_release(&arena);
    mq_buffer_release(&buffer);
}

/* Continued from any point, also after having been stored and read, it is what a rebuild gives. */
static void
test_continue_equals_rebuild(void **state)
{
    enum { N = 400 };
    struct mq_catalogue *catalogue = make_catalogue();
    struct mq_error err = {0};
    int32_t items[N];
    uint32_t times[N];
    for (uint64_t seed = 1; seed <= 12; seed++) {
        make_plays(seed, N, items, times);
        struct mq_portrait whole = {0}, part = {0}, stored = {0};
        check_ok(mq_portrait_fold(&whole, catalogue, items, times, N, false, &options, &err));
        int64_t cut = (int64_t)seed * N / 13;
        check_ok(mq_portrait_fold(&part, catalogue, items, times, cut, false, &options, &err));
        check_ok(mq_portrait_fold(&part, catalogue, items, times, N, true, &options, &err));
        check_same(&whole, &part);
        mq_portrait_reset(&part);
        /* A value named "recent" is not stored: take a history without it. */
        for (int i = 0; i < N; i++)
            items[i] |= 1;
        mq_portrait_reset(&whole);
        check_ok(mq_portrait_fold(&whole, catalogue, items, times, N, false, &options, &err));
        check_ok(mq_portrait_fold(&part, catalogue, items, times, cut, false, &options, &err));
        round_trip(catalogue, &part, &stored);
        check_same(&part, &stored);
        check_ok(mq_portrait_fold(&stored, catalogue, items, times, N, true, &options, &err));
        check_same(&whole, &stored);
        mq_portrait_release(&whole);
        mq_portrait_release(&part);
        mq_portrait_release(&stored);
    }
    mq_catalogue_free(catalogue);
}

/* Running the job again over the same plays must not count them twice. */
static void
test_rebuild_counts_once(void **state)
{
    struct mq_catalogue *catalogue = make_catalogue();
    struct mq_error err = {0};
    const int32_t items[] = {1, 1, 3};
    const uint32_t times[] = {1000, 2000, 3000};
    struct mq_portrait portrait = {0};
    for (int run = 0; run < 3; run++) {
        mq_portrait_reset(&portrait);
        check_ok(mq_portrait_fold(&portrait, catalogue, items, times, 3, false, &options, &err));
        assert_int_equal(portrait.property[MQ_PROPERTY_DIRECTOR].count, 2);
        assert_true(portrait.property[MQ_PROPERTY_DIRECTOR].values[0].score == 2.0);
        check_ok(mq_portrait_fold(&portrait, catalogue, items, times, 3, true, &options, &err));
        assert_true(portrait.property[MQ_PROPERTY_DIRECTOR].values[0].score == 2.0);
    }
    mq_portrait_release(&portrait);
    mq_catalogue_free(catalogue);
}

/* Time wears taste, not clicks: many plays of one day leave each other alone. */
static void
test_decay_by_time(void **state)
{
    struct mq_catalogue *catalogue = make_catalogue();
    struct mq_error err = {0};
    const struct mq_portrait_options week = {
        .half_life_days = 7, .recent_max = 2, .values_max = 64};
    const uint32_t day = MQ_DAY_SECONDS;
    const int32_t items[] = {1, 1, 1, 3, 3};
    const uint32_t times[] = {100 * day, 100 * day + 5, 100 * day + 90, 107 * day, 107 * day + 1};
    struct mq_portrait portrait = {0};
    check_ok(mq_portrait_fold(&portrait, catalogue, items, times, 5, false, &week, &err));
    const struct mq_portrait_property *director = &portrait.property[MQ_PROPERTY_DIRECTOR];
    assert_int_equal(director->count, 2);
    assert_true(director->values[0].score == 1.5 && director->values[1].score == 2.0);
    /* The newer taste leads; the list is full, so its last score is the threshold. */
    assert_int_equal(director->recent[0],
                     fixture_value(catalogue, MQ_PROPERTY_DIRECTOR, "director 3"));
    assert_true(director->threshold == 1.5);
    assert_false(mq_portrait_is_marked(&portrait, &director->values[0]));
    assert_true(mq_portrait_is_marked(&portrait, &director->values[1]));
    mq_portrait_release(&portrait);
    mq_catalogue_free(catalogue);
}

static void
test_bounded(void **state)
{
    enum { N = 20000 };
    struct mq_catalogue *catalogue = make_catalogue();
    struct mq_error err = {0};
    int32_t *items = malloc(N * sizeof(*items));
    uint32_t *times = malloc(N * sizeof(*times));
    make_plays(3, N, items, times);
    struct mq_portrait portrait = {0};
    check_ok(mq_portrait_fold(&portrait, catalogue, items, times, N, false, &options, &err));
    for (int p = 0; p < MQ_PORTRAIT_PROPERTIES; p++) {
        assert_true(portrait.property[p].count <= options.values_max);
        assert_true(portrait.property[p].recent_count <= options.recent_max);
        for (int32_t i = 0; i < portrait.property[p].count; i++)
            assert_true(isfinite(portrait.property[p].values[i].score));
    }
    mq_portrait_release(&portrait);
    free(items);
    free(times);
    mq_catalogue_free(catalogue);
}

/* A clock that runs backwards, and a user without plays. */
static void
test_odd_histories(void **state)
{
    struct mq_catalogue *catalogue = make_catalogue();
    struct mq_error err = {0};
    struct mq_portrait portrait = {0}, back = {0};
    check_ok(mq_portrait_fold(&portrait, catalogue, NULL, NULL, 0, false, &options, &err));
    assert_int_equal(portrait.updated_s, 0);
    round_trip(catalogue, &portrait, &back);
    assert_false(back.has_vector);
    check_same(&portrait, &back);
    const int32_t items[] = {1, 1};
    const uint32_t times[] = {9 * MQ_DAY_SECONDS, 2 * MQ_DAY_SECONDS};
    check_ok(mq_portrait_fold(&portrait, catalogue, items, times, 2, false, &options, &err));
    assert_int_equal(portrait.updated_s, 9 * MQ_DAY_SECONDS);
    assert_true(portrait.property[MQ_PROPERTY_DIRECTOR].values[0].score == 2.0);
    mq_portrait_release(&portrait);
    mq_portrait_release(&back);
    mq_catalogue_free(catalogue);
}

/* The keys and types that readers of the old data lake know. */
static void
test_shape(void **state)
{
    struct mq_catalogue *catalogue = make_catalogue();
    struct mq_error err = {0};
    struct mq_portrait portrait = {0};
    const int32_t items[] = {1};
    const uint32_t times[] = {1234567};
    check_ok(mq_portrait_fold(&portrait, catalogue, items, times, 1, false, &options, &err));
    portrait.vector[3] = 0.5f;
    struct mq_buffer buffer = {0};
    struct mq_writer *writer;
    struct mq_reader *reader;
    struct mq_pickle_writer *pickle;
    struct mq_arena arena = {0};
    const struct mq_pickle_value *root;
    check_ok(mq_writer_to_buffer(&buffer, &writer, &err));
    check_ok(mq_pickle_writer_new(writer, &pickle, &err));
    mq_portrait_put(pickle, catalogue, &portrait);
    check_ok(mq_pickle_finish(pickle, &err));
    mq_pickle_writer_free(pickle);
    check_ok(mq_writer_commit(writer, &err));
    mq_writer_close(writer);
    check_ok(mq_reader_from_memory(buffer.data, buffer.size, "portrait", &reader, &err));
    check_ok(mq_pickle_read(reader, NULL, &arena, &root, &err));
    mq_reader_close(reader);
    const struct mq_pickle_value *director = mq_pickle_get(root, "director");
    const struct mq_pickle_value *recent = mq_pickle_get(director, "recent");
    const struct mq_pickle_value *entry = mq_pickle_get(director, "director 1");
    assert_string_equal(mq_pickle_item(mq_pickle_item(recent, 0), 0)->text, "director 1");
    assert_int_equal(mq_pickle_item(recent, 1)->kind, MQ_PICKLE_REAL);
    assert_string_equal(mq_pickle_get(entry, "mark")->text, "1");
    assert_true(mq_pickle_get(entry, "score")->real == 1.0);
    const struct mq_pickle_value *vector = mq_pickle_get(root, "ub_embeddding");
    assert_int_equal(vector->kind, MQ_PICKLE_ARRAY);
    assert_int_equal(vector->array->dims, 2);
    assert_int_equal(vector->array->shape[0], 1);
    assert_int_equal(vector->array->shape[1], 32);
    assert_int_equal(vector->array->width, 4);
    mq_arena_release(&arena);
    mq_buffer_release(&buffer);
    mq_portrait_release(&portrait);
    mq_catalogue_free(catalogue);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_continue_equals_rebuild), cmocka_unit_test(test_rebuild_counts_once),
        cmocka_unit_test(test_decay_by_time),           cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_odd_histories),           cmocka_unit_test(test_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
