/**
 * The contract of object_store.h as tests that any back end runs: include this in a cmocka program,
 * give the tests a state of struct contract_store, and list CONTRACT_TESTS.
 */
#ifndef MQ_TESTS_OBJECT_STORE_CONTRACT_H
#define MQ_TESTS_OBJECT_STORE_CONTRACT_H

#include "check.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <zlib.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "store/object_store.h"

/** A back end under test, and how it makes and clears an empty store. */
struct contract_backend {
    const char *name;
    /** URI of a fresh, empty store; owned by the caller. */
    char *(*make)(void);
    void (*clear)(const char *uri);
};

/** State of every contract test. */
struct contract_store {
    const struct contract_backend *backend;
    char *uri;
    struct mq_object_store *store;
};

static int
contract_setup(void **state)
{
    struct contract_store *s = calloc(1, sizeof(*s));
    s->backend = *state;
    s->uri = s->backend->make();
    *state = s;
    return s->uri == NULL || mq_object_store_open(s->uri, &s->store, NULL) != MQ_OK;
}

static int
contract_teardown(void **state)
{
    struct contract_store *s = *state;
    mq_object_store_free(s->store);
    s->backend->clear(s->uri);
    free(s->uri);
    free(s);
    return 0;
}

static void
put_text(struct mq_object_store *store, const char *key, const char *text)
{
    struct mq_error err;
    check_ok(mq_object_put(store, key, text, strlen(text), MQ_PUT_ALWAYS, NULL, NULL, &err));
}

static void
assert_holds(struct mq_object_store *store, const char *key, const char *text)
{
    struct mq_error err;
    struct mq_buffer bytes = {0};
    check_ok(mq_object_get(store, key, &bytes, &err));
    assert_int_equal(bytes.size, strlen(text));
    if (bytes.size > 0)
        assert_memory_equal(bytes.data, text, bytes.size);
    mq_buffer_release(&bytes);
}

static enum mq_status
collect(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    struct mq_buffer *list = context;
    return mq_buffer_printf(list, err, "%s:%lld\n", key, (long long)info->size_bytes);
}

static void
assert_lists(struct mq_object_store *store, const char *prefix, const char *expected)
{
    struct mq_error err;
    struct mq_buffer list = {0};
    check_ok(mq_buffer_append_text(&list, "", &err));
    check_ok(mq_object_list(store, prefix, collect, &list, &err));
    assert_string_equal(list.data != NULL ? list.data : "", expected);
    mq_buffer_release(&list);
}

static void
contract_put_and_get(void **state)
{
    struct contract_store *s = *state;
    struct mq_error err;
    put_text(s->store, "1/a/b.txt", "hello");
    assert_holds(s->store, "1/a/b.txt", "hello");
    put_text(s->store, "1/a/b.txt", "");
    assert_holds(s->store, "1/a/b.txt", "");
    char bytes[70000];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 31);
    struct mq_object_info put, info;
    check_ok(mq_object_put(s->store, "1/a/b.txt", bytes, sizeof(bytes), MQ_PUT_ALWAYS, NULL, &put,
                           &err));
    check_ok(mq_object_stat(s->store, "1/a/b.txt", &info, &err));
    assert_int_equal(info.size_bytes, sizeof(bytes));
    assert_string_equal(info.etag, put.etag);
    assert_true(info.modified_ms > INT64_C(1500000000000));
    struct mq_buffer part = {0};
    check_ok(mq_object_get_range(s->store, "1/a/b.txt", 65000, 5000, &part, &err));
    assert_int_equal(part.size, 5000);
    assert_memory_equal(part.data, bytes + 65000, 5000);
    check_fails(MQ_E_RANGE, mq_object_get_range(s->store, "1/a/b.txt", 69999, 2, &part, &err));
    mq_buffer_release(&part);
    mq_buffer_init(&part, 1000);
    check_fails(MQ_E_RANGE, mq_object_get(s->store, "1/a/b.txt", &part, &err));
    mq_buffer_release(&part);
}

