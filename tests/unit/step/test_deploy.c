#include "../model/hybrid_fixture.h"

#include <pthread.h>

#include "model/hybrid_registry.h"
#include "step/gate_verdict.h"
#include "step_fixture.h"

/* deploy: what the gate lets serve, what it refuses, and who wins. */

/* Save a model; its version. */
static void
save_model(struct step_fixture *f, uint64_t seed, char ret_version[MQ_HYBRID_VERSION_SIZE])
{
    struct mq_error err = {0};
    struct mq_hybrid *hybrid = make_hybrid(f->pool, seed);
    check_ok(mq_hybrid_save(f->store, "1", hybrid, NULL, &err));
    memcpy(ret_version, hybrid->version, MQ_HYBRID_VERSION_SIZE);
    mq_hybrid_free(hybrid);
}

#define PASSES                                                                                     \
    "{\"passed\": true, \"rules\": [{\"rule\": \"ndcg_10 >= 0.1\", \"passed\": true, "             \
    "\"figure\": {\"value\": 0.2, \"low\": 0.19, \"high\": 0.21}, \"limit\": 0.1}]}"
#define FAILS                                                                                      \
    "{\"passed\": false, \"rules\": ["                                                             \
    "{\"rule\": \"cases >= 100\", \"passed\": true, \"figure\": {\"value\": 900}, "                \
    "\"limit\": 100}, "                                                                            \
    "{\"rule\": \"ndcg_10 >= 0.1\", \"passed\": false, "                                           \
    "\"figure\": {\"value\": 0.0831, \"low\": 0.0794, \"high\": 0.0868}, \"limit\": 0.1}, "        \
    "{\"rule\": \"hit_rate_10 no worse than live\", \"passed\": false, "                           \
    "\"figure\": {\"value\": -0.02, \"low\": -0.03, \"high\": -0.01}, \"limit\": -0.01}, "         \
    "{\"rule\": \"rmse <= 0.9\", \"passed\": false, \"figure\": {\"value\": null}, "               \
    "\"limit\": 0.9, \"note\": \"not measured\"}]}"

/* What train-hybrid and evaluate leave. @param live NULL: none */
static void
put_candidate(struct step_fixture *f, const char *version, const char *live, const char *gate)
{
    char text[2048];
    snprintf(text, sizeof(text), "{\"version\": \"%s\", \"run\": \"r\", \"made\": 1773100800}",
             version);
    fixture_put(f, "model/hybrid/candidate.json", text);
    snprintf(text, sizeof(text),
             "{\"version\": \"%s\", \"run\": \"r\", \"live\": %s%s%s, \"report\": {\"gate\": %s}}",
             version, live != NULL ? "\"" : "", live != NULL ? live : "null",
             live != NULL ? "\"" : "", gate);
    fixture_put(f, "model/hybrid/evaluation.json", text);
}

static void
check_serves(struct step_fixture *f, const char *version, size_t moves)
{
    struct mq_error err = {0};
    struct mq_hybrid_pointer pointer = {0};
    check_ok(mq_hybrid_pointer_read(f->store, "1", &pointer, &err));
    assert_string_equal(pointer.version, version);
    assert_int_equal(json_array_size(pointer.history), moves);
    mq_hybrid_pointer_release(&pointer);
}

static void
promote(struct step_fixture *f, const char *version, const char *by)
{
    struct mq_error err = {0};
    struct mq_hybrid_pointer pointer = {0};
    check_ok(mq_hybrid_pointer_read(f->store, "1", &pointer, &err));
    check_ok(mq_hybrid_pointer_move(f->store, "1", &pointer,
                                    &(struct mq_hybrid_move){.version = version, .by = by}, &err));
    mq_hybrid_pointer_release(&pointer);
}

