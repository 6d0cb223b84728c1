#include <jansson.h>
#include <string.h>

#include "base/log.h"
#include "cli/command.h"
#include "cli/terminal_table.h"
#include "flow/manifest.h"
#include "flow/run_document.h"

static const char *
text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static double
number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* How many steps ended so. */
static int
count_outcome(const json_t *run, const char *outcome)
{
    int n = 0;
    size_t i;
    json_t *step;
    json_array_foreach(json_object_get(run, "steps"), i, step) n +=
        strcmp(text_of(step, "status"), outcome) == 0;
    return n;
}

static json_t *
summary_of(const json_t *run)
{
    double peak = 0;
    size_t i;
    json_t *step;
    json_array_foreach(json_object_get(run, "steps"), i, step)
    {
        double p = number_of(step, "peak_memory_bytes");
        peak = p > peak ? p : peak;
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:f, s:i, s:i, s:I}", "id", text_of(run, "id"), "what",
                     text_of(run, "what"), "status", text_of(run, "status"), "started",
                     text_of(run, "started"), "seconds", number_of(run, "seconds"), "done",
                     count_outcome(run, "done"), "skipped", count_outcome(run, "skipped"),
                     "peak_memory_bytes", (json_int_t)peak);
}

static enum mq_status
print_list(struct mq_cli *cli, const json_t *summaries, struct mq_error *err)
{
    struct mq_table table = {0};
    static const char *const titles[] = {"run",  "what", "status",  "started",
                                         "time", "done", "skipped", "peak memory"};
    for (int i = 0; i < 8; i++)
        mq_table_column(&table, titles[i], i >= 4);
    size_t i;
    json_t *run;
    json_array_foreach(summaries, i, run)
    {
        mq_table_cell(&table, "%s", text_of(run, "id"));
        mq_table_cell(&table, "%s", text_of(run, "what"));
        mq_table_cell(&table, "%s", text_of(run, "status"));
        mq_table_cell(&table, "%s", text_of(run, "started"));
        mq_table_seconds(&table, number_of(run, "seconds"));
        mq_table_count(&table, (int64_t)number_of(run, "done"));
        mq_table_count(&table, (int64_t)number_of(run, "skipped"));
        mq_table_bytes(&table, (int64_t)number_of(run, "peak_memory_bytes"));
    }
    enum mq_status st = mq_table_print(&table, cli->out, cli->colour, err);
    mq_table_release(&table);
    return st;
}

static enum mq_status
run_list(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_object_store *store;
    json_t *ids = NULL;
    enum mq_status st = mq_cli_store(cli, &store, err);
    if (st == MQ_OK)
        st = mq_manifest_list(store, mq_cli_region(cli), &ids, err);
    if (st != MQ_OK)
        return st;
    size_t count = json_array_size(ids);
    size_t limit = (size_t)mq_cli_int(cli, "--last");
    json_t *summaries = json_array();
    for (size_t i = count > limit ? count - limit : 0; st == MQ_OK && i < count; i++) {
        json_t *run = NULL;
        struct mq_error own = {0};
        const char *id = json_string_value(json_array_get(ids, i));
        st = mq_manifest_read(store, mq_cli_region(cli), id, &run, &own);
        if (st == MQ_OK) {
            json_array_append_new(summaries, summary_of(run));
        } else if (st == MQ_E_FORMAT || st == MQ_E_UNSUPPORTED) {
            /* One bad manifest hides no other run. */
            mq_log_warn("run %s is left out: %s", id, own.message);
            st = MQ_OK;
        } else if (err != NULL) {
            *err = own;
        }
        json_decref(run);
    }
    json_decref(ids);
    if (st != MQ_OK) {
        json_decref(summaries);
        return st;
    }
    if (cli->json)
        return mq_cli_print_json(cli, summaries, err);
    if (count == 0)
        fprintf(cli->out, "no runs yet in '%s/%s'\n", mq_object_store_uri(store),
                mq_cli_region(cli));
    else
        st = print_list(cli, summaries, err);
    json_decref(summaries);
    return st;
}

static void
print_artifacts(struct mq_cli *cli, const json_t *step, const char *which)
{
    size_t i;
    json_t *state;
    json_array_foreach(json_object_get(step, which), i, state)
    {
        char bytes[MQ_FORM_SIZE];
        mq_form_bytes((int64_t)number_of(state, "bytes"), bytes);
        if (json_is_true(json_object_get(state, "exists")))
            fprintf(cli->out, "    %-7s %-70s %9s  %.12s  v%lld\n", which, text_of(state, "key"),
                    bytes, text_of(state, "sha256"),
                    (long long)json_integer_value(json_object_get(state, "schema")));
    }
}

