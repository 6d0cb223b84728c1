#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "eval/split_files.h"
#include "format/gzip_stream.h"

static char folder[] = "/tmp/mq-split-XXXXXX";
static char path_room[4][64];

static int
make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int
remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

/* A file of the folder; NULL text: none. */
static const char *
file(int number, const char *text)
{
    if (text == NULL)
        return NULL;
    snprintf(path_room[number], sizeof(path_room[number]), "%s/%d.txt", folder, number);
    FILE *out = fopen(path_room[number], "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(text, 1, strlen(text), out), strlen(text));
    fclose(out);
    return path_room[number];
}

static enum mq_status
read_texts(const char *train, const char *validation, const char *test, const char *candidates,
           struct mq_split_files *files, struct mq_error *err)
{
    *files = (struct mq_split_files){0};
    const struct mq_split_paths paths = {file(0, train), file(1, validation), file(2, test),
                                         file(3, candidates)};
    enum mq_status st = mq_split_files_read(&paths, files, err);
    for (int i = 0; i < 4; i++)
        if (path_room[i][0] != '\0')
            unlink(path_room[i]);
    return st;
}

/* Mark of a pair by its ids; 0 where there is none. */
static int
mark_of(const struct mq_split_files *files, const char *user, const char *item)
{
    int32_t u = mq_strmap_find_text(&files->matrix->users, user);
    int32_t i = mq_strmap_find_text(&files->matrix->items, item);
    assert_true(u >= 0 && i >= 0);
    int64_t at = mq_rating_matrix_find(files->matrix, u, i);
    return at < 0 ? 0 : files->marks[at];
}

static void
forms_of_rating_files(void **state)
{
    (void)state;
    struct mq_error err = {0};
    static const struct {
        const char *train, *test;
    } forms[] = {
        {"1::10::5::978300760\n1::11::3::978300761\n2::10::4::978300762\n",
         "2::12::1::978300763\n"},
        {"1\t10\t5\t978300760\n1\t11\t3\t978300761\r\n2\t10\t4\t978300762",
         "2\t12\t1\t978300763\n"},
        {"1 10 5 978300760\n1 11 3 978300761\n2 10 4 978300762\n", "2 12 1 978300763\n"},
        {"1|10|5|978300760\n\n1|11|3|978300761\n2|10|4|978300762\n", "2;12;1;978300763"},
        {"userId,movieId,rating,timestamp\n1,10,5.0,978300760\n1,11,3,978300761.5\n"
         "2,10,4,978300762\n",
         "timestamp,rating,item_id,user_id\n978300763,1,12,2\n"},
        {"\xef\xbb\xbf\"user\",\"item\",\"rating\",\"time\"\n\"1\",10,5,978300760\n"
         "1,11,3,978300761\n2,10,4,978300762\n",
         "2, 12, 1, 978300763, and more\n"},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct mq_split_files files;
        check_ok(read_texts(forms[i].train, NULL, forms[i].test, NULL, &files, &err));
        const struct mq_rating_matrix *m = files.matrix;
        assert_int_equal(m->count, 4);
        assert_int_equal(m->user_count, 2);
        assert_int_equal(m->item_count, 3);
        assert_string_equal(m->users.keys[0], "1");
        assert_string_equal(m->items.keys[2], "12");
        assert_true(m->user_rating[0] == 5 && m->user_rating[3] == 1);
        assert_int_equal(m->user_time[3], 978300763);
        assert_int_equal(mark_of(&files, "1", "11"), MQ_SPLIT_TRAIN);
        assert_int_equal(mark_of(&files, "2", "12"), MQ_SPLIT_TEST);
        assert_int_equal(files.lists.count, 0);
        mq_split_files_release(&files);
    }
}

static void
columns_that_are_not_there(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_split_files files;
    check_ok(read_texts("a,x\nb,y\n", "a,y,4\n", NULL, NULL, &files, &err));
    assert_int_equal(mark_of(&files, "a", "y"), MQ_SPLIT_VALIDATION);
    int64_t at = mq_rating_matrix_find(files.matrix, 0, 0);
    assert_true(files.matrix->user_rating[at] == 1);
    assert_int_equal(files.matrix->user_time[at], 0);
    mq_split_files_release(&files);
    /* of a repeated rating the last line counts */
    check_ok(read_texts("a,x,1\na,x,2\n", NULL, NULL, NULL, &files, &err));
    assert_int_equal(files.matrix->count, 1);
    assert_true(files.matrix->user_rating[0] == 2);
    mq_split_files_release(&files);
}

static void
gzip_is_expanded(void **state)
{
    (void)state;
    struct mq_error err = {0};
    char path[96];
    struct mq_writer *plain, *packed;
    struct mq_split_files files = {0};
    snprintf(path, sizeof(path), "%s/train.csv.GZ", folder);
    check_ok(mq_writer_to_file(path, &plain, &err));
    check_ok(mq_gzip_writer(plain, 6, &packed, &err));
    check_ok(mq_writer_put(packed, "u,i,3\n", 6, &err));
    check_ok(mq_writer_commit(packed, &err));
    mq_writer_close(packed);
    check_ok(mq_split_files_read(&(struct mq_split_paths){.train = path}, &files, &err));
    assert_int_equal(files.matrix->count, 1);
    mq_split_files_release(&files);
    unlink(path);
}

static const char train[] = "0\t10\n0\t11\n1\t12\n";
static const char test[] = "0\t12\n1\t13\n";

/* The items of a list, sorted as they came. */
static void
check_list(const struct mq_split_files *files, int64_t list, const char *target,
           const char *const *items)
{
    const struct mq_candidate_lists *lists = &files->lists;
    const struct mq_strmap *names = &files->matrix->items;
    if (target == NULL)
        assert_int_equal(lists->target[list], -1);
    else
        assert_string_equal(names->keys[lists->target[list]], target);
    int64_t at = lists->offset[list];
    for (; *items != NULL; items++)
        assert_string_equal(names->keys[lists->item[at++]], *items);
    assert_int_equal(at, lists->offset[list + 1]);
}

static void
candidate_files(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_split_files files;
    static const char *const pairs[] = {
        "(0,12)\t14\t15\t\n(1,13)\t10\t14\n", "(0,12),14,15\n(1,13),10,14\n",
        "(0, 12) 14 15\n(1, 13) 10 14\n", "(0,12)::14::15\n(1,13)::10::14\n"};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        check_ok(read_texts(train, NULL, test, pairs[i], &files, &err));
        assert_int_equal(files.lists.count, 2);
        assert_int_equal(files.lists.user[1], 1);
        check_list(&files, 0, "12", (const char *const[]){"14", "15", NULL});
        check_list(&files, 1, "13", (const char *const[]){"10", "14", NULL});
        assert_int_equal(files.matrix->item_count, 6); /* 14 and 15 are known from here alone */
        mq_split_files_release(&files);
    }
    check_ok(read_texts(train, NULL, test, "1 10 14\nnobody 1 2\n0 14\n", &files, &err));
    assert_int_equal(files.lists.count, 2);
    assert_int_equal(files.strange_lists, 1);
    check_list(&files, 0, NULL, (const char *const[]){"10", "14", NULL});
    check_list(&files, 1, NULL, (const char *const[]){"14", NULL});
    mq_split_files_release(&files);
    /* the pairs may be all that says what is to be found */
    check_ok(read_texts(train, NULL, NULL, "(0,12)\t10\n", &files, &err));
    check_list(&files, 0, "12", (const char *const[]){"10", NULL});
    mq_split_files_release(&files);
}

