#include "../rec/hybrid_snapshot.h"

#include <math.h>
#include <stdio.h>

#include "flow/hybrid_answers.h"
#include "model/recency.h"
#include "format/json.h"

/* Answers of the hybrid: JSON with the members that the header says, and the figures of lists. */

struct answers {
    struct hybrid_bench b;
    struct mq_buffer out;
    const struct mq_answer_unknown *unknown;
};

static void
begin(struct answers *a)
{
    *a = (struct answers){0};
    hybrid_bench_make(&a->b, NULL, NULL);
}

static void
end(struct answers *a)
{
    mq_buffer_release(&a->out);
    hybrid_bench_release(&a->b);
}

/* What was written, read; the buffer is empty then. */
static json_t *
parse(struct answers *a)
{
    struct mq_error err = {0};
    json_t *root = NULL;
    check_ok(mq_json_parse(a->out.data, a->out.size, "answer", &root, &err));
    mq_buffer_reset(&a->out);
    return root;
}

/* Exactly these members, in this order; "name?" may be missing. */
static void
check_members(const json_t *object, const char *names)
{
    char rest[512];
    snprintf(rest, sizeof(rest), "%s", names);
    const char *key;
    json_t *value;
    char *at = strtok(rest, " ");
    json_object_foreach((json_t *)object, key, value)
    {
        assert_false(json_is_null(value));
        while (at != NULL && at[strlen(at) - 1] == '?' && strncmp(at, key, strlen(at) - 1) != 0)
            at = strtok(NULL, " ");
        if (at == NULL)
            fail_msg("'%s' is not due among: %s", key, names);
        size_t size = strcspn(at, "?");
        if (strlen(key) != size || strncmp(at, key, size) != 0)
            fail_msg("'%s' where '%s' is due of: %s", key, at, names);
        at = strtok(NULL, " ");
    }
    for (; at != NULL; at = strtok(NULL, " "))
        if (at[strlen(at) - 1] != '?')
            fail_msg("'%s' is missing of: %s", at, names);
}

static const char *
text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (text == NULL)
        fail_msg("no text '%s'", key);
    return text;
}

static double
number_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value))
        fail_msg("no number '%s'", key);
    return json_number_value(value);
}

static json_t *
list_of(struct answers *a, const struct mq_hybrid_request *request,
        const struct mq_answer_options *options)
{
    struct mq_error err = {0};
    check_ok(
        mq_answer_list(a->b.session, request, options, a->unknown, &a->b.arena, &a->out, &err));
    return parse(a);
}

#define LIST_MEMBERS "user type method model known cold_start ratings offset total items unknown"
#define ENTRY_MEMBERS "item title year? kind score position"
#define BECAUSE_MEMBERS "method item? title? likeness? rating? people? films_agreed? people_rating?"

static void
check_entry(const json_t *item, bool explain, bool hybrid, int32_t position)
{
    bool pick = strcmp(text_of(item, "kind"), "diversity") == 0;
    check_members(item, !explain ? ENTRY_MEMBERS
                        : pick   ? ENTRY_MEMBERS " predicted_rating? reason because trace"
                        : hybrid ? ENTRY_MEMBERS
                            " recall quality place predicted_rating reason because parts trace"
                                 : ENTRY_MEMBERS
                            " recall quality place predicted_rating reason because trace");
    assert_int_equal(number_of(item, "position"), position);
    double score = number_of(item, "score");
    assert_true(pick ? score == 0 : score >= 0 && score <= 1);
    if (!explain)
        return;
    const json_t *because = json_object_get(item, "because");
    check_members(because, BECAUSE_MEMBERS);
    assert_true(*text_of(item, "reason") != '\0');
    check_contains(text_of(item, "trace"), pick ? "batch_diversity_" : "batch_");
    if (!pick)
        assert_in_range(number_of(item, "predicted_rating"), 0, 5);
    if (json_object_get(because, "item") != NULL)
        check_contains(text_of(item, "reason"), text_of(because, "title"));
}