static void
deploys_what_passes(void **state)
{
    struct step_fixture *f = *state;
    char a[MQ_HYBRID_VERSION_SIZE], b[MQ_HYBRID_VERSION_SIZE], path[128];
    save_model(f, 1, a);
    save_model(f, 2, b);
    f->context.run_id = "20210101T000000Z-000000000001";
    put_candidate(f, a, NULL, PASSES);
    fixture_ok(f, mq_step_deploy);
    check_count(f, "deployed", 1);
    check_serves(f, a, 1);
    /* Again: nothing to do, and said. */
    fixture_ok(f, mq_step_deploy);
    check_serves(f, a, 1);
    check_contains(f->report.notes.data, "serves already");

    put_candidate(f, b, a, PASSES);
    fixture_ok(f, mq_step_deploy);
    check_serves(f, b, 2);
    char *pointer = fixture_get(f, "model/hybrid/current.json");
    check_contains(pointer, "\"by\": \"deploy\"");
    check_contains(pointer, "20210101T000000Z-000000000001");
    check_contains(pointer, "2021-01-01T00:00:00Z");
    check_contains(pointer, "the gate passed, 1 rules");
    free(pointer);
    /* How it did stays beside the model. */
    snprintf(path, sizeof(path), "model/hybrid/%s/evaluation.json", a);
    char *evaluation = fixture_get(f, path);
    check_contains(evaluation, "ndcg_10 >= 0.1");
    free(evaluation);
}

static void
refuses_what_fails(void **state)
{
    struct step_fixture *f = *state;
    char a[MQ_HYBRID_VERSION_SIZE], b[MQ_HYBRID_VERSION_SIZE], part[256];
    save_model(f, 1, a);
    save_model(f, 2, b);
    /* The first of all is refused too. */
    put_candidate(f, b, NULL, FAILS);
    assert_int_equal(fixture_run(f, mq_step_deploy), MQ_E_INPUT);
    check_contains(f->err.message, "no model serves yet");
    assert_null(fixture_get(f, "model/hybrid/current.json"));

    put_candidate(f, a, NULL, PASSES);
    fixture_ok(f, mq_step_deploy);
    put_candidate(f, b, a, FAILS);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(fixture_run(f, mq_step_deploy), MQ_E_INPUT);
        check_contains(f->err.message, "is refused, 3 of 4 rules of the gate failed");
        check_contains(f->err.message,
                       "ndcg_10 >= 0.1: 0.0831 (0.0794 to 0.0868), limit 0.1; "
                       "hit_rate_10 no worse than live: -0.02 (-0.03 to -0.01), limit -0.01; "
                       "rmse <= 0.9, limit 0.9: not measured");
        snprintf(part, sizeof(part), "'%s' goes on serving", a);
        check_contains(f->err.message, part);
        snprintf(part, sizeof(part), "`marquee models promote %s`", b);
        check_contains(f->err.hint, part);
        check_contains(f->err.hint, "`marquee models show ");
        check_serves(f, a, 1);
    }
    /* The model is still there, and may be promoted: then there is nothing left to do. */
    promote(f, b, "promote");
    fixture_ok(f, mq_step_deploy);
    check_serves(f, b, 2);
}

static void
counts_rules_that_find_no_room(void **state)
{
    (void)state;
    json_t *rules = json_array();
    char text[300];
    for (int i = 0; i < 20; i++)
        json_array_append_new(rules, json_pack("{s:s, s:b, s:{s:f}, s:f}", "rule", "ndcg_10 >= 1",
                                               "passed", 0, "figure", "value", 0.5, "limit", 1.0));
    json_t *report = json_pack("{s:{s:b, s:o}}", "gate", "passed", 0, "rules", rules);
    mq_gate_failures_text(report, text, sizeof(text));
    check_contains(text, "ndcg_10 >= 1: 0.5, limit 1; ndcg_10");
    check_contains(text, "; and 11 more rules");
    json_decref(report);
}

