/* marquee models promote, rollback, prune. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "cli/model_versions.h"
#include "cli/terminal_table.h"
#include "data/artifact.h"
#include "flow/run_lock.h"
#include "model/hybrid_prune.h"

/* ---- promote, rollback ------------------------------------------------------------------- */

static enum mq_status
tell_move(struct mq_cli *cli, const char *version, const char *before, bool moved,
          struct mq_error *err)
{
    if (cli->json)
        return mq_cli_print_json(cli,
                                 json_pack("{s:s, s:s?, s:b}", "version", version, "before",
                                           *before != '\0' ? before : NULL, "moved", (int)moved),
                                 err);
    if (!moved) {
        fprintf(cli->out, "model '%s' serves already\n", version);
        return MQ_OK;
    }
    fprintf(cli->out, "model '%s' serves from now on; before: %s\n", version,
            *before != '\0' ? before : "none");
    mq_autofree char *flags = mq_cli_place_flags(cli);
    if (*mq_config_text(cli->config, "serve.reload_urls") != '\0')
        fprintf(cli->out, "next: marquee step reload%s\n", flags != NULL ? flags : "");
    else
        fprintf(cli->out, "a server takes it up when it is told to: POST /v1/reload\n");
    return MQ_OK;
}

/* Whether another who promoted the same model was first. */
static bool
serves_meanwhile(const struct mq_models *models, const char *version)
{
    struct mq_hybrid_pointer now = {0};
    bool serves = mq_hybrid_pointer_read(models->store, models->region, &now, NULL) == MQ_OK &&
                  strcmp(now.version, version) == 0;
    mq_hybrid_pointer_release(&now);
    return serves;
}

static enum mq_status
move_to(struct mq_cli *cli, struct mq_models *models, const char *version, const char *by,
        struct mq_error *err)
{
    char before[MQ_HYBRID_VERSION_SIZE];
    const struct mq_hybrid_move move = {.version = version,
                                        .by = by,
                                        .reason = mq_cli_text(cli, "--reason"),
                                        .at_s = mq_clock_now_s()};
    memcpy(before, models->pointer.version, sizeof(before));
    if (strcmp(before, version) == 0)
        return tell_move(cli, version, before, false, err);
    struct mq_error error = {0};
    enum mq_status st =
        mq_hybrid_pointer_move(models->store, models->region, &models->pointer, &move, &error);
    if (st == MQ_E_CONFLICT && serves_meanwhile(models, version))
        return tell_move(cli, version, before, false, err);
    if (st != MQ_OK && err != NULL)
        *err = error;
    return st == MQ_OK ? tell_move(cli, version, before, true, err) : st;
}

static enum mq_status
run_promote(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_models models = {0};
    const struct mq_hybrid_entry *entry = NULL;
    enum mq_status st = mq_models_load(&models, cli, err);
    if (st == MQ_OK)
        st = mq_models_find(&models, mq_cli_positional(cli, 0), &entry, err);
    if (st == MQ_OK)
        st = move_to(cli, &models, entry->version, "promote", err);
    mq_models_release(&models);
    return st;
}

/* One error that says why not, and what there is instead. */
static enum mq_status
no_way_back(const struct mq_models *models, struct mq_error *err)
{
    char names[256];
    const char *current = models->pointer.version;
    mq_models_others(models, current, names, sizeof(names));
    if (*current == '\0')
        mq_fail(err, MQ_E_NOT_FOUND, "no model serves in '%s/%s', so there is none to go back from",
                mq_object_store_uri(models->store), models->region);
    else if (models->previous[0] == '\0')
        mq_fail(err, MQ_E_NOT_FOUND, "no model served before '%s'", current);
    else
        mq_fail(err, MQ_E_NOT_FOUND,
                "model '%s', which served before '%s', was pruned; nothing was changed",
                models->previous, current);
    mq_error_hint(err, "choose one with `marquee models promote VERSION`; others there are: %s",
                  names);
    return MQ_E_NOT_FOUND;
}