static void
lists(void **state)
{
    (void)state;
    struct answers a;
    begin(&a);
    for (int u = 0; u < USERS; u++)
        for (int explain = 0; explain < 2; explain++)
            for (int m = 0; m <= MQ_METHOD_COUNT; m++) {
                struct mq_hybrid_recommendations list;
                struct mq_error err = {0};
                char id[16];
                if (!mq_hybrid_has(a.b.snapshot->hybrid->hybrid, (enum mq_method)m))
                    continue;
                snprintf(id, sizeof(id), "u%d", u);
                struct mq_rated_user user = hybrid_bench_user(&a.b, id, NULL, 0);
                const struct mq_hybrid_request request = {.user = &user,
                                                          .method = (enum mq_method)m};
                const struct mq_answer_options options = {
                    .n = 100, .explain = explain, .path = "batch"};
                json_t *root = list_of(&a, &request, &options);
                check_members(root, LIST_MEMBERS);
                assert_string_equal(text_of(root, "user"), id);
                assert_string_equal(text_of(root, "type"), "movie");
                assert_string_equal(text_of(root, "method"), mq_method_name((enum mq_method)m));
                assert_true(json_is_true(json_object_get(root, "known")));
                assert_true(json_is_false(json_object_get(root, "cold_start")));
                assert_int_equal(number_of(root, "ratings"), user.count);
                check_ok(mq_hybrid_recommend(a.b.session, &request, &list, &err));
                const json_t *items = json_object_get(root, "items");
                assert_int_equal(json_array_size(items), list.count);
                assert_int_equal(number_of(root, "total"), list.count);
                for (int32_t i = 0; i < list.count; i++) {
                    const json_t *item = json_array_get(items, (size_t)i);
                    check_entry(item, explain, m == MQ_METHOD_HYBRID, i);
                    assert_string_equal(text_of(item, "item"),
                                        a.b.snapshot->catalogue->ids.keys[list.entries[i].row]);
                    assert_float_equal(number_of(item, "score"), list.entries[i].score, 6e-6);
                }
                json_decref(root);
            }
    end(&a);
}

/* A part of a list is that part of it. */
static void
pages(void **state)
{
    (void)state;
    struct answers a;
    begin(&a);
    struct mq_rated_user user = hybrid_bench_user(&a.b, "u1", NULL, 0);
    const struct mq_hybrid_request request = {.user = &user, .method = MQ_METHOD_HYBRID};
    struct mq_answer_options options = {.n = 100, .path = "online"};
    json_t *whole = list_of(&a, &request, &options);
    size_t total = json_array_size(json_object_get(whole, "items"));
    for (int offset = 0; offset < (int)total + 2; offset++) {
        options.offset = offset;
        options.n = 2;
        json_t *part = list_of(&a, &request, &options);
        const json_t *items = json_object_get(part, "items");
        size_t due = (size_t)offset >= total ? 0 : MQ_MIN((size_t)2, total - (size_t)offset);
        assert_int_equal(json_array_size(items), due);
        assert_int_equal(number_of(part, "offset"), offset);
        assert_int_equal(number_of(part, "total"), total);
        for (size_t i = 0; i < due; i++)
            assert_true(
                json_equal(json_array_get(items, i),
                           json_array_get(json_object_get(whole, "items"), i + (size_t)offset)));
        json_decref(part);
    }
    options.offset = INT32_MAX;
    options.n = INT32_MAX;
    json_t *none = list_of(&a, &request, &options);
    assert_int_equal(json_array_size(json_object_get(none, "items")), 0);
    json_decref(none);
    json_decref(whole);
    end(&a);
}

