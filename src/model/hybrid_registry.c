#include "model/hybrid_registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/json_object.h"

#define POINTER_MAX_BYTES ((size_t)1 << 20)

static enum mq_status
pointer_key(const char *region, char ret_key[MQ_OBJECT_KEY_MAX], struct mq_error *err)
{
    int n = snprintf(ret_key, MQ_OBJECT_KEY_MAX, "%s/" MQ_HYBRID_PREFIX "current.json", region);
    return n < MQ_OBJECT_KEY_MAX ? MQ_OK
                                 : mq_fail(err, MQ_E_RANGE, "region '%s' is too long", region);
}

void
mq_hybrid_pointer_release(struct mq_hybrid_pointer *pointer)
{
    json_decref(pointer->history);
    *pointer = (struct mq_hybrid_pointer){0};
}

static enum mq_status
parse_pointer(const struct mq_buffer *text, const char *key, struct mq_hybrid_pointer *pointer,
              struct mq_error *err)
{
    mq_autojson json_t *root = NULL;
    const char *version;
    enum mq_status st = mq_json_parse(text->data, text->size, key, &root, err);
    if (st == MQ_OK)
        st = mq_json_need_text(root, "version", &version, err);
    if (st == MQ_OK && !mq_hybrid_version_is_valid(version))
        st = mq_fail(err, MQ_E_FORMAT, "version is '%.64s'", version);
    json_t *history = st == MQ_OK ? json_object_get(root, "history") : NULL;
    if (st == MQ_OK && !json_is_array(history))
        st = mq_fail(err, MQ_E_FORMAT, "history is no array");
    if (st != MQ_OK) {
        st = mq_fail_context(err, st, "cannot read '%s'", key);
        mq_error_hint(err, "point it to a model anew: marquee models promote VERSION");
        return st;
    }
    snprintf(pointer->version, sizeof(pointer->version), "%s", version);
    pointer->history = json_incref(history);
    return MQ_OK;
}

enum mq_status
mq_hybrid_pointer_read(struct mq_object_store *store, const char *region,
                       struct mq_hybrid_pointer *ret_pointer, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_hybrid_pointer pointer = {0};
    struct mq_object_info info = {0};
    struct mq_buffer text;
    mq_buffer_init(&text, POINTER_MAX_BYTES);
    enum mq_status st = pointer_key(region, key, err);
    /* The tag first: if the pointer moves in between, a later move by the tag fails, as it should.
     */
    if (st == MQ_OK)
        st = mq_object_stat(store, key, &info, err);
    if (st == MQ_OK)
        st = mq_object_get(store, key, &text, err);
    if (st == MQ_E_NOT_FOUND) {
        pointer.history = json_array();
        st = pointer.history != NULL ? MQ_OK : mq_fail(err, MQ_E_NOMEM, "no memory for a pointer");
    } else if (st == MQ_OK) {
        memcpy(pointer.etag, info.etag, sizeof(pointer.etag));
        st = parse_pointer(&text, key, &pointer, err);
    }
    mq_buffer_release(&text);
    if (st == MQ_OK)
        *ret_pointer = pointer;
    else
        mq_hybrid_pointer_release(&pointer);
    return st;
}

enum mq_status
mq_hybrid_pointer_renew(struct mq_object_store *store, const char *region,
                        struct mq_hybrid_pointer *ret_pointer, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_object_info info = {0};
    enum mq_status st = pointer_key(region, key, err);
    if (st == MQ_OK)
        st = mq_object_stat(store, key, &info, err);
    if (st != MQ_OK)
        return st;
    json_t *history = json_array();
    if (history == NULL)
        return mq_fail(err, MQ_E_NOMEM, "no memory for a pointer");
    *ret_pointer = (struct mq_hybrid_pointer){.history = history};
    memcpy(ret_pointer->etag, info.etag, sizeof(info.etag));
    return MQ_OK;
}