static void
undoes_no_rollback(void **state)
{
    struct step_fixture *f = *state;
    char a[MQ_HYBRID_VERSION_SIZE], b[MQ_HYBRID_VERSION_SIZE], c[MQ_HYBRID_VERSION_SIZE];
    save_model(f, 1, a);
    save_model(f, 2, b);
    save_model(f, 3, c);
    put_candidate(f, a, NULL, PASSES);
    fixture_ok(f, mq_step_deploy);
    put_candidate(f, b, a, PASSES);
    fixture_ok(f, mq_step_deploy);
    promote(f, a, "rollback");
    fixture_ok(f, mq_step_deploy);
    check_serves(f, a, 3);
    check_contains(f->report.notes.data, "was taken back");

    /* A verdict against a model that serves no longer is none. */
    put_candidate(f, c, b, PASSES);
    assert_int_equal(fixture_run(f, mq_step_deploy), MQ_E_CONFLICT);
    check_contains(f->err.message, a);
    check_contains(f->err.message, b);
    check_contains(f->err.hint, "--from evaluate");
    check_serves(f, a, 3);
    put_candidate(f, c, NULL, PASSES);
    assert_int_equal(fixture_run(f, mq_step_deploy), MQ_E_CONFLICT);
    check_contains(f->err.message, "against no model");
    put_candidate(f, c, a, PASSES);
    fixture_ok(f, mq_step_deploy);
    check_serves(f, c, 4);

    /* One that serves and cannot be read was judged against by nobody, and keeps nothing back. */
    struct mq_error err = {0};
    char d[MQ_HYBRID_VERSION_SIZE];
    save_model(f, 4, d);
    check_ok(mq_hybrid_delete(f->store, "1", c, &err));
    put_candidate(f, d, NULL, PASSES);
    fixture_ok(f, mq_step_deploy);
    check_contains(f->report.notes.data, "cannot be read");
    check_serves(f, d, 5);
}

static void
refuses_papers_that_do_not_fit(void **state)
{
    struct step_fixture *f = *state;
    char a[MQ_HYBRID_VERSION_SIZE], b[MQ_HYBRID_VERSION_SIZE], text[512];
    save_model(f, 1, a);
    save_model(f, 2, b);
    assert_int_equal(fixture_run(f, mq_step_deploy), MQ_E_NOT_FOUND);
    check_contains(f->err.hint, "marquee step train-hybrid");
    put_candidate(f, a, NULL, PASSES);
    snprintf(text, sizeof(text), "{\"version\": \"%s\"}", b);
    fixture_put(f, "model/hybrid/candidate.json", text);
    assert_int_equal(fixture_run(f, mq_step_deploy), MQ_E_INPUT);
    check_contains(f->err.message, a);
    check_contains(f->err.message, b);

    /* No verdict, half a verdict, a verdict that is not that of its rules. */
    static const char *const gates[] = {
        "null", "{\"passed\": true}", "{\"passed\": true, \"rules\": [{\"rule\": \"x\"}]}",
        "{\"passed\": true, \"rules\": [{\"rule\": \"x\", \"passed\": false}]}",
        "{\"passed\": false, \"rules\": [{\"rule\": \"x\", \"passed\": true}]}"};
    for (size_t i = 0; i < MQ_COUNT(gates); i++) {
        put_candidate(f, a, NULL, gates[i]);
        assert_int_equal(fixture_run(f, mq_step_deploy), MQ_E_FORMAT);
        check_contains(f->err.message, "model/hybrid/evaluation.json'");
        check_contains(f->err.hint, "`marquee step evaluate`");
    }
    snprintf(text, sizeof(text), "{\"version\": \"%s\", \"report\": {\"gate\": " PASSES "}}", a);
    fixture_put(f, "model/hybrid/evaluation.json", text);
    assert_int_equal(fixture_run(f, mq_step_deploy), MQ_E_FORMAT);
    check_contains(f->err.message, "which model was live");
    static const char *const documents[] = {"", "[]", "{\"version\": \"../x\"}", "{\"version"};
    for (size_t i = 0; i < MQ_COUNT(documents); i++) {
        put_candidate(f, a, NULL, PASSES);
        fixture_put(f, "model/hybrid/candidate.json", documents[i]);
        assert_int_equal(fixture_run(f, mq_step_deploy), MQ_E_FORMAT);
        check_contains(f->err.message, "candidate.json");
        check_contains(f->err.hint, "`marquee step train-hybrid`");
    }
    /* The candidate is gone. */
    put_candidate(f, "20200101T000000Z-00000000", NULL, PASSES);
    assert_int_equal(fixture_run(f, mq_step_deploy), MQ_E_NOT_FOUND);
    check_contains(f->err.hint, "train-hybrid --force");
    assert_null(fixture_get(f, "model/hybrid/current.json"));
}

