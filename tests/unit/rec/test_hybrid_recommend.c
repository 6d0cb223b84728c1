#include "hybrid_snapshot.h"

#include <math.h>

/* Lists of the hybrid: what may be in them, in which order, and what one of whom nothing is known
 * gets. */

static struct mq_hybrid_recommendations
recommend(struct hybrid_bench *b, const struct mq_hybrid_request *request)
{
    struct mq_hybrid_recommendations list;
    struct mq_error err = {0};
    check_ok(mq_hybrid_recommend(b->session, request, &list, &err));
    return list;
}

static bool
has_rated(const struct mq_rated_user *user, int32_t item)
{
    for (int32_t k = 0; k < user->count; k++)
        if (user->items[k] == item)
            return true;
    return false;
}

static bool
holds(const struct mq_hybrid_recommendations *list, int32_t row)
{
    for (int32_t i = 0; i < list->count; i++)
        if (list->entries[i].row == row)
            return true;
    return false;
}

/* What is so of every list. */
static void
check_list(const struct hybrid_bench *b, const struct mq_hybrid_request *request,
           const struct mq_hybrid_recommendations *list)
{
    const struct mq_snapshot *s = b->snapshot;
    int32_t recommended = 0;
    for (int32_t i = 0; i < list->count; i++) {
        const struct mq_hybrid_recommendation *e = &list->entries[i];
        assert_int_equal(e->position, i);
        assert_in_range(e->row, 0, OFFERED - 1);
        assert_int_equal(e->item, s->hybrid->item_of[e->row]);
        assert_int_equal(s->bar[e->row], MQ_BAR_NONE);
        assert_int_equal(s->catalogue->type[e->row], request->type);
        for (int32_t k = 0; k < i; k++)
            assert_int_not_equal(list->entries[k].row, e->row);
        for (int32_t k = 0; k < request->excluded_count; k++)
            assert_int_not_equal(request->excluded[k], e->row);
        if (s->filter_seen && e->item >= 0)
            assert_false(has_rated(request->user, e->item));
        if (e->kind == MQ_ENTRY_DIVERSITY) {
            assert_true(e->score == 0 && e->category >= 0);
            continue;
        }
        assert_int_equal(recommended, i); /* the picks come last */
        recommended++;
        assert_int_equal(e->category, -1);
        assert_true(isfinite(e->raw) && e->recall >= 0 && e->recall <= 1 && e->score >= 0 &&
                    e->score <= 1);
        assert_float_equal(e->quality, s->hybrid->quality[e->item], 1e-6);
        if (!list->cold_start)
            assert_float_equal(e->score,
                               e->recall * (1 - s->quality_weight) + e->quality * s->quality_weight,
                               1e-5);
        if (i > 0)
            assert_true(e->score <= list->entries[i - 1].score);
    }
    assert_true(recommended <= s->list_max);
}

static void
lists_of_all_users_by_all_methods(void **state)
{
    (void)state;
    struct hybrid_bench b;
    hybrid_bench_make(&b, NULL, NULL);
    int picks = 0, cold = 0;
    for (int u = 0; u < USERS; u++)
        for (int m = 0; m <= MQ_METHOD_COUNT; m++) {
            char id[16];
            if (!mq_hybrid_has(b.snapshot->hybrid->hybrid, (enum mq_method)m))
                continue;
            snprintf(id, sizeof(id), "u%d", u);
            struct mq_rated_user user = hybrid_bench_user(&b, id, NULL, 0);
            const struct mq_hybrid_request request = {.user = &user, .method = (enum mq_method)m};
            struct mq_hybrid_recommendations list = recommend(&b, &request);
            check_list(&b, &request, &list);
            assert_int_equal(list.method, list.cold_start ? MQ_METHOD_POPULAR : (enum mq_method)m);
            assert_true(list.count >= 4);
            picks += list.entries[list.count - 1].kind == MQ_ENTRY_DIVERSITY;
            cold += list.cold_start;
        }
    assert_true(picks > USERS);
    assert_int_equal(cold, 0);
    hybrid_bench_release(&b);
}

