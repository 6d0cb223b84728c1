#include "hybrid_bench.h"

#include <pthread.h>

#include "model/hybrid_prune.h"

/* Which models go, and that none that serves ever does. */

static void
save(struct bench *b, int place)
{
    struct mq_error err = {0};
    struct mq_hybrid *hybrid = make_hybrid(b->pool, (uint64_t)place + 1);
    hybrid->made_s = NOW + place * 86400;
    check_ok(mq_hybrid_save(b->store, "1", hybrid, NULL, &err));
    memcpy(b->version[place], hybrid->version, MQ_HYBRID_VERSION_SIZE);
    mq_hybrid_free(hybrid);
}

static enum mq_status
move_to(struct bench *b, const char *version)
{
    struct mq_hybrid_pointer pointer = {0};
    enum mq_status st = mq_hybrid_pointer_read(b->store, "1", &pointer, NULL);
    if (st == MQ_OK)
        st = mq_hybrid_pointer_move(b->store, "1", &pointer,
                                    &(struct mq_hybrid_move){.version = version, .by = "promote"},
                                    NULL);
    mq_hybrid_pointer_release(&pointer);
    return st;
}

static bool
is_there(struct bench *b, const char *version)
{
    struct mq_hybrid *read = NULL;
    bool there = mq_hybrid_load(b->store, "1", version, NULL, &read, NULL) == MQ_OK;
    mq_hybrid_free(read);
    return there;
}

static enum mq_prune_verdict
verdict_of(const struct mq_prune_report *report, const char *version)
{
    for (size_t i = 0; i < report->count; i++)
        if (strcmp(report->folders[i].version, version) == 0)
            return report->folders[i].verdict;
    fail_msg("'%s' is not in the report", version);
    return MQ_PRUNE_GOES;
}

static void
keeps_what_is_needed(void **state)
{
    struct bench *b = *state;
    struct mq_error err = {0};
    struct mq_prune_report report = {0};
    for (int i = 0; i < MODELS; i++)
        save(b, i);
    assert_int_equal(move_to(b, b->version[1]), MQ_OK);
    assert_int_equal(move_to(b, b->version[0]), MQ_OK);
    struct mq_prune_options options = {
        .keep = 1, .candidate = b->version[2], .now_s = NOW, .dry_run = true};
    check_ok(mq_hybrid_prune(b->store, "1", &options, &report, &err));
    assert_int_equal(report.count, MODELS);
    assert_string_equal(report.folders[0].version, b->version[4]);
    assert_int_equal(verdict_of(&report, b->version[0]), MQ_PRUNE_SERVES);
    assert_int_equal(verdict_of(&report, b->version[1]), MQ_PRUNE_PREVIOUS);
    assert_int_equal(verdict_of(&report, b->version[2]), MQ_PRUNE_CANDIDATE);
    assert_int_equal(verdict_of(&report, b->version[3]), MQ_PRUNE_GOES);
    assert_int_equal(verdict_of(&report, b->version[4]), MQ_PRUNE_NEWEST);
    for (size_t i = 0; i < report.count; i++) {
        assert_true(report.folders[i].bytes > 0);
        assert_false(report.folders[i].removed);
    }
    mq_prune_report_release(&report);
    for (int i = 0; i < MODELS; i++)
        assert_true(is_there(b, b->version[i]));

    options.dry_run = false;
    options.keep = 0;
    options.candidate = NULL;
    check_ok(mq_hybrid_prune(b->store, "1", &options, &report, &err));
    mq_prune_report_release(&report);
    for (int i = 0; i < MODELS; i++)
        assert_int_equal(is_there(b, b->version[i]), i < 2);
    /* Nothing of the others is left. */
    check_ok(mq_hybrid_prune(b->store, "1", &options, &report, &err));
    assert_int_equal(report.count, 2);
    mq_prune_report_release(&report);
}