static void
bad_input_is_named(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_split_files files;
    static const struct {
        const char *train, *test, *candidates;
        enum mq_status status;
        const char *message;
    } cases[] = {
        {"1,10,5\n1,11,good\n", NULL, NULL, MQ_E_FORMAT, "0.txt': line 2: rating 'good'"},
        {"1,10,nan\n", NULL, NULL, MQ_E_FORMAT, "rating 'nan'"},
        {"1,10,1e300\n", NULL, NULL, MQ_E_FORMAT, "rating '1e300'"},
        {"1,10,5,-1\n", NULL, NULL, MQ_E_FORMAT, "time '-1' (seconds since 1970"},
        {"1,10,5,978300760000\n", NULL, NULL, MQ_E_FORMAT, "time '978300760000'"},
        {"1,10\n\n,10\n", NULL, NULL, MQ_E_FORMAT, "line 3: user ''"},
        {"1,10\n1\n", NULL, NULL, MQ_E_FORMAT, "line 2: expected at least 2 fields, found 1"},
        {"1,10,5\n1,11\n", NULL, NULL, MQ_E_FORMAT, "line 2: expected rating as field 3, found 2"},
        {"user,film,rating\n1,10,5\n", NULL, NULL, MQ_E_INPUT, "no column item_id"},
        {"user,item\n", NULL, NULL, MQ_E_INPUT, "holds no rating to train on"},
        {"", NULL, NULL, MQ_E_INPUT, "holds no rating to train on"},
        {"1,10\n2,10\n", "2,10\n", NULL, MQ_E_INPUT,
         "2.txt' both hold a rating of item '10' by user '2'"},
        {train, test, "(0,10)\t13\n", MQ_E_INPUT, "wants item '10' found for user '0'"},
        {train, test, "(0-12)\t13\n", MQ_E_FORMAT, "line 1: pair '(0-12)'"},
        {train, test, "0\t13\n1\n", MQ_E_FORMAT, "line 2: expected at least 2 fields"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_fails(cases[i].status, read_texts(cases[i].train, NULL, cases[i].test,
                                                cases[i].candidates, &files, &err));
        check_contains(err.message, cases[i].message);
        assert_null(files.matrix);
    }
    check_fails(
        MQ_E_NOT_FOUND,
        mq_split_files_read(&(struct mq_split_paths){.train = "/nowhere/at/all"}, &files, &err));
    check_contains(err.message, "/nowhere/at/all");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_of_rating_files), cmocka_unit_test(columns_that_are_not_there),
        cmocka_unit_test(gzip_is_expanded),      cmocka_unit_test(candidate_files),
        cmocka_unit_test(bad_input_is_named),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
