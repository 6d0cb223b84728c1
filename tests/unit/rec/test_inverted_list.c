#include "snapshot_fixture.h"

#include <math.h>

#include "format/pickle_reader.h"
#include "rec/heat.h"
#include "rec/inverted_list_codec.h"

static const struct fixture_item films[] = {
    {.id = "10",
     .popularity = 100,
     .property = {"drama|crime", "Mann", "pacino", "en", "r", "1995"}},
    {.id = "9", .popularity = 100, .property = {"drama", "mann", "", "en", "r", "1995"}},
    {.id = "100", .popularity = 5, .property = {"drama", "", "", "fr", "", "1996"}},
    {.id = "7", .popularity = 900, .absent = true, .property = {"drama", "", "", "fr", "", ""}},
    {.id = "8", .popularity = 5, .is_new = true, .property = {"crime", "", "", "", "", ""}},
};
#define FILMS (int32_t)(sizeof(films) / sizeof(films[0]))

static struct mq_inverted_lists *
build(const struct mq_catalogue *catalogue, const double *heat, double bonus)
{
    struct mq_error err = {0};
    double score[64];
    struct mq_inverted_lists *lists;
    check_ok(mq_order_scores(catalogue, heat, bonus, score, &err));
    check_ok(mq_inverted_lists_build(catalogue, score, &lists, &err));
    return lists;
}

static void
check_list(const struct mq_catalogue *catalogue, const struct mq_inverted_lists *lists,
           enum mq_property p, const char *value, const char *ids)
{
    char text[256] = "";
    int64_t count;
    const int32_t *rows =
        mq_inverted_list_rows(&lists->list[p], fixture_value(catalogue, p, value), &count);
    for (int64_t i = 0; i < count; i++) {
        strcat(text, i > 0 ? " " : "");
        strcat(text, catalogue->ids.keys[rows[i]]);
    }
    assert_string_equal(text, ids);
}

/* Equal scores are decided by id as a number: 9 before 10; what left the catalogue is nowhere. */
static void
test_order_and_ties(void **state)
{
    struct mq_catalogue *catalogue = fixture_catalogue(films, FILMS);
    struct mq_inverted_lists *lists = build(catalogue, NULL, 0);
    check_list(catalogue, lists, MQ_PROPERTY_CATEGORY, "drama", "9 10 100");
    check_list(catalogue, lists, MQ_PROPERTY_CATEGORY, "crime", "10 8");
    mq_inverted_lists_free(lists);
    mq_catalogue_free(catalogue);
}

/* ticket_num and score are the same for all: without care (x-min)/(max-min) is 0/0. */
static void
test_constant_column_counts_nothing(void **state)
{
    struct mq_catalogue *catalogue = fixture_catalogue(films, FILMS);
    struct mq_error err = {0};
    double score[FILMS];
    for (int32_t i = 0; i < FILMS; i++)
        catalogue->ticket_num[i] = 12;
    check_ok(mq_order_scores(catalogue, NULL, 0, score, &err));
    assert_true(score[0] == 10 && score[1] == 10 && score[2] == 0 && score[4] == 0);
    catalogue->score[2] = NAN;
    catalogue->popularity[0] = INFINITY;
    check_ok(mq_order_scores(catalogue, NULL, 0, score, &err));
    for (int32_t i = 0; i < FILMS; i++)
        assert_true(isfinite(score[i]));
    mq_catalogue_free(catalogue);
}

static void
test_new_arrivals_and_heat_move_up(void **state)
{
    struct mq_catalogue *catalogue = fixture_catalogue(films, FILMS);
    const double heat[FILMS] = {0, 0, 1000, 0, 0};
    struct mq_inverted_lists *lists = build(catalogue, heat, 11);
    check_list(catalogue, lists, MQ_PROPERTY_CATEGORY, "crime", "8 10");
    check_list(catalogue, lists, MQ_PROPERTY_CATEGORY, "drama", "9 10 100");
    mq_inverted_lists_free(lists);
    catalogue->popularity[0] = catalogue->popularity[1] = 5;
    lists = build(catalogue, heat, 0);
    check_list(catalogue, lists, MQ_PROPERTY_CATEGORY, "drama", "100 9 10");
    mq_inverted_lists_free(lists);
    mq_catalogue_free(catalogue);
}

/* Ids that are not all numbers are compared by bytes and written as text. */
static void
test_text_ids(void **state)
{
    static const struct fixture_item mixed[] = {{.id = "b2", .property = {"drama"}},
                                                {.id = "b10", .property = {"drama"}},
                                                {.id = "é_!_,\"", .property = {"drama"}}};
    struct mq_catalogue *catalogue = fixture_catalogue(mixed, 3);
    struct mq_inverted_lists *lists = build(catalogue, NULL, 0);
    check_list(catalogue, lists, MQ_PROPERTY_CATEGORY, "drama", "b10 b2 é_!_,\"");
    struct mq_error err = {0};
    struct mq_buffer buffer = {0};
    struct mq_writer *writer;
    struct mq_reader *reader;
    struct mq_arena arena = {0};
    const struct mq_pickle_value *root;
    check_ok(mq_writer_to_buffer(&buffer, &writer, &err));
    check_ok(
        mq_inverted_list_write(catalogue, &lists->list[0], MQ_PROPERTY_CATEGORY, writer, &err));
    check_ok(mq_writer_commit(writer, &err));
    mq_writer_close(writer);
    check_ok(mq_reader_from_memory(buffer.data, buffer.size, "list", &reader, &err));
    check_ok(mq_pickle_read(reader, NULL, &arena, &root, &err));
    mq_reader_close(reader);
    const struct mq_pickle_value *drama = mq_pickle_get(root, "drama");
    assert_int_equal(mq_pickle_count(drama), 3);
    assert_int_equal(mq_pickle_item(drama, 0)->kind, MQ_PICKLE_TEXT);
    assert_string_equal(mq_pickle_item(drama, 0)->text, "b10");
    mq_arena_release(&arena);
    mq_buffer_release(&buffer);
    mq_inverted_lists_free(lists);
    mq_catalogue_free(catalogue);
}

