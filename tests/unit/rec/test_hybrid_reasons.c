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
    enum mq_method lists = reason->kind == MQ_REASON_CONTENT || reason->kind == MQ_REASON_ALIKE
                               ? MQ_METHOD_CONTENT
                           : reason->kind == MQ_REASON_NEXT ? MQ_METHOD_SEQUENCE
                                                            : MQ_METHOD_ITEM_BASED;
    assert_true(reason->likeness == weight_of(view->hybrid, lists, film, entry->item));
    assert_non_null(strstr(reason->text, r->b.snapshot->catalogue->title[reason->seed_row]));
    /* Of a scale from 0.5 to 5: liked from 3.65, and never a film that was not. */
    assert_true(reason->seed_rating < 0 || reason->seed_rating >= 2.75F);
    if (reason->kind == MQ_REASON_LIKED)
        assert_true(reason->seed_rating >= 4);
}

/* Films that the user and another of the model rated at most a star apart, counted one by one. */
static struct mq_agreement
agreement_with(const struct reading *r, int32_t other, int32_t but)
{
    const struct mq_rating_matrix *m = r->b.snapshot->hybrid->hybrid->ratings;
    struct mq_agreement agreement = {0};
    for (int32_t k = 0; k < r->user.count; k++) {
        int64_t at = mq_rating_matrix_find(m, other, r->user.items[k]);
        if (at < 0 || r->user.items[k] == but || r->user.ratings[k] < 0)
            continue;
        agreement.shared++;
        agreement.agreed += fabsf(r->user.ratings[k] - m->user_rating[at]) <= 1.125F;
    }
    return agreement;
}

/* With all films, without one that the user rated, and by another measure: counted anew each time.
 */
static void
check_agreement(const struct reading *r, struct mq_predictor *predictor, int32_t other)
{
    const int32_t buts[] = {-1, r->user.items[0], r->user.items[r->user.count / 2]};
    struct mq_agreement all = mq_predictor_agreement(predictor, other, 100, -1);
    assert_int_equal(all.agreed, all.shared);
    for (size_t k = 0; k < MQ_COUNT(buts); k++) {
        struct mq_agreement due = agreement_with(r, other, buts[k]);
        struct mq_agreement said = mq_predictor_agreement(predictor, other, 1.125F, buts[k]);
        assert_int_equal(due.shared, said.shared);
        assert_int_equal(due.agreed, said.agreed);
    }
}

/* The sentence is true of each it counts, and its figure of all of them. */
static void
check_people(struct reading *r, const struct mq_hybrid_reason *reason,
             const struct mq_hybrid_recommendation *entry)
{
    struct mq_rater_vote votes[10];
    char text[80];
    if (reason->kind != MQ_REASON_AGREE)
        return;
    struct mq_predictor *predictor = mq_hybrid_session_predictor(r->b.session);
    int32_t n = mq_predictor_votes(predictor, entry->item, 10, votes), people = 0, fewest = 1000;
    double sum = 0;
    for (int32_t k = 0; k < n; k++) {
        struct mq_agreement with = agreement_with(r, votes[k].id, entry->item);
        struct mq_agreement said =
            mq_predictor_agreement(predictor, votes[k].id, 1.125F, entry->item);
        assert_int_equal(with.shared, said.shared);
        assert_int_equal(with.agreed, said.agreed);
        check_agreement(r, predictor, votes[k].id);
        if (with.agreed < 3 || 2 * with.agreed <= with.shared)
            continue;
        people++;
        fewest = MQ_MIN(fewest, with.agreed);
        sum += (double)votes[k].rating;
    }
    assert_true(people >= 3);
    assert_int_equal(reason->people, people);
    assert_int_equal(reason->agreed, fewest);
    assert_float_equal(reason->people_rating, sum / people, 1e-5);
    snprintf(text, sizeof(text), "%d people who agree with you on %d films or more rate it %.1f",
             (int)people, (int)fewest, (double)reason->people_rating);
    assert_string_equal(reason->text, text);
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
        if (kind == MQ_REASON_CONTENT || kind == MQ_REASON_ALIKE)
            return true;
        break;
    case MQ_METHOD_HYBRID:
        if (kind == MQ_REASON_NEXT || kind == MQ_REASON_CONTENT || kind == MQ_REASON_ALIKE ||
            kind == MQ_REASON_TRENDING)
            return true;
        break;
    default:
        break;
    }
    return kind == MQ_REASON_LIKED || kind == MQ_REASON_CHOSEN_TOO || kind == MQ_REASON_AGREE ||
           kind == MQ_REASON_RATED || kind == MQ_REASON_TASTE;
}

