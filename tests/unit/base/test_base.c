#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/filesystem.h"
#include "base/memory.h"
#include "base/name_form.h"
#include "base/pool.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "base/stream.h"
#include "base/strmap.h"

static void
error_keeps_context_and_cuts_long_text(void **state)
{
    struct mq_error err;
    assert_int_equal(mq_fail(&err, MQ_E_RANGE, "n is %d (allowed: 1 to 9)", 12), MQ_E_RANGE);
    mq_error_hint(&err, "use 9");
    mq_fail_context(&err, MQ_E_INTERNAL, "cannot run");
    assert_string_equal(err.message, "cannot run: n is 12 (allowed: 1 to 9)");
    assert_string_equal(err.hint, "use 9");
    assert_int_equal(err.code, MQ_E_RANGE);
    mq_fail(&err, MQ_E_IO, "%2000d", 1);
    assert_int_equal(strlen(err.message), MQ_ERROR_MESSAGE_MAX - 1);
    assert_string_equal(err.message + strlen(err.message) - 3, "…");
    assert_int_equal(mq_fail(NULL, MQ_E_IO, "x"), MQ_E_IO);
}

static void
arena_respects_alignment_and_limit(void **state)
{
    struct mq_arena arena;
    mq_arena_init(&arena, 100000);
    for (size_t i = 1; i < 50; i++) {
        float *block = mq_arena_array(&arena, i * 7, sizeof(float));
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % MQ_ALIGNMENT, 0);
        for (size_t j = 0; j < i * 7; j++) {
            assert_true(block[j] == 0);
            block[j] = 1;
        }
    }
    assert_null(mq_arena_alloc(&arena, 100000));
    assert_null(mq_arena_array(&arena, SIZE_MAX / 2, 4));
    mq_arena_reset(&arena);
    assert_non_null(mq_arena_alloc(&arena, 100000));
    mq_arena_release(&arena);
}

static void
strmap_gives_dense_codes(void **state)
{
    struct mq_error err = {0};
    struct mq_strmap map = {0};
    char key[32];
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 20000; i++) {
            int32_t code;
            int n = snprintf(key, sizeof(key), "id-%d", i);
            check_ok(mq_strmap_add(&map, key, (size_t)n, &code, &err));
            assert_int_equal(code, i);
        }
    assert_int_equal(map.count, 20000);
    assert_int_equal(mq_strmap_find_text(&map, "id-777"), 777);
    assert_int_equal(mq_strmap_find_text(&map, "id-20000"), -1);
    int32_t a, b;
    check_ok(mq_strmap_add(&map, "x\0y", 3, &a, &err));
    check_ok(mq_strmap_add(&map, "x", 1, &b, &err));
    assert_int_not_equal(a, b);
    char *huge = calloc(1, MQ_STRMAP_KEY_MAX + 1);
    check_fails(MQ_E_RANGE, mq_strmap_add(&map, huge, MQ_STRMAP_KEY_MAX + 1, &a, &err));
    free(huge);
    mq_strmap_release(&map);
}

static enum mq_status
square_range(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    int64_t *out = context;
    for (int64_t i = begin; i < end; i++) {
        if (out == NULL && i >= 500)
            return mq_fail(err, MQ_E_RANGE, "range at %lld", (long long)begin);
        if (out != NULL)
            out[i] = i * i;
    }
    return MQ_OK;
}

static void
pool_runs_every_range_and_reports_the_lowest_failure(void **state)
{
    struct mq_error err = {0};
    struct mq_pool *pool;
    check_ok(mq_pool_new(4, &pool, &err));
    int64_t *out = calloc(10000, sizeof(*out));
    check_ok(mq_pool_for(pool, 10000, 7, square_range, out, &err));
    for (int64_t i = 0; i < 10000; i++)
        assert_int_equal(out[i], i * i);
    free(out);
    for (int i = 0; i < 50; i++) {
        check_fails(MQ_E_RANGE, mq_pool_for(pool, 10000, 10, square_range, NULL, &err));
        assert_string_equal(err.message, "range at 500");
    }
    mq_pool_free(pool);
    check_fails(MQ_E_RANGE, mq_pool_new(1000, &pool, &err));
}

