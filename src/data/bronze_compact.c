#include "data/bronze_compact.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/memory.h"
#include "data/bronze_merges.h"
#include "format/gzip_stream.h"

#define COPY_BYTES ((size_t)128 << 10)
#define SUFFIX ".jsonl.gz"

struct small_object {
    char *name; /* owned */
    char topic[MQ_TOPIC_NAME_MAX + 1];
    int32_t partition;
    int64_t first, bytes;
};

struct compacting {
    struct mq_object_store *store;
    const char *region, *date;
    const struct mq_compact_options *options;
    char prefix[MQ_OBJECT_KEY_MAX];
    struct mq_bronze_merges merges;
    struct small_object *objects; /* not part of a merge; by topic, partition, first */
    size_t count, capacity;
    char **leftovers; /* keys, owned */
    size_t leftover_count, leftover_capacity;
    struct mq_compact_figures figures;
};

static enum mq_status
key_of(const struct compacting *c, const char *name, char ret_key[MQ_OBJECT_KEY_MAX],
       struct mq_error *err)
{
    int n = snprintf(ret_key, MQ_OBJECT_KEY_MAX, "%s%s", c->prefix, name);
    return n < MQ_OBJECT_KEY_MAX ? MQ_OK : mq_fail(err, MQ_E_RANGE, "'%s' is too long", name);
}

static enum mq_status
note(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    struct compacting *c = context;
    struct small_object object = {.bytes = info->size_bytes};
    const char *name = key + strlen(c->prefix);
    const struct mq_bronze_merge *part_of = mq_bronze_merge_of(&c->merges, name);
    c->figures.before++;
    if (part_of != NULL && part_of->done) {
        enum mq_status st = mq_grow(&c->leftovers, &c->leftover_capacity, c->leftover_count + 1,
                                    sizeof(*c->leftovers), err);
        if (st == MQ_OK && (c->leftovers[c->leftover_count] = mq_strdup(key)) != NULL)
            c->leftover_count++;
        return st;
    }
    if (part_of != NULL || mq_bronze_merge_named(&c->merges, name) != NULL ||
        !mq_bronze_name_parse(name, SUFFIX, object.topic, &object.partition, &object.first))
        return MQ_OK;
    enum mq_status st = mq_grow(&c->objects, &c->capacity, c->count + 1, sizeof(*c->objects), err);
    object.name = st == MQ_OK ? mq_strdup(name) : NULL;
    if (st == MQ_OK && object.name == NULL)
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a name");
    if (st == MQ_OK)
        c->objects[c->count++] = object;
    return st;
}

static int
compare_objects(const void *a, const void *b)
{
    const struct small_object *x = a, *y = b;
    int order = strcmp(x->topic, y->topic);
    if (order == 0)
        order = (x->partition > y->partition) - (x->partition < y->partition);
    return order != 0 ? order : (x->first > y->first) - (x->first < y->first);
}

/* ---- one merge -------------------------------------------------------------------------- */

/* Append a part's text, and count it. */
static enum mq_status
copy_part(struct compacting *c, const char *name, struct mq_writer *out, struct mq_sha256 *digest,
          struct mq_bronze_merge *merge, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_reader *raw = NULL, *text = NULL;
    mq_autofree char *bytes = malloc(COPY_BYTES);
    size_t n = 1;
    enum mq_status st = bytes != NULL ? key_of(c, name, key, err)
                                      : mq_fail(err, MQ_E_NOMEM, "cannot allocate a buffer");
    if (st == MQ_OK)
        st = mq_object_reader(c->store, key, &raw, err);
    if (st == MQ_OK)
        st = mq_gzip_reader(raw, &text, err);
    while (st == MQ_OK && n > 0) {
        st = mq_reader_some(text, bytes, COPY_BYTES, &n, err);
        if (st == MQ_OK)
            st = mq_sha256_add(digest, bytes, n, err);
        if (st == MQ_OK)
            st = mq_writer_put(out, bytes, n, err);
        if (st != MQ_OK)
            break;
        merge->bytes += (int64_t)n;
        for (size_t i = 0; i < n; i++)
            merge->lines += bytes[i] == '\n';
    }
    mq_reader_close(text);
    return st;
}

static enum mq_status
write_merged(struct compacting *c, struct mq_bronze_merge *merge, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_writer *sink = NULL, *out = NULL;
    struct mq_sha256 *digest = NULL;
    merge->lines = merge->bytes = 0;
    enum mq_status st = key_of(c, merge->name, key, err);
    if (st == MQ_OK)
        st = mq_sha256_new(&digest, err);
    if (st == MQ_OK)
        st = mq_object_writer(c->store, key, &sink, err);
    if (st == MQ_OK)
        st = mq_gzip_writer(sink, c->options->level, &out, err);
    for (int32_t p = merge->part_begin; st == MQ_OK && p < merge->part_end; p++) {
        st = copy_part(c, c->merges.parts.keys[p], out, digest, merge, err);
        if (st == MQ_OK)
            st = mq_cancel_check(err);
    }
    if (st == MQ_OK)
        st = mq_writer_commit(out, err);
    mq_writer_close(out);
    if (st == MQ_OK)
        st = mq_sha256_hex(digest, merge->sha256, err);
    mq_sha256_free(digest);
    return st;
}

