#include "hybrid_bench.h"

#include "model/hybrid_registry.h"

/* Files of a hybrid model, and which one serves. */

static void
check_lists(const struct mq_neighbours *a, const struct mq_neighbours *b)
{
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->k, b->k);
    size_t places = (size_t)a->count * (size_t)a->k;
    assert_memory_equal(a->ids, b->ids, places * sizeof(*a->ids));
    assert_memory_equal(a->scores, b->scores, places * sizeof(*a->scores));
    assert_memory_equal(a->shared, b->shared, places * sizeof(*a->shared));
}

static void
loads_what_was_saved(void **state)
{
    struct bench *b = *state;
    struct mq_error err = {0};
    struct mq_hybrid *made = make_hybrid(b->pool, 1), *read = NULL;
    for (int m = 0; m < MQ_METHOD_COUNT; m++)
        assert_int_equal(mq_hybrid_has(made, m), m != MQ_METHOD_DEEP);
    check_ok(mq_hybrid_save(b->store, "1", made, NULL, &err));
    char version[MQ_HYBRID_VERSION_SIZE];
    memcpy(version, made->version, sizeof(version));
    check_contains(version, "20260310T000000Z-");
    check_ok(mq_hybrid_load(b->store, "1", version, b->pool, &read, &err));
    assert_string_equal(read->version, version);
    assert_int_equal(read->ratings->count, made->ratings->count);
    assert_int_equal(mq_strmap_find_text(&read->ratings->users, "u17"), 17);
    assert_int_equal(mq_strmap_find_text(&read->ratings->items, "12"), 11);
    assert_memory_equal(read->ratings->user_item, made->ratings->user_item,
                        (size_t)made->ratings->count * sizeof(int32_t));
    assert_memory_equal(read->ratings->user_sequence, made->ratings->user_sequence,
                        (size_t)made->ratings->count * sizeof(int32_t));
    assert_memory_equal(read->popularity, made->popularity, ITEMS * sizeof(float));
    assert_memory_equal(read->average, made->average, ITEMS * sizeof(float));
    assert_memory_equal(read->blend, made->blend, sizeof(made->blend));
    assert_float_equal(read->recency, made->recency, 0);
    assert_false(read->literal);
    assert_float_equal(read->threshold, 0.9F, 1e-6F);
    check_lists(&read->items, &made->items);
    check_lists(&read->users, &made->users);
    check_lists(&read->content, &made->content);
    check_lists(&read->rating_items, &made->rating_items);
    /* The film nobody rated has neighbours by content alone. */
    assert_true(mq_neighbours_of(&made->content, 11).count > 0);
    assert_int_equal(mq_neighbours_of(&made->items, 11).count, 0);
    /* Saved again, it is the same model. */
    check_ok(mq_hybrid_save(b->store, "1", read, NULL, &err));
    assert_string_equal(read->version, version);
    mq_hybrid_free(read);
    mq_hybrid_free(made);
}

/* A damaged model is not pointed to: the file is named, and nothing moves. */
static void
is_not_let_serve(struct bench *b, const char *version, const char *file)
{
    struct mq_error err = {0};
    struct mq_hybrid_pointer pointer = {0};
    const struct mq_hybrid_move move = {.version = version, .by = "promote", .at_s = NOW};
    check_ok(mq_hybrid_pointer_read(b->store, "1", &pointer, &err));
    check_fails(MQ_E_FORMAT, mq_hybrid_pointer_move(b->store, "1", &pointer, &move, &err));
    check_contains(err.message, file);
    check_contains(err.hint, "nothing was changed");
    mq_hybrid_pointer_release(&pointer);
    check_ok(mq_hybrid_pointer_read(b->store, "1", &pointer, &err));
    assert_string_equal(pointer.version, "");
    mq_hybrid_pointer_release(&pointer);
}