static void
contract_missing(void **state)
{
    struct contract_store *s = *state;
    struct mq_error err;
    struct mq_object_info info;
    struct mq_buffer bytes = {0};
    struct mq_reader *reader;
    check_fails(MQ_E_NOT_FOUND, mq_object_stat(s->store, "no/such", &info, &err));
    check_contains(err.message, "no/such");
    check_fails(MQ_E_NOT_FOUND, mq_object_get(s->store, "no/such", &bytes, &err));
    check_fails(MQ_E_NOT_FOUND, mq_object_get_range(s->store, "no/such", 0, 1, &bytes, &err));
    check_fails(MQ_E_NOT_FOUND, mq_object_reader(s->store, "no/such", &reader, &err));
    check_fails(MQ_E_NOT_FOUND, mq_object_copy(s->store, "no/such", "other", &err));
    put_text(s->store, "folder/file", "x");
    check_fails(MQ_E_NOT_FOUND, mq_object_stat(s->store, "folder", &info, &err));
    check_fails(MQ_E_NOT_FOUND, mq_object_get(s->store, "folder/file/below", &bytes, &err));
    const char *const keys[] = {"no/such", "folder/file/below"};
    check_ok(mq_object_delete(s->store, keys, 2, &err));
    assert_holds(s->store, "folder/file", "x");
    mq_buffer_release(&bytes);
}

/* A put that must not match. Behind a faulty network (MARQUEE_TEST_PARAMETERS) an answer may have
 * got lost, and then the header allows one other: it cannot be told whether it was written. */
static void
check_no_match(struct mq_object_store *store, const char *etag)
{
    struct mq_error err = {0};
    enum mq_status st = mq_object_put(store, "k", "six", 3, MQ_PUT_IF_MATCH, etag, NULL, &err);
    if (st == MQ_E_UNREACHABLE && getenv("MARQUEE_TEST_PARAMETERS") != NULL)
        check_contains(err.message, "cannot tell");
    else
        assert_int_equal(st, MQ_E_CONFLICT);
}

static void
contract_conditions(void **state)
{
    struct contract_store *s = *state;
    struct mq_error err;
    struct mq_object_info first, second;
    check_ok(mq_object_put(s->store, "k", "one", 3, MQ_PUT_IF_ABSENT, NULL, &first, &err));
    check_fails(MQ_E_EXISTS,
                mq_object_put(s->store, "k", "two", 3, MQ_PUT_IF_ABSENT, NULL, NULL, &err));
    assert_holds(s->store, "k", "one");
    check_ok(mq_object_put(s->store, "k", "two", 3, MQ_PUT_IF_MATCH, first.etag, &second, &err));
    assert_string_not_equal(first.etag, second.etag);
    check_no_match(s->store, first.etag);
    check_fails(MQ_E_USAGE,
                mq_object_put(s->store, "k", "six", 3, MQ_PUT_IF_MATCH, NULL, NULL, &err));
    assert_holds(s->store, "k", "two");
    const char *const keys[] = {"k"};
    check_ok(mq_object_delete(s->store, keys, 1, &err));
    check_no_match(s->store, second.etag);
    check_ok(mq_object_put(s->store, "k", "new", 3, MQ_PUT_IF_ABSENT, NULL, NULL, &err));
    assert_lists(s->store, "", "k:3\n");
}

static void
contract_etag_changes(void **state)
{
    struct contract_store *s = *state;
    struct mq_error err;
    char seen[64][MQ_ETAG_MAX];
    for (int i = 0; i < 64; i++) {
        struct mq_object_info info;
        char text[8];
        snprintf(text, sizeof(text), "%06d", i);
        check_ok(mq_object_put(s->store, "same", text, 6, MQ_PUT_ALWAYS, NULL, &info, &err));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(seen[j], info.etag);
        memcpy(seen[i], info.etag, sizeof(info.etag));
    }
}

static void
contract_streams(void **state)
{
    struct contract_store *s = *state;
    struct mq_error err;
    struct mq_writer *writer;
    put_text(s->store, "big", "old");
    check_ok(mq_object_writer(s->store, "big", &writer, &err));
    for (int i = 0; i < 100000; i++)
        check_ok(mq_writer_printf(writer, &err, "line %d\n", i));
    assert_holds(s->store, "big", "old");
    assert_lists(s->store, "", "big:3\n");
    check_ok(mq_writer_commit(writer, &err));
    mq_writer_close(writer);
    struct mq_reader *reader;
    check_ok(mq_object_reader(s->store, "big", &reader, &err));
    assert_int_equal(reader->size_bytes, 1088890);
    struct mq_buffer all = {0};
    check_ok(mq_reader_all(reader, 10 << 20, &all, &err));
    assert_int_equal(all.size, 1088890);
    check_contains(all.data + all.size - 12, "line 99999\n");
    mq_buffer_release(&all);
    mq_reader_close(reader);
    /* Given up: nothing changes. */
    check_ok(mq_object_writer(s->store, "big", &writer, &err));
    check_ok(mq_writer_printf(writer, &err, "half"));
    mq_writer_close(writer);
    assert_lists(s->store, "", "big:1088890\n");
}

