#include "snapshot_fixture.h"

#include "rec/explain.h"

static const struct fixture_item films[] = {
    {.id = "6",
     .title = "Heat",
     .year = 1995,
     .popularity = 90,
     .property = {"crime", "michael mann", "al pacino", "english", "r", "1995"}},
    {.id = "7",
     .title = "The Insider",
     .year = 1999,
     .popularity = 80,
     .property = {"thriller", "michael mann", "al pacino", "", "", ""}},
    {.id = "8",
     .title = "Casino",
     .year = 1995,
     .popularity = 70,
     .property = {"crime", "", "", "", "", ""}},
    {.id = "9", .title = "Gone", .absent = true, .property = {"crime", "", "", "", "", ""}},
    {.id = "10",
     .title = "Serial",
     .type = MQ_PROGRAM_TV,
     .property = {"crime", "", "", "", "", ""}},
    {.id = "11", .title = "Over", .available_until = FIXTURE_NOW - 86400},
    {.id = "12", .title = "", .property = {"western", "", "", "", "", ""}},
    {.id = "13", .title = "Blocked", .property = {"crime", "", "", "", "x", ""}},
};
#define FILMS (int32_t)(sizeof(films) / sizeof(films[0]))

struct fixture {
    struct mq_snapshot *snapshot;
    struct mq_session *session;
    struct mq_portrait portrait;
    struct mq_user_state user;
    struct mq_arena arena;
};

static void
start(struct fixture *f, const struct mq_recall_config *recall, const char *const *settings,
      const float *vectors)
{
    static const int32_t plays[] = {0};
    struct mq_error err = {0};
    *f = (struct fixture){0};
    f->snapshot = fixture_snapshot(fixture_catalogue(films, FILMS), vectors, recall, settings);
    check_ok(mq_session_new(f->snapshot, &f->session, &err));
    f->user = fixture_user(f->snapshot, "u", plays, NULL, 1, &f->portrait);
}

static void
stop(struct fixture *f)
{
    mq_portrait_release(&f->portrait);
    mq_session_free(f->session);
    mq_snapshot_free(f->snapshot);
    mq_arena_release(&f->arena);
}

static struct mq_explanation
explain(struct fixture *f, int32_t item)
{
    struct mq_error err = {0};
    struct mq_explanation e;
    check_ok(mq_explain(f->session, MQ_PROGRAM_MOVIE, &f->user, item, MQ_LANGUAGE_ENGLISH,
                        &f->arena, &e, &err));
    return e;
}

static void
test_reasons_name_what_was_watched(void **state)
{
    static const char *const settings[] = {"filter.levels_blocked", "x", NULL};
    struct fixture f;
    start(&f, NULL, settings, NULL);
    struct mq_explanation e = explain(&f, 1);
    assert_int_equal(e.verdict, MQ_VERDICT_LISTED);
    assert_int_equal(e.seed_item, 0);
    assert_string_equal(e.reason, "Because you watched Heat (1995): also directed by Michael Mann");
    check_contains(e.detail, "director (Michael Mann) place 1 of 1");
    check_contains(e.detail, "rank:");
    check_contains(e.detail, "filter:");
    e = explain(&f, 2);
    check_contains(e.reason, "Because you watched Heat (1995): crime too");
    stop(&f);
}

static void
test_why_not(void **state)
{
    static const char *const settings[] = {"filter.levels_blocked", "x", NULL};
    struct fixture f;
    start(&f, NULL, settings, NULL);
    struct mq_explanation e = explain(&f, 0);
    assert_int_equal(e.verdict, MQ_VERDICT_SEEN);
    e = explain(&f, 3);
    assert_int_equal(e.verdict, MQ_VERDICT_BARRED);
    assert_int_equal(e.bar, MQ_BAR_ABSENT);
    e = explain(&f, 4);
    assert_int_equal(e.verdict, MQ_VERDICT_BARRED);
    check_contains(e.reason, "tv");
    e = explain(&f, 5);
    assert_int_equal(e.bar, MQ_BAR_EXPIRED);
    check_contains(e.reason, "2023-11-13");
    e = explain(&f, 7);
    assert_int_equal(e.bar, MQ_BAR_LEVEL);
    check_contains(e.reason, "x");
    struct mq_error err = {0};
    check_fails(MQ_E_RANGE, mq_explain(f.session, MQ_PROGRAM_MOVIE, &f.user, FILMS,
                                       MQ_LANGUAGE_ENGLISH, &f.arena, &e, &err));
    stop(&f);
}