static void
print_details(struct mq_cli *cli, const json_t *step)
{
    print_artifacts(cli, step, "inputs");
    print_artifacts(cli, step, "outputs");
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(step, "figures"), name, value)
    {
        if (json_is_integer(value)) {
            char count[MQ_FORM_SIZE];
            mq_form_count(json_integer_value(value), count);
            fprintf(cli->out, "    figure  %s = %s\n", name, count);
        } else {
            fprintf(cli->out, "    figure  %s = %.6g\n", name, json_number_value(value));
        }
    }
    size_t i;
    json_array_foreach(json_object_get(step, "notes"), i, value)
        fprintf(cli->out, "    note    %s\n", json_string_value(value));
    const json_t *error = json_object_get(step, "error");
    if (error != NULL)
        fprintf(cli->out, "    error   %s\n", text_of(error, "message"));
}

static enum mq_status
print_show(struct mq_cli *cli, const json_t *run, struct mq_error *err)
{
    char seconds[MQ_FORM_SIZE];
    mq_form_seconds(number_of(run, "seconds"), seconds);
    fprintf(cli->out, "run %s: %s, %s\nstarted %s, %s, instant %s, %lld threads, seed %lld\n",
            text_of(run, "id"), text_of(run, "what"), text_of(run, "status"),
            text_of(run, "started"), seconds, text_of(run, "instant"),
            (long long)number_of(run, "threads"), (long long)number_of(run, "seed"));
    if (*text_of(run, "resumed") != '\0')
        fprintf(cli->out, "took up run %s\n", text_of(run, "resumed"));
    fputc('\n', cli->out);
    struct mq_table table = {0};
    static const char *const titles[] = {"step", "status",  "time", "rows",
                                         "read", "written", "peak", "why"};
    for (int i = 0; i < 8; i++)
        mq_table_column(&table, titles[i], i >= 2 && i <= 6);
    size_t i;
    json_t *step;
    json_array_foreach(json_object_get(run, "steps"), i, step)
    {
        bool ran = json_object_get(step, "peak_memory_bytes") != NULL;
        mq_table_cell(&table, "%s", text_of(step, "step"));
        mq_table_cell(&table, "%s", text_of(step, "status"));
        if (ran)
            mq_table_seconds(&table, number_of(step, "seconds"));
        else
            mq_table_cell(&table, "%s", "");
        if (json_is_integer(json_object_get(step, "rows")))
            mq_table_count(&table, (int64_t)number_of(step, "rows"));
        else
            mq_table_cell(&table, "%s", "");
        static const char *const sizes[] = {"bytes_read", "bytes_written", "peak_memory_bytes"};
        for (int s = 0; s < 3; s++) {
            if (ran)
                mq_table_bytes(&table, (int64_t)number_of(step, sizes[s]));
            else
                mq_table_cell(&table, "%s", "");
        }
        mq_table_cell(&table, "%s", text_of(step, "reason"));
    }
    enum mq_status st = mq_table_print(&table, cli->out, cli->colour, err);
    mq_table_release(&table);
    json_array_foreach(json_object_get(run, "steps"), i, step)
    {
        if (json_object_get(step, "peak_memory_bytes") == NULL)
            continue;
        fprintf(cli->out, "\n%s\n", text_of(step, "step"));
        print_details(cli, step);
    }
    return st;
}

static enum mq_status
run_show(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_object_store *store;
    json_t *run = NULL;
    enum mq_status st = mq_cli_store(cli, &store, err);
    const char *id = mq_cli_positional(cli, 0);
    if (st == MQ_OK)
        st = mq_manifest_read(store, mq_cli_region(cli), id != NULL ? id : "latest", &run, err);
    if (st != MQ_OK)
        return st;
    if (cli->json)
        return mq_cli_print_json(cli, run, err);
    st = print_show(cli, run, err);
    json_decref(run);
    return st;
}

const struct mq_command mq_command_runs_list = {
    .name = "runs list",
    .summary = "list the runs",
    .help = "Lists the runs of this region, oldest first: what was run, how it ended, how long it "
            "took, how many steps did work, and the most memory a step used.",
    .flags = (const struct mq_flag[]){{.name = "--last",
                                       .type = MQ_FLAG_INT,
                                       .placeholder = "N",
                                       .default_text = "20",
                                       .min = 1,
                                       .max = 100000,
                                       .help = "only the newest N"},
                                      {0}},
    .is_group_default = true,
    .run = run_list,
};

const struct mq_command mq_command_runs_show = {
    .name = "runs show",
    .summary = "show one run: times, rows, bytes, memory, inputs and outputs by hash",
    .help = "Shows the manifest of one run. Hashes are the first twelve digits of SHA-256; --json "
            "prints the manifest whole.",
    .positionals = (const struct mq_positional[]){{"ID", true, false,
                                                   "a run, or the beginning of its id; without "
                                                   "it the latest"},
                                                  {0}},
    .run = run_show,
};