static enum mq_status
delete_parts(struct compacting *c, const struct mq_bronze_merge *merge, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    for (int32_t p = merge->part_begin; st == MQ_OK && p < merge->part_end; p++) {
        char key[MQ_OBJECT_KEY_MAX];
        const char *keys[] = {key};
        st = key_of(c, c->merges.parts.keys[p], key, err);
        if (st == MQ_OK)
            st = mq_object_delete(c->store, keys, 1, err);
    }
    return st;
}

/* Write the objects of entered merges, one after the other, each made valid before its parts go. */
static enum mq_status
finish_merges(struct compacting *c, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    for (size_t m = 0; st == MQ_OK && m < c->merges.count; m++) {
        struct mq_bronze_merge *merge = &c->merges.merges[m];
        if (merge->done)
            continue;
        st = write_merged(c, merge, err);
        if (st != MQ_OK)
            break;
        merge->done = true;
        st = mq_bronze_merges_write(c->store, c->region, c->date, &c->merges, err);
        if (st == MQ_OK)
            st = delete_parts(c, merge, err);
        c->figures.merges++;
        c->figures.parts += merge->part_end - merge->part_begin;
        c->figures.lines += merge->lines;
    }
    return st;
}

/* ---- planning --------------------------------------------------------------------------- */

/* Enter objects [begin, end) of one partition as a merge. */
static enum mq_status
enter_merge(struct compacting *c, size_t begin, size_t end, struct mq_error *err)
{
    const struct small_object *first = &c->objects[begin], *last = &c->objects[end - 1];
    char name[MQ_OBJECT_KEY_MAX];
    snprintf(name, sizeof(name), "%s-%d-%020" PRId64 "-to-%020" PRId64 SUFFIX, first->topic,
             first->partition, first->first, last->first);
    enum mq_status st = mq_bronze_merges_add(&c->merges, name, err);
    for (size_t i = begin; st == MQ_OK && i < end; i++)
        st = mq_bronze_merges_add_part(&c->merges, c->objects[i].name, err);
    return st;
}

static enum mq_status
plan(struct compacting *c, bool *ret_changed, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    for (size_t i = 0, end; st == MQ_OK && i < c->count; i = end) {
        int64_t bytes = c->objects[i].bytes;
        for (end = i + 1; end < c->count && c->objects[end].partition == c->objects[i].partition &&
                          strcmp(c->objects[end].topic, c->objects[i].topic) == 0 &&
                          bytes + c->objects[end].bytes <= c->options->target_bytes;
             end++)
            bytes += c->objects[end].bytes;
        if (end - i < 2)
            continue;
        st = enter_merge(c, i, end, err);
        *ret_changed = true;
    }
    return st;
}

static enum mq_status
count_object(void *context, const char *key, const struct mq_object_info *info,
             struct mq_error *err)
{
    (void)key;
    (void)info;
    (void)err;
    ++*(int64_t *)context;
    return MQ_OK;
}

static enum mq_status
compact(struct compacting *c, struct mq_error *err)
{
    bool changed = false;
    enum mq_status st = mq_bronze_day_prefix(c->region, MQ_BRONZE_EVENTS, c->date, c->prefix, err);
    if (st == MQ_OK)
        st = mq_bronze_merges_read(c->store, c->region, c->date, &c->merges, err);
    if (st == MQ_OK)
        st = finish_merges(c, err); /* of a compaction that died */
    if (st == MQ_OK)
        st = mq_object_list(c->store, c->prefix, note, c, err);
    if (st == MQ_OK && c->leftover_count > 0)
        st = mq_object_delete(c->store, (const char *const *)c->leftovers, c->leftover_count, err);
    c->figures.leftovers = (int64_t)c->leftover_count;
    if (c->count > 1)
        qsort(c->objects, c->count, sizeof(*c->objects), compare_objects);
    if (st == MQ_OK)
        st = plan(c, &changed, err);
    if (st == MQ_OK && changed)
        st = mq_bronze_merges_write(c->store, c->region, c->date, &c->merges, err);
    if (st == MQ_OK)
        st = finish_merges(c, err);
    if (st == MQ_OK)
        st = mq_object_list(c->store, c->prefix, count_object, &c->figures.after, err);
    return st;
}

enum mq_status
mq_bronze_compact(struct mq_object_store *store, const char *region, const char *date,
                  const struct mq_compact_options *options, struct mq_compact_figures *ret_figures,
                  struct mq_error *err)
{
    struct compacting c = {.store = store, .region = region, .date = date, .options = options};
    enum mq_status st = compact(&c, err);
    mq_bronze_merges_release(&c.merges);
    for (size_t i = 0; i < c.count; i++)
        free(c.objects[i].name);
    free(c.objects);
    for (size_t i = 0; i < c.leftover_count; i++)
        free(c.leftovers[i]);
    free(c.leftovers);
    if (st == MQ_OK)
        *ret_figures = c.figures;
    return st;
}