/* {id: {property: [value, …] or [None]}} */
static void
test_property_dict(void **state)
{
    struct mq_catalogue *catalogue = fixture_catalogue(films, FILMS);
    struct mq_error err = {0};
    struct mq_buffer buffer = {0};
    struct mq_writer *writer;
    struct mq_reader *reader;
    struct mq_arena arena = {0};
    const struct mq_pickle_value *root;
    check_ok(mq_writer_to_buffer(&buffer, &writer, &err));
    check_ok(mq_property_dict_write(catalogue, writer, &err));
    check_ok(mq_writer_commit(writer, &err));
    mq_writer_close(writer);
    check_ok(mq_reader_from_memory(buffer.data, buffer.size, "properties", &reader, &err));
    check_ok(mq_pickle_read(reader, NULL, &arena, &root, &err));
    mq_reader_close(reader);
    assert_int_equal(mq_pickle_count(root), 4);
    const struct mq_pickle_value *heat = mq_pickle_get(root, "10");
    assert_int_equal(mq_pickle_count(heat), MQ_PROPERTY_COUNT);
    assert_int_equal(mq_pickle_count(mq_pickle_get(heat, "category")), 2);
    assert_string_equal(mq_pickle_item(mq_pickle_get(heat, "year"), 0)->text, "1995");
    const struct mq_pickle_value *actors = mq_pickle_get(mq_pickle_get(root, "9"), "actor");
    assert_int_equal(mq_pickle_count(actors), 1);
    assert_true(mq_pickle_is_none(mq_pickle_item(actors, 0)));
    assert_null(mq_pickle_get(root, "7"));
    mq_arena_release(&arena);
    mq_buffer_release(&buffer);
    mq_catalogue_free(catalogue);
}

static void
test_empty_catalogue(void **state)
{
    struct mq_catalogue *catalogue = fixture_catalogue(NULL, 0);
    struct mq_inverted_lists *lists = build(catalogue, NULL, 2);
    int64_t count;
    mq_inverted_list_rows(&lists->list[0], 0, &count);
    assert_int_equal(count, 0);
    mq_inverted_lists_free(lists);
    mq_catalogue_free(catalogue);
}

/* One click on an item shown once is no hit beside one that was shown and played much. */
static void
test_heat(void **state)
{
    const double plays[] = {1, 300, 200, 0, NAN}, shown[] = {1, 1000, 4000, 900, -3};
    double heat[5];
    mq_heat_compute(5, plays, shown, 50, heat);
    assert_true(heat[0] < heat[2] / 10);
    assert_true(heat[1] > heat[2]); /* fewer plays, but a far better rate */
    assert_true(heat[3] == 0 && heat[4] == 0);
    mq_heat_compute(2, plays, plays, 50, heat); /* plays alone: heat is their number */
    assert_true(fabs(heat[0] - 1) < 1e-12 && fabs(heat[1] - 300) < 1e-9);
    const double none[] = {0, 0};
    mq_heat_compute(2, none, none, 0, heat);
    assert_true(heat[0] == 0 && heat[1] == 0);
    assert_true(mq_heat_decay(86400.0 * 30, 86400.0 * 30) == 0.5);
    assert_true(mq_heat_decay(-5, 100) == 1);
}

static void
test_heat_round_trip(void **state)
{
    struct mq_catalogue *catalogue = fixture_catalogue(films, FILMS);
    struct mq_error err = {0};
    struct mq_buffer buffer = {0};
    struct mq_writer *writer;
    struct mq_reader *reader;
    const double heat[FILMS] = {1.5, 0, 1e-300, 7, 2};
    double back[FILMS];
    check_ok(mq_writer_to_buffer(&buffer, &writer, &err));
    check_ok(mq_heat_write(catalogue, heat, writer, &err));
    check_ok(mq_writer_commit(writer, &err));
    mq_writer_close(writer);
    check_ok(mq_reader_from_memory(buffer.data, buffer.size, "heat", &reader, &err));
    check_ok(mq_heat_read(catalogue, reader, back, &err));
    mq_reader_close(reader);
    assert_true(back[0] == 1.5 && back[2] == 1e-300 && back[4] == 2);
    assert_true(back[3] == 0); /* left the catalogue */
    mq_buffer_release(&buffer);
    mq_catalogue_free(catalogue);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_ties),
        cmocka_unit_test(test_constant_column_counts_nothing),
        cmocka_unit_test(test_new_arrivals_and_heat_move_up),
        cmocka_unit_test(test_text_ids),
        cmocka_unit_test(test_property_dict),
        cmocka_unit_test(test_empty_catalogue),
        cmocka_unit_test(test_heat),
        cmocka_unit_test(test_heat_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