static void
names_of_a_form(void **state)
{
    (void)state;
    char longest[MQ_TOPIC_NAME_MAX + 2] = "";
    assert_true(mq_name_fits(MQ_NAME_ANY, "") && mq_name_fits(MQ_NAME_ANY, "a b/\n"));
    assert_string_equal(mq_name_form_text(MQ_NAME_ANY), "any text");
    static const char *const no_topics[] = {"../x", "a b", "a|b", "a/b", "ä", "a\n", "a:b"};
    assert_true(mq_name_fits(MQ_NAME_TOPIC, "User_events.2-x"));
    for (size_t i = 0; i < MQ_COUNT(no_topics); i++) {
        assert_false(mq_name_fits(MQ_NAME_TOPIC, no_topics[i]));
        assert_false(mq_name_fits(MQ_NAME_TOPIC_OR_NONE, no_topics[i]));
        assert_false(mq_name_fits(MQ_NAME_TABLE, no_topics[i]));
    }
    assert_false(mq_name_fits(MQ_NAME_TOPIC, "") || mq_name_fits(MQ_NAME_TABLE, ""));
    assert_true(mq_name_fits(MQ_NAME_TOPIC_OR_NONE, "") && mq_name_fits(MQ_NAME_TABLES, ""));
    memset(longest, 'x', MQ_TOPIC_NAME_MAX);
    assert_true(mq_name_fits(MQ_NAME_TOPIC, longest));
    longest[MQ_TOPIC_NAME_MAX] = 'x';
    assert_false(mq_name_fits(MQ_NAME_TOPIC, longest));
    assert_false(mq_name_fits(MQ_NAME_FOLDER, longest));
    assert_true(mq_name_fits(MQ_NAME_FOLDER, longest + 1));
    static const char *const no_folders[] = {"", ".", "..", "../x", "a/b", "a/"};
    for (size_t i = 0; i < MQ_COUNT(no_folders); i++)
        assert_false(mq_name_fits(MQ_NAME_FOLDER, no_folders[i]));
    assert_true(mq_name_fits(MQ_NAME_FOLDER, "...") && mq_name_fits(MQ_NAME_FOLDER, "zürich 1"));
    longest[MQ_TABLE_NAME_MAX] = '\0';
    assert_true(mq_name_fits(MQ_NAME_TABLE, longest));
    longest[MQ_TABLE_NAME_MAX] = '|';
    longest[2 * MQ_TABLE_NAME_MAX + 1] = '\0';
    assert_true(mq_name_fits(MQ_NAME_TABLES, longest));
    longest[2 * MQ_TABLE_NAME_MAX + 1] = 'x';
    longest[2 * MQ_TABLE_NAME_MAX + 2] = '\0';
    assert_false(mq_name_fits(MQ_NAME_TABLES, longest));
    assert_false(mq_name_fits(MQ_NAME_TABLE, "Users"));
    assert_true(mq_name_fits(MQ_NAME_TABLES, "a||b|"));
    assert_false(mq_name_fits(MQ_NAME_TABLES, "a|b c"));
}