/* Not reached, cut, beyond the list: each says by how much. */
static void
test_stages_that_drop(void **state)
{
    struct mq_recall_config recall;
    struct fixture f;
    static const char *const no_picks[] = {"filter.list", "1", NULL};
    mq_recall_config_default(&recall);
    recall.merge_cnt = 1;
    for (int32_t i = 0; i < recall.method_count; i++)
        if (recall.method[i].channel == MQ_CHANNEL_HEAT)
            recall.method[i].topn = 1;
    start(&f, &recall, NULL, NULL);
    f.snapshot->filter.category_diversity_count = 0;
    struct mq_explanation e = explain(&f, 2);
    assert_int_equal(e.verdict, MQ_VERDICT_CUT);
    assert_true(e.recall_score < e.cut_score && e.recall_score > 0);
    e = explain(&f, 6);
    assert_int_equal(e.verdict, MQ_VERDICT_NOT_FOUND);
    assert_int_equal(e.places[0].channel, MQ_CHANNEL_HEAT);
    assert_int_equal(e.places[0].position, 2);
    check_contains(e.reason, "heat place 3 of");
    stop(&f);
    mq_recall_config_default(&recall);
    start(&f, &recall, no_picks, NULL);
    f.snapshot->filter.category_diversity_count = 0;
    e = explain(&f, 2);
    assert_int_equal(e.verdict, MQ_VERDICT_FILTERED);
    stop(&f);
}

static void
test_vector_reason_and_languages(void **state)
{
    float vectors[FILMS * MQ_PORTRAIT_DIM] = {0};
    struct fixture f;
    vectors[0] = 1;
    vectors[6 * MQ_PORTRAIT_DIM] = 2; /* points the way of Heat */
    start(&f, NULL, NULL, vectors);
    f.portrait.vector[0] = 50;
    f.portrait.has_vector = true;
    struct mq_explanation e = explain(&f, 6);
    assert_int_equal(e.seed_item, 0);
    check_contains(e.reason, "Heat (1995)");
    struct mq_error err = {0};
    check_ok(mq_explain(f.session, MQ_PROGRAM_MOVIE, &f.user, 6, MQ_LANGUAGE_CHINESE, &f.arena, &e,
                        &err));
    check_contains(e.reason, "因为");
    assert_string_equal(mq_item_label(f.snapshot->catalogue, 6, &f.arena), "12");
    stop(&f);
}

/* A diversity pick says so, and a user of whom nothing is known gets sentences too. */
static void
test_other_entries(void **state)
{
    struct fixture f;
    start(&f, NULL, NULL, NULL);
    struct mq_error err = {0};
    struct mq_recommendation_list list;
    struct mq_user_state nobody = {.id = "nobody", .code = -1};
    check_ok(mq_recommend(f.session, MQ_PROGRAM_MOVIE, &nobody, &list, &err));
    assert_true(list.count > 0);
    for (int32_t i = 0; i < list.count; i++) {
        const char *reason = mq_explain_entry(f.session, &nobody, &list.entries[i],
                                              MQ_LANGUAGE_ENGLISH, &f.arena, NULL);
        assert_non_null(reason);
        assert_true(strlen(reason) > 10 && strchr(reason, '{') == NULL);
    }
    stop(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reasons_name_what_was_watched),
        cmocka_unit_test(test_why_not),
        cmocka_unit_test(test_stages_that_drop),
        cmocka_unit_test(test_vector_reason_and_languages),
        cmocka_unit_test(test_other_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