static enum mq_status
run_rollback(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_models models = {0};
    const struct mq_hybrid_entry *entry = NULL;
    enum mq_status st = mq_models_load(&models, cli, err);
    if (st == MQ_OK) {
        st = models.previous[0] != '\0' ? mq_models_find(&models, models.previous, &entry, err)
                                        : MQ_E_NOT_FOUND;
        if (st == MQ_E_NOT_FOUND)
            st = no_way_back(&models, err);
    }
    if (st == MQ_OK)
        st = move_to(cli, &models, entry->version, "rollback", err);
    mq_models_release(&models);
    return st;
}

/* ---- prune ------------------------------------------------------------------------------- */

/* The version of the last run's candidate, which may be deployed yet. "": none */
static enum mq_status
read_candidate(struct mq_object_store *store, const char *region,
               char ret_version[MQ_HYBRID_VERSION_SIZE], struct mq_error *err)
{
    struct mq_reader *reader;
    mq_autojson json_t *candidate = NULL;
    const char *version;
    ret_version[0] = '\0';
    enum mq_status st = mq_artifact_reader(store, region, MQ_ARTIFACT_HYBRID_CANDIDATE,
                                           MQ_PROGRAM_MOVIE, &reader, err);
    if (st == MQ_E_NOT_FOUND)
        return MQ_OK;
    if (st != MQ_OK)
        return st;
    st = mq_json_read(reader, 0, &candidate, err);
    mq_reader_close(reader);
    if (st == MQ_OK)
        st = mq_json_need_text(candidate, "version", &version, err);
    if (st == MQ_OK)
        snprintf(ret_version, MQ_HYBRID_VERSION_SIZE, "%s", version);
    return mq_artifact_damaged(MQ_ARTIFACT_HYBRID_CANDIDATE, st, err);
}

static const char *
fate_of(const struct mq_prune_folder *folder, bool dry_run)
{
    if (folder->removed)
        return "removed";
    return folder->verdict != MQ_PRUNE_GOES ? "kept" : dry_run ? "would be removed" : "left";
}

static enum mq_status
print_pruned(struct mq_cli *cli, const struct mq_prune_report *report, bool dry_run,
             struct mq_error *err)
{
    struct mq_table table = {0};
    char size[MQ_FORM_SIZE];
    int64_t bytes = 0, count = 0;
    for (size_t i = 0; i < report->count; i++) {
        bool goes = report->folders[i].verdict == MQ_PRUNE_GOES;
        bytes += goes ? report->folders[i].bytes : 0;
        count += goes;
    }
    if (cli->json) {
        json_t *rows = json_array();
        for (size_t i = 0; i < report->count; i++) {
            const struct mq_prune_folder *f = &report->folders[i];
            json_array_append_new(rows, json_pack("{s:s, s:b, s:I, s:I, s:b, s:s}", "version",
                                                  f->version, "whole", (int)f->whole, "files",
                                                  (json_int_t)f->objects, "bytes",
                                                  (json_int_t)f->bytes, "removed", (int)f->removed,
                                                  "verdict", mq_prune_verdict_name(f->verdict)));
        }
        return mq_cli_print_json(
            cli, json_pack("{s:b, s:o}", "dry_run", (int)dry_run, "models", rows), err);
    }
    mq_table_column(&table, "model", false);
    mq_table_column(&table, "size", true);
    mq_table_column(&table, "", false);
    mq_table_column(&table, "why", false);
    for (size_t i = 0; i < report->count; i++) {
        const struct mq_prune_folder *f = &report->folders[i];
        mq_table_cell(&table, "%s", f->version);
        mq_table_bytes(&table, f->bytes);
        mq_table_cell(&table, "%s", fate_of(f, dry_run));
        mq_table_cell(&table, "%s",
                      f->verdict != MQ_PRUNE_GOES ? mq_prune_verdict_name(f->verdict)
                      : f->whole                  ? "not among the newest"
                                                  : "incomplete");
    }
    enum mq_status st =
        report->count > 0 ? mq_table_print(&table, cli->out, cli->colour, err) : MQ_OK;
    mq_table_release(&table);
    mq_form_bytes(bytes, size);
    fprintf(cli->out, "%lld of %zu models %s, %s\n", (long long)count, report->count,
            dry_run ? "would be removed" : "removed", size);
    return st;
}

