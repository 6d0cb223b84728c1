/* Random trees of values, written and read back, whole and as a stream. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/rng.h"
#include "format/pickle_reader.h"
#include "format/pickle_writer.h"

/* The same generator writes a tree and, run again from its seed, checks what was read. */
struct walk {
    struct mq_rng rng;
    struct mq_pickle_writer *w; /* NULL: checking */
    size_t wrong;
};

static size_t
random_text(struct mq_rng *rng, char text[80])
{
    static const char *const pieces[] = {"a", "item", "é", "日", "😀", "\n", "7", " "};
    size_t n = 0;
    for (uint32_t i = mq_rng_below(rng, 20); i > 0; i--) {
        const char *piece = pieces[mq_rng_below(rng, 8)];
        memcpy(text + n, piece, strlen(piece));
        n += strlen(piece);
    }
    return n;
}

static void
random_value(struct walk *walk, const struct mq_pickle_value *value, int depth)
{
    struct mq_pickle_writer *w = walk->w;
    uint32_t pick = mq_rng_below(&walk->rng, depth > 4 ? 6 : 9);
    if (pick == 0) {
        if (w != NULL)
            mq_pickle_put_none(w);
        else
            walk->wrong += !mq_pickle_is_none(value);
    } else if (pick == 1) {
        bool flag = mq_rng_next(&walk->rng) & 1, found = !flag;
        if (w != NULL)
            mq_pickle_put_bool(w, flag);
        else
            walk->wrong += !mq_pickle_as_bool(value, &found) || found != flag;
    } else if (pick == 2) {
        int64_t integer = (int64_t)mq_rng_next(&walk->rng) >> mq_rng_below(&walk->rng, 64);
        int64_t found = 0;
        if (w != NULL)
            mq_pickle_put_int(w, integer);
        else
            walk->wrong += !mq_pickle_as_int(value, &found) || found != integer;
    } else if (pick == 3) {
        double real = (mq_rng_uniform(&walk->rng) - 0.5) * 1e6, found = 0;
        if (w != NULL)
            mq_pickle_put_real(w, real);
        else
            walk->wrong += !mq_pickle_as_real(value, &found) || found != real;
    } else if (pick <= 5) {
        char text[80];
        const char *found;
        size_t size = random_text(&walk->rng, text), found_size;
        if (w != NULL)
            mq_pickle_put_text(w, text, size);
        else
            walk->wrong += !mq_pickle_as_text(value, &found, &found_size) || found_size != size ||
                           memcmp(found, text, size) != 0;
    } else {
        /* Now and then more than one batch. */
        uint32_t count = mq_rng_below(&walk->rng, mq_rng_below(&walk->rng, 200) == 0 ? 3000 : 6);
        if (depth > 2 && count > 6)
            count = 6;
        if (w != NULL && pick == 6)
            mq_pickle_begin_list(w);
        else if (w != NULL && pick == 7)
            mq_pickle_begin_tuple(w);
        else if (w != NULL)
            mq_pickle_begin_dict(w);
        else
            walk->wrong += mq_pickle_count(value) != count;
        for (uint32_t i = 0; i < count; i++) {
            if (pick == 8) {
                random_value(walk, mq_pickle_key(value, i), 9);
                random_value(walk, mq_pickle_at(value, i), depth + 1);
            } else {
                random_value(walk, mq_pickle_item(value, i), depth + 1);
            }
        }
        if (w != NULL)
            mq_pickle_end(w);
    }
}

static enum mq_status
count_entry(void *context, const struct mq_pickle_value *key, const struct mq_pickle_value *value,
            struct mq_error *err)
{
    ++*(size_t *)context;
    return MQ_OK;
}

static void
random_trees_come_back(void **state)
{
    const char *given = getenv("MARQUEE_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("seed %llu (MARQUEE_TEST_SEED)\n", (unsigned long long)seed);
    for (uint64_t round = 0; round < 300; round++) {
        struct mq_error err;
        struct mq_buffer buffer = {0};
        struct mq_writer *out;
        struct mq_pickle_writer *w;
        check_ok(mq_writer_to_buffer(&buffer, &out, &err));
        check_ok(mq_pickle_writer_new(out, &w, &err));
        struct walk walk = {.w = w};
        mq_rng_init(&walk.rng, seed, round);
        random_value(&walk, NULL, 0);
        check_ok(mq_pickle_finish(w, &err));
        check_ok(mq_writer_commit(out, &err));
        mq_pickle_writer_free(w);
        mq_writer_close(out);

        struct mq_reader *in;
        struct mq_arena arena = {0};
        const struct mq_pickle_value *root;
        check_ok(mq_reader_from_memory(buffer.data, buffer.size, "round trip", &in, &err));
        check_ok(mq_pickle_read(in, NULL, &arena, &root, &err));
        assert_int_equal(in->offset, buffer.size);
        mq_reader_close(in);
        walk = (struct walk){0};
        mq_rng_init(&walk.rng, seed, round);
        random_value(&walk, root, 0);
        assert_int_equal(walk.wrong, 0);

        size_t entries = 0;
        check_ok(mq_reader_from_memory(buffer.data, buffer.size, "round trip", &in, &err));
        enum mq_status st = mq_pickle_stream(in, NULL, count_entry, &entries, NULL, &err);
        if (root->kind == MQ_PICKLE_LIST || root->kind == MQ_PICKLE_DICT)
            assert_int_equal(st, MQ_OK);
        else
            assert_int_equal(st, MQ_E_FORMAT);
        if (st == MQ_OK)
            assert_int_equal(entries, mq_pickle_count(root));
        mq_reader_close(in);

        /* Every prefix is refused, none crashes. */
        for (size_t size = 0; size < buffer.size; size += 1 + size / 16) {
            struct mq_arena part = {0};
            check_ok(mq_reader_from_memory(buffer.data, size, "prefix", &in, &err));
            check_fails(MQ_E_FORMAT, mq_pickle_read(in, NULL, &part, &root, &err));
            mq_reader_close(in);
            mq_arena_release(&part);
        }
        mq_arena_release(&arena);
        mq_buffer_release(&buffer);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_trees_come_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