static json_t *
entry_of(const struct mq_hybrid_move *move)
{
    char at[MQ_INSTANT_SIZE];
    mq_instant_format(move->at_s, at);
    json_t *entry =
        json_pack("{s:s, s:s, s:s}", "version", move->version, "at", at, "by", move->by);
    if (entry != NULL && move->run != NULL)
        json_object_set_new(entry, "run", json_string(move->run));
    if (entry != NULL && move->reason != NULL)
        json_object_set_new(entry, "reason", json_string(move->reason));
    return entry;
}

static enum mq_status
moved_meanwhile(struct mq_object_store *store, const char *region, const char *version,
                struct mq_error *err)
{
    struct mq_hybrid_pointer now = {0};
    enum mq_status st = mq_hybrid_pointer_read(store, region, &now, err);
    if (st == MQ_OK && strcmp(now.version, version) == 0) {
        st = mq_fail(err, MQ_E_CONFLICT,
                     "model '%s' serves already: somebody else deployed it "
                     "meanwhile",
                     version);
    } else if (st == MQ_OK) {
        st = mq_fail(err, MQ_E_CONFLICT,
                     "model '%s' was not deployed: somebody else deployed '%s' meanwhile", version,
                     now.version);
        mq_error_hint(err,
                      "look at it (marquee models show %s) and deploy again if yours is to "
                      "serve: marquee models promote %s",
                      now.version, version);
    }
    mq_hybrid_pointer_release(&now);
    return st;
}

static enum mq_status
write_pointer(struct mq_object_store *store, const char *key, const char *version, json_t *history,
              const char *etag, struct mq_object_info *ret_info, struct mq_error *err)
{
    mq_autojson json_t *root = json_pack("{s:s, s:O}", "version", version, "history", history);
    return mq_object_put_json(store, key, root, MQ_JSON_INDENTED, 0,
                              etag != NULL ? MQ_PUT_IF_MATCH : MQ_PUT_IF_ABSENT, etag, ret_info,
                              err);
}

/* Pruned between the look at it and the move (model/hybrid_prune.h): back, if nobody moved on. */
static enum mq_status
pruned_meanwhile(struct mq_object_store *store, const char *key,
                 const struct mq_hybrid_pointer *before, const struct mq_hybrid_move *move,
                 const char *etag, struct mq_error *err)
{
    struct mq_object_info info;
    enum mq_status st =
        before->version[0] != '\0'
            ? write_pointer(store, key, before->version, before->history, etag, &info, err)
            : mq_object_delete(store, &key, 1, err);
    if (st != MQ_OK && st != MQ_E_CONFLICT)
        return st;
    return mq_fail(err, MQ_E_CONFLICT, "model '%s' was removed while it was to be deployed",
                   move->version);
}

enum mq_status
mq_hybrid_pointer_move(struct mq_object_store *store, const char *region,
                       struct mq_hybrid_pointer *pointer, const struct mq_hybrid_move *move,
                       struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_object_info info;
    enum mq_status st = mq_hybrid_verify(store, region, move->version, err);
    if (st == MQ_E_FORMAT)
        mq_error_hint(err, "nothing was changed; choose another: marquee models promote VERSION");
    if (st == MQ_OK)
        st = pointer_key(region, key, err);
    if (st != MQ_OK)
        return st;
    mq_autojson json_t *history = json_pack("[o]", entry_of(move));
    size_t i;
    json_t *before;
    json_array_foreach(pointer->history, i, before)
    {
        if (i + 1 < MQ_HYBRID_HISTORY_MAX)
            json_array_append(history, before);
    }
    st = write_pointer(store, key, move->version, history,
                       pointer->etag[0] != '\0' ? pointer->etag : NULL, &info, err);
    if (st == MQ_E_CONFLICT || st == MQ_E_EXISTS)
        return moved_meanwhile(store, region, move->version, err);
    if (st != MQ_OK)
        return st;
    json_t *model = NULL;
    st = mq_hybrid_describe(store, region, move->version, &model, NULL);
    json_decref(model);
    if (st == MQ_E_NOT_FOUND)
        return pruned_meanwhile(store, key, pointer, move, info.etag, err);
    mq_hybrid_pointer_release(pointer);
    pointer->history = json_incref(history);
    memcpy(pointer->etag, info.etag, sizeof(pointer->etag));
    snprintf(pointer->version, sizeof(pointer->version), "%s", move->version);
    return MQ_OK;
}

