#include "data/bronze_merges.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "format/json.h"

#define MERGES_VERSION 1
/* Of indexes that do not say. */
#define LEVEL_UNSAID 6

void
mq_bronze_merges_release(struct mq_bronze_merges *merges)
{
    for (size_t i = 0; i < merges->count; i++)
        free(merges->merges[i].name);
    free(merges->merges);
    mq_strmap_release(&merges->parts);
    *merges = (struct mq_bronze_merges){0};
}

enum mq_status
mq_bronze_merges_add(struct mq_bronze_merges *merges, const char *name, int level,
                     struct mq_error *err)
{
    enum mq_status st = mq_grow(&merges->merges, &merges->capacity, merges->count + 1,
                                sizeof(*merges->merges), err);
    char *copy = st == MQ_OK ? mq_strdup(name) : NULL;
    if (st == MQ_OK && copy == NULL)
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a name");
    if (st == MQ_OK)
        merges->merges[merges->count++] =
            (struct mq_bronze_merge){.name = copy,
                                     .level = level,
                                     .part_begin = merges->parts.count,
                                     .part_end = merges->parts.count};
    return st;
}

enum mq_status
mq_bronze_merges_add_part(struct mq_bronze_merges *merges, const char *name, struct mq_error *err)
{
    if (mq_strmap_find_text(&merges->parts, name) >= 0)
        return mq_fail(err, MQ_E_EXISTS, "'%s' is part of two merges", name);
    int32_t code;
    enum mq_status st = mq_strmap_add_text(&merges->parts, name, &code, err);
    if (st == MQ_OK)
        merges->merges[merges->count - 1].part_end = code + 1;
    return st;
}

enum mq_status
mq_bronze_merges_keep(struct mq_bronze_merges *merges, const bool *keep, const bool *keep_part,
                      struct mq_error *err)
{
    struct mq_bronze_merges kept = {0};
    enum mq_status st = MQ_OK;
    for (size_t i = 0; st == MQ_OK && i < merges->count; i++) {
        const struct mq_bronze_merge *merge = &merges->merges[i];
        if (!keep[i])
            continue;
        st = mq_bronze_merges_add(&kept, merge->name, merge->level, err);
        for (int32_t p = merge->part_begin; st == MQ_OK && p < merge->part_end; p++)
            if (keep_part[p])
                st = mq_bronze_merges_add_part(&kept, merges->parts.keys[p], err);
        if (st != MQ_OK)
            break;
        struct mq_bronze_merge *copy = &kept.merges[kept.count - 1];
        copy->done = merge->done;
        copy->lines = merge->lines;
        copy->bytes = merge->bytes;
        memcpy(copy->sha256, merge->sha256, sizeof(copy->sha256));
    }
    if (st != MQ_OK) {
        mq_bronze_merges_release(&kept);
        return st;
    }
    memcpy(kept.etag, merges->etag, sizeof(kept.etag));
    mq_bronze_merges_release(merges);
    *merges = kept;
    return MQ_OK;
}

/* ---- names ------------------------------------------------------------------------------ */

void
mq_bronze_merged_name(const char *topic, int32_t partition, int64_t first, int64_t last,
                      char ret_name[MQ_BRONZE_MERGED_NAME_MAX])
{
    snprintf(ret_name, MQ_BRONZE_MERGED_NAME_MAX,
             "%s-%d-%020" PRId64 "-to-%020" PRId64 MQ_BRONZE_SUFFIX, topic, partition, first, last);
}

bool
mq_bronze_merged_name_parse(const char *name, char ret_topic[MQ_TOPIC_NAME_MAX + 1],
                            int32_t *ret_partition, int64_t *ret_first, int64_t *ret_last)
{
    char head[MQ_BRONZE_MERGED_NAME_MAX], again[MQ_BRONZE_MERGED_NAME_MAX];
    const size_t tail = strlen("-to-") + 20 + strlen(MQ_BRONZE_SUFFIX);
    size_t size = strlen(name);
    if (size <= tail || size >= sizeof(head))
        return false;
    memcpy(head, name, size - tail);
    head[size - tail] = '\0';
    if (!mq_bronze_name_parse(head, "", ret_topic, ret_partition, ret_first))
        return false;
    *ret_last = strtoll(name + size - tail + strlen("-to-"), NULL, 10);
    mq_bronze_merged_name(ret_topic, *ret_partition, *ret_first, *ret_last, again);
    return strcmp(name, again) == 0;
}

