/*
 * Every committed pickle of tests/golden/pickle_golden.py (all protocols, four Pythons with their
 * NumPy) holds the same value; it is checked fact by fact. MARQUEE_GOLDEN names another folder.
 */
#include "check.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "format/pickle_reader.h"

enum { LONG = 1100 };

/* The first fact that does not hold, or NULL. */
#define fact(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return #condition;                                                                     \
    } while (0)

static bool
is_text(const struct mq_pickle_value *value, const char *text, size_t size)
{
    const char *found;
    size_t found_size;
    return mq_pickle_as_text(value, &found, &found_size) && found_size == size &&
           memcmp(found, text, size) == 0;
}

static bool
is_string(const struct mq_pickle_value *value, const char *text)
{
    return is_text(value, text, strlen(text));
}

static bool
is_int(const struct mq_pickle_value *value, int64_t due)
{
    int64_t found;
    return value != NULL && value->kind == MQ_PICKLE_INT && mq_pickle_as_int(value, &found) &&
           found == due;
}

static bool
is_big(const struct mq_pickle_value *value, const char *digits)
{
    return value != NULL && value->kind == MQ_PICKLE_BIG_INT && strcmp(value->text, digits) == 0;
}

static bool
is_real(const struct mq_pickle_value *value, double due)
{
    return value != NULL && value->kind == MQ_PICKLE_REAL &&
           memcmp(&value->real, &due, sizeof(due)) == 0;
}

static bool
is_bytes(const struct mq_pickle_value *value, const void *bytes, size_t size)
{
    return value != NULL && value->kind == MQ_PICKLE_BYTES && value->size == size &&
           memcmp(value->text, bytes, size) == 0;
}

static bool
is_kind(const struct mq_pickle_value *value, enum mq_pickle_kind kind, size_t count)
{
    return value != NULL && value->kind == kind && mq_pickle_count(value) == count;
}

static const char *
check_numbers(const struct mq_pickle_value *root)
{
    static const int64_t ints[] = {
        0, 1, 255, 256, 65535, 65536, -1, INT32_MIN, INT64_C(1) << 31, INT64_MAX, INT64_MIN};
    static const double reals[] = {0.0, -0.0, 1.5, 1e300, 5e-324, 0.1};
    const struct mq_pickle_value *list = mq_pickle_get(root, "ints");
    bool flag;
    fact(mq_pickle_is_none(mq_pickle_get(root, "none")));
    fact(mq_pickle_as_bool(mq_pickle_item(mq_pickle_get(root, "flags"), 0), &flag) && flag);
    fact(mq_pickle_as_bool(mq_pickle_item(mq_pickle_get(root, "flags"), 1), &flag) && !flag);
    fact(is_kind(list, MQ_PICKLE_LIST, 15));
    for (size_t i = 0; i < MQ_COUNT(ints); i++)
        fact(is_int(mq_pickle_item(list, i), ints[i]));
    fact(is_big(mq_pickle_item(list, 11), "9223372036854775808"));
    fact(is_big(mq_pickle_item(list, 12), "-9223372036854775809"));
    fact(is_big(mq_pickle_item(list, 13),
                "1606938044258990275541962092341162602522202993782792835301376"));
    fact(is_big(mq_pickle_item(list, 14),
                "-1606938044258990275541962092341162602522202993782792835301376"));
    list = mq_pickle_get(root, "reals");
    fact(is_kind(list, MQ_PICKLE_LIST, 9));
    for (size_t i = 0; i < MQ_COUNT(reals); i++)
        fact(is_real(mq_pickle_item(list, i), reals[i]));
    fact(is_real(mq_pickle_item(list, 6), (double)INFINITY));
    fact(is_real(mq_pickle_item(list, 7), -(double)INFINITY));
    double nan_found;
    fact(mq_pickle_as_real(mq_pickle_item(list, 8), &nan_found) && isnan(nan_found));
    return NULL;
}

static const char *
check_strings(const struct mq_pickle_value *root)
{
    const struct mq_pickle_value *list = mq_pickle_get(root, "texts");
    char long_text[301];
    unsigned char all[512];
    memset(long_text, 'x', 300);
    long_text[300] = '\0';
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (unsigned char)i;
    fact(is_kind(list, MQ_PICKLE_LIST, 7));
    fact(is_string(mq_pickle_item(list, 0), ""));
    fact(is_string(mq_pickle_item(list, 1), "plain"));
    fact(is_string(mq_pickle_item(list, 2), "é"));
    fact(is_string(mq_pickle_item(list, 3), "日本"));
    fact(is_string(mq_pickle_item(list, 4), "😀"));
    fact(is_text(mq_pickle_item(list, 5), "a\nb\\c\r\0d\x1a", 9));
    fact(is_string(mq_pickle_item(list, 6), long_text));
    list = mq_pickle_get(root, "bytes");
    fact(is_bytes(mq_pickle_item(list, 0), "", 0));
    fact(is_bytes(mq_pickle_item(list, 1), "\x00\xff", 2));
    fact(is_bytes(mq_pickle_item(list, 2), all, sizeof(all)));
    fact(is_bytes(mq_pickle_item(list, 3), "ab", 2));
    return NULL;
}