/* The list is the ranking with what may not be offered left out. */
static void
is_the_ranking(void **state)
{
    (void)state;
    struct hybrid_bench b;
    struct mq_error err = {0};
    hybrid_bench_make(&b, NULL, NULL);
    struct mq_hybrid_ranker *ranker;
    check_ok(mq_hybrid_ranker_new(b.snapshot->hybrid, &ranker, &err));
    for (int u = 0; u < USERS; u++) {
        char id[16];
        struct mq_hybrid_candidate candidates[ITEMS];
        int32_t count;
        bool known;
        snprintf(id, sizeof(id), "u%d", u);
        struct mq_rated_user user = hybrid_bench_user(&b, id, NULL, 0);
        const struct mq_hybrid_request request = {.user = &user, .method = MQ_METHOD_HYBRID};
        struct mq_hybrid_recommendations list = recommend(&b, &request);
        const struct mq_hybrid_query query = {.user = &user,
                                              .method = MQ_METHOD_HYBRID,
                                              .candidates = ITEMS,
                                              .quality_weight = b.snapshot->quality_weight};
        check_ok(mq_hybrid_rank(ranker, &query, candidates, &count, &known, &err));
        for (int32_t i = 0; i < 4; i++) {
            assert_int_equal(list.entries[i].item, candidates[i].item);
            assert_true(list.entries[i].score == candidates[i].score);
            assert_true(list.entries[i].place == candidates[i].place);
        }
    }
    mq_hybrid_ranker_free(ranker);
    hybrid_bench_release(&b);
}

static void
leave_out(struct hybrid_bench *b, const char *id)
{
    struct mq_rated_user user = hybrid_bench_user(b, id, NULL, 0);
    /* All but two films, one that is not known, and one twice. */
    int32_t rows[OFFERED + 2] = {-1}, count = 1;
    for (int32_t row = 0; row < OFFERED; row++)
        if (row != row_of_id(b, "13") && row != row_of_id(b, "12"))
            rows[count++] = row;
    rows[count++] = row_of_id(b, "1");
    const struct mq_hybrid_request request = {
        .user = &user, .method = MQ_METHOD_HYBRID, .excluded = rows, .excluded_count = count};
    struct mq_hybrid_recommendations list = recommend(b, &request);
    check_list(b, &request, &list);
    assert_true(holds(&list, row_of_id(b, "12")));
    if (b->snapshot->filter_seen)
        assert_true(list.count == 2 && holds(&list, row_of_id(b, "13")));
    /* All of them: an empty list, and the next request knows nothing of it. */
    for (int32_t row = 0; row < OFFERED; row++)
        rows[row] = row;
    struct mq_hybrid_request none = request;
    none.excluded_count = OFFERED;
    assert_int_equal(recommend(b, &none).count, 0);
    none.excluded_count = 0;
    assert_true(recommend(b, &none).count >= 4);
}

/* Films left out are not offered as a change either. */
static void
leaves_out_what_is_excluded(void **state)
{
    (void)state;
    static const char *const again[] = {"filter.seen", "false", NULL};
    struct hybrid_bench b;
    hybrid_bench_make(&b, NULL, NULL);
    leave_out(&b, "u0");
    leave_out(&b, "u17");
    leave_out(&b, "nobody");
    hybrid_bench_release(&b);
    hybrid_bench_make(&b, NULL, again);
    leave_out(&b, "u0");
    leave_out(&b, "nobody");
    /* With filter.seen off what was seen comes again. */
    int seen = 0;
    struct mq_rated_user user = hybrid_bench_user(&b, "u0", NULL, 0);
    const struct mq_hybrid_request request = {.user = &user, .method = MQ_METHOD_HYBRID};
    struct mq_hybrid_recommendations list = recommend(&b, &request);
    check_list(&b, &request, &list);
    for (int32_t i = 0; i < list.count; i++)
        seen += has_rated(&user, list.entries[i].item);
    assert_true(seen > 0);
    hybrid_bench_release(&b);
}

/* items[0] is the newest, items[i] is film 13 - i. */
static void
bar_most(struct fixture_item *items)
{
    items[12].absent = true;                                       /* 1 */
    items[11].available_from = NOW + 60;                           /* 2 */
    items[10].available_until = NOW;                               /* 3 */
    items[9].territories = "FR";                                   /* 4 */
    items[8].property[MQ_PROPERTY_LEVEL] = "r";                    /* 5 */
    items[7].type = items[6].type = items[0].type = MQ_PROGRAM_TV; /* 6, 7, 13 */
}