static void
assert_checksum(struct mq_object_store *store, const char *key, const void *bytes, size_t size)
{
    struct mq_error err;
    struct mq_object_info info, plain;
    check_ok(mq_object_stat_checksum(store, key, &info, &err));
    check_ok(mq_object_stat(store, key, &plain, &err));
    assert_true(info.has_crc32);
    assert_int_equal(info.crc32, crc32_z(0, bytes, size));
    assert_int_equal(info.size_bytes, size);
    assert_int_equal(info.modified_ms, plain.modified_ms);
    assert_string_equal(info.etag, plain.etag);
}

/* However an object came to be there: in one piece, in parts, or by a copy. */
static void
contract_checksum(void **state)
{
    struct contract_store *s = *state;
    struct mq_error err;
    struct mq_object_info info;
    struct mq_writer *writer;
    size_t size = ((size_t)17 << 20) + 5; /* more than one part, whatever their size by default */
    char *bytes = malloc(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(i * 2654435761U >> 13);
    put_text(s->store, "c/empty", "");
    assert_checksum(s->store, "c/empty", "", 0);
    put_text(s->store, "c/x", "one");
    assert_checksum(s->store, "c/x", "one", 3);
    put_text(s->store, "c/x", "two");
    assert_checksum(s->store, "c/x", "two", 3);
    check_ok(mq_object_writer(s->store, "c/large", &writer, &err));
    check_ok(mq_writer_put(writer, bytes, size, &err));
    check_ok(mq_writer_commit(writer, &err));
    mq_writer_close(writer);
    assert_checksum(s->store, "c/large", bytes, size);
    check_ok(mq_object_copy(s->store, "c/large", "c/copy", &err));
    assert_checksum(s->store, "c/copy", bytes, size);
    check_fails(MQ_E_NOT_FOUND, mq_object_stat_checksum(s->store, "c/none", &info, &err));
    check_fails(MQ_E_RANGE, mq_object_stat_checksum(s->store, "../c", &info, &err));
    free(bytes);
}

struct tail {
    const char *after;
    struct mq_buffer list;
};

static enum mq_status
collect_tail(void *context, const char *key, const struct mq_object_info *info,
             struct mq_error *err)
{
    struct tail *tail = context;
    return strcmp(key, tail->after) > 0 ? collect(&tail->list, key, info, err) : MQ_OK;
}

static void
contract_list(void **state)
{
    struct contract_store *s = *state;
    const char *const keys[] = {"a/b/c", "a.b", "a/b.csv", "a/bc", "a-", "ab", "z/y", "a/\xc3\xa9"};
    for (size_t i = 0; i < MQ_COUNT(keys); i++)
        put_text(s->store, keys[i], "12");
    assert_lists(s->store, "",
                 "a-:2\na.b:2\na/b.csv:2\na/b/c:2\na/bc:2\na/\xc3\xa9:2\nab:2\nz/y:2\n");
    assert_lists(s->store, "a/b", "a/b.csv:2\na/b/c:2\na/bc:2\n");
    assert_lists(s->store, "a/b/", "a/b/c:2\n");
    assert_lists(s->store, "none/", "");
    assert_lists(s->store, "a/b/c", "a/b/c:2\n");
    const struct {
        const char *prefix, *after;
    } tails[] = {{"a", ""},      {"a", "a/b"}, {"a", "a/b.csv"}, {"a", "a/b/"}, {"a", "a/b/c"},
                 {"a", "a/b/d"}, {"a", "zz"},  {"", "a/b/c"},    {"", "a"},     {"a/b/", "a/b/b"}};
    for (size_t i = 0; i < MQ_COUNT(tails); i++) {
        struct tail tail = {.after = tails[i].after};
        struct mq_buffer list = {0};
        struct mq_error err = {0};
        check_ok(mq_object_list(s->store, tails[i].prefix, collect_tail, &tail, &err));
        check_ok(mq_buffer_append_text(&list, "", &err));
        check_ok(mq_buffer_append_text(&tail.list, "", &err));
        check_ok(
            mq_object_list_after(s->store, tails[i].prefix, tails[i].after, collect, &list, &err));
        assert_string_equal(list.data, tail.list.data);
        mq_buffer_release(&list);
        mq_buffer_release(&tail.list);
    }
}

static enum mq_status
stop_at_second(void *context, const char *key, const struct mq_object_info *info,
               struct mq_error *err)
{
    (void)key;
    (void)info;
    return ++*(int *)context == 2 ? mq_fail(err, MQ_E_CANCELLED, "enough") : MQ_OK;
}

static void
contract_list_stops(void **state)
{
    struct contract_store *s = *state;
    struct mq_error err;
    put_text(s->store, "1", "");
    put_text(s->store, "2", "");
    put_text(s->store, "3", "");
    int visits = 0;
    check_fails(MQ_E_CANCELLED, mq_object_list(s->store, "", stop_at_second, &visits, &err));
    assert_int_equal(visits, 2);
}

static void
contract_copy_delete_file(void **state)
{
    struct contract_store *s = *state;
    struct mq_error err;
    put_text(s->store, "from/x", "content");
    check_ok(mq_object_copy(s->store, "from/x", "to/deep/y", &err));
    assert_holds(s->store, "to/deep/y", "content");
    const char *const keys[] = {"from/x", "to/deep/y"};
    check_ok(mq_object_delete(s->store, keys, 2, &err));
    assert_lists(s->store, "", "");
    char *folder;
    check_ok(mq_fs_scratch(&folder, &err));
    char path[MQ_PATH_MAX];
    snprintf(path, sizeof(path), "%s/upload", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("uploaded", file);
    fclose(file);
    check_ok(mq_object_put_file(s->store, "up/loaded", path, &err));
    assert_holds(s->store, "up/loaded", "uploaded");
    check_fails(MQ_E_NOT_FOUND, mq_object_put_file(s->store, "up/2", "/no/such/file", &err));
    assert_lists(s->store, "", "up/loaded:8\n");
    /* Many at once; a missing one fails. */
    char second[MQ_PATH_MAX];
    snprintf(second, sizeof(second), "%s/second", folder);
    for (int i = 0; i < 2; i++) {
        file = fopen(i == 0 ? path : second, "w");
        assert_non_null(file);
        fprintf(file, "file %d", i);
        fclose(file);
    }
    const char *const many[] = {"m/1", "up/loaded"};
    const char *const files[] = {path, second};
    check_ok(mq_object_put_files(s->store, many, files, 2, &err));
    assert_holds(s->store, "m/1", "file 0");
    assert_holds(s->store, "up/loaded", "file 1");
    const char *const missing[] = {"/no/such/file"};
    check_fails(MQ_E_NOT_FOUND, mq_object_put_files(s->store, many, missing, 1, &err));
    assert_lists(s->store, "", "m/1:6\nup/loaded:6\n");
    check_ok(mq_fs_remove(folder, &err));
    free(folder);
}

static void
contract_keys(void **state)
{
    struct contract_store *s = *state;
    struct mq_error err;
    char long_key[MQ_OBJECT_KEY_MAX + 1];
    memset(long_key, 'k', sizeof(long_key));
    long_key[MQ_OBJECT_KEY_MAX] = '\0';
    const char *const bad[] = {"",     "/a",        "a//b", "a/../b",   ".",         "a/.",
                               "a/..", "../escape", "a/",   "\xff\xfe", "x.partial", long_key};
    for (size_t i = 0; i < MQ_COUNT(bad); i++)
        check_fails(MQ_E_RANGE,
                    mq_object_put(s->store, bad[i], "", 0, MQ_PUT_ALWAYS, NULL, NULL, &err));
    check_fails(MQ_E_RANGE, mq_object_list(s->store, "a/../", collect, NULL, &err));
    assert_lists(s->store, "", "");
    const char *const good[] = {"...", "a b/c'd\"e", "\xe7\x94\xb5\xe5\xbd\xb1/1.csv",
                                "a?b#c%20&d=e+f", "..a/.b"};
    for (size_t i = 0; i < MQ_COUNT(good); i++) {
        put_text(s->store, good[i], good[i]);
        assert_holds(s->store, good[i], good[i]);
    }
}

struct racer {
    struct mq_object_store *store;
    int id, wins;
    int unknown; /* puts of which nobody can tell whether they won; none where no answer is lost */
    int failures;
};

static void *
race_absent(void *context)
{
    struct racer *racer = context;
    for (int round = 0; round < 20; round++) {
        char key[32], text[16];
        snprintf(key, sizeof(key), "race/%d", round);
        int n = snprintf(text, sizeof(text), "%d", racer->id);
        enum mq_status st =
            mq_object_put(racer->store, key, text, (size_t)n, MQ_PUT_IF_ABSENT, NULL, NULL, NULL);
        racer->wins += st == MQ_OK;
        racer->failures += st != MQ_OK && st != MQ_E_EXISTS;
    }
    return NULL;
}

/* Each adds 1 to a counter ten times by read, then put-if-match, tried again on conflict. */
static void *
race_match(void *context)
{
    struct racer *racer = context;
    for (int done = 0; done < 10;) {
        struct mq_object_info info;
        struct mq_buffer bytes = {0};
        char text[16];
        if (mq_object_stat(racer->store, "counter", &info, NULL) == MQ_OK &&
            mq_object_get(racer->store, "counter", &bytes, NULL) == MQ_OK) {
            int n = snprintf(text, sizeof(text), "%d", atoi(bytes.data) + 1);
            enum mq_status st = mq_object_put(racer->store, "counter", text, (size_t)n,
                                              MQ_PUT_IF_MATCH, info.etag, NULL, NULL);
            done += st == MQ_OK;
            racer->unknown += st == MQ_E_UNREACHABLE;
            racer->failures += st != MQ_OK && st != MQ_E_CONFLICT && st != MQ_E_UNREACHABLE;
        }
        mq_buffer_release(&bytes);
    }
    return NULL;
}

static void
contract_races(void **state)
{
    struct contract_store *s = *state;
    struct racer racers[4];
    pthread_t threads[4];
    int unknown = 0;
    put_text(s->store, "counter", "0");
    for (int kind = 0; kind < 2; kind++) {
        for (int i = 0; i < 4; i++) {
            racers[i] = (struct racer){.store = s->store, .id = i};
            assert_int_equal(
                pthread_create(&threads[i], NULL, kind == 0 ? race_absent : race_match, &racers[i]),
                0);
        }
        int wins = 0;
        unknown = 0;
        for (int i = 0; i < 4; i++) {
            pthread_join(threads[i], NULL);
            wins += racers[i].wins;
            unknown += racers[i].unknown;
            assert_int_equal(racers[i].failures, 0);
        }
        if (kind == 0)
            assert_int_equal(wins, 20);
    }
    struct mq_buffer bytes = {0};
    struct mq_error err;
    check_ok(mq_object_get(s->store, "counter", &bytes, &err));
    assert_in_range(atoi(bytes.data), 40, 40 + unknown);
    mq_buffer_release(&bytes);
}

#define CONTRACT_TEST(name, backend)                                                               \
    {                                                                                              \
#name, name, contract_setup, contract_teardown, (void *)(backend)                          \
    }

/** All contract tests of one back end, as rows of a cmocka table. */
#define CONTRACT_TESTS(backend)                                                                    \
    CONTRACT_TEST(contract_put_and_get, backend), CONTRACT_TEST(contract_missing, backend),        \
        CONTRACT_TEST(contract_conditions, backend),                                               \
        CONTRACT_TEST(contract_etag_changes, backend), CONTRACT_TEST(contract_streams, backend),   \
        CONTRACT_TEST(contract_checksum, backend), CONTRACT_TEST(contract_list, backend),          \
        CONTRACT_TEST(contract_list_stops, backend),                                               \
        CONTRACT_TEST(contract_copy_delete_file, backend), CONTRACT_TEST(contract_keys, backend),  \
        CONTRACT_TEST(contract_races, backend)

#endif
