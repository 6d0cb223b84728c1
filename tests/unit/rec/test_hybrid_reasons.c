#include "hybrid_snapshot.h"

#include <math.h>

#include "rec/hybrid_reasons.h"

/* Why a film is in a list: the figures are those of the model, and the sentence speaks of them. */

struct reading {
    struct hybrid_bench b;
    struct mq_rated_user user;
    struct mq_hybrid_recommendations list;
};

static void
read_list(struct reading *r, const char *id, enum mq_method method)
{
    struct mq_error err = {0};
    r->user = hybrid_bench_user(&r->b, id, NULL, 0);
    const struct mq_hybrid_request request = {.user = &r->user, .method = method};
    check_ok(mq_hybrid_recommend(r->b.session, &request, &r->list, &err));
    check_ok(mq_predictor_take(mq_hybrid_session_predictor(r->b.session), &r->user, &err));
}

static struct mq_hybrid_reason
reason_of(struct reading *r, int32_t i, enum mq_language language)
{
    struct mq_hybrid_reason reason;
    struct mq_error err = {0};
    check_ok(mq_hybrid_reason(r->b.session, &r->list, &r->user, &r->list.entries[i], language,
                              &r->b.arena, &reason, &err));
    assert_non_null(reason.text);
    assert_true(*reason.text != '\0');
    assert_null(strchr(reason.text, '{')); /* all is filled in */
    return reason;
}

