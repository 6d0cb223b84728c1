#include "data/day_list.h"

#include <string.h>

#include "base/memory.h"
#include "format/json.h"
#include "store/json_object.h"

/* Where a date stands, or would stand. */
static size_t
place_of(const char *days, size_t count, size_t size, const char *date)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(days + middle * size, date) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const void *
mq_day_find(const void *days, size_t count, size_t size, const char *date)
{
    size_t at = place_of(days, count, size, date);
    const char *day = (const char *)days + at * size;
    return at < count && strcmp(day, date) == 0 ? day : NULL;
}

enum mq_status
mq_day_set(void *days, size_t *count, size_t *capacity, size_t size, const void *day,
           struct mq_error *err)
{
    char *list;
    memcpy(&list, days, sizeof(list));
    size_t at = place_of(list, *count, size, day);
    if (at < *count && strcmp(list + at * size, day) == 0) {
        memcpy(list + at * size, day, size);
        return MQ_OK;
    }
    enum mq_status st = mq_grow(days, capacity, *count + 1, size, err);
    if (st != MQ_OK)
        return st;
    memcpy(&list, days, sizeof(list));
    memmove(list + (at + 1) * size, list + at * size, (*count - at) * size);
    memcpy(list + at * size, day, size);
    ++*count;
    return MQ_OK;
}

enum mq_status
mq_day_text(const json_t *json, const char *name, char *ret_text, size_t size, bool may_be_empty,
            struct mq_error *err)
{
    const char *text;
    enum mq_status st = mq_json_need_text(json, name, &text, err);
    if (st != MQ_OK)
        return st;
    size_t n = strlen(text);
    if (n != size - 1 && !(may_be_empty && n == 0))
        return mq_fail(err, MQ_E_FORMAT, "'%s' is '%.80s'", name, text);
    memcpy(ret_text, text, n + 1);
    return MQ_OK;
}

/* ---- the document ----------------------------------------------------------------------- */

static enum mq_status
parse_document(const json_t *root, int known, int version, mq_day_parse_fn parse, void *list,
               struct mq_error *err)
{
    int64_t schema, written = 0;
    const json_t *days = json_object_get(root, "days"), *day;
    size_t i;
    enum mq_status st = mq_json_need_int(root, "schema", &schema, err);
    if (st == MQ_OK && schema > known)
        return mq_fail(err, MQ_E_UNSUPPORTED, "it has schema %lld (known: %d)", (long long)schema,
                       known);
    if (st == MQ_OK)
        st = mq_json_need_int(root, "version", &written, err);
    if (st == MQ_OK && !json_is_array(days))
        return mq_fail(err, MQ_E_FORMAT, "it has no list of days");
    json_array_foreach(days, i, day)
    {
        if (st == MQ_OK && written == version)
            st = parse(list, day, err);
    }
    return st;
}

enum mq_status
mq_day_list_read(struct mq_object_store *store, const char *region, enum mq_artifact artifact,
                 int version, mq_day_parse_fn parse, void *list, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_error own = {0};
    struct mq_reader *reader;
    mq_autojson json_t *root = NULL;
    enum mq_status st = mq_artifact_key(region, artifact, MQ_PROGRAM_MOVIE, key, err);
    if (st != MQ_OK)
        return st;
    st = mq_object_reader(store, key, &reader, &own);
    if (st == MQ_E_NOT_FOUND)
        return MQ_OK;
    if (st == MQ_OK) {
        st = mq_json_read(reader, MQ_DAY_LIST_BYTES_MAX, &root, &own);
        mq_reader_close(reader);
        if (st == MQ_OK)
            st = parse_document(root, mq_artifact_info(artifact)->schema_version, version, parse,
                                list, &own);
        if (st != MQ_OK && strstr(own.message, key) == NULL)
            mq_fail_context(&own, st, "cannot read '%s/%s'", mq_object_store_uri(store), key);
    }
    if (st != MQ_OK && err != NULL)
        *err = own;
    return mq_artifact_damaged(artifact, st, err);
}

enum mq_status
mq_day_list_write(struct mq_object_store *store, const char *region, enum mq_artifact artifact,
                  int version, json_t *days, struct mq_error *err)
{
    mq_autojson json_t *root =
        json_pack("{s:i, s:i, s:o}", "schema", mq_artifact_info(artifact)->schema_version,
                  "version", version, "days", days);
    char key[MQ_OBJECT_KEY_MAX];
    enum mq_status st = mq_artifact_key(region, artifact, MQ_PROGRAM_MOVIE, key, err);
    return st == MQ_OK ? mq_object_put_json(store, key, root, MQ_JSON_COMPACT,
                                            MQ_DAY_LIST_BYTES_MAX, MQ_PUT_ALWAYS, NULL, NULL, err)
                       : st;
}