static void
takes_what_is_incomplete(void **state)
{
    struct bench *b = *state;
    struct mq_error err = {0};
    struct mq_prune_report report = {0};
    char key[MQ_OBJECT_KEY_MAX];
    const char *keys[] = {key};
    for (int i = 0; i < 3; i++)
        save(b, i);
    assert_int_equal(move_to(b, b->version[0]), MQ_OK);
    /* One that was being written, one that is damaged, one of a newer form; and what is none. */
    check_ok(mq_hybrid_key("1", b->version[1], "model.json", key, &err));
    check_ok(mq_object_delete(b->store, keys, 1, &err));
    check_ok(mq_hybrid_key("1", b->version[2], "model.json", key, &err));
    check_ok(mq_object_put(b->store, key, "{", 1, MQ_PUT_ALWAYS, NULL, NULL, &err));
    const char *newer = "{\"format\": \"marquee-hybrid\", \"form\": 99}";
    check_ok(mq_object_put(b->store, "1/model/hybrid/newer/model.json", newer, strlen(newer),
                           MQ_PUT_ALWAYS, NULL, NULL, &err));
    check_ok(mq_object_put(b->store, "1/model/hybrid/candidate.json", "{}", 2, MQ_PUT_ALWAYS, NULL,
                           NULL, &err));
    struct mq_object_info info;
    check_ok(mq_object_stat(b->store, key, &info, &err));
    struct mq_prune_options options = {.now_s = info.modified_ms / 1000 + 3600};
    check_ok(mq_hybrid_prune(b->store, "1", &options, &report, &err));
    assert_int_equal(report.count, 4);
    assert_int_equal(verdict_of(&report, b->version[1]), MQ_PRUNE_YOUNG);
    assert_int_equal(verdict_of(&report, b->version[2]), MQ_PRUNE_UNREAD);
    assert_int_equal(verdict_of(&report, "newer"), MQ_PRUNE_UNREAD);
    mq_prune_report_release(&report);

    options.now_s += MQ_HYBRID_INCOMPLETE_AGE_S + 60;
    check_ok(mq_hybrid_prune(b->store, "1", &options, &report, &err));
    assert_int_equal(verdict_of(&report, b->version[1]), MQ_PRUNE_GOES);
    mq_prune_report_release(&report);
    check_ok(mq_hybrid_prune(b->store, "1", &options, &report, &err));
    assert_int_equal(report.count, 3);
    mq_prune_report_release(&report);
    assert_true(is_there(b, b->version[0]));

    /* What serves stays, whatever is wrong with it. */
    check_ok(mq_hybrid_key("1", b->version[0], "model.json", key, &err));
    check_ok(mq_object_delete(b->store, keys, 1, &err));
    check_ok(mq_hybrid_prune(b->store, "1", &options, &report, &err));
    assert_int_equal(verdict_of(&report, b->version[0]), MQ_PRUNE_SERVES);
    mq_prune_report_release(&report);

    /* Who serves is not known: nothing goes. */
    check_ok(mq_object_put(b->store, "1/model/hybrid/current.json", "{", 1, MQ_PUT_ALWAYS, NULL,
                           NULL, &err));
    check_fails(MQ_E_FORMAT, mq_hybrid_prune(b->store, "1", &options, &report, &err));
    assert_int_equal(report.count, 0);
}

static void
moves_to_whole_models_alone(void **state)
{
    struct bench *b = *state;
    struct mq_error err = {0};
    char key[MQ_OBJECT_KEY_MAX];
    const char *keys[] = {key};
    save(b, 0);
    save(b, 1);
    check_ok(mq_hybrid_key("1", b->version[0], "items.json", key, &err));
    check_ok(mq_object_put(b->store, key, "[]", 2, MQ_PUT_ALWAYS, NULL, NULL, &err));
    assert_int_equal(move_to(b, b->version[0]), MQ_E_FORMAT);
    check_ok(mq_hybrid_key("1", b->version[1], "users.json", key, &err));
    check_ok(mq_object_delete(b->store, keys, 1, &err));
    assert_int_equal(move_to(b, b->version[1]), MQ_E_FORMAT);
    check_fails(MQ_E_NOT_FOUND, mq_object_stat(b->store, "1/model/hybrid/current.json",
                                               &(struct mq_object_info){0}, &err));
}

/* ---- a promotion while models are removed ------------------------------------------------ */

static void *
promote(void *argument)
{
    struct bench *b = argument;
    enum mq_status st = move_to(b, b->version[1]);
    assert_true(st == MQ_OK || st == MQ_E_NOT_FOUND || st == MQ_E_CONFLICT || st == MQ_E_FORMAT);
    return NULL;
}

static void
loses_no_model_that_serves(void **state)
{
    struct bench *b = *state;
    for (int round = 0; round < 15; round++) {
        struct mq_error err = {0};
        struct mq_prune_report report = {0};
        struct mq_hybrid_pointer now = {0};
        pthread_t thread;
        save(b, 0);
        save(b, 1);
        assert_int_equal(move_to(b, b->version[0]), MQ_OK);
        /* Nobody has served but this one: a rollback keeps nothing. */
        check_ok(mq_hybrid_pointer_read(b->store, "1", &now, &err));
        char text[128];
        snprintf(text, sizeof(text), "{\"version\": \"%s\", \"history\": []}", b->version[0]);
        check_ok(mq_object_put(b->store, "1/model/hybrid/current.json", text, strlen(text),
                               MQ_PUT_ALWAYS, NULL, NULL, &err));
        mq_hybrid_pointer_release(&now);
        assert_int_equal(pthread_create(&thread, NULL, promote, b), 0);
        check_ok(mq_hybrid_prune(b->store, "1", &(struct mq_prune_options){.now_s = NOW}, &report,
                                 &err));
        pthread_join(thread, NULL);
        mq_prune_report_release(&report);
        check_ok(mq_hybrid_pointer_read(b->store, "1", &now, &err));
        assert_true(is_there(b, now.version));
        mq_hybrid_pointer_release(&now);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_what_is_needed, setup, teardown),
        cmocka_unit_test_setup_teardown(takes_what_is_incomplete, setup, teardown),
        cmocka_unit_test_setup_teardown(moves_to_whole_models_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(loses_no_model_that_serves, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