static void
clock_parses_what_it_prints(void **state)
{
    struct mq_error err = {0};
    char text[MQ_INSTANT_SIZE];
    int64_t back;
    for (int64_t t = -62135596800; t < 253402300800; t += 86399 * 977) {
        mq_instant_format(t, text);
        check_ok(mq_instant_parse(text, strlen(text), &back, &err));
        assert_int_equal(back, t);
    }
    check_ok(mq_instant_parse("2020-12-17 17:00:30.5+08:00", 27, &back, &err));
    assert_int_equal(back, 1608195630);
    check_fails(MQ_E_RANGE, mq_instant_parse("2023-02-29", 10, &back, &err));
    check_fails(MQ_E_FORMAT, mq_instant_parse("2023-2-29", 9, &back, &err));
    check_fails(MQ_E_FORMAT, mq_instant_parse("2023-02-01T10:00Zx", 18, &back, &err));
    assert_true(mq_date_valid("2024-02-29"));
    static const char *const no_days[] = {
        "", "2023-02-29", "2024-2-29", "2024-02-29Z", "2024-02-29T10:00", "20240229xx"};
    for (size_t i = 0; i < MQ_COUNT(no_days); i++)
        assert_false(mq_date_valid(no_days[i]));
}

static void
days_of_milliseconds(void **state)
{
    (void)state;
    static const int64_t days[][2] = {{0, 0},
                                      {86399999, 0},
                                      {86400000, 1},
                                      {-1, -1},
                                      {-86400000, -1},
                                      {-86400001, -2},
                                      {INT64_MAX, 106751991167},
                                      {INT64_MIN, -106751991168}};
    for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++)
        assert_true(mq_day_of_ms(days[i][0]) == days[i][1]);
}

static void
file_writer_replaces_files_only(void **state)
{
    struct mq_error err = {0};
    struct mq_writer *writer;
    struct stat is;
    char *folder;
    (void)state;
    check_ok(mq_fs_scratch(&folder, &err));
    char *pipe = mq_strfmt("%s/pipe", folder), *link = mq_strfmt("%s/link", folder);
    char *lost = mq_strfmt("%s/lost", folder), *slash = mq_strfmt("%s/new/", folder);
    char *file = mq_strfmt("%s/file", folder), *alias = mq_strfmt("%s/alias", folder);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(symlink("pipe", link), 0);
    assert_int_equal(symlink("nothing", lost), 0);
    assert_int_equal(symlink("file", alias), 0);
    const char *const there[] = {pipe, link, lost, slash, folder, ""};
    for (size_t i = 0; i < MQ_COUNT(there); i++) {
        check_fails(MQ_E_IO, mq_writer_to_file(there[i], &writer, &err));
        check_contains(err.message, there[i]);
    }
    assert_true(lstat(pipe, &is) == 0 && S_ISFIFO(is.st_mode));
    assert_true(lstat(link, &is) == 0 && S_ISLNK(is.st_mode));
    assert_int_not_equal(lstat(slash, &is), 0);
    /* A link to a file stays one, and leads to what was written. */
    for (int i = 0; i < 2; i++) {
        check_ok(mq_writer_to_file(i == 0 ? file : alias, &writer, &err));
        check_ok(mq_writer_put(writer, "12", (size_t)i + 1, &err));
        check_ok(mq_writer_commit(writer, &err));
        mq_writer_close(writer);
        assert_true(lstat(file, &is) == 0 && S_ISREG(is.st_mode) && is.st_size == i + 1);
        assert_true(lstat(alias, &is) == 0 && S_ISLNK(is.st_mode));
    }
    check_ok(mq_fs_remove(folder, &err));
    free(file);
    free(alias);
    free(pipe);
    free(link);
    free(lost);
    free(slash);
    free(folder);
}

