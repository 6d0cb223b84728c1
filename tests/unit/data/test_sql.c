#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "data/sql.h"

struct fixture {
    char *folder;
    struct mq_sql *sql;
    struct mq_object_store *store;
};

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    *state = f;
    if (mq_fs_scratch(&f->folder, NULL) != MQ_OK ||
        mq_object_store_open(f->folder, &f->store, NULL) != MQ_OK)
        return 1;
    const struct mq_sql_options options = {
        .threads = 2, .memory_bytes = (int64_t)256 << 20, .scratch = f->folder};
    return mq_sql_open(&options, &f->sql, NULL) != MQ_OK;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    mq_sql_free(f->sql);
    mq_object_store_free(f->store);
    int failed = mq_fs_remove(f->folder, NULL) != MQ_OK;
    free(f->folder);
    free(f);
    return failed;
}

static void
embedded_file_with_parameters(void **state)
{
    struct fixture *f = *state;
    struct mq_error err;
    struct mq_sql_result *result;
    check_ok(
        mq_sql_query(f->sql, "self_test.sql",
                     mq_sql_params(mq_sql_int("rows", 10000), mq_sql_real("divisor", 4.0),
                                   mq_sql_text("label", "it's $rows \xe7\x94\xb5\xe5\xbd\xb1 ")),
                     "ildtbt", &result, &err));
    int64_t rows, seen = 0;
    for (;;) {
        check_ok(mq_sql_next(result, &rows, &err));
        if (rows == 0)
            break;
        const int32_t *code = mq_sql_column(result, 0);
        const int64_t *square = mq_sql_column(result, 1);
        const double *share = mq_sql_column(result, 2);
        const struct mq_sql_string *label = mq_sql_column(result, 3);
        const uint64_t *has_label = mq_sql_valid(result, 3);
        const bool *third = mq_sql_column(result, 4);
        const struct mq_sql_string *kept = mq_sql_column(result, 5);
        for (int64_t r = 0; r < rows; r++) {
            int64_t n = ++seen;
            assert_int_equal(code[r], n);
            assert_int_equal(square[r], n * n);
            assert_true(share[r] == (double)n / 4);
            assert_int_equal(mq_sql_is_valid(has_label, r), n % 2 == 0);
            assert_int_equal(third[r], n % 3 == 0);
            assert_int_equal(kept[r].size, 5);
            assert_memory_equal(mq_sql_string_bytes(&kept[r]), "$rows", 5);
            if (n % 2 == 0) {
                char text[64];
                int size =
                    snprintf(text, sizeof(text), "it's $rows \xe7\x94\xb5\xe5\xbd\xb1 %d", (int)n);
                assert_int_equal(label[r].size, size);
                assert_memory_equal(mq_sql_string_bytes(&label[r]), text, (size_t)size);
            }
        }
    }
    assert_int_equal(seen, 10000);
    mq_sql_close(result);
}

/* A file that is cut short, empty or noise: one line that names it, nothing of the engine's SQL. */
static void
bad_parquet_is_named_in_one_line(void **state)
{
    struct fixture *f = *state;
    struct mq_error err;
    check_ok(
        mq_sql_copy_to_object(f->sql, "self_test.sql",
                              mq_sql_params(mq_sql_int("rows", 5000), mq_sql_real("divisor", 3.0),
                                            mq_sql_text("label", "x")),
                              f->store, "a/good.parquet", MQ_SQL_PARQUET, NULL, &err));
    struct mq_buffer good = {0};
    check_ok(mq_object_get(f->store, "a/good.parquet", &good, &err));
    const size_t sizes[] = {0, 3, 4, 11, good.size / 2, good.size - 1};
    const char *const keys[] = {"a/good.parquet", "a/bad.parquet"};
    for (size_t i = 0; i <= MQ_COUNT(sizes); i++) {
        if (i < MQ_COUNT(sizes)) {
            check_ok(mq_object_put(f->store, "a/bad.parquet", good.data, sizes[i], MQ_PUT_ALWAYS,
                                   NULL, NULL, &err));
        } else { /* sound at both ends, noise between */
            memset(good.data + 4, 0xa5, good.size - 8);
            check_ok(mq_object_put(f->store, "a/bad.parquet", good.data, good.size, MQ_PUT_ALWAYS,
                                   NULL, NULL, &err));
        }
        check_fails(MQ_E_FORMAT, mq_sql_view_of_parquet(f->sql, "v", f->store, keys, 2, &err));
        check_contains(err.message, "cannot read Parquet '");
        check_contains(err.message, "a/bad.parquet'");
        assert_null(strchr(err.message, '\n'));
        assert_null(strstr(err.message, "SQL"));
    }
    mq_buffer_release(&good);
    /* Damage that only the walk over the rows meets. */
    check_ok(mq_object_get(f->store, "a/good.parquet", &good, &err));
    for (size_t at = 4; at < 40; at += 16) {
        char *part = good.data + at, kept[40];
        memcpy(kept, part, sizeof(kept));
        for (size_t i = 0; i < sizeof(kept); i++)
            part[i] ^= 0x5a;
        check_ok(mq_object_put(f->store, "a/bad.parquet", good.data, good.size, MQ_PUT_ALWAYS, NULL,
                               NULL, &err));
        check_ok(mq_sql_view_of_parquet(f->sql, "v", f->store, keys + 1, 1, &err));
        int64_t count;
        check_fails(MQ_E_FORMAT,
                    mq_sql_scalar(f->sql, "select count(distinct v) from v", &count, &err));
        assert_memory_equal(err.message, "cannot read Parquet '", 21);
        check_contains(err.message, "a/bad.parquet'");
        memcpy(part, kept, sizeof(kept));
    }
    mq_buffer_release(&good);
    check_fails(MQ_E_INTERNAL, mq_sql_statement(f->sql, "select\nnonsense", &err));
    assert_null(strchr(err.message, '\n'));
}