const struct mq_bronze_merge *
mq_bronze_merge_of(const struct mq_bronze_merges *merges, const char *name)
{
    int32_t code = mq_strmap_find_text(&merges->parts, name);
    for (size_t i = 0; code >= 0 && i < merges->count; i++)
        if (code >= merges->merges[i].part_begin && code < merges->merges[i].part_end)
            return &merges->merges[i];
    return NULL;
}

const struct mq_bronze_merge *
mq_bronze_merge_named(const struct mq_bronze_merges *merges, const char *name)
{
    for (size_t i = 0; i < merges->count; i++)
        if (strcmp(merges->merges[i].name, name) == 0)
            return &merges->merges[i];
    return NULL;
}

static enum mq_status
index_key(const char *region, const char *date, char ret_key[MQ_OBJECT_KEY_MAX],
          struct mq_error *err)
{
    int n = snprintf(ret_key, MQ_OBJECT_KEY_MAX, "%s/bronze/merges/dt=%s.json", region, date);
    return n < MQ_OBJECT_KEY_MAX ? MQ_OK
                                 : mq_fail(err, MQ_E_RANGE, "region '%.64s…' is too long", region);
}

static enum mq_status
parse_merge(const json_t *json, struct mq_bronze_merges *merges, struct mq_error *err)
{
    const char *name, *digest;
    int64_t lines = 0, bytes = 0;
    enum mq_status st = mq_json_need_text(json, "name", &name, err);
    if (st == MQ_OK)
        st = mq_json_need_text(json, "sha256", &digest, err);
    if (st == MQ_OK)
        st = mq_json_need_int(json, "lines", &lines, err);
    if (st == MQ_OK)
        st = mq_json_need_int(json, "bytes", &bytes, err);
    if (st == MQ_OK && strlen(digest) >= MQ_SHA256_HEX_SIZE)
        st = mq_fail(err, MQ_E_FORMAT, "'%s' is no SHA-256", digest);
    const json_t *level = json_object_get(json, "level");
    if (st == MQ_OK && level != NULL &&
        (!json_is_integer(level) || json_integer_value(level) < 1 || json_integer_value(level) > 9))
        st = mq_fail(err, MQ_E_FORMAT, "'level' of '%s' is no number from 1 to 9", name);
    if (st == MQ_OK)
        st = mq_bronze_merges_add(
            merges, name, level != NULL ? (int)json_integer_value(level) : LEVEL_UNSAID, err);
    if (st != MQ_OK)
        return st;
    struct mq_bronze_merge *merge = &merges->merges[merges->count - 1];
    merge->done = json_is_true(json_object_get(json, "done"));
    merge->lines = lines;
    merge->bytes = bytes;
    memcpy(merge->sha256, digest, strlen(digest) + 1);
    size_t i;
    const json_t *part;
    json_array_foreach(json_object_get(json, "parts"), i, part)
    {
        if (!json_is_string(part))
            return mq_fail(err, MQ_E_FORMAT, "a part of '%s' is no text", name);
        st = mq_bronze_merges_add_part(merges, json_string_value(part), err);
        if (st == MQ_E_EXISTS)
            st = mq_fail(err, MQ_E_FORMAT, "'%s' is part of two merges", json_string_value(part));
        if (st != MQ_OK)
            return st;
    }
    return MQ_OK;
}

static enum mq_status
parse_merges(const struct mq_buffer *text, const char *key, struct mq_bronze_merges *merges,
             struct mq_error *err)
{
    mq_autojson json_t *root = NULL;
    int64_t version;
    enum mq_status st = mq_json_parse(text->data, text->size, key, &root, err);
    if (st == MQ_E_RANGE)
        return mq_fail(err, MQ_E_FORMAT, "it is nested too deep");
    if (st == MQ_OK)
        st = mq_json_need_int(root, "version", &version, err);
    if (st == MQ_OK && version != MERGES_VERSION)
        st = mq_fail(err, MQ_E_UNSUPPORTED, "cannot read '%s': version %lld (known: %d)", key,
                     (long long)version, MERGES_VERSION);
    size_t i;
    const json_t *merge;
    json_array_foreach(json_object_get(root, "merges"), i, merge)
    {
        if (st == MQ_OK)
            st = parse_merge(merge, merges, err);
    }
    return st;
}