static void
nobody(void **state)
{
    (void)state;
    struct answers a;
    begin(&a);
    struct mq_rated_user user = hybrid_bench_user(&a.b, "n\"o\\body\n", NULL, 0);
    const struct mq_hybrid_request request = {.user = &user, .method = MQ_METHOD_USER_BASED};
    const struct mq_answer_options options = {
        .n = 3, .explain = true, .language = MQ_LANGUAGE_CHINESE, .path = "batch"};
    const struct mq_answer_unknown seeds = {(const char *[]){"no\"ne", "99"}, 2};
    a.unknown = &seeds;
    json_t *root = list_of(&a, &request, &options);
    const json_t *unknown = json_object_get(root, "unknown");
    assert_int_equal(json_array_size(unknown), 2);
    assert_string_equal(json_string_value(json_array_get(unknown, 0)), "no\"ne");
    assert_string_equal(text_of(root, "user"), "n\"o\\body\n");
    assert_string_equal(text_of(root, "method"), "user-based");
    assert_true(json_is_false(json_object_get(root, "known")));
    assert_true(json_is_true(json_object_get(root, "cold_start")));
    const json_t *first = json_array_get(json_object_get(root, "items"), 0);
    assert_string_equal(text_of(first, "reason"), "因为最近很多人在评价它");
    check_contains(text_of(first, "trace"), "batch_popular_");
    json_decref(root);
    end(&a);
}

static void
given_films(void **state)
{
    (void)state;
    static const char *const ids[] = {"3", "none", "1", "12", "\"", "1", "13"};
    struct answers a;
    struct mq_error err = {0};
    begin(&a);
    struct mq_rated_user user = hybrid_bench_user(&a.b, "u2", NULL, 0);
    const struct mq_answer_unknown seeds = {(const char *[]){"gone"}, 1};
    check_ok(mq_answer_rank(a.b.session, &user, MQ_METHOD_HYBRID, ids, (int32_t)MQ_COUNT(ids),
                            &seeds, &a.b.arena, &a.out, &err));
    json_t *root = parse(&a);
    check_members(root, "user method model known cold_start items unknown");
    const json_t *items = json_object_get(root, "items"),
                 *unknown = json_object_get(root, "unknown");
    assert_int_equal(json_array_size(items), 4);
    for (size_t i = 0; i < 4; i++) {
        const json_t *item = json_array_get(items, i);
        check_members(item, "item title score method_score predicted_rating seen");
        bool seen = false;
        for (int32_t k = 0; k < user.count; k++)
            seen |= user.items[k] == item_of_id(&a.b, text_of(item, "item"));
        assert_int_equal(json_is_true(json_object_get(item, "seen")), seen);
        if (i > 0)
            assert_true(number_of(item, "score") <=
                        number_of(json_array_get(items, i - 1), "score"));
    }
    assert_true(json_is_true(json_object_get(root, "known")));
    assert_true(json_is_false(json_object_get(root, "cold_start")));
    assert_int_equal(json_array_size(unknown), 4);
    assert_string_equal(json_string_value(json_array_get(unknown, 0)), "none");
    assert_string_equal(json_string_value(json_array_get(unknown, 1)), "\"");
    assert_string_equal(json_string_value(json_array_get(unknown, 2)), "13"); /* newer */
    assert_string_equal(json_string_value(json_array_get(unknown, 3)), "gone");
    json_decref(root);

    /* Of nobody a method knows nothing, and says so. */
    user = hybrid_bench_user(&a.b, "nobody", NULL, 0);
    check_ok(mq_answer_rank(a.b.session, &user, MQ_METHOD_ITEM_BASED, ids, 1, NULL, &a.b.arena,
                            &a.out, &err));
    root = parse(&a);
    assert_true(json_is_false(json_object_get(root, "known")));
    assert_true(json_is_true(json_object_get(root, "cold_start")));
    assert_int_equal(json_array_size(json_object_get(root, "items")), 1);
    assert_true(json_is_null(
        json_object_get(json_array_get(json_object_get(root, "items"), 0), "method_score")));
    json_decref(root);
    end(&a);
}