static const char *
check_containers(const struct mq_pickle_value *root)
{
    const struct mq_pickle_value *list = mq_pickle_get(root, "tuples");
    for (size_t n = 0; n < 5; n++) {
        const struct mq_pickle_value *tuple = mq_pickle_item(list, n);
        fact(is_kind(tuple, MQ_PICKLE_TUPLE, n));
        for (size_t i = 0; i < n; i++)
            fact(is_int(mq_pickle_item(tuple, i), (int64_t)i + 1));
    }
    list = mq_pickle_get(root, "sets");
    fact(is_kind(mq_pickle_item(list, 0), MQ_PICKLE_SET, 0));
    fact(is_kind(mq_pickle_item(list, 1), MQ_PICKLE_SET, 1));
    fact(is_int(mq_pickle_item(mq_pickle_item(list, 1), 0), 3));
    fact(is_kind(mq_pickle_item(list, 2), MQ_PICKLE_SET, 1));
    fact(is_int(mq_pickle_item(mq_pickle_item(list, 2), 0), 4));
    list = mq_pickle_get(root, "shared");
    fact(is_kind(list, MQ_PICKLE_LIST, 2));
    for (size_t i = 0; i < 2; i++) {
        fact(is_string(mq_pickle_item(mq_pickle_item(list, i), 0), "shared"));
        fact(is_int(mq_pickle_item(mq_pickle_item(list, i), 1), 7));
    }
    list = mq_pickle_get(root, "long_list");
    const struct mq_pickle_value *dict = mq_pickle_get(root, "long_dict");
    fact(is_kind(list, MQ_PICKLE_LIST, LONG));
    fact(is_kind(dict, MQ_PICKLE_DICT, LONG));
    for (size_t i = 0; i < LONG; i++) {
        char key[16];
        snprintf(key, sizeof(key), "%zu", i);
        fact(is_int(mq_pickle_item(list, i), (int64_t)i));
        fact(is_string(mq_pickle_key(dict, i), key));
        fact(is_int(mq_pickle_at(dict, i), (int64_t)i));
    }
    dict = mq_pickle_get(root, "ordered");
    fact(is_kind(dict, MQ_PICKLE_DICT, 2));
    fact(is_string(mq_pickle_key(dict, 0), "b"));
    fact(is_int(mq_pickle_get(dict, "a"), 2));
    dict = mq_pickle_get(root, "default");
    fact(is_kind(dict, MQ_PICKLE_DICT, 1));
    fact(is_int(mq_pickle_item(mq_pickle_get(dict, "k"), 0), 1));
    return NULL;
}

static const char *
check_times(const struct mq_pickle_value *root)
{
    const struct mq_pickle_value *list = mq_pickle_get(root, "instants");
    static const int64_t due[] = {INT64_C(1582982055160000), INT64_C(1582952400000000),
                                  INT64_C(1582981200000000)};
    for (size_t i = 0; i < MQ_COUNT(due); i++) {
        const struct mq_pickle_value *instant = mq_pickle_item(list, i);
        fact(instant != NULL && instant->kind == MQ_PICKLE_INSTANT && instant->integer == due[i]);
    }
    const struct mq_pickle_value *date = mq_pickle_get(root, "date");
    fact(date != NULL && date->kind == MQ_PICKLE_DATE && date->integer == -1);
    const struct mq_pickle_value *duration = mq_pickle_get(root, "duration");
    fact(duration != NULL && duration->kind == MQ_PICKLE_DURATION &&
         duration->integer == INT64_C(-86394999993));
    return NULL;
}

static const char *
check_array(const struct mq_pickle_value *arrays, const char *name, char kind, uint32_t width,
            int dims, const int64_t *shape, int count, const double *values)
{
    const struct mq_pickle_value *value = mq_pickle_get(arrays, name);
    fact(value != NULL && value->kind == MQ_PICKLE_ARRAY);
    const struct mq_pickle_array *array = value->array;
    fact(array->kind == kind && array->width == width && array->dims == dims);
    fact(array->count == count);
    fact(count == 0 || (uintptr_t)array->data % MQ_ALIGNMENT == 0);
    for (int i = 0; i < dims; i++)
        fact(array->shape[i] == shape[i]);
    for (int i = 0; i < count && values != NULL; i++)
        fact(mq_pickle_array_real(array, i) == values[i]);
    return NULL;
}