/* Of more files than the engine is asked about one by one, the damaged one is named as well,
 * wherever it stands: cut short when the view is made, damaged within when it is read. */
static void
bad_parquet_among_many_is_named(void **state)
{
    enum { FILES = 17 };
    struct fixture *f = *state;
    struct mq_error err;
    struct mq_buffer good = {0};
    char names[FILES][40];
    const char *keys[FILES];
    check_ok(
        mq_sql_copy_to_object(f->sql, "self_test.sql",
                              mq_sql_params(mq_sql_int("rows", 5000), mq_sql_real("divisor", 3.0),
                                            mq_sql_text("label", "x")),
                              f->store, "good.parquet", MQ_SQL_PARQUET, NULL, &err));
    check_ok(mq_object_get(f->store, "good.parquet", &good, &err));
    for (int k = 0; k < FILES; k++) {
        snprintf(names[k], sizeof(names[k]), "day/dt=2026-03-%02d/part-%d.parquet", k + 1, k);
        keys[k] = names[k];
        check_ok(mq_object_put(f->store, keys[k], good.data, good.size, MQ_PUT_ALWAYS, NULL, NULL,
                               &err));
    }
    enum damage { CUT, EMPTY, NOISE, FOOTER, PAGE, PAGES, DAMAGES };
    for (int k = 0; k < FILES; k += FILES / 2)
        for (enum damage d = CUT; d < DAMAGES; d++) {
            int64_t count;
            size_t size = d == CUT ? good.size - 1 : d == EMPTY ? 0 : good.size;
            size_t begin = d == FOOTER ? good.size - 40 : d == PAGES ? 44 : 4;
            size_t end = d == NOISE || d == FOOTER ? good.size - 4 : begin + 40;
            mq_autofree char *bad = malloc(good.size);
            assert_non_null(bad);
            memcpy(bad, good.data, good.size);
            for (size_t i = begin; d >= NOISE && i < end; i++)
                bad[i] ^= 0x5a;
            check_ok(mq_object_put(f->store, keys[k], bad, size, MQ_PUT_ALWAYS, NULL, NULL, &err));
            enum mq_status st = mq_sql_view_of_parquet(f->sql, "v", f->store, keys, FILES, &err);
            if (st == MQ_OK && d >= NOISE)
                st = mq_sql_scalar(f->sql, "select count(distinct v) from v", &count, &err);
            assert_int_equal(st, MQ_E_FORMAT);
            assert_memory_equal(err.message, "cannot read Parquet '", 21);
            check_contains(err.message, keys[k]);
            for (int other = 0; other < FILES; other++)
                assert_true(other == k || strstr(err.message, keys[other]) == NULL);
            assert_null(strchr(err.message, '\n'));
            check_ok(mq_object_put(f->store, keys[k], good.data, good.size, MQ_PUT_ALWAYS, NULL,
                                   NULL, &err));
        }
    mq_buffer_release(&good);
}

static void
wrong_use_is_told(void **state)
{
    struct fixture *f = *state;
    struct mq_error err;
    struct mq_sql_result *result;
    check_fails(MQ_E_INTERNAL,
                mq_sql_query(f->sql, "no_such.sql", mq_sql_no_params, "i", &result, &err));
    check_contains(err.message, "no_such.sql");
    check_fails(MQ_E_INTERNAL,
                mq_sql_query(f->sql, "self_test.sql", mq_sql_params(mq_sql_int("rows", 1)), "i",
                             &result, &err));
    check_contains(err.message, "$divisor");
    check_fails(MQ_E_INTERNAL, mq_sql_query_text(f->sql, "select 1", "t", &result, &err));
    check_contains(err.message, "'i', expected 't'");
    check_fails(MQ_E_INTERNAL, mq_sql_query_text(f->sql, "selec 1", "t", &result, &err));
    check_fails(MQ_E_FORMAT, mq_sql_statement(f->sql, "select cast('x' as integer)", &err));
}