static void
similar_films(void **state)
{
    (void)state;
    struct answers a;
    struct mq_error err = {0};
    begin(&a);
    const struct mq_hybrid *h = a.b.snapshot->hybrid->hybrid;
    int answered = 0;
    for (int m = 0; m <= MQ_METHOD_COUNT; m++)
        for (int i = 0; i < ITEMS; i++) {
            bool compares = mq_hybrid_has(h, (enum mq_method)m) && m != MQ_METHOD_USER_BASED &&
                            m != MQ_METHOD_POPULAR && m != MQ_METHOD_HYBRID;
            enum mq_status st = mq_answer_similar(a.b.snapshot, films[i].id, (enum mq_method)m, 3,
                                                  &a.b.arena, &a.out, &err);
            assert_int_equal(st, compares ? MQ_OK : MQ_E_UNSUPPORTED);
            if (st != MQ_OK) {
                check_contains(err.message, mq_method_name((enum mq_method)m));
                check_contains(err.message, "content"); /* which would do */
                assert_int_equal(a.out.size, 0);
                continue;
            }
            json_t *root = parse(&a);
            check_members(root, "item title year? method model items");
            const json_t *items = json_object_get(root, "items");
            assert_true(json_array_size(items) <= 3);
            for (size_t k = 0; k < json_array_size(items); k++) {
                const json_t *item = json_array_get(items, k);
                check_members(item, "item title year? similarity shared_users?");
                assert_string_not_equal(text_of(item, "item"), films[i].id);
                double similarity = number_of(item, "similarity");
                assert_true(similarity >= 0);
                if (k > 0)
                    assert_true(similarity <=
                                number_of(json_array_get(items, k - 1), "similarity"));
                answered++;
            }
            json_decref(root);
        }
    assert_true(answered > 50);
    check_fails(MQ_E_NOT_FOUND, mq_answer_similar(a.b.snapshot, "none", MQ_METHOD_CONTENT, 3,
                                                  &a.b.arena, &a.out, &err));
    check_contains(err.message, "no film has the id 'none'");
    /* Newer than the model: none are like it yet. */
    check_ok(mq_answer_similar(a.b.snapshot, "13", MQ_METHOD_CONTENT, 3, &a.b.arena, &a.out, &err));
    json_t *root = parse(&a);
    assert_int_equal(json_array_size(json_object_get(root, "items")), 0);
    json_decref(root);
    end(&a);
}

static void
users_alike(void **state)
{
    (void)state;
    struct answers a;
    struct mq_error err = {0};
    begin(&a);
    int answered = 0;
    for (int u = -1; u < USERS; u++) {
        char id[16];
        snprintf(id, sizeof(id), "u%d", u);
        struct mq_rated_user user = hybrid_bench_user(&a.b, id, NULL, 0);
        check_ok(mq_answer_neighbours(a.b.session, &user, 4, &a.out, &err));
        json_t *root = parse(&a);
        check_members(root, "user model known neighbours");
        const json_t *alike = json_object_get(root, "neighbours");
        assert_int_equal(json_is_true(json_object_get(root, "known")), u >= 0);
        assert_true(json_array_size(alike) <= (u >= 0 ? 4 : 0));
        for (size_t k = 0; k < json_array_size(alike); k++, answered++) {
            const json_t *other = json_array_get(alike, k);
            check_members(other, "user likeness films_in_common?");
            assert_string_not_equal(text_of(other, "user"), id);
        }
        json_decref(root);
    }
    assert_true(answered > USERS);
    end(&a);
}

/* Without predicted ratings users are compared by what they chose: those who changed or are new are
 * searched, not remembered. */