static void
refuses_damage(void **state)
{
    struct bench *b = *state;
    struct mq_error err = {0};
    struct mq_hybrid *made = make_hybrid(b->pool, 1), *read = NULL;
    check_ok(mq_hybrid_save(b->store, "1", made, NULL, &err));
    static const char *const files[] = {
        "users.json",          "items.json",       "ratings.safetensors", "neighbours.safetensors",
        "factors.safetensors", "ease.safetensors", "slit.safetensors"};
    char key[MQ_OBJECT_KEY_MAX];
    for (size_t i = 0; i < MQ_COUNT(files); i++) {
        struct mq_buffer whole;
        mq_buffer_init(&whole, 1 << 24);
        check_ok(mq_hybrid_key("1", made->version, files[i], key, &err));
        check_ok(mq_object_get(b->store, key, &whole, &err));
        /* One bit, then the last byte missing, then the file missing. */
        whole.data[whole.size / 2] ^= 1;
        check_ok(
            mq_object_put(b->store, key, whole.data, whole.size, MQ_PUT_ALWAYS, NULL, NULL, &err));
        check_fails(MQ_E_FORMAT,
                    mq_hybrid_load(b->store, "1", made->version, b->pool, &read, &err));
        check_contains(err.message, files[i]);
        is_not_let_serve(b, made->version, files[i]);
        whole.data[whole.size / 2] ^= 1;
        check_ok(mq_object_put(b->store, key, whole.data, whole.size - 1, MQ_PUT_ALWAYS, NULL, NULL,
                               &err));
        check_fails(MQ_E_FORMAT,
                    mq_hybrid_load(b->store, "1", made->version, b->pool, &read, &err));
        is_not_let_serve(b, made->version, files[i]);
        const char *keys[] = {key};
        check_ok(mq_object_delete(b->store, keys, 1, &err));
        assert_int_not_equal(mq_hybrid_load(b->store, "1", made->version, b->pool, &read, &err),
                             MQ_OK);
        is_not_let_serve(b, made->version, files[i]);
        check_ok(
            mq_object_put(b->store, key, whole.data, whole.size, MQ_PUT_ALWAYS, NULL, NULL, &err));
        mq_buffer_release(&whole);
    }
    check_ok(mq_hybrid_load(b->store, "1", made->version, b->pool, &read, &err));
    check_ok(mq_hybrid_verify(b->store, "1", made->version, &err));
    mq_hybrid_free(read);
    check_fails(MQ_E_NOT_FOUND,
                mq_hybrid_load(b->store, "1", "20200101T000000Z-00000000", b->pool, &read, &err));
    mq_hybrid_free(made);
}

static void
refuses_a_newer_form(void **state)
{
    struct bench *b = *state;
    struct mq_error err = {0};
    struct mq_hybrid *made = make_hybrid(b->pool, 1), *read = NULL;
    check_ok(mq_hybrid_save(b->store, "1", made, NULL, &err));
    json_t *model;
    check_ok(mq_hybrid_describe(b->store, "1", made->version, &model, &err));
    json_object_set_new(model, "form", json_integer(MQ_HYBRID_FORM + 1));
    char key[MQ_OBJECT_KEY_MAX], *text = json_dumps(model, 0);
    check_ok(mq_hybrid_key("1", made->version, "model.json", key, &err));
    check_ok(mq_object_put(b->store, key, text, strlen(text), MQ_PUT_ALWAYS, NULL, NULL, &err));
    check_fails(MQ_E_UNSUPPORTED,
                mq_hybrid_load(b->store, "1", made->version, b->pool, &read, &err));
    free(text);
    json_decref(model);
    mq_hybrid_free(made);
}

static enum mq_status
count_object(void *context, const char *key, const struct mq_object_info *info,
             struct mq_error *err)
{
    (void)key;
    (void)info;
    (void)err;
    ++*(int *)context;
    return MQ_OK;
}