void
mq_hybrid_pointer_previous(const struct mq_hybrid_pointer *pointer,
                           char ret_version[MQ_HYBRID_VERSION_SIZE])
{
    size_t i;
    json_t *entry;
    ret_version[0] = '\0';
    json_array_foreach(pointer->history, i, entry)
    {
        const char *version = json_string_value(json_object_get(entry, "version"));
        if (version != NULL && strcmp(version, pointer->version) != 0 &&
            mq_hybrid_version_is_valid(version)) {
            snprintf(ret_version, MQ_HYBRID_VERSION_SIZE, "%s", version);
            return;
        }
    }
}

/* ---- listing ----------------------------------------------------------------------------- */

/* A version with a model.json is a model. */
static enum mq_status
visit(void *context, const char *version, const char *file, const struct mq_object_info *info,
      struct mq_error *err)
{
    struct mq_hybrid_list *list = context;
    (void)info;
    if (strcmp(file, MQ_HYBRID_MODEL_JSON) != 0)
        return MQ_OK;
    enum mq_status st =
        mq_grow(&list->entries, &list->capacity, list->count + 1, sizeof(*list->entries), err);
    if (st == MQ_OK) {
        struct mq_hybrid_entry *entry = &list->entries[list->count++];
        *entry = (struct mq_hybrid_entry){0};
        snprintf(entry->version, sizeof(entry->version), "%s", version);
    }
    return st;
}

/* What model.json says. @return false: it cannot be read */
static bool
describe(struct mq_object_store *store, const char *region, struct mq_hybrid_entry *entry)
{
    struct mq_error error = {0};
    if (mq_hybrid_peek(store, region, entry->version, &entry->model, &entry->form, &error) !=
        MQ_OK) {
        mq_log_warn("model '%s' is passed over: %s", entry->version, error.message);
        return false;
    }
    entry->made_s = json_integer_value(json_object_get(entry->model, "made_s"));
    const char *name;
    json_t *file;
    json_object_foreach(json_object_get(entry->model, "files"), name, file) entry->bytes +=
        json_integer_value(json_object_get(file, "bytes"));
    return true;
}

static int
compare_entries(const void *a, const void *b)
{
    const struct mq_hybrid_entry *x = a, *y = b;
    if (x->made_s != y->made_s)
        return x->made_s < y->made_s ? 1 : -1;
    return strcmp(y->version, x->version);
}

enum mq_status
mq_hybrid_list_read(struct mq_object_store *store, const char *region,
                    struct mq_hybrid_list *ret_list, struct mq_error *err)
{
    struct mq_hybrid_list list = {0};
    enum mq_status st = mq_hybrid_each_file(store, region, visit, &list, err);
    if (st != MQ_OK) {
        mq_hybrid_list_release(&list);
        return st;
    }
    size_t kept = 0;
    for (size_t i = 0; i < list.count; i++)
        if (describe(store, region, &list.entries[i]))
            list.entries[kept++] = list.entries[i];
    list.count = kept;
    if (kept > 1)
        qsort(list.entries, kept, sizeof(*list.entries), compare_entries);
    *ret_list = list;
    return MQ_OK;
}

void
mq_hybrid_list_release(struct mq_hybrid_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        json_decref(list->entries[i].model);
    free(list->entries);
    *list = (struct mq_hybrid_list){0};
}
