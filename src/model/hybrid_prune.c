#include "model/hybrid_prune.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cancel.h"
#include "base/log.h"
#include "base/memory.h"

const char *
mq_prune_verdict_name(enum mq_prune_verdict verdict)
{
    switch (verdict) {
    case MQ_PRUNE_SERVES:
        return "serves";
    case MQ_PRUNE_PREVIOUS:
        return "served before";
    case MQ_PRUNE_CANDIDATE:
        return "candidate";
    case MQ_PRUNE_NEWEST:
        return "among the newest";
    case MQ_PRUNE_UNREAD:
        return "cannot be read";
    case MQ_PRUNE_YOUNG:
        return "incomplete, younger than a day";
    default:
        return "goes";
    }
}

void
mq_prune_report_release(struct mq_prune_report *report)
{
    free(report->folders);
    *report = (struct mq_prune_report){0};
}

/* ---- what is there ----------------------------------------------------------------------- */

/* Files come by version, so those of a folder follow each other. */
static enum mq_status
visit(void *context, const char *version, const char *file, const struct mq_object_info *info,
      struct mq_error *err)
{
    struct mq_prune_report *r = context;
    if (r->count == 0 || strcmp(r->folders[r->count - 1].version, version) != 0) {
        enum mq_status st =
            mq_grow(&r->folders, &r->capacity, r->count + 1, sizeof(*r->folders), err);
        if (st != MQ_OK)
            return st;
        struct mq_prune_folder *added = &r->folders[r->count++];
        *added = (struct mq_prune_folder){0};
        snprintf(added->version, sizeof(added->version), "%s", version);
    }
    struct mq_prune_folder *folder = &r->folders[r->count - 1];
    folder->objects++;
    folder->bytes += info->size_bytes;
    folder->modified_ms = MQ_MAX(folder->modified_ms, info->modified_ms);
    folder->whole |= strcmp(file, MQ_HYBRID_MODEL_JSON) == 0;
    return MQ_OK;
}

/* Newest first; what is incomplete last, by name. */
static int
compare_folders(const void *a, const void *b)
{
    const struct mq_prune_folder *x = a, *y = b;
    if (x->whole != y->whole)
        return x->whole ? -1 : 1;
    if (x->made_s != y->made_s)
        return x->made_s < y->made_s ? 1 : -1;
    return strcmp(y->version, x->version);
}

static enum mq_status
list_folders(struct mq_object_store *store, const char *region, struct mq_prune_report *ret_report,
             struct mq_error *err)
{
    struct mq_prune_report report = {0};
    enum mq_status st = mq_hybrid_each_file(store, region, visit, &report, err);
    if (st != MQ_OK) {
        mq_prune_report_release(&report);
        return st;
    }
    for (size_t i = 0; i < report.count; i++) {
        struct mq_prune_folder *folder = &report.folders[i];
        struct mq_error error = {0};
        json_t *model = NULL;
        if (!folder->whole)
            continue;
        if (mq_hybrid_describe(store, region, folder->version, &model, &error) == MQ_OK) {
            folder->made_s = json_integer_value(json_object_get(model, "made_s"));
        } else {
            folder->verdict = MQ_PRUNE_UNREAD;
            mq_log_warn("model '%s' is left alone: %s", folder->version, error.message);
        }
        json_decref(model);
    }
    if (report.count > 1)
        qsort(report.folders, report.count, sizeof(*report.folders), compare_folders);
    *ret_report = report;
    return MQ_OK;
}

/* ---- what may go ------------------------------------------------------------------------- */

static void
judge(struct mq_prune_report *report, const struct mq_prune_options *options, const char *current,
      const char *previous)
{
    int64_t place = 0;
    for (size_t i = 0; i < report->count; i++) {
        struct mq_prune_folder *f = &report->folders[i];
        bool unread = f->verdict == MQ_PRUNE_UNREAD;
        int64_t age_s = options->now_s - f->modified_ms / 1000;
        bool among_newest = f->whole && !unread && place++ < options->keep;
        if (strcmp(f->version, current) == 0)
            f->verdict = MQ_PRUNE_SERVES;
        else if (strcmp(f->version, previous) == 0 && f->whole)
            f->verdict = MQ_PRUNE_PREVIOUS;
        else if (unread)
            continue;
        else if (f->whole && options->candidate != NULL &&
                 strcmp(f->version, options->candidate) == 0)
            f->verdict = MQ_PRUNE_CANDIDATE;
        else if (among_newest)
            f->verdict = MQ_PRUNE_NEWEST;
        else if (!f->whole && age_s < MQ_HYBRID_INCOMPLETE_AGE_S)
            f->verdict = MQ_PRUNE_YOUNG;
    }
}

/* ---- removal ----------------------------------------------------------------------------- */

/* From here on it is no model, unless the pointer turns out to have come to it meanwhile. */
static enum mq_status
retire(struct mq_object_store *store, const char *region, struct mq_prune_folder *folder,
       struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    const char *keys[] = {key};
    struct mq_hybrid_pointer now = {0};
    struct mq_buffer model;
    mq_buffer_init(&model, MQ_HYBRID_MODEL_MAX_BYTES);
    enum mq_status st = mq_hybrid_key(region, folder->version, MQ_HYBRID_MODEL_JSON, key, err);
    if (st == MQ_OK && folder->whole)
        st = mq_object_get(store, key, &model, err);
    if (st == MQ_OK)
        st = mq_object_delete(store, keys, 1, err);
    if (st == MQ_OK)
        st = mq_hybrid_pointer_read(store, region, &now, err);
    bool serves = st == MQ_OK && strcmp(now.version, folder->version) == 0;
    /* Where the pointer cannot be read, nobody knows: better keep the model. */
    if ((serves || st != MQ_OK) && model.size > 0) {
        struct mq_error error = {0};
        if (mq_object_put(store, key, model.data, model.size, MQ_PUT_ALWAYS, NULL, NULL, &error) !=
                MQ_OK &&
            st == MQ_OK)
            st = mq_fail(err, error.code, "%s", error.message);
    }
    if (serves)
        folder->verdict = MQ_PRUNE_SERVES;
    mq_hybrid_pointer_release(&now);
    mq_buffer_release(&model);
    return st;
}

enum mq_status
mq_hybrid_prune(struct mq_object_store *store, const char *region,
                const struct mq_prune_options *options, struct mq_prune_report *ret_report,
                struct mq_error *err)
{
    struct mq_hybrid_pointer pointer = {0};
    char previous[MQ_HYBRID_VERSION_SIZE];
    enum mq_status st = mq_hybrid_pointer_read(store, region, &pointer, err);
    if (st == MQ_OK)
        st = list_folders(store, region, ret_report, err);
    if (st == MQ_OK) {
        mq_hybrid_pointer_previous(&pointer, previous);
        judge(ret_report, options, pointer.version, previous);
    }
    mq_hybrid_pointer_release(&pointer);
    for (size_t i = 0; st == MQ_OK && !options->dry_run && i < ret_report->count; i++) {
        struct mq_prune_folder *folder = &ret_report->folders[i];
        if (folder->verdict != MQ_PRUNE_GOES)
            continue;
        st = mq_cancel_check(err);
        if (st == MQ_OK)
            st = retire(store, region, folder, err);
        if (st == MQ_OK && folder->verdict == MQ_PRUNE_GOES) {
            st = mq_hybrid_delete(store, region, folder->version, err);
            folder->removed = st == MQ_OK;
        }
    }
    return st;
}