static void
one_of_two_deploys_wins(void **state)
{
    struct bench *b = *state;
    struct mq_error err = {0};
    struct mq_hybrid *first = make_hybrid(b->pool, 1), *second = make_hybrid(b->pool, 2);
    check_ok(mq_hybrid_save(b->store, "1", first, NULL, &err));
    check_ok(mq_hybrid_save(b->store, "1", second, NULL, &err));
    assert_string_not_equal(first->version, second->version);

    struct mq_hybrid_pointer mine = {0}, theirs = {0}, now = {0};
    check_ok(mq_hybrid_pointer_read(b->store, "1", &mine, &err));
    check_ok(mq_hybrid_pointer_read(b->store, "1", &theirs, &err));
    assert_string_equal(mine.version, "");
    struct mq_hybrid_move move = {
        .version = first->version, .by = "deploy", .run = "r1", .at_s = NOW};
    check_ok(mq_hybrid_pointer_move(b->store, "1", &mine, &move, &err));
    move.version = second->version;
    check_fails(MQ_E_CONFLICT, mq_hybrid_pointer_move(b->store, "1", &theirs, &move, &err));
    check_contains(err.message, first->version);
    check_contains(err.message, "somebody else deployed");
    /* Both wanted the same: it serves. */
    move.version = first->version;
    check_fails(MQ_E_CONFLICT, mq_hybrid_pointer_move(b->store, "1", &theirs, &move, &err));
    check_contains(err.message, "serves already");
    move.version = second->version;

    /* Read again, it goes; and the one before is known. */
    mq_hybrid_pointer_release(&theirs);
    check_ok(mq_hybrid_pointer_read(b->store, "1", &theirs, &err));
    check_ok(mq_hybrid_pointer_move(b->store, "1", &theirs, &move, &err));
    check_ok(mq_hybrid_pointer_read(b->store, "1", &now, &err));
    assert_string_equal(now.version, second->version);
    assert_int_equal(json_array_size(now.history), 2);
    char before[MQ_HYBRID_VERSION_SIZE];
    mq_hybrid_pointer_previous(&now, before);
    assert_string_equal(before, first->version);

    struct mq_hybrid_list list = {0};
    check_ok(mq_hybrid_list_read(b->store, "1", &list, &err));
    assert_int_equal(list.count, 2);
    mq_hybrid_list_release(&list);

    /* Nothing that is not there can be pointed to. */
    char beside[MQ_OBJECT_KEY_MAX], folder[MQ_OBJECT_KEY_MAX];
    int left = 0;
    check_ok(mq_hybrid_key("1", first->version, "evaluation.json", beside, &err));
    check_ok(mq_hybrid_key("1", first->version, "", folder, &err));
    check_ok(mq_object_put(b->store, beside, "{}", 2, MQ_PUT_ALWAYS, NULL, NULL, &err));
    check_ok(mq_hybrid_delete(b->store, "1", first->version, &err));
    check_ok(mq_object_list(b->store, folder, count_object, &left, &err));
    assert_int_equal(left, 0); /* nor what others put there */
    check_ok(mq_hybrid_delete(b->store, "1", first->version, &err));
    move.version = first->version;
    check_fails(MQ_E_NOT_FOUND, mq_hybrid_pointer_move(b->store, "1", &now, &move, &err));
    assert_string_equal(now.version, second->version);
    mq_hybrid_pointer_release(&mine);
    mq_hybrid_pointer_release(&theirs);
    mq_hybrid_pointer_release(&now);
    mq_hybrid_free(first);
    mq_hybrid_free(second);
}

/* The literal form predicts ratings, so it cannot do without. */
static void
literal_needs_predictors(void **state)
{
    (void)state;
    struct mq_config *config;
    struct mq_hybrid_options options;
    struct mq_error err = {0};
    check_ok(mq_config_new(&config, &err));
    check_ok(mq_config_set(config, "hybrid.neighbour_form", "literal", MQ_FROM_FLAG, "test", &err));
    check_ok(mq_hybrid_options_read(config, &options, &err));
    assert_true(options.literal);
    check_ok(mq_config_set(config, "hybrid.predict", "false", MQ_FROM_FLAG, "test", &err));
    check_fails(MQ_E_CONFIG, mq_hybrid_options_read(config, &options, &err));
    check_contains(err.message, "hybrid.predict is false");
    mq_config_free(config);
}

/* The time of all users' lists is bounded. */
static void
users_compared(void **state)
{
    (void)state;
    assert_int_equal(mq_hybrid_users_compared(0), 65536);
    assert_int_equal(mq_hybrid_users_compared(262144), 65536);
    assert_int_equal(mq_hybrid_users_compared(524288), 32768);
    assert_int_equal(mq_hybrid_users_compared(1000000), 17179);
    assert_int_equal(mq_hybrid_users_compared(16000000), 8192);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_compared),
        cmocka_unit_test(literal_needs_predictors),
        cmocka_unit_test_setup_teardown(loads_what_was_saved, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_a_newer_form, setup, teardown),
        cmocka_unit_test_setup_teardown(one_of_two_deploys_wins, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
