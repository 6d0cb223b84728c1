#include "flow/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/rng.h"
#include "flow/run_document.h"

const char *
mq_step_outcome_name(enum mq_step_outcome outcome)
{
    static const char *const names[] = {"pending", "running", "skipped", "done", "failed"};
    return names[outcome];
}

const char *
mq_run_status_name(enum mq_run_status status)
{
    static const char *const names[] = {"running", "done", "failed", "cancelled", "died"};
    return names[status];
}

void
mq_run_free(struct mq_run *run)
{
    if (run == NULL)
        return;
    for (int i = 0; i < run->step_count; i++)
        mq_buffer_release(&run->steps[i].report.notes);
    free(run->steps);
    free(run);
}

void
mq_run_id_make(int64_t now_ms, char ret_id[MQ_RUN_ID_MAX])
{
    char instant[MQ_INSTANT_SIZE];
    mq_instant_format(now_ms / 1000, instant);
    uint64_t random = 0;
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        uint64_t state = (uint64_t)(mq_clock_monotonic_s() * 1e9) ^ ((uint64_t)getpid() << 32);
        random = mq_splitmix64(&state);
    }
    /* "2026-01-31T23:59:59Z" without its punctuation. */
    char compact[MQ_INSTANT_SIZE];
    size_t n = 0;
    for (const char *p = instant; *p != '\0'; p++)
        if (*p != '-' && *p != ':')
            compact[n++] = *p;
    compact[n] = '\0';
    snprintf(ret_id, MQ_RUN_ID_MAX, "%s-%03x%09llx", compact, (unsigned)(now_ms % 1000),
             (unsigned long long)(random & 0xfffffffffULL));
}

int64_t
mq_step_run_rows(const struct mq_step_run *step, const char **ret_name)
{
    static const char *const names[] = {"rows",    "users", "items", "actions",
                                        "samples", "lines", "events"};
    for (size_t n = 0; n < MQ_COUNT(names); n++) {
        for (int i = 0; i < step->report.counter_count; i++) {
            if (strcmp(step->report.counters[i].name, names[n]) != 0)
                continue;
            if (ret_name != NULL)
                *ret_name = names[n];
            return (int64_t)step->report.counters[i].value;
        }
    }
    return -1;
}

static json_t *
instant_json(int64_t epoch_ms)
{
    if (epoch_ms == 0)
        return json_null();
    char instant[MQ_INSTANT_SIZE];
    mq_instant_format(epoch_ms / 1000, instant);
    return json_string(instant);
}

static json_t *
figures_json(const struct mq_step_report *report)
{
    json_t *figures = json_object();
    for (int i = 0; figures != NULL && i < report->counter_count; i++) {
        const struct mq_step_counter *c = &report->counters[i];
        json_t *value = c->integral ? json_integer((json_int_t)c->value) : json_real(c->value);
        if (value == NULL) /* NaN has no JSON form */
            value = json_null();
        json_object_set_new(figures, c->name, value);
    }
    return figures;
}

static json_t *
notes_json(const struct mq_step_report *report)
{
    json_t *notes = json_array();
    const char *p = report->notes.data;
    while (notes != NULL && p != NULL && *p != '\0') {
        size_t n = strcspn(p, "\n");
        json_t *line = json_stringn(p, n);
        if (line != NULL) /* not UTF-8: left out */
            json_array_append_new(notes, line);
        p += n + (p[n] == '\n');
    }
    return notes;
}

static int64_t
bytes_of(const struct mq_artifact_states *states)
{
    int64_t total = 0;
    for (int i = 0; i < states->count; i++)
        total += states->list[i].size_bytes;
    return total;
}

static json_t *
step_json(const struct mq_step_run *step)
{
    json_t *entry = json_pack("{s:s, s:s, s:s}", "step", step->row->name, "status",
                              mq_step_outcome_name(step->outcome), "reason", step->reason);
    if (entry == NULL || step->outcome == MQ_STEP_PENDING)
        return entry;
    json_object_set_new(entry, "started", instant_json(step->started_ms));
    json_object_set_new(entry, "seconds", json_real(step->seconds));
    if (step->outcome != MQ_STEP_SKIPPED) {
        int64_t rows = mq_step_run_rows(step, NULL);
        json_object_set_new(entry, "rows", rows >= 0 ? json_integer(rows) : json_null());
        json_object_set_new(entry, "bytes_read", json_integer(bytes_of(&step->inputs)));
        json_object_set_new(entry, "bytes_written", json_integer(bytes_of(&step->outputs)));
        json_object_set_new(entry, "peak_memory_bytes",
                            json_integer((json_int_t)step->peak_memory_bytes));
    }
    json_object_set_new(entry, "inputs", mq_artifact_states_to_json(&step->inputs));
    json_object_set_new(entry, "outputs", mq_artifact_states_to_json(&step->outputs));
    json_object_set_new(entry, "figures", figures_json(&step->report));
    json_object_set_new(entry, "notes", notes_json(&step->report));
    if (step->outcome == MQ_STEP_FAILED)
        json_object_set_new(entry, "error",
                            json_pack("{s:s, s:s, s:s}", "code", mq_status_name(step->error.code),
                                      "message", step->error.message, "hint", step->error.hint));
    return entry;
}