enum mq_status
mq_bronze_merges_read(struct mq_object_store *store, const char *region, const char *date,
                      struct mq_bronze_merges *ret_merges, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_object_info info;
    struct mq_bronze_merges merges = {0};
    struct mq_buffer text;
    mq_buffer_init(&text, MQ_BRONZE_MERGES_MAX_BYTES);
    enum mq_status st = index_key(region, date, key, err);
    /* The ETag first: a change in between shows as a conflict when it is written. */
    if (st == MQ_OK)
        st = mq_object_stat(store, key, &info, err);
    bool missing = st == MQ_E_NOT_FOUND;
    if (st == MQ_OK)
        st = mq_object_get(store, key, &text, err);
    if (st == MQ_OK)
        st = parse_merges(&text, key, &merges, err);
    mq_buffer_release(&text);
    if (missing)
        return MQ_OK;
    if (st == MQ_E_FORMAT) {
        st = mq_fail_context(err, st, "cannot read the index of merges '%s'", key);
        mq_error_hint(err, "what makes it anew: `marquee bronze compact --date %s`", date);
    }
    if (st != MQ_OK) {
        mq_bronze_merges_release(&merges);
        return st;
    }
    memcpy(merges.etag, info.etag, sizeof(merges.etag));
    *ret_merges = merges;
    return MQ_OK;
}

enum mq_status
mq_bronze_merges_begin_anew(struct mq_object_store *store, const char *region, const char *date,
                            struct mq_bronze_merges *ret_merges, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_object_info info;
    enum mq_status st = index_key(region, date, key, err);
    if (st == MQ_OK)
        st = mq_object_stat(store, key, &info, err);
    if (st != MQ_OK)
        return st;
    *ret_merges = (struct mq_bronze_merges){0};
    memcpy(ret_merges->etag, info.etag, sizeof(ret_merges->etag));
    return MQ_OK;
}

static json_t *
merge_json(const struct mq_bronze_merges *merges, const struct mq_bronze_merge *merge)
{
    json_t *parts = json_array();
    for (int32_t p = merge->part_begin; parts != NULL && p < merge->part_end; p++)
        json_array_append_new(parts, json_string(merges->parts.keys[p]));
    return json_pack("{s:s, s:b, s:i, s:I, s:I, s:s, s:o}", "name", merge->name, "done",
                     (int)merge->done, "level", merge->level, "lines", (json_int_t)merge->lines,
                     "bytes", (json_int_t)merge->bytes, "sha256", merge->sha256, "parts", parts);
}

enum mq_status
mq_bronze_merges_write(struct mq_object_store *store, const char *region, const char *date,
                       struct mq_bronze_merges *merges, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    enum mq_status st = index_key(region, date, key, err);
    mq_autojson json_t *root = json_pack("{s:i, s:[]}", "version", MERGES_VERSION, "merges");
    json_t *list = json_object_get(root, "merges");
    bool ok = list != NULL;
    for (size_t i = 0; ok && i < merges->count; i++)
        ok = json_array_append_new(list, merge_json(merges, &merges->merges[i])) == 0;
    if (st == MQ_OK && !ok)
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate an index of merges");
    struct mq_buffer text;
    mq_buffer_init(&text, MQ_BRONZE_MERGES_MAX_BYTES);
    if (st == MQ_OK)
        st = mq_json_dump(root, MQ_JSON_COMPACT, &text, err);
    struct mq_object_info info;
    bool first = merges->etag[0] == '\0';
    if (st == MQ_OK)
        st = mq_object_put(store, key, text.data, text.size,
                           first ? MQ_PUT_IF_ABSENT : MQ_PUT_IF_MATCH, first ? NULL : merges->etag,
                           &info, err);
    if (st == MQ_E_EXISTS)
        st = MQ_E_CONFLICT;
    if (st == MQ_E_CONFLICT) {
        mq_fail(err, st, "somebody else works on the merges of %s", date);
        mq_error_hint(err, "let one compaction of a day finish before the next begins");
    }
    if (st == MQ_OK)
        memcpy(merges->etag, info.etag, sizeof(merges->etag));
    mq_buffer_release(&text);
    return st;
}

enum mq_status
mq_bronze_is_merged(struct mq_object_store *store, const char *region,
                    const struct mq_bronze_object *object, const char *key, bool *ret_merged,
                    struct mq_error *err)
{
    *ret_merged = false;
    if (object->kind != MQ_BRONZE_EVENTS)
        return MQ_OK; /* compaction merges no others */
    struct mq_bronze_merges merges = {0};
    enum mq_status st = mq_bronze_merges_read(store, region, object->date, &merges, err);
    if (st != MQ_OK)
        return st;
    const struct mq_bronze_merge *merge = mq_bronze_merge_of(&merges, strrchr(key, '/') + 1);
    *ret_merged = merge != NULL && merge->done;
    mq_bronze_merges_release(&merges);
    return MQ_OK;
}