static void
users_alike_by_choices(void **state)
{
    (void)state;
    struct answers a;
    struct mq_error err = {0};
    begin(&a);
    struct mq_hybrid *model = a.b.snapshot->model;
    mq_neighbours_release(&model->rating_users);
    const struct mq_rated_item since[] = {{1, 5, NOW}, {4, 4, NOW + 1}, {7, 5, NOW + 2}};
    static const char *const ids[] = {"u3", "somebody new"};
    for (size_t u = 0; u < MQ_COUNT(ids); u++) {
        struct mq_rated_user user =
            hybrid_bench_user(&a.b, ids[u], since, (int32_t)MQ_COUNT(since));
        float likeness[USERS];
        const struct mq_neighbour_row row = {
            .count = user.count, .code = user.items, .weight = likeness, .self = user.code};
        struct mq_rank_options options = mq_hybrid_rank_options(model, MQ_NEIGHBOUR_USERS, false);
        struct mq_neighbour_scratch *scratch;
        struct mq_neighbour_list expected;
        assert_true(user.count <= USERS && user.changed);
        for (int32_t k = 0; k < user.count; k++)
            likeness[k] = mq_recency_weight(user.count - 1 - k, options.recency);
        check_ok(mq_neighbour_scratch_new(model->user_index, &scratch, &err));
        check_ok(mq_neighbour_query(model->user_index, &row, scratch, &expected, &err));
        check_ok(mq_answer_neighbours(a.b.session, &user, 100, &a.out, &err));
        json_t *root = parse(&a);
        const json_t *alike = json_object_get(root, "neighbours");
        assert_true(expected.count > 0);
        assert_int_equal(json_array_size(alike), expected.count);
        for (int32_t k = 0; k < expected.count; k++)
            assert_string_equal(text_of(json_array_get(alike, (size_t)k), "user"),
                                model->ratings->users.keys[expected.ids[k]]);
        json_decref(root);
        mq_neighbour_scratch_free(scratch);
    }
    mq_neighbours_release(&model->users);
    struct mq_rated_user user = hybrid_bench_user(&a.b, "u3", NULL, 0);
    check_fails(MQ_E_UNSUPPORTED, mq_answer_neighbours(a.b.session, &user, 4, &a.out, &err));
    check_contains(err.message, "compares no users");
    end(&a);
}

static void
bar_one(struct fixture_item *items)
{
    items[ITEMS].available_until = NOW; /* film 1 */
    items[ITEMS].property[MQ_PROPERTY_DIRECTOR] = "michael mann";
    items[ITEMS].property[MQ_PROPERTY_CATEGORY] = "crime|drama";
    items[0].property[MQ_PROPERTY_CATEGORY] = NULL; /* film 13: no change of genre */
}

static void
one_film(void **state)
{
    (void)state;
    struct answers a = {0};
    struct mq_error err = {0};
    hybrid_bench_make(&a.b, bar_one, NULL);
    check_ok(mq_answer_item(a.b.snapshot, "1", &a.b.arena, &a.out, &err));
    json_t *root = parse(&a);
    check_members(root, "item title year type description categories directors actors languages "
                        "levels offered barred model ratings average popularity quality");
    assert_string_equal(text_of(root, "title"), "Heat");
    assert_true(json_is_false(json_object_get(root, "offered")));
    assert_string_equal(text_of(root, "barred"), mq_bar_name(MQ_BAR_EXPIRED));
    assert_int_equal(json_array_size(json_object_get(root, "categories")), 2);
    assert_string_equal(json_string_value(json_array_get(json_object_get(root, "directors"), 0)),
                        "Michael Mann"); /* with capitals, as explain has it */
    assert_true(number_of(root, "ratings") > 0);
    json_decref(root);
    check_ok(mq_answer_item(a.b.snapshot, "13", &a.b.arena, &a.out, &err));
    root = parse(&a);
    check_members(root, "item title year type description categories directors actors languages "
                        "levels offered model");
    json_decref(root);
    check_fails(MQ_E_NOT_FOUND, mq_answer_item(a.b.snapshot, "", &a.b.arena, &a.out, &err));
    end(&a);
}