/* ---- two at once ------------------------------------------------------------------------- */

struct mover {
    struct step_fixture *f;
    const char *version;
    int moved, beaten;
};

/* Somebody who promotes the same two models over and over. */
static void *
move_about(void *argument)
{
    struct mover *m = argument;
    for (int i = 0; i < 40; i++) {
        struct mq_hybrid_pointer pointer = {0};
        enum mq_status st = mq_hybrid_pointer_read(m->f->store, "1", &pointer, NULL);
        if (st == MQ_OK)
            st = mq_hybrid_pointer_move(
                m->f->store, "1", &pointer,
                &(struct mq_hybrid_move){.version = m->version, .by = "promote"}, NULL);
        m->moved += st == MQ_OK;
        m->beaten += st == MQ_E_CONFLICT;
        mq_hybrid_pointer_release(&pointer);
    }
    return NULL;
}

struct deployer {
    struct step_fixture *f;
    struct mq_step_report report;
    struct mq_error err;
    enum mq_status st;
};

static void *
deploy_once(void *argument)
{
    struct deployer *d = argument;
    struct mq_step_context context = d->f->context;
    context.report = &d->report;
    d->st = mq_step_deploy(&context, &d->err);
    return NULL;
}

static void
one_of_two_wins(void **state)
{
    struct step_fixture *f = *state;
    char a[MQ_HYBRID_VERSION_SIZE], b[MQ_HYBRID_VERSION_SIZE];
    struct mq_error err = {0};
    save_model(f, 1, a);
    save_model(f, 2, b);
    /* Two that deploy the same candidate: it is moved to once, and both are content. */
    put_candidate(f, a, NULL, PASSES);
    for (int round = 0; round < 10; round++) {
        const char *key = "1/model/hybrid/current.json";
        check_ok(mq_object_delete(f->store, &key, 1, &err));
        struct deployer two[2] = {{.f = f}, {.f = f}};
        pthread_t threads[2];
        for (int i = 0; i < 2; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, deploy_once, &two[i]), 0);
        for (int i = 0; i < 2; i++) {
            pthread_join(threads[i], NULL);
            if (two[i].st != MQ_OK)
                fail_msg("%s", two[i].err.message);
            mq_buffer_release(&two[i].report.notes);
        }
        check_serves(f, a, 1);
    }
    /* Against others that move it: no move is lost, and who is beaten is told by whom. */
    struct mover movers[2] = {{.f = f, .version = a}, {.f = f, .version = b}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, move_about, &movers[i]), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(movers[i].moved + movers[i].beaten, 40);
    }
    struct mq_hybrid_pointer pointer = {0};
    check_ok(mq_hybrid_pointer_read(f->store, "1", &pointer, &err));
    assert_int_equal(json_array_size(pointer.history), 1 + movers[0].moved + movers[1].moved);
    mq_hybrid_pointer_release(&pointer);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(deploys_what_passes, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(refuses_what_fails, fixture_setup, fixture_teardown),
        cmocka_unit_test(counts_rules_that_find_no_room),
        cmocka_unit_test_setup_teardown(undoes_no_rollback, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(refuses_papers_that_do_not_fit, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(one_of_two_wins, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