static void
file_writer_publishes_only_on_commit(void **state)
{
    struct mq_error err = {0};
    char *folder;
    check_ok(mq_fs_scratch(&folder, &err));
    char *path = mq_strfmt("%s/a/b.bin", folder);
    struct mq_writer *writer;
    check_ok(mq_writer_to_file(path, &writer, &err));
    check_ok(mq_writer_put(writer, "half", 4, &err));
    mq_writer_close(writer);
    assert_false(mq_fs_exists(path));
    check_ok(mq_writer_to_file(path, &writer, &err));
    for (int i = 0; i < 50000; i++)
        check_ok(mq_writer_printf(writer, &err, "line %d\n", i));
    check_ok(mq_writer_commit(writer, &err));
    mq_writer_close(writer);
    struct mq_reader *reader;
    check_ok(mq_reader_from_file(path, &reader, &err));
    struct mq_buffer all = {0};
    check_ok(mq_reader_all(reader, 1 << 20, &all, &err));
    assert_memory_equal(all.data, "line 0\nline 1\n", 14);
    assert_int_equal((int64_t)all.size, reader->size_bytes);
    char byte;
    check_fails(MQ_E_FORMAT, mq_reader_exact(reader, &byte, 1, &err));
    mq_buffer_release(&all);
    mq_reader_close(reader);
    check_ok(mq_fs_remove(folder, &err));
    assert_false(mq_fs_exists(folder));
    free(path);
    free(folder);
}

static void
rng_is_fixed_and_even(void **state)
{
    struct mq_rng a, b;
    mq_rng_init(&a, 7, 1);
    mq_rng_init(&b, 7, 2);
    assert_true(mq_rng_next(&a) != mq_rng_next(&b));
    int seen[10] = {0};
    for (int i = 0; i < 100000; i++)
        seen[mq_rng_below(&a, 10)]++;
    for (int i = 0; i < 10; i++)
        assert_in_range(seen[i], 9500, 10500);
}

static void
digests_of_streams(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_buffer buffer = {0};
    struct mq_writer *inner, *writer;
    struct mq_reader *source, *reader;
    char hex[MQ_SHA256_HEX_SIZE], expected[MQ_SHA256_HEX_SIZE];
    static char text[100000];
    memset(text, 'x', sizeof(text));
    mq_sha256_of_bytes(text, sizeof(text), expected);
    check_ok(mq_writer_to_buffer(&buffer, &inner, &err));
    check_ok(mq_sha256_writer(inner, &writer, &err));
    check_ok(mq_writer_put(writer, text, 10, &err));
    check_ok(mq_writer_put(writer, text + 10, sizeof(text) - 10, &err));
    check_ok(mq_writer_commit(writer, &err));
    check_ok(mq_sha256_written(writer, hex, &err));
    assert_string_equal(hex, expected);
    assert_int_equal(writer->offset, sizeof(text));
    mq_writer_close(writer);
    assert_int_equal(buffer.size, sizeof(text));
    for (int wrong = 0; wrong < 3; wrong++) {
        check_ok(mq_reader_from_memory(buffer.data, buffer.size, "it", &source, &err));
        check_ok(mq_sha256_reader(source, &reader, &err));
        check_ok(mq_reader_exact(reader, text, 7, &err));
        if (wrong == 0)
            check_ok(mq_sha256_expect(reader, (int64_t)buffer.size, expected, &err));
        else
            check_fails(MQ_E_FORMAT,
                        mq_sha256_expect(reader, (int64_t)buffer.size + (wrong == 1), hex, &err));
        mq_reader_close(reader);
        check_contains(wrong == 1   ? err.message
                       : wrong == 2 ? err.message
                                    : "it",
                       wrong == 1   ? "'it' has 100000 bytes (100001 are due)"
                       : wrong == 2 ? "'it' is damaged"
                                    : "it");
        hex[0] = hex[0] == '0' ? '1' : '0';
    }
    mq_buffer_release(&buffer);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_keeps_context_and_cuts_long_text),
        cmocka_unit_test(arena_respects_alignment_and_limit),
        cmocka_unit_test(strmap_gives_dense_codes),
        cmocka_unit_test(pool_runs_every_range_and_reports_the_lowest_failure),
        cmocka_unit_test(names_of_a_form),
        cmocka_unit_test(clock_parses_what_it_prints),
        cmocka_unit_test(days_of_milliseconds),
        cmocka_unit_test(file_writer_publishes_only_on_commit),
        cmocka_unit_test(file_writer_replaces_files_only),
        cmocka_unit_test(rng_is_fixed_and_even),
        cmocka_unit_test(digests_of_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