json_t *
mq_run_to_json(const struct mq_run *run)
{
    char host[256] = "";
    if (gethostname(host, sizeof(host) - 1) != 0)
        host[0] = '\0';
    json_t *steps = json_array();
    for (int i = 0; steps != NULL && i < run->step_count; i++)
        json_array_append_new(steps, step_json(&run->steps[i]));
    char now[MQ_INSTANT_SIZE];
    mq_instant_format(run->now_s, now);
    return json_pack("{s:i, s:s, s:s, s:s, s:o, s:f, s:s, s:s?, s:s, s:i, s:I, s:{s:i, s:i}, s:s, "
                     "s:i, s:o}",
                     "schema", MQ_RUN_SCHEMA, "id", run->id, "what", run->what, "status",
                     mq_run_status_name(run->status), "started", instant_json(run->started_ms),
                     "seconds", run->seconds, "instant", now, "date",
                     run->date[0] != '\0' ? run->date : NULL, "resumed", run->resumed, "threads",
                     run->threads, "seed", (json_int_t)run->seed, "shard", "index",
                     run->shard_index, "count", run->shard_count, "host", host, "process",
                     (int)getpid(), "steps", steps);
}

static enum mq_status
manifest_key(const char *region, const char *id, char key[MQ_OBJECT_KEY_MAX], struct mq_error *err)
{
    int n = snprintf(key, MQ_OBJECT_KEY_MAX, "%s/runs/%s/manifest.json", region, id);
    if (n < 0 || n >= MQ_OBJECT_KEY_MAX)
        return mq_fail(err, MQ_E_RANGE, "run id '%.40s…' is too long", id);
    return MQ_OK;
}

enum mq_status
mq_manifest_write(struct mq_object_store *store, const char *region, const struct mq_run *run,
                  struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    enum mq_status st = manifest_key(region, run->id, key, err);
    return st == MQ_OK ? mq_run_document_write(store, key, mq_run_to_json(run), err) : st;
}

struct id_list {
    json_t *ids;
    size_t prefix_size;
};

static enum mq_status
visit_manifest(void *context, const char *key, const struct mq_object_info *info,
               struct mq_error *err)
{
    struct id_list *list = context;
    const char *id = key + list->prefix_size;
    const char *slash = strchr(id, '/');
    if (slash == NULL || strcmp(slash, "/manifest.json") != 0)
        return MQ_OK;
    if (json_array_append_new(list->ids, json_stringn(id, (size_t)(slash - id))) != 0)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the list of runs");
    return MQ_OK;
}

enum mq_status
mq_manifest_list(struct mq_object_store *store, const char *region, json_t **ret_ids,
                 struct mq_error *err)
{
    char prefix[MQ_OBJECT_KEY_MAX];
    int n = snprintf(prefix, sizeof(prefix), "%s/runs/", region);
    if (n < 0 || (size_t)n >= sizeof(prefix))
        return mq_fail(err, MQ_E_RANGE, "region name is too long");
    struct id_list list = {.ids = json_array(), .prefix_size = (size_t)n};
    if (list.ids == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the list of runs");
    enum mq_status st = mq_object_list(store, prefix, visit_manifest, &list, err);
    if (st == MQ_OK)
        *ret_ids = list.ids;
    else
        json_decref(list.ids);
    return st;
}

/* The one id that begins with `id`; "latest" is the last. */
static enum mq_status
resolve_id(struct mq_object_store *store, const char *region, const char *id,
           char ret_id[MQ_RUN_ID_MAX], struct mq_error *err)
{
    json_t *ids;
    enum mq_status st = mq_manifest_list(store, region, &ids, err);
    if (st != MQ_OK)
        return st;
    const char *found = NULL;
    int matches = 0;
    bool latest = strcmp(id, "latest") == 0;
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const char *candidate = json_string_value(json_array_get(ids, i));
        if (latest || strncmp(candidate, id, strlen(id)) == 0) {
            found = candidate;
            matches++;
        }
    }
    if (found == NULL) {
        st = mq_fail(err, MQ_E_NOT_FOUND, "no run '%s' in '%s/%s/runs/'", id,
                     mq_object_store_uri(store), region);
        mq_error_hint(err, "list them with `marquee runs`");
    } else if (matches > 1 && !latest) {
        st = mq_fail(err, MQ_E_USAGE, "%d runs begin with '%s'", matches, id);
        mq_error_hint(err, "list them with `marquee runs`");
    } else {
        snprintf(ret_id, MQ_RUN_ID_MAX, "%s", found);
    }
    json_decref(ids);
    return st;
}

enum mq_status
mq_manifest_read(struct mq_object_store *store, const char *region, const char *id,
                 json_t **ret_document, struct mq_error *err)
{
    char full[MQ_RUN_ID_MAX], key[MQ_OBJECT_KEY_MAX];
    enum mq_status st = resolve_id(store, region, id, full, err);
    if (st == MQ_OK)
        st = manifest_key(region, full, key, err);
    json_t *document = NULL;
    if (st == MQ_OK)
        st = mq_run_document_read(store, key, &document, err);
    if (st == MQ_OK && document == NULL)
        st = mq_fail(err, MQ_E_NOT_FOUND, "run '%s' is gone", full);
    if (st == MQ_OK)
        *ret_document = document;
    return st;
}