static void
offers_what_may_be_offered(void **state)
{
    (void)state;
    static const char *const settings[] = {
        "filter.territory", "DE", "filter.levels_blocked", "R", "filter.list", "100", NULL};
    static const char *const shown[2][6] = {{"8", "9", "10", "11", "12"}, {"6", "7", "13"}};
    struct hybrid_bench b;
    hybrid_bench_make(&b, bar_most, settings);
    for (int u = -1; u < USERS; u++)
        for (int type = 0; type < 2; type++) {
            char id[16];
            snprintf(id, sizeof(id), "u%d", u);
            struct mq_rated_user user = hybrid_bench_user(&b, u < 0 ? "" : id, NULL, 0);
            const struct mq_hybrid_request request = {.user = &user,
                                                      .method = MQ_METHOD_HYBRID,
                                                      .type = type == 0 ? MQ_PROGRAM_MOVIE
                                                                        : MQ_PROGRAM_TV};
            struct mq_hybrid_recommendations list = recommend(&b, &request);
            check_list(&b, &request, &list);
            int32_t due = 0;
            for (int k = 0; shown[type][k] != NULL; k++) {
                int32_t row = row_of_id(&b, shown[type][k]);
                int32_t item = b.snapshot->hybrid->item_of[row];
                bool is_due = item < 0 || !has_rated(&user, item);
                due += is_due;
                assert_int_equal(holds(&list, row), is_due);
            }
            assert_int_equal(list.count, due);
        }
    hybrid_bench_release(&b);
}

/* Popular films, each genre discounted for the films of it before: by hand, from the ranking. */
static void
cold_start_is_marked_and_mixed(void **state)
{
    (void)state;
    static const char *const settings[] = {"filter.list", "100", NULL};
    struct hybrid_bench b;
    struct mq_error err = {0};
    hybrid_bench_make(&b, NULL, settings);
    const struct mq_catalogue *c = b.snapshot->catalogue;
    struct mq_hybrid_ranker *ranker;
    struct mq_hybrid_candidate candidates[ITEMS];
    int32_t count;
    bool known;
    check_ok(mq_hybrid_ranker_new(b.snapshot->hybrid, &ranker, &err));
    struct mq_rated_user nobody = hybrid_bench_user(&b, "nobody", NULL, 0);
    const struct mq_hybrid_query query = {.user = &nobody,
                                          .method = MQ_METHOD_POPULAR,
                                          .candidates = ITEMS,
                                          .quality_weight = b.snapshot->quality_weight};
    check_ok(mq_hybrid_rank(ranker, &query, candidates, &count, &known, &err));
    assert_int_equal(count, ITEMS);
    for (int m = 0; m <= MQ_METHOD_COUNT; m++) {
        if (!mq_hybrid_has(b.snapshot->hybrid->hybrid, (enum mq_method)m) || m == MQ_METHOD_POPULAR)
            continue;
        const struct mq_hybrid_request request = {.user = &nobody, .method = (enum mq_method)m};
        struct mq_hybrid_recommendations list = recommend(&b, &request);
        check_list(&b, &request, &list);
        assert_true(list.cold_start);
        assert_int_equal(list.method, MQ_METHOD_POPULAR);
        assert_int_equal(list.count, OFFERED); /* the newest as a change */
        int of_genre[16] = {0};
        bool taken[ITEMS] = {false};
        for (int32_t i = 0; i < ITEMS; i++) {
            int32_t best = -1;
            double greatest = -1;
            for (int32_t j = 0; j < ITEMS; j++) {
                int32_t row = b.snapshot->hybrid->row_of[candidates[j].item];
                int genre = c->value[MQ_PROPERTY_CATEGORY][c->offset[MQ_PROPERTY_CATEGORY][row]];
                double score = (double)candidates[j].score * pow(0.85, of_genre[genre]);
                if (!taken[j] && score > greatest + 1e-9) {
                    greatest = score;
                    best = j;
                }
            }
            taken[best] = true;
            int32_t row = b.snapshot->hybrid->row_of[candidates[best].item];
            of_genre[c->value[MQ_PROPERTY_CATEGORY][c->offset[MQ_PROPERTY_CATEGORY][row]]]++;
            assert_int_equal(list.entries[i].row, row);
            assert_float_equal(list.entries[i].score, greatest, 1e-5);
        }
    }
    /* Asked for by name it is no cold start, and not mixed. */
    const struct mq_hybrid_request popular = {.user = &nobody, .method = MQ_METHOD_POPULAR};
    struct mq_hybrid_recommendations list = recommend(&b, &popular);
    assert_false(list.cold_start);
    for (int32_t i = 0; i < ITEMS; i++)
        assert_int_equal(list.entries[i].item, candidates[i].item);
    /* One film is enough to be known. */
    const struct mq_rated_item liked = {item_of_id(&b, "1"), 5, NOW};
    struct mq_rated_user somebody = hybrid_bench_user(&b, "nobody", &liked, 1);
    const struct mq_hybrid_request warm = {.user = &somebody, .method = MQ_METHOD_HYBRID};
    list = recommend(&b, &warm);
    check_list(&b, &warm, &list);
    assert_false(list.cold_start);
    mq_hybrid_ranker_free(ranker);
    hybrid_bench_release(&b);
}