static const char *
check_arrays(const struct mq_pickle_value *root)
{
    static const double upto24[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,
                                    12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23};
    static const struct {
        const char *name;
        char kind;
        uint32_t width;
        int dims;
        int64_t shape[3];
        int count;
        double values[3]; /* NaN in the first: upto24 */
    } due[] = {
        {"f4", 'f', 4, 2, {2, 3}, 6, {NAN}},
        {"fortran", 'i', 8, 3, {2, 3, 4}, 24, {NAN}},
        {"big", 'f', 8, 1, {3}, 3, {NAN}},
        {"f2", 'f', 2, 1, {3}, 3, {1.5, -2, 65504}},
        {"i1", 'i', 1, 1, {2}, 2, {-128, 127}},
        {"i2", 'i', 2, 1, {2}, 2, {-32768, 32767}},
        {"i4", 'i', 4, 1, {2}, 2, {-2147483648.0, 2147483647}},
        {"u1", 'u', 1, 1, {2}, 2, {0, 255}},
        {"u2", 'u', 2, 1, {1}, 1, {65535}},
        {"u4", 'u', 4, 1, {1}, 1, {4294967295.0}},
        {"u8", 'u', 8, 1, {1}, 1, {9223372036854775808.0}},
        {"bool", 'b', 1, 1, {2}, 2, {1, 0}},
        {"empty", 'f', 4, 2, {0, 3}, 0, {0}},
        {"one", 'f', 8, 0, {0}, 1, {2.5}},
    };
    const struct mq_pickle_value *arrays = mq_pickle_get(root, "arrays");
    for (size_t i = 0; i < MQ_COUNT(due); i++) {
        const char *wrong =
            check_array(arrays, due[i].name, due[i].kind, due[i].width, due[i].dims, due[i].shape,
                        due[i].count, isnan(due[i].values[0]) ? upto24 : due[i].values);
        if (wrong != NULL)
            return wrong;
    }
    const struct mq_pickle_value *text = mq_pickle_get(arrays, "text");
    fact(text != NULL && text->kind == MQ_PICKLE_ARRAY && text->array->kind == 'U' &&
         text->array->width == 8);
    uint32_t points[4];
    memcpy(points, text->array->data, sizeof(points));
    fact(points[0] == 'a' && points[1] == 'b' && points[2] == 0xe9 && points[3] == 0);
    const struct mq_pickle_value *bytes = mq_pickle_get(arrays, "bytes");
    fact(bytes != NULL && bytes->kind == MQ_PICKLE_ARRAY && bytes->array->kind == 'S' &&
         memcmp(bytes->array->data, "abc\0", 4) == 0);
    float floats[24];
    fact(mq_pickle_array_floats(mq_pickle_get(arrays, "fortran")->array, floats, NULL) == MQ_OK);
    fact(floats[23] == 23.0f);
    fact(mq_pickle_array_floats(text->array, floats, NULL) == MQ_E_FORMAT);

    const struct mq_pickle_value *list = mq_pickle_get(root, "scalars");
    bool flag;
    fact(is_real(mq_pickle_item(list, 0), 0.5));
    fact(is_real(mq_pickle_item(list, 1), 2.5));
    fact(is_real(mq_pickle_item(list, 2), 1.5));
    fact(is_int(mq_pickle_item(list, 3), -3));
    fact(is_int(mq_pickle_item(list, 4), INT64_MIN));
    fact(is_big(mq_pickle_item(list, 5), "18446744073709551615"));
    fact(mq_pickle_as_bool(mq_pickle_item(list, 6), &flag) && flag);
    fact(is_string(mq_pickle_item(list, 7), "é"));
    return NULL;
}

static const char *
check_recall(const struct mq_pickle_value *recall)
{
    fact(is_kind(recall, MQ_PICKLE_DICT, 3));
    for (size_t user = 0; user < 3; user++) {
        const struct mq_pickle_value *items = mq_pickle_at(recall, user);
        fact(is_kind(items, MQ_PICKLE_DICT, 3));
        for (size_t i = 0; i < 3; i++) {
            char id[8];
            const struct mq_pickle_value *entry = mq_pickle_at(items, i);
            snprintf(id, sizeof(id), "%zu", user + i);
            fact(is_string(mq_pickle_key(items, i), id));
            fact(is_string(mq_pickle_item(entry, 0), id));
            fact(is_string(mq_pickle_item(entry, 1), "category"));
            fact(is_int(mq_pickle_item(entry, 2), (int64_t)i));
            fact(is_real(mq_pickle_item(entry, 3), (double)(user + i) * 0.5));
        }
    }
    return NULL;
}

