#include <jansson.h>
#include <string.h>

#include "cli/command.h"
#include "cli/configured_stores.h"
#include "cli/terminal_table.h"

struct stores_work {
    struct mq_configured_stores stores;
    json_t *rows;
    enum mq_status failure; /* the first */
    struct mq_error error;
};

static const char *
state_of(enum mq_status st)
{
    return st == MQ_OK ? "ready" : st == MQ_E_NOT_FOUND ? "missing" : mq_status_name(st);
}

static void
add_row(struct stores_work *work, const struct mq_store_place *place, const char *state,
        const struct mq_error *error)
{
    json_array_append_new(work->rows,
                          json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "what", place->kind_name,
                                    "store", place->shown, "name", place->name, "state", state,
                                    "message", error != NULL ? error->message : "", "hint",
                                    error != NULL ? error->hint : ""));
}

static enum mq_status
print_rows(struct mq_cli *cli, struct stores_work *work, struct mq_error *err)
{
    if (cli->json) {
        json_t *rows = work->rows;
        work->rows = NULL;
        return mq_cli_print_json(cli, rows, err);
    }
    static const char *const members[] = {"what", "store", "name", "state"};
    struct mq_table table = {0};
    for (int m = 0; m < 4; m++)
        mq_table_column(&table, members[m], false);
    size_t i;
    json_t *row;
    json_array_foreach(work->rows, i, row) for (int m = 0; m < 4; m++)
        mq_table_cell(&table, "%s", json_string_value(json_object_get(row, members[m])));
    enum mq_status st = mq_table_print(&table, cli->out, cli->colour, err);
    mq_table_release(&table);
    const char *before = "";
    json_array_foreach(work->rows, i, row)
    {
        const char *message = json_string_value(json_object_get(row, "message"));
        const char *hint = json_string_value(json_object_get(row, "hint"));
        bool again = strcmp(message, before) == 0; /* two tables of one store */
        before = message;
        if (*message != '\0' && !again)
            fprintf(cli->out, "%s: %s%s%s\n", json_string_value(json_object_get(row, "what")),
                    message, *hint != '\0' ? "; " : "", hint);
    }
    return st;
}

static enum mq_status
finish(struct mq_cli *cli, struct stores_work *work, enum mq_status st, struct mq_error *err)
{
    if (st == MQ_OK)
        st = print_rows(cli, work, err);
    json_decref(work->rows);
    mq_configured_stores_release(&work->stores);
    if (st == MQ_OK && work->failure != MQ_OK) {
        if (err != NULL)
            *err = work->error;
        return work->failure;
    }
    return st;
}

static enum mq_status
run_list(struct mq_cli *cli, struct mq_error *err)
{
    struct stores_work work = {.rows = json_array()};
    size_t broken = 0;
    enum mq_status st = mq_configured_stores_init(&work.stores, cli, err);
    for (size_t i = 0; st == MQ_OK && i < work.stores.count; i++) {
        const struct mq_store_place *place = &work.stores.places[i];
        struct mq_error error = {0};
        enum mq_status found = mq_store_place_check(&work.stores, place, &error);
        /* What is missing is told by the table, and is no failure: it may be made. */
        bool bad = found != MQ_OK && found != MQ_E_NOT_FOUND;
        add_row(&work, place, state_of(found), bad ? &error : NULL);
        broken += bad;
        if (bad && work.failure == MQ_OK)
            work.failure = found;
    }
    /* Each has told why. */
    if (work.failure != MQ_OK)
        mq_fail(&work.error, work.failure, "%zu of %zu stores cannot be used", broken,
                work.stores.count);
    return finish(cli, &work, st, err);
}

/* One place: nothing to do, or made, or why not. */
static void
create_one(struct stores_work *work, const struct mq_store_place *place, bool dry_run)
{
    struct mq_error error = {0};
    enum mq_status st = mq_store_place_check(&work->stores, place, &error);
    const char *state = "there already";
    if (st == MQ_E_NOT_FOUND && dry_run) {
        st = MQ_OK;
        state = "would be made";
    } else if (st == MQ_E_NOT_FOUND) {
        st = mq_store_place_create(&work->stores, place, &error);
        state = "made";
    } else if (st == MQ_OK && place->kind == MQ_STORE_FEATURES && !dry_run) {
        st = mq_store_place_create(&work->stores, place, &error); /* completes a half-made table */
    }
    add_row(work, place, st == MQ_OK ? state : mq_status_name(st), NULL);
    if (st != MQ_OK && work->failure == MQ_OK) {
        work->failure = st;
        work->error = error;
    }
}

static enum mq_status
run_create(struct mq_cli *cli, struct mq_error *err)
{
    struct stores_work work = {.rows = json_array()};
    enum mq_status st = mq_configured_stores_init(&work.stores, cli, err);
    for (size_t i = 0; st == MQ_OK && i < work.stores.count; i++)
        create_one(&work, &work.stores.places[i], mq_cli_given(cli, "--dry-run"));
    return finish(cli, &work, st, err);
}

const struct mq_command mq_command_stores_list = {
    .name = "stores list",
    .without_store = true,
    .summary = "list the stores of the settings and whether they are ready",
    .help = "Lists the folder or bucket of objects (store.uri), the tables of features "
            "(features.store) and the topics of events (events.log), and whether each is there. "
            "Makes nothing. What is missing is no failure; what cannot be used is.",
    .is_group_default = true,
    .run = run_list,
};

const struct mq_command mq_command_stores_create = {
    .name = "stores create",
    .without_store = true,
    .summary = "make what is missing: folder or bucket, tables, topics",
    .help = "Makes what the settings name and what is not there yet: the folder or bucket of "
            "store.uri, the tables features.tables in features.store (DynamoDB: billed on demand, "
            "expiry switched on), and the topics events.topic and events.rejected_topic in "
            "events.log. What is there already is left alone, so it may be run again at any time.",
    .flags =
        (const struct mq_flag[]){{.name = "--dry-run", .help = "only say what would be made"}, {0}},
    .examples =
        (const struct mq_example[]){
            {"marquee stores create --store s3://films/marquee?region=eu-central-1",
             "the bucket, and embedded stores for the rest"},
            {"marquee stores create --set features.store=dynamodb:marquee- --dry-run",
             "what would be made, with tables in DynamoDB"},
            {0}},
    .run = run_create,
};