static void
failure_while_walking(void **state)
{
    struct fixture *f = *state;
    struct mq_error err;
    struct mq_sql_result *result;
    enum mq_status st =
        mq_sql_query_text(f->sql,
                          "select cast(case when n = 900000 then 'x' else '1' end as integer) from "
                          "range(1000000) t(n)",
                          "i", &result, &err);
    int64_t rows = 1;
    if (st == MQ_OK) {
        while (st == MQ_OK && rows > 0)
            st = mq_sql_next(result, &rows, &err);
        mq_sql_close(result);
    }
    assert_int_equal(st, MQ_E_FORMAT);
    check_contains(err.message, "'x'");
}

static void
macros(void **state)
{
    struct fixture *f = *state;
    struct mq_error err;
    const struct {
        const char *text;
        int64_t expected;
    } cases[] = {
        {"978300760", 978300760},
        {"978300760.75", 978300761},
        {"978300760123", 978300760},
        {"2020-12-17", 1608163200},
        {"2020-12-17T01:00:00Z", 1608166800},
        {"2020-12-17 01:00:00", 1608166800},
        {"2020-12-17T01:00:00+01:00", 1608163200},
        {"-5", -5},
        {"1e9", 1000000000},
    };
    for (size_t i = 0; i < MQ_COUNT(cases); i++) {
        char text[128];
        int64_t value;
        snprintf(text, sizeof(text), "select mq_epoch_s('%s')", cases[i].text);
        check_ok(mq_sql_scalar(f->sql, text, &value, &err));
        assert_int_equal(value, cases[i].expected);
    }
    int64_t nulls;
    check_ok(mq_sql_scalar(f->sql,
                           "select count(*) from (values (''), ('yesterday'), ('nan'), ('1e300'), "
                           "(null)) t(x) where mq_epoch_s(x) is null",
                           &nulls, &err));
    assert_int_equal(nulls, 5);
}

static void
objects(void **state)
{
    struct fixture *f = *state;
    struct mq_error err;
    int64_t rows, value;
    const char *key = "1/system/user-data/clean/latest/action.parquet";
    check_fails(MQ_E_NOT_FOUND, mq_sql_view_of_artifact(f->sql, "action", f->store, "1",
                                                        MQ_ARTIFACT_ACTION_PARQUET, &err));
    check_ok(
        mq_sql_copy_to_object(f->sql, "self_test.sql",
                              mq_sql_params(mq_sql_int("rows", 1000), mq_sql_real("divisor", 2.0),
                                            mq_sql_text("label", "x")),
                              f->store, key, MQ_SQL_PARQUET, &rows, &err));
    assert_int_equal(rows, 1000);
    check_ok(
        mq_sql_view_of_artifact(f->sql, "action", f->store, "1", MQ_ARTIFACT_ACTION_PARQUET, &err));
    check_ok(mq_sql_scalar(f->sql, "select cast(sum(code) as bigint) from action", &value, &err));
    assert_int_equal(value, 500500);
    check_ok(mq_sql_table(f->sql, "twice", "self_test.sql",
                          mq_sql_params(mq_sql_int("rows", 7), mq_sql_real("divisor", 2.0),
                                        mq_sql_text("label", "x")),
                          &err));
    check_ok(mq_sql_scalar(f->sql, "select count(*) from twice", &value, &err));
    assert_int_equal(value, 7);
    /* A failing query publishes nothing. */
    check_fails(MQ_E_INTERNAL, mq_sql_copy_to_object(f->sql, "self_test.sql", mq_sql_no_params,
                                                     f->store, "1/other", MQ_SQL_CSV, &rows, &err));
    struct mq_object_info info;
    check_fails(MQ_E_NOT_FOUND, mq_object_stat(f->store, "1/other", &info, &err));
    /* A broken file is a format error that names it. */
    check_ok(mq_object_put(f->store, key, "PAR1 broken", 11, MQ_PUT_ALWAYS, NULL, NULL, &err));
    enum mq_status st =
        mq_sql_view_of_artifact(f->sql, "action", f->store, "1", MQ_ARTIFACT_ACTION_PARQUET, &err);
    assert_int_equal(st, MQ_E_FORMAT);
    check_contains(err.message, "action.parquet");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(embedded_file_with_parameters, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_parquet_is_named_in_one_line, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_parquet_among_many_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_use_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(failure_while_walking, setup, teardown),
        cmocka_unit_test_setup_teardown(macros, setup, teardown),
        cmocka_unit_test_setup_teardown(objects, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