static const char *
check_all(const struct mq_pickle_value *root)
{
    const char *wrong = check_numbers(root);
    if (wrong == NULL)
        wrong = check_strings(root);
    if (wrong == NULL)
        wrong = check_containers(root);
    if (wrong == NULL)
        wrong = check_times(root);
    if (wrong == NULL)
        wrong = check_arrays(root);
    return wrong != NULL ? wrong : check_recall(mq_pickle_get(root, "recall"));
}

static const char *
folder(char path[MQ_PATH_MAX])
{
    const char *other = getenv("MARQUEE_GOLDEN");
    if (other != NULL)
        return other;
    snprintf(path, MQ_PATH_MAX, "%s/tests/golden/data", getenv("MARQUEE_SOURCE"));
    return path;
}

static enum mq_status
check_file(void *context, const char *path, const char *name, bool is_folder, int64_t size_bytes,
           struct mq_error *err)
{
    if (strncmp(name, "pickle-", 7) != 0)
        return MQ_OK;
    struct mq_arena arena = {0};
    const struct mq_pickle_value *root;
    enum mq_status st = mq_pickle_read_file(path, NULL, &arena, &root, err);
    if (st == MQ_OK) {
        const char *wrong = check_all(root);
        if (wrong != NULL)
            st = mq_fail(err, MQ_E_INPUT, "%s: %s", name, wrong);
    }
    mq_arena_release(&arena);
    ++*(int *)context;
    return st;
}

static void
every_python_and_protocol_reads_the_same(void **state)
{
    struct mq_error err;
    char path[MQ_PATH_MAX];
    int files = 0;
    check_ok(mq_fs_list(folder(path), check_file, &files, &err));
    assert_true(files >= (getenv("MARQUEE_GOLDEN") != NULL ? 1 : 22));
}

struct seen {
    int entries;
    const char *wrong;
};

static enum mq_status
check_entry(void *context, const struct mq_pickle_value *key, const struct mq_pickle_value *value,
            struct mq_error *err)
{
    struct seen *seen = context;
    seen->entries++;
    if (is_string(key, "recall"))
        seen->wrong = check_recall(value);
    if (is_string(key, "long_dict") && !is_int(mq_pickle_get(value, "1099"), 1099))
        seen->wrong = "long_dict";
    return MQ_OK;
}

static enum mq_status
stream_file(void *context, const char *path, const char *name, bool is_folder, int64_t size_bytes,
            struct mq_error *err)
{
    if (strncmp(name, "pickle-", 7) != 0)
        return MQ_OK;
    struct seen seen = {0};
    struct mq_reader *reader;
    int64_t count = 0;
    enum mq_status st = mq_reader_from_file(path, &reader, err);
    if (st != MQ_OK)
        return st;
    st = mq_pickle_stream(reader, NULL, check_entry, &seen, &count, err);
    mq_reader_close(reader);
    if (st == MQ_OK && (seen.wrong != NULL || count != 19 || seen.entries != 19))
        st = mq_fail(err, MQ_E_INPUT, "%s: %d entries, %s", name, seen.entries,
                     seen.wrong != NULL ? seen.wrong : "none wrong");
    return st;
}

static void
streams_have_the_same_entries(void **state)
{
    struct mq_error err;
    char path[MQ_PATH_MAX];
    check_ok(mq_fs_list(folder(path), stream_file, NULL, &err));
}

static void
a_planted_wrong_value_is_seen(void **state)
{
    struct mq_error err;
    char path[MQ_PATH_MAX];
    if (getenv("MARQUEE_GOLDEN") != NULL)
        skip();
    snprintf(path, sizeof(path), "%s/tests/golden/data/pickle-py3.11-numpy1.26-p3.pickle",
             getenv("MARQUEE_SOURCE"));
    struct mq_reader *reader;
    struct mq_buffer buffer = {0};
    check_ok(mq_reader_from_file(path, &reader, &err));
    check_ok(mq_reader_all(reader, 1 << 20, &buffer, &err));
    mq_reader_close(reader);
    /* The score 2.0 of the last recall entry becomes 2.0000000000000004. */
    unsigned char *place = NULL;
    for (size_t i = 0; i + 9 <= buffer.size; i++)
        if (memcmp(buffer.data + i, "G\x40\0\0\0\0\0\0\0", 9) == 0)
            place = (unsigned char *)buffer.data + i;
    assert_non_null(place);
    place[8] = 1;
    struct mq_arena arena = {0};
    const struct mq_pickle_value *root;
    check_ok(mq_reader_from_memory(buffer.data, buffer.size, "planted", &reader, &err));
    check_ok(mq_pickle_read(reader, NULL, &arena, &root, &err));
    assert_non_null(check_all(root));
    mq_reader_close(reader);
    mq_arena_release(&arena);
    mq_buffer_release(&buffer);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_python_and_protocol_reads_the_same),
        cmocka_unit_test(streams_have_the_same_entries),
        cmocka_unit_test(a_planted_wrong_value_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