/* The same from another session, and whatever was asked between. */
static void
depends_on_nothing_before(void **state)
{
    (void)state;
    struct hybrid_bench b;
    struct mq_error err = {0};
    hybrid_bench_make(&b, NULL, NULL);
    struct mq_hybrid_session *other;
    check_ok(mq_hybrid_session_new(b.snapshot, &other, &err));
    for (int u = USERS - 1; u >= 0; u--) {
        char id[16];
        struct mq_hybrid_recommendations a, again;
        snprintf(id, sizeof(id), "u%d", u);
        struct mq_rated_user user = hybrid_bench_user(&b, id, NULL, 0);
        const struct mq_hybrid_request request = {.user = &user, .method = MQ_METHOD_HYBRID};
        check_ok(mq_hybrid_recommend(other, &request, &a, &err));
        again = recommend(&b, &request);
        assert_int_equal(a.count, again.count);
        assert_memory_equal(a.entries, again.entries, sizeof(*a.entries) * (size_t)a.count);
    }
    mq_hybrid_session_free(other);
    hybrid_bench_release(&b);
}

static void
traces(void **state)
{
    (void)state;
    struct hybrid_bench b;
    hybrid_bench_make(&b, NULL, NULL);
    struct mq_rated_user user = hybrid_bench_user(&b, "u3", NULL, 0);
    const struct mq_hybrid_request request = {.user = &user, .method = MQ_METHOD_HYBRID};
    struct mq_hybrid_recommendations list = recommend(&b, &request);
    int picks = 0;
    for (int32_t i = 0; i < list.count; i++) {
        const struct mq_hybrid_recommendation *e = &list.entries[i];
        char trace[MQ_TRACE_MAX], due[MQ_TRACE_MAX];
        size_t size = mq_hybrid_trace(b.snapshot, e, list.method, "online", trace);
        assert_int_equal(size, strlen(trace));
        if (e->kind == MQ_ENTRY_DIVERSITY) {
            picks++;
            snprintf(due, sizeof(due), "online_diversity_%d|%s", (int)e->position + 1,
                     b.snapshot->catalogue->names[MQ_PROPERTY_CATEGORY].keys[e->category]);
        } else {
            snprintf(due, sizeof(due),
                     "online_hybrid_%d|%.4f|online_rerank_%d|%.4f|online_recommend_%d|%.4f",
                     (int)e->place, (double)e->recall, (int)i, (double)e->quality, (int)i,
                     (double)e->score);
        }
        assert_string_equal(trace, due);
    }
    assert_true(picks > 0);
    hybrid_bench_release(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_all_users_by_all_methods),
        cmocka_unit_test(is_the_ranking),
        cmocka_unit_test(leaves_out_what_is_excluded),
        cmocka_unit_test(offers_what_may_be_offered),
        cmocka_unit_test(cold_start_is_marked_and_mixed),
        cmocka_unit_test(depends_on_nothing_before),
        cmocka_unit_test(traces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
