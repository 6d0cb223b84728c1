#include "flow/current_run.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "flow/run_document.h"

static enum mq_status
current_key(const char *region, const struct mq_run *run, char key[MQ_OBJECT_KEY_MAX],
            struct mq_error *err)
{
    char shard[64] = "";
    if (run->shard_count > 1)
        snprintf(shard, sizeof(shard), ".shard-%d-of-%d", run->shard_index + 1, run->shard_count);
    int n = snprintf(key, MQ_OBJECT_KEY_MAX, "%s/runs/current%s.json", region, shard);
    if (n < 0 || n >= MQ_OBJECT_KEY_MAX)
        return mq_fail(err, MQ_E_RANGE, "region name is too long");
    return MQ_OK;
}

/* Set the dead run's status in its manifest; one that is gone or was stopped is left. */
static enum mq_status
mark_dead(struct mq_object_store *store, const char *region, const char *id, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    int n = snprintf(key, sizeof(key), "%s/runs/%s/manifest.json", region, id);
    if (n < 0 || (size_t)n >= sizeof(key))
        return MQ_OK;
    json_t *manifest = NULL;
    enum mq_status st = mq_run_document_read(store, key, &manifest, err);
    if (st != MQ_OK || manifest == NULL)
        return st;
    const char *status = json_string_value(json_object_get(manifest, "status"));
    if (status == NULL || strcmp(status, mq_run_status_name(MQ_RUN_RUNNING)) != 0) {
        json_decref(manifest);
        return MQ_OK;
    }
    json_object_set_new(manifest, "status", json_string(mq_run_status_name(MQ_RUN_DIED)));
    return mq_run_document_write(store, key, manifest, err);
}

enum mq_status
mq_current_run_begin(struct mq_object_store *store, const char *region, struct mq_run *run,
                     struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    json_t *current = NULL;
    enum mq_status st = current_key(region, run, key, err);
    if (st == MQ_OK)
        st = mq_run_document_read(store, key, &current, err);
    if (st != MQ_OK)
        return st;
    const char *id = json_string_value(json_object_get(current, "run"));
    const char *what = json_string_value(json_object_get(current, "what"));
    const json_t *instant = json_object_get(current, "instant_s");
    if (id != NULL) {
        st = mark_dead(store, region, id, err);
        int64_t then = json_integer_value(instant);
        if (st == MQ_OK && what != NULL && strcmp(what, run->what) == 0 &&
            json_is_integer(instant) && then <= run->now_s &&
            run->now_s - then <= MQ_RESUME_SECONDS_MAX) {
            run->now_s = then;
            snprintf(run->resumed, sizeof(run->resumed), "%s", id);
            mq_log_info("taking up run %s, which did not end", id);
        }
    }
    json_decref(current);
    if (st != MQ_OK)
        return st;
    return mq_run_document_write(store, key,
                                 json_pack("{s:i, s:s, s:s, s:I}", "schema", MQ_RUN_SCHEMA, "run",
                                           run->id, "what", run->what, "instant_s",
                                           (json_int_t)run->now_s),
                                 err);
}

enum mq_status
mq_current_run_end(struct mq_object_store *store, const char *region, const struct mq_run *run,
                   struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    enum mq_status st = current_key(region, run, key, err);
    const char *keys[] = {key};
    return st == MQ_OK ? mq_object_delete(store, keys, 1, err) : st;
}
