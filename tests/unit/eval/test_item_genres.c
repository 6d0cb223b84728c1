#include "../rec/catalogue_fixture.h"

#include "eval/item_genres.h"

static void
of_a_catalogue(void **state)
{
    (void)state;
    struct mq_error err = {0};
    const struct fixture_item items[] = {
        {"1", .property = {[MQ_PROPERTY_CATEGORY] = "war|drama|war"}},
        {"2", .property = {[MQ_PROPERTY_CATEGORY] = "drama|war|comedy"}},
        {"3", .property = {[MQ_PROPERTY_CATEGORY] = NULL}},
        {"4", .property = {[MQ_PROPERTY_CATEGORY] = "drama|drama"}}};
    struct mq_catalogue *catalogue = fixture_catalogue(items, 4);
    static const int64_t expected_offset[] = {0, 2, 5, 5, 6, 6};
    static const int32_t expected[] = {0, 1, 0, 1, 2, 1}; /* war 0, drama 1, comedy 2 */
    /* One item more than rows, then fewer. */
    for (int32_t count = 5; count >= 2; count -= 3) {
        struct mq_item_genres genres;
        int64_t *offset = NULL;
        int32_t *genre = NULL;
        check_ok(mq_item_genres_of_catalogue(catalogue, count, &genres, &offset, &genre, &err));
        check_ok(mq_item_genres_check(&genres, &err));
        assert_int_equal(genres.item_count, count);
        assert_int_equal(genres.genre_count, 3);
        assert_memory_equal(genres.offset, expected_offset,
                            (size_t)(count + 1) * sizeof(*expected_offset));
        assert_memory_equal(genres.genre, expected, (size_t)offset[count] * sizeof(*expected));
        mq_free(offset);
        mq_free(genre);
    }
    mq_catalogue_free(catalogue);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_catalogue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
