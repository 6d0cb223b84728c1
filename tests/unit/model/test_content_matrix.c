#include "../rec/catalogue_fixture.h"

#include <math.h>

#include "model/content_matrix.h"
#include "model/content_terms.h"

/* ---- terms ------------------------------------------------------------------------------ */

static enum mq_status
join(void *context, const char *term, size_t size, struct mq_error *err)
{
    (void)err;
    strncat(context, term, size);
    strcat(context, " ");
    return MQ_OK;
}

static void
check_terms(const char *text, const char *expected)
{
    char joined[512] = "";
    struct mq_error err = {0};
    check_ok(mq_content_terms(text, strlen(text), join, joined, &err));
    assert_string_equal(joined, expected);
}

static void
words_and_characters(void **state)
{
    (void)state;
    check_terms("", "");
    check_terms("The Big Lebowski, Part 2!", "big lebowski part 2 ");
    check_terms("L'Été à Nice", "Été à nice ");
    check_terms("卧虎藏龙", "卧虎 虎藏 藏龙 ");
    check_terms("爱 x 情", "爱 情 ");
    check_terms("WALL·E 2。龙", "wall 2 龙 ");
    check_terms("caf\xe9 noir \xff\xfe", "caf noir ");
    char text[200], expected[80];
    memset(text, 'a', 199);
    text[199] = '\0';
    memset(expected, 'a', MQ_CONTENT_TERM_MAX);
    strcpy(expected + MQ_CONTENT_TERM_MAX, " ");
    check_terms(text, expected);
}

/* ---- the matrix ------------------------------------------------------------------------- */

static const struct fixture_item films[] = {
    {"1", "Heat", .year = 1995, .property = {"crime|thriller", "mann"}},
    {"2", "Collateral", .year = 2004, .property = {"crime|thriller", "mann"}},
    {"3", "Toy Story", .year = 1995, .property = {"comedy|family", "lasseter"}},
    {"4", "Toy Story 2", .year = 1999, .property = {"comedy|family", "lasseter"}},
    {"5", "", .year = 0},
};

static double
cosine(const struct mq_rating_matrix *m, int32_t a, int32_t b)
{
    double sum = 0;
    for (int64_t i = m->item_offset[a]; i < m->item_offset[a + 1]; i++)
        for (int64_t k = m->item_offset[b]; k < m->item_offset[b + 1]; k++)
            if (m->item_user[i] == m->item_user[k])
                sum += (double)m->item_rating[i] * (double)m->item_rating[k];
    return sum;
}

static void
alike_films(void **state)
{
    (void)state;
    struct mq_catalogue *c = fixture_catalogue(films, 5);
    struct mq_content_options options = mq_content_options_default();
    struct mq_rating_matrix *m;
    struct mq_error err = {0};
    check_ok(mq_content_matrix_build(c, &options, &m, &err));
    assert_int_equal(m->item_count, 5);
    for (int32_t film = 0; film < 4; film++)
        assert_true(fabs(cosine(m, film, film) - 1) < 1e-6);
    assert_true(cosine(m, 0, 1) > cosine(m, 0, 2));
    assert_true(cosine(m, 2, 3) > cosine(m, 2, 0));
    assert_true(cosine(m, 2, 3) > 0.6);
    /* The same year is something in common; another is not. */
    assert_true(cosine(m, 0, 2) > cosine(m, 0, 3));
    mq_rating_matrix_free(m);
    /* Directors alone: all or nothing. */
    options = (struct mq_content_options){.weight = {[MQ_CONTENT_DIRECTOR] = 1}};
    check_ok(mq_content_matrix_build(c, &options, &m, &err));
    assert_true(fabs(cosine(m, 0, 1) - 1) < 1e-6);
    assert_true(cosine(m, 0, 2) == 0);
    assert_int_equal(m->item_offset[5] - m->item_offset[4], 0);
    mq_rating_matrix_free(m);
    mq_catalogue_free(c);
}

/* Two fields of one term each, by hand: the cosine is the weighted mean of 1 and 0. */
static void
fields_are_weighed(void **state)
{
    (void)state;
    static const struct fixture_item two[] = {
        {"1", "", .property = {NULL, "mann", NULL, "en"}},
        {"2", "", .property = {NULL, "mann", NULL, "fr"}},
    };
    struct mq_catalogue *c = fixture_catalogue(two, 2);
    const struct mq_content_options options = {
        .weight = {[MQ_CONTENT_DIRECTOR] = 3, [MQ_CONTENT_LANGUAGE] = 1}};
    struct mq_rating_matrix *m;
    struct mq_error err = {0};
    check_ok(mq_content_matrix_build(c, &options, &m, &err));
    assert_true(fabs(cosine(m, 0, 1) - 0.75) < 1e-6);
    mq_rating_matrix_free(m);
    mq_catalogue_free(c);
}

static void
refused_weights(void **state)
{
    (void)state;
    struct mq_catalogue *c = fixture_catalogue(films, 1);
    struct mq_content_options options = {.weight = {0}};
    struct mq_rating_matrix *m;
    struct mq_error err = {0};
    check_fails(MQ_E_RANGE, mq_content_matrix_build(c, &options, &m, &err));
    options.weight[MQ_CONTENT_YEAR] = -1;
    check_fails(MQ_E_RANGE, mq_content_matrix_build(c, &options, &m, &err));
    check_contains(err.message, "weight of field 'year' is -1 (0 or more)");
    mq_catalogue_free(c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_characters),
        cmocka_unit_test(alike_films),
        cmocka_unit_test(fields_are_weighed),
        cmocka_unit_test(refused_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
