#include "check.h"

#include <stdio.h>

#include "base/memory.h"
#include "flow/graph.h"

static void
test_table_is_sound(void **state)
{
    struct mq_error err;
    check_ok(mq_step_table_check(mq_step_table(), &err));
}

static void
test_every_artifact_is_used(void **state)
{
    const struct mq_step_table *table = mq_step_table();
    for (int a = 0; a < MQ_ARTIFACT_COUNT; a++) {
        bool used = mq_step_producer(table, (enum mq_artifact)a) >= 0;
        for (int r = 0; r < table->row_count && !used; r++)
            for (int i = 0; i < table->rows[r].input_count && !used; i++)
                used = table->rows[r].inputs[i].artifact == (enum mq_artifact)a;
        if (!used)
            fail_msg("no step reads or writes %s", mq_artifact_info((enum mq_artifact)a)->name);
    }
}

static void
test_workflow_names(void **state)
{
    const struct mq_step_table *table = mq_step_table();
    assert_string_equal(mq_workflow_find(table, NULL)->name, "ACTION");
    assert_string_equal(mq_workflow_find(table, "batch")->name, "ACTION");
    assert_string_equal(mq_workflow_find(table, "ITEM")->name, "CONTENT");
    assert_string_equal(mq_workflow_find(table, "model")->name, "MODEL");
    assert_string_equal(mq_workflow_find(table, "USER")->name, "USER");
    assert_null(mq_workflow_find(table, "NIGHTLY"));
}

static enum mq_status
nothing_exists(void *context, enum mq_artifact artifact, bool *ret_exists, struct mq_error *err)
{
    *ret_exists = false;
    return MQ_OK;
}

static enum mq_status
all_exists(void *context, enum mq_artifact artifact, bool *ret_exists, struct mq_error *err)
{
    *ret_exists = true;
    return MQ_OK;
}

static void
plan_names(const char *workflow, mq_plan_exists_fn exists, char *text, size_t size)
{
    const struct mq_step_table *table = mq_step_table();
    const struct mq_workflow *w = mq_workflow_find(table, workflow);
    int wanted[MQ_STEPS_MAX], count = 0;
    for (const char *const *s = w->steps; *s != NULL; s++)
        wanted[count++] = mq_step_find(table, *s);
    struct mq_plan plan;
    struct mq_error err;
    check_ok(mq_plan_make(table, wanted, count, true, exists, NULL, &plan, &err));
    text[0] = '\0';
    for (int i = 0; i < plan.count; i++) {
        size_t n = strlen(text);
        snprintf(text + n, size - n, "%s%s", i > 0 ? " " : "", table->rows[plan.steps[i].row].name);
    }
}

static void
test_first_action_run_makes_everything(void **state)
{
    char text[1024];
    plan_names("ACTION", nothing_exists, text, sizeof(text));
    assert_string_equal(text,
                        "item-preprocessing user-preprocessing action-preprocessing inverted-list "
                        "add-item-user-batch model-update-ub portrait-batch weight-update-batch "
                        "recall-batch item-feature-update-batch model-update-deepfm rank-batch "
                        "filter-batch");
}

static void
test_later_action_runs_train_nothing(void **state)
{
    char text[1024];
    plan_names("ACTION", all_exists, text, sizeof(text));
    assert_string_equal(text,
                        "item-preprocessing user-preprocessing action-preprocessing inverted-list "
                        "portrait-batch weight-update-batch recall-batch rank-batch filter-batch");
    plan_names("CONTENT", all_exists, text, sizeof(text));
    assert_string_equal(text, "item-preprocessing inverted-list user-preprocessing "
                              "add-item-user-batch model-update-ub item-feature-update-batch "
                              "model-update-deepfm");
}

static void
test_pictures_hold_every_step(void **state)
{
    const struct mq_step_table *table = mq_step_table();
    for (int f = MQ_GRAPH_TEXT; f <= MQ_GRAPH_MERMAID; f++) {
        struct mq_buffer buffer = {0};
        struct mq_error err;
        check_ok(mq_graph_draw(table, NULL, (enum mq_graph_format)f, &buffer, &err));
        for (int r = 0; r < table->row_count; r++)
            check_contains(buffer.data, table->rows[r].name);
        mq_buffer_release(&buffer);
    }
    struct mq_buffer buffer = {0};
    struct mq_error err;
    check_ok(mq_graph_draw(table, mq_workflow_find(table, "USER"), MQ_GRAPH_DOT, &buffer, &err));
    check_contains(buffer.data, "\"user-preprocessing\" -> \"add-item-user-batch\"");
    assert_null(strstr(buffer.data, "recall-batch"));
    mq_buffer_release(&buffer);
}

static enum mq_status
no_step(struct mq_step_context *context, struct mq_error *err)
{
    return MQ_OK;
}

/* A table that breaks a rule is refused, so that the check above can fail. */
static void
test_broken_tables_are_refused(void **state)
{
    static const struct mq_step_artifact csv[] = {{MQ_ARTIFACT_ITEM_CSV, 0}};
    static const struct mq_step_artifact dict[] = {{MQ_ARTIFACT_PROPERTY_DICT, 0}};
    const struct mq_step_row cycle[] = {
        {"a", "", no_step, csv, 1, dict, 1, "", 1, 0, NULL},
        {"b", "", no_step, dict, 1, csv, 1, "", 1, 0, NULL},
    };
    const struct mq_step_row twice[] = {
        {"a", "", no_step, NULL, 0, csv, 1, "", 1, 0, NULL},
        {"b", "", no_step, NULL, 0, csv, 1, "", 1, 0, NULL},
    };
    const struct mq_step_row own[] = {{"a", "", no_step, csv, 1, csv, 1, "", 1, 0, NULL}};
    struct mq_step_table table = {.rows = cycle, .row_count = 2};
    struct mq_error err;
    check_fails(MQ_E_INTERNAL, mq_step_table_check(&table, &err));
    check_contains(err.message, "depends on itself");
    table.rows = twice;
    check_fails(MQ_E_INTERNAL, mq_step_table_check(&table, &err));
    check_contains(err.message, "both write");
    table.rows = own;
    table.row_count = 1;
    check_fails(MQ_E_INTERNAL, mq_step_table_check(&table, &err));
    check_contains(err.message, "MQ_OWN_STATE");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_sound),
        cmocka_unit_test(test_every_artifact_is_used),
        cmocka_unit_test(test_workflow_names),
        cmocka_unit_test(test_first_action_run_makes_everything),
        cmocka_unit_test(test_later_action_runs_train_nothing),
        cmocka_unit_test(test_pictures_hold_every_step),
        cmocka_unit_test(test_broken_tables_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