/* The figures name the method that the sentence speaks of. */
static void
check_fits(const struct mq_hybrid_reason *reason)
{
    switch (reason->kind) {
    case MQ_REASON_CONTENT:
    case MQ_REASON_ALIKE:
        assert_int_equal(reason->method, MQ_METHOD_CONTENT);
        break;
    case MQ_REASON_NEXT:
        assert_true(reason->method == MQ_METHOD_SEQUENCE || reason->method == MQ_METHOD_DEEP);
        break;
    case MQ_REASON_LIKED:
    case MQ_REASON_CHOSEN_TOO:
        assert_true(reason->method == MQ_METHOD_ITEM_BASED || reason->method == MQ_METHOD_EASE ||
                    reason->method == MQ_METHOD_HYBRID);
        break;
    case MQ_REASON_AGREE:
        assert_true(reason->method == MQ_METHOD_USER_BASED || reason->method == MQ_METHOD_MF ||
                    reason->method == MQ_METHOD_HYBRID);
        break;
    default:
        break;
    }
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
                check_fits(&english);
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

static void
list_of(struct reading *r, const struct mq_rated_item *rated, int32_t count, enum mq_method method)
{
    struct mq_error err = {0};
    r->user = hybrid_bench_user(&r->b, "nobody", rated, count);
    const struct mq_hybrid_request request = {.user = &r->user, .method = method};
    check_ok(mq_hybrid_recommend(r->b.session, &request, &r->list, &err));
    check_ok(mq_predictor_take(mq_hybrid_session_predictor(r->b.session), &r->user, &err));
}

/* A film that was not liked, or played without a rating, is not said to be liked. */
static void
liked_means_liked(void **state)
{
    (void)state;
    static const float ratings[] = {5, 3, -1};
    struct reading r;
    hybrid_bench_make(&r.b, NULL, NULL);
    for (size_t k = 0; k < MQ_COUNT(ratings); k++) {
        const struct mq_rated_item one = {item_of_id(&r.b, "5"), ratings[k], NOW};
        list_of(&r, &one, 1, MQ_METHOD_ITEM_BASED);
        struct mq_hybrid_reason reason = reason_of(&r, 0, MQ_LANGUAGE_ENGLISH);
        assert_int_equal(reason.kind, k == 0 ? MQ_REASON_LIKED : MQ_REASON_CHOSEN_TOO);
        assert_true(reason.seed_rating == ratings[k]);
        check_contains(reason.text, "Alien (1979)");
    }
    hybrid_bench_release(&r.b);
}

/* No film is named that the user disliked: another that speaks for the item less is, or, where all
 * were disliked, something else is said. */
static void
disliked_films_are_not_named(void **state)
{
    (void)state;
    struct reading r;
    int rated = 0, named = 0;
    hybrid_bench_make(&r.b, NULL, NULL);
    for (int m = 0; m <= MQ_METHOD_COUNT; m++) {
        if (!mq_hybrid_has(r.b.snapshot->hybrid->hybrid, (enum mq_method)m))
            continue;
        const struct mq_rated_item two[] = {{item_of_id(&r.b, "5"), 1, NOW},
                                            {item_of_id(&r.b, "6"), 4, NOW - 100}};
        list_of(&r, two, 1, (enum mq_method)m);
        for (int32_t i = 0; i < r.list.count; i++) {
            struct mq_hybrid_reason reason = reason_of(&r, i, MQ_LANGUAGE_ENGLISH);
            assert_int_equal(reason.seed_row, -1);
            assert_null(strstr(reason.text, "Because you"));
            rated += reason.kind == MQ_REASON_RATED;
            if (reason.kind == MQ_REASON_RATED)
                assert_true(reason.people >= 3 && reason.people_rating >= 2.75F &&
                            reason.agreed == 0 && strstr(reason.text, "rate it") != NULL);
            assert_int_not_equal(reason.kind, MQ_REASON_CHOSEN_TOO);
        }
        list_of(&r, two, 2, (enum mq_method)m);
        for (int32_t i = 0; i < r.list.count; i++) {
            struct mq_hybrid_reason reason = reason_of(&r, i, MQ_LANGUAGE_ENGLISH);
            assert_true(reason.seed_row < 0 || reason.seed_rating == 4);
            named += reason.seed_row >= 0;
        }
    }
    assert_true(rated > 0 && named > 0);
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
        cmocka_unit_test(disliked_films_are_not_named),
        cmocka_unit_test(nobody_is_told_what_is_popular),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