/* Every verdict, and figures that add up to the film's place. */
static void
one_film_for_one_user(void **state)
{
    (void)state;
    static const char *const verdicts[] = {"listed", "diversity",    "seen",
                                           "barred", "ranked-lower", "not-known"};
    struct answers a = {0};
    struct mq_error err = {0};
    int found[MQ_COUNT(verdicts)] = {0};
    hybrid_bench_make(&a.b, bar_one, NULL);
    for (int u = -1; u < USERS; u++) {
        char id[16];
        struct mq_hybrid_recommendations list;
        snprintf(id, sizeof(id), "u%d", u);
        struct mq_rated_user user = hybrid_bench_user(&a.b, id, NULL, 0);
        const struct mq_hybrid_request request = {.user = &user, .method = MQ_METHOD_HYBRID};
        for (int32_t row = 0; row < OFFERED; row++) {
            check_ok(mq_answer_explain(a.b.session, &request,
                                       a.b.snapshot->catalogue->ids.keys[row], MQ_LANGUAGE_ENGLISH,
                                       &a.b.arena, &a.out, &err));
            json_t *root = parse(&a);
            check_members(root, "user item title year? method model known cold_start verdict "
                                "barred? position? score? reason? because? predicted_rating? "
                                "predictors? methods?");
            const char *verdict = text_of(root, "verdict");
            for (size_t v = 0; v < MQ_COUNT(verdicts); v++)
                found[v] += strcmp(verdict, verdicts[v]) == 0;
            check_ok(mq_hybrid_recommend(a.b.session, &request, &list, &err));
            int32_t at = 0;
            while (at < list.count && list.entries[at].row != row)
                at++;
            bool listed = strcmp(verdict, "listed") == 0 || strcmp(verdict, "diversity") == 0;
            assert_int_equal(listed, at < list.count);
            assert_int_equal(json_object_get(root, "position") != NULL, listed);
            if (listed)
                assert_int_equal(number_of(root, "position"), at);
            assert_int_equal(json_object_get(root, "predicted_rating") != NULL,
                             a.b.snapshot->hybrid->item_of[row] >= 0);
            const json_t *methods = json_object_get(root, "methods");
            assert_int_equal(methods != NULL, u >= 0 && a.b.snapshot->hybrid->item_of[row] >= 0);
            const char *name;
            json_t *method;
            double sum = 0;
            json_object_foreach((json_t *)methods, name, method)
            {
                check_members(method, "weight standard_score part");
                assert_float_equal(number_of(method, "weight") *
                                       number_of(method, "standard_score"),
                                   number_of(method, "part"), 1e-4);
                sum += number_of(method, "part");
            }
            if (methods != NULL && strcmp(verdict, "listed") == 0)
                assert_float_equal(sum, list.entries[at].raw, 1e-3);
            json_decref(root);
        }
    }
    for (size_t v = 0; v < MQ_COUNT(verdicts); v++)
        if (found[v] == 0)
            fail_msg("no verdict '%s'", verdicts[v]);
    struct mq_rated_user user = hybrid_bench_user(&a.b, "u0", NULL, 0);
    const struct mq_hybrid_request request = {.user = &user, .method = MQ_METHOD_HYBRID};
    check_fails(MQ_E_NOT_FOUND, mq_answer_explain(a.b.session, &request, "none",
                                                  MQ_LANGUAGE_ENGLISH, &a.b.arena, &a.out, &err));
    end(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),
        cmocka_unit_test(pages),
        cmocka_unit_test(nobody),
        cmocka_unit_test(given_films),
        cmocka_unit_test(similar_films),
        cmocka_unit_test(users_alike),
        cmocka_unit_test(users_alike_by_choices),
        cmocka_unit_test(one_film),
        cmocka_unit_test(one_film_for_one_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