static enum mq_status
run_prune(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_object_store *store;
    struct mq_run_lock *lock = NULL;
    struct mq_prune_report report = {0};
    char candidate[MQ_HYBRID_VERSION_SIZE];
    struct mq_prune_options options = {.keep = mq_config_int(cli->config, "models.keep"),
                                       .candidate = candidate,
                                       .now_s = mq_clock_now_s(),
                                       .dry_run = mq_cli_given(cli, "--dry-run")};
    enum mq_status st = mq_cli_store(cli, &store, err);
    /* A run may be writing a model, or judging one. */
    if (st == MQ_OK && !options.dry_run)
        st = mq_run_lock_take(store, mq_cli_region(cli), "models prune", &lock, err);
    if (st == MQ_OK)
        st = read_candidate(store, mq_cli_region(cli), candidate, err);
    if (st == MQ_OK) {
        st = mq_hybrid_prune(store, mq_cli_region(cli), &options, &report, err);
        /* What was removed before a failure is told too; the failure's message stays. */
        if (st == MQ_OK)
            st = print_pruned(cli, &report, options.dry_run, err);
        else if (report.count > 0)
            (void)!print_pruned(cli, &report, options.dry_run, NULL);
    }
    mq_run_lock_release(lock);
    mq_prune_report_release(&report);
    return st;
}

#define REASON_FLAG                                                                                \
    {                                                                                              \
        .name = "--reason", .type = MQ_FLAG_TEXT, .placeholder = "TEXT",                           \
        .help = "why, for the history"                                                             \
    }

const struct mq_command mq_command_models_promote = {
    .name = "models promote",
    .summary = "let a hybrid model serve, whatever the quality gate said",
    .help = "Points to a model, which must be there with all its files, undamaged: their checksums "
            "are compared. Of two who do so at once "
            "one wins; the other is told who, with exit status 1, and has changed nothing. The "
            "next run's candidate is judged against it. Servers take it up when they are told to: "
            "marquee step reload.",
    .positionals =
        (const struct mq_positional[]){
            {"VERSION", false, false, "a model, or the beginning of its version"}, {0}},
    .flags = (const struct mq_flag[]){REASON_FLAG, {0}},
    .examples = (const struct mq_example[]){{"marquee models promote 20261126T02 --reason "
                                             "\"looked at its lists\"",
                                             "a model that the gate refused"},
                                            {0}},
    .run = run_promote,
};

const struct mq_command mq_command_models_rollback = {
    .name = "models rollback",
    .summary = "let the hybrid model serve that served before",
    .help = "Points back to the model that served before the one that serves now; twice is back "
            "again. Where that was pruned nothing changes, and the message names what there is to "
            "promote. The model that was taken back is not deployed again by a later run.",
    .flags = (const struct mq_flag[]){REASON_FLAG, {0}},
    .run = run_rollback,
};

const struct mq_command mq_command_models_prune = {
    .name = "models prune",
    .summary = "remove old hybrid models",
    .help = "Removes all hybrid models but the one that serves, the one that served before, the "
            "last run's candidate, and the newest ones. What a run that died left of a model goes "
            "once it is a day old. A model that cannot be read here is left alone. Waits for no "
            "run: where one works on the region, that is said and nothing is removed.",
    .flags =
        (const struct mq_flag[]){
            {.name = "--keep",
             .type = MQ_FLAG_INT,
             .placeholder = "N",
             .min = 0,
             .max = 10000,
             .option = "models.keep",
             .help = "how many of the newest to keep; else the setting models.keep, 5 by default"},
            {.name = "--dry-run", .help = "only say what would be removed"},
            {0}},
    .examples =
        (const struct mq_example[]){
            {"marquee models prune --keep 3 --dry-run", "what would go, if three were kept"}, {0}},
    .run = run_prune,
};