static bool
is_ascii(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

/* Weight of a film for an item in the lists of a method. */
static float
weight_of(const struct mq_hybrid *h, enum mq_method method, int32_t film, int32_t item)
{
    const struct mq_neighbours *lists = method == MQ_METHOD_CONTENT    ? &h->content
                                        : method == MQ_METHOD_SEQUENCE ? &h->following
                                                                       : &h->items;
    if (method == MQ_METHOD_SEQUENCE && h->slit != NULL)
        return h->slit->weights[film * h->slit->item_count + item];
    struct mq_neighbour_list list = mq_neighbours_of(lists, film);
    for (int32_t k = 0; k < list.count; k++)
        if (list.ids[k] == item)
            return list.scores[k];
    return 0;
}

/* The film that a reason names was rated by the user so, and speaks for the item. */
static void
check_seed(const struct reading *r, const struct mq_hybrid_reason *reason,
           const struct mq_hybrid_recommendation *entry)
{
    const struct mq_hybrid_view *view = r->b.snapshot->hybrid;
    if (reason->seed_row < 0)
        return;
    int32_t film = view->item_of[reason->seed_row], at = -1;
    for (int32_t k = 0; k < r->user.count; k++)
        if (r->user.items[k] == film)
            at = k;
    assert_true(at >= 0);
    assert_true(reason->seed_rating == r->user.ratings[at]);
    assert_true(reason->likeness > 0);
    enum mq_method lists = reason->kind == MQ_REASON_CONTENT ? MQ_METHOD_CONTENT
                           : reason->kind == MQ_REASON_NEXT  ? MQ_METHOD_SEQUENCE
                                                             : MQ_METHOD_ITEM_BASED;
    assert_true(reason->likeness == weight_of(view->hybrid, lists, film, entry->item));
    assert_non_null(strstr(reason->text, r->b.snapshot->catalogue->title[reason->seed_row]));
    if (reason->kind == MQ_REASON_LIKED)
        assert_true(reason->seed_rating >= 4); /* of a scale from 0.5 to 5 */
}

static void
check_people(struct reading *r, const struct mq_hybrid_reason *reason,
             const struct mq_hybrid_recommendation *entry)
{
    struct mq_rater_vote votes[10];
    char text[16];
    if (reason->people == 0)
        return;
    int32_t n =
        mq_predictor_votes(mq_hybrid_session_predictor(r->b.session), entry->item, 10, votes);
    double sum = 0;
    for (int32_t k = 0; k < n; k++)
        sum += (double)votes[k].rating;
    assert_int_equal(reason->people, n);
    assert_true(n >= 3 && reason->shared >= 2);
    assert_float_equal(reason->people_rating, sum / n, 1e-5);
    snprintf(text, sizeof(text), "%.1f", (double)reason->people_rating);
    assert_non_null(strstr(reason->text, text));
    snprintf(text, sizeof(text), " %d films", (int)reason->shared);
    assert_non_null(strstr(reason->text, text));
}

static void
check_parts(const struct reading *r, const struct mq_hybrid_reason *reason,
            const struct mq_hybrid_recommendation *entry)
{
    double sum = 0;
    if (r->list.method != MQ_METHOD_HYBRID || entry->kind == MQ_ENTRY_DIVERSITY) {
        for (int m = 0; m < MQ_METHOD_COUNT; m++)
            assert_true(reason->part[m] == 0);
        return;
    }
    for (int m = 0; m < MQ_METHOD_COUNT; m++)
        sum += (double)reason->part[m];
    assert_float_equal(sum, entry->raw, 1e-4);
    if (reason->method != MQ_METHOD_HYBRID)
        assert_true(reason->part[reason->method] > 0);
}

/* Kinds of sentences that a method may come to. */
static bool
may_say(enum mq_method method, enum mq_reason kind)
{
    switch (method) {
    case MQ_METHOD_POPULAR:
        return kind == MQ_REASON_TRENDING;
    case MQ_METHOD_SEQUENCE:
        if (kind == MQ_REASON_NEXT)
            return true;
        break;
    case MQ_METHOD_CONTENT:
        if (kind == MQ_REASON_CONTENT)
            return true;
        break;
    case MQ_METHOD_HYBRID:
        if (kind == MQ_REASON_NEXT || kind == MQ_REASON_CONTENT || kind == MQ_REASON_TRENDING)
            return true;
        break;
    default:
        break;
    }
    return kind == MQ_REASON_LIKED || kind == MQ_REASON_CHOSEN_TOO || kind == MQ_REASON_AGREE ||
           kind == MQ_REASON_TASTE;
}

static void
reasons_hold(void **state)
{
    (void)state;
    struct reading r;
    int said[MQ_REASON_COUNT] = {0};
    hybrid_bench_make(&r.b, NULL, NULL);
    for (int u = 0; u < USERS; u++)
        for (int m = 0; m <= MQ_METHOD_COUNT; m++) {
            char id[16];
            if (!mq_hybrid_has(r.b.snapshot->hybrid->hybrid, (enum mq_method)m))
                continue;
            snprintf(id, sizeof(id), "u%d", u);
            read_list(&r, id, (enum mq_method)m);
            for (int32_t i = 0; i < r.list.count; i++) {
                const struct mq_hybrid_recommendation *entry = &r.list.entries[i];
                struct mq_hybrid_reason english = reason_of(&r, i, MQ_LANGUAGE_ENGLISH);
                struct mq_hybrid_reason chinese = reason_of(&r, i, MQ_LANGUAGE_CHINESE);
                assert_true(is_ascii(english.text));
                assert_false(is_ascii(chinese.text));
                assert_int_equal(english.kind, chinese.kind);
                assert_int_equal(english.seed_row, chinese.seed_row);
                said[english.kind]++;
                check_parts(&r, &english, entry);
                if (entry->kind == MQ_ENTRY_DIVERSITY) {
                    assert_int_equal(english.kind, MQ_REASON_DIVERSITY);
                    check_contains(
                        english.text,
                        r.b.snapshot->catalogue->names[MQ_PROPERTY_CATEGORY].keys[entry->category]);
                    continue;
                }
                assert_true(may_say((enum mq_method)m, english.kind));
                check_seed(&r, &english, entry);
                check_people(&r, &english, entry);
            }
        }
    static const enum mq_reason due[] = {MQ_REASON_LIKED,     MQ_REASON_CHOSEN_TOO,
                                         MQ_REASON_NEXT,      MQ_REASON_CONTENT,
                                         MQ_REASON_DIVERSITY, MQ_REASON_TRENDING};
    for (size_t i = 0; i < MQ_COUNT(due); i++)
        if (said[due[i]] == 0)
            fail_msg("no reason of kind %d in all the lists", (int)due[i]);
    hybrid_bench_release(&r.b);
}

/* Content's reason names what both films share. */
static void
content_names_what_is_shared(void **state)
{
    (void)state;
    struct reading r;
    struct mq_error err = {0};
    hybrid_bench_make(&r.b, NULL, NULL);
    const struct mq_rated_item liked = {item_of_id(&r.b, "1"), 5, NOW}; /* Heat, crime */
    r.user = hybrid_bench_user(&r.b, "nobody", &liked, 1);
    const struct mq_hybrid_request request = {.user = &r.user, .method = MQ_METHOD_CONTENT};
    check_ok(mq_hybrid_recommend(r.b.session, &request, &r.list, &err));
    check_ok(mq_predictor_take(mq_hybrid_session_predictor(r.b.session), &r.user, &err));
    int32_t at = 0;
    while (at < r.list.count && r.list.entries[at].row != row_of_id(&r.b, "2"))
        at++;
    assert_true(at < r.list.count); /* Collateral */
    struct mq_hybrid_reason reason = reason_of(&r, at, MQ_LANGUAGE_ENGLISH);
    assert_string_equal(reason.text, "Because you watched Heat (1995): it is like it, crime");
    assert_int_equal(reason.method, MQ_METHOD_CONTENT);
    assert_int_equal(reason.seed_row, row_of_id(&r.b, "1"));
    reason = reason_of(&r, at, MQ_LANGUAGE_CHINESE);
    check_contains(reason.text, "Heat (1995)");
    check_contains(reason.text, "crime");
    hybrid_bench_release(&r.b);
}

/* A film that was not liked, or played without a rating, is not said to be liked. */
static void
liked_means_liked(void **state)
{
    (void)state;
    static const float ratings[] = {5, 1, -1};
    struct reading r;
    struct mq_error err = {0};
    hybrid_bench_make(&r.b, NULL, NULL);
    for (size_t k = 0; k < MQ_COUNT(ratings); k++) {
        const struct mq_rated_item one = {item_of_id(&r.b, "5"), ratings[k], NOW};
        r.user = hybrid_bench_user(&r.b, "nobody", &one, 1);
        const struct mq_hybrid_request request = {.user = &r.user, .method = MQ_METHOD_ITEM_BASED};
        check_ok(mq_hybrid_recommend(r.b.session, &request, &r.list, &err));
        check_ok(mq_predictor_take(mq_hybrid_session_predictor(r.b.session), &r.user, &err));
        struct mq_hybrid_reason reason = reason_of(&r, 0, MQ_LANGUAGE_ENGLISH);
        assert_int_equal(reason.kind, k == 0 ? MQ_REASON_LIKED : MQ_REASON_CHOSEN_TOO);
        assert_true(reason.seed_rating == ratings[k]);
        check_contains(reason.text, "Alien (1979)");
    }
    hybrid_bench_release(&r.b);
}

static void
nobody_is_told_what_is_popular(void **state)
{
    (void)state;
    struct reading r;
    hybrid_bench_make(&r.b, NULL, NULL);
    read_list(&r, "nobody", MQ_METHOD_HYBRID);
    assert_true(r.list.cold_start);
    for (int32_t i = 0; i < r.list.count; i++) {
        struct mq_hybrid_reason reason = reason_of(&r, i, MQ_LANGUAGE_ENGLISH);
        bool is_pick = r.list.entries[i].kind == MQ_ENTRY_DIVERSITY;
        assert_int_equal(reason.kind, is_pick ? MQ_REASON_DIVERSITY : MQ_REASON_TRENDING);
        assert_int_equal(reason.seed_row, -1);
        assert_int_equal(reason.people, 0);
    }
    hybrid_bench_release(&r.b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reasons_hold),
        cmocka_unit_test(content_names_what_is_shared),
        cmocka_unit_test(liked_means_liked),
        cmocka_unit_test(nobody_is_told_what_is_popular),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
