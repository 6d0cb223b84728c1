#include "data/bronze_compact.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/bronze_merge_check.h"
#include "format/gzip_stream.h"

/* An object of the day's folder. */
struct small_object {
    char *name; /* owned */
    char topic[MQ_TOPIC_NAME_MAX + 1];
    int32_t partition;
    int64_t first, last, bytes; /* last: of a merged object, else -1 */
    bool refused;               /* stays as it is */
    bool gone;                  /* deleted by this run */
};

struct compacting {
    struct mq_object_store *store;
    const char *region, *date;
    const struct mq_compact_options *options;
    char prefix[MQ_OBJECT_KEY_MAX];
    struct mq_bronze_merges merges;
    struct mq_bronze_history history; /* records of all that may be merged */
    struct small_object *objects;     /* [count] by topic, partition, first */
    size_t count, capacity;
    struct mq_strmap names; /* of objects; codes are their indices */
    struct mq_compact_figures figures;
    struct mq_bronze_findings *refusals;
};

static enum mq_status
key_of(const struct compacting *c, const char *name, char ret_key[MQ_OBJECT_KEY_MAX],
       struct mq_error *err)
{
    return mq_bronze_day_key(c->region, MQ_BRONZE_EVENTS, c->date, name, ret_key, err);
}

/* ---- the day's folder, and its records -------------------------------------------------- */

static enum mq_status
note(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    struct compacting *c = context;
    struct small_object object = {.bytes = info->size_bytes, .last = -1};
    const char *name = key + strlen(c->prefix);
    c->figures.before++;
    if (!mq_bronze_name_parse(name, MQ_BRONZE_SUFFIX, object.topic, &object.partition,
                              &object.first) &&
        !mq_bronze_merged_name_parse(name, object.topic, &object.partition, &object.first,
                                     &object.last))
        return MQ_OK; /* none of ours */
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
    if (order == 0)
        order = (x->first > y->first) - (x->first < y->first);
    return order != 0 ? order : (x->last > y->last) - (x->last < y->last);
}

/* Put the objects in order, so that they can be found by name. */
static enum mq_status
order_objects(struct compacting *c, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    if (c->count > 1)
        qsort(c->objects, c->count, sizeof(*c->objects), compare_objects);
    for (size_t i = 0; st == MQ_OK && i < c->count; i++) {
        int32_t code;
        st = mq_strmap_add_text(&c->names, c->objects[i].name, &code, err);
    }
    return st;
}

/* An object that is there, or NULL. */
static struct small_object *
find_object(const struct compacting *c, const char *name)
{
    int32_t code = mq_strmap_find_text(&c->names, name);
    return code >= 0 && !c->objects[code].gone ? &c->objects[code] : NULL;
}

static enum mq_status
delete_object(struct compacting *c, const char *name, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    const char *keys[] = {key};
    enum mq_status st = key_of(c, name, key, err);
    if (st == MQ_OK)
        st = mq_object_delete(c->store, keys, 1, err);
    struct small_object *object = find_object(c, name);
    if (st == MQ_OK && object != NULL)
        object->gone = true;
    return st;
}

/* A merge whose parts' records are needed: it is not finished, or parts of it are there still. */
static bool
needs_look(const struct compacting *c, const struct mq_bronze_merge *merge)
{
    if (!merge->done)
        return true;
    for (int32_t p = merge->part_begin; p < merge->part_end; p++)
        if (find_object(c, c->merges.parts.keys[p]) != NULL)
            return true;
    return false;
}

static bool
is_unlisted_merge(const struct compacting *c, const struct small_object *object)
{
    return object->last >= 0 && mq_bronze_merge_named(&c->merges, object->name) == NULL;
}

static enum mq_status
read_records(struct compacting *c, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    for (size_t i = 0; st == MQ_OK && i < c->count; i++) {
        const struct small_object *object = &c->objects[i];
        if (object->last < 0)
            st = mq_bronze_history_name(&c->history, object->topic, object->partition,
                                        object->first, err);
        else if (is_unlisted_merge(c, object))
            st = mq_bronze_history_name_span(
                c->store, c->region, object->topic, object->partition,
                (struct mq_bronze_span){object->first, object->last + 1}, &c->history, err);
    }
    for (size_t m = 0; st == MQ_OK && m < c->merges.count; m++) {
        const struct mq_bronze_merge *merge = &c->merges.merges[m];
        bool needed = needs_look(c, merge);
        for (int32_t p = merge->part_begin; needed && st == MQ_OK && p < merge->part_end; p++)
            st = mq_bronze_history_name_object(&c->history, c->merges.parts.keys[p], err);
    }
    return st == MQ_OK
               ? mq_bronze_history_read(c->store, c->region, c->options->pool, &c->history, err)
               : st;
}

/* What a record promises of a part, or NULL. */
static const struct mq_bronze_object *
promise_of(const struct compacting *c, const char *name)
{
    return mq_bronze_history_object(&c->history, MQ_BRONZE_EVENTS, c->date, name);
}

/* ---- refusals --------------------------------------------------------------------------- */

static void
refuse_part(struct compacting *c, const char *name, const char *words)
{
    char topic[MQ_TOPIC_NAME_MAX + 1] = "", mending[MQ_BRONZE_MENDING_MAX];
    int32_t partition = 0;
    int64_t first = 0;
    if (!mq_bronze_name_parse(name, MQ_BRONZE_SUFFIX, topic, &partition, &first))
        return;
    const struct mq_bronze_record *record =
        mq_bronze_history_find(&c->history, topic, partition, first);
    mq_bronze_mending(topic, partition, first, record != NULL ? record->end : first + 1, mending);
    mq_bronze_find(c->refusals, "refused: '%s%s' %s (what mends it: %s)", c->prefix, name, words,
                   mending);
    struct small_object *object = find_object(c, name);
    if (object != NULL)
        object->refused = true;
}

/*
 * Copy a part, compared with its record.
 * @param out     NULL: compare alone
 * @param ret_ok  false: it was refused, and what was copied is worth nothing
 */
static enum mq_status
take_part(struct compacting *c, const char *name, struct mq_writer *out, bool *ret_ok,
          struct mq_bronze_contents *ret_contents, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX], words[MQ_ERROR_MESSAGE_MAX + 32];
    const struct mq_bronze_object *promise = promise_of(c, name);
    struct mq_error own = {0};
    *ret_ok = false;
    if (promise == NULL) {
        refuse_part(c, name, "is named by no batch record that can be read");
        return MQ_OK;
    }
    enum mq_status st = key_of(c, name, key, err);
    if (st != MQ_OK)
        return st;
    st = mq_bronze_contents_read(c->store, key, &promise, 1, out, ret_contents, &own);
    if (st == MQ_E_NOT_FOUND) {
        refuse_part(c, name, "is missing");
        return MQ_OK;
    }
    if (st == MQ_E_FORMAT) {
        snprintf(words, sizeof(words), "is damaged: %s", own.message);
        refuse_part(c, name, words);
        return MQ_OK;
    }
    if (st != MQ_OK) {
        if (err != NULL)
            *err = own;
        return st;
    }
    *ret_ok = ret_contents->is_whole;
    if (!*ret_ok) {
        mq_bronze_contents_differ(ret_contents, promise, words, sizeof(words));
        refuse_part(c, name, words);
    }
    return MQ_OK;
}

/* ---- one merge -------------------------------------------------------------------------- */

/* Write a merged object from its parts. @param ret_ok false: parts were refused, all of them named,
 * and nothing was written */
static enum mq_status
write_merged(struct compacting *c, struct mq_bronze_merge *merge, bool *ret_ok,
             struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_writer *sink = NULL, *digesting = NULL, *out = NULL;
    int64_t lines = 0, bytes = 0;
    *ret_ok = true;
    enum mq_status st = key_of(c, merge->name, key, err);
    if (st == MQ_OK)
        st = mq_object_writer(c->store, key, &sink, err);
    if (st == MQ_OK)
        st = mq_gzip_writer(sink, merge->level, &out, err);
    if (st == MQ_OK)
        st = mq_sha256_writer(out, &digesting, err);
    for (int32_t p = merge->part_begin; st == MQ_OK && p < merge->part_end; p++) {
        struct mq_bronze_contents contents = {0};
        bool ok;
        st = take_part(c, c->merges.parts.keys[p], *ret_ok ? digesting : NULL, &ok, &contents, err);
        *ret_ok = *ret_ok && ok; /* go on and name all that are wrong */
        lines += contents.lines;
        bytes += contents.bytes;
    }
    if (st == MQ_OK && *ret_ok)
        st = mq_writer_commit(digesting, err);
    if (st == MQ_OK && *ret_ok)
        st = mq_sha256_written(digesting, merge->sha256, err);
    if (st == MQ_OK && *ret_ok) {
        merge->lines = lines;
        merge->bytes = bytes;
    }
    mq_writer_close(digesting);
    return st;
}

/* The merge is valid: say so, then let its parts go. */
static enum mq_status
conclude(struct compacting *c, struct mq_bronze_merge *merge, struct mq_error *err)
{
    merge->done = true;
    enum mq_status st = mq_bronze_merges_write(c->store, c->region, c->date, &c->merges, err);
    for (int32_t p = merge->part_begin; st == MQ_OK && p < merge->part_end; p++)
        st = delete_object(c, c->merges.parts.keys[p], err);
    return st;
}

static enum mq_status
conclude_counted(struct compacting *c, struct mq_bronze_merge *merge, struct mq_error *err)
{
    c->figures.merges++;
    c->figures.parts += merge->part_end - merge->part_begin;
    c->figures.lines += merge->lines;
    return conclude(c, merge, err);
}

/* What was found when the merged object was read. */
static void
describe(struct mq_bronze_merge *merge, const struct mq_bronze_contents *contents)
{
    merge->lines = contents->lines;
    merge->bytes = contents->bytes;
    memcpy(merge->sha256, contents->sha256, sizeof(merge->sha256));
}

static enum mq_status
check(struct compacting *c, const struct mq_bronze_merge *merge,
      struct mq_bronze_merge_verdict *verdict, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    enum mq_status st = key_of(c, merge->name, key, err);
    return st == MQ_OK ? mq_bronze_merge_check(c->store, key, c->date, &c->merges, merge,
                                               &c->history, verdict, err)
                       : st;
}

/* ---- merges of earlier times ------------------------------------------------------------ */

/* Its parts are all merged: those that are there still may go, if the merged object is sound. Else
 * the merge is opened again, and made from them. */
static enum mq_status
clear_leftovers(struct compacting *c, struct mq_bronze_merge *merge, struct mq_error *err)
{
    struct mq_bronze_merge_verdict verdict;
    enum mq_status st = check(c, merge, &verdict, err);
    if (st != MQ_OK)
        return st;
    if (verdict.state != MQ_MERGE_SOUND) {
        merge->done = false;
        return MQ_OK;
    }
    for (int32_t p = merge->part_begin; st == MQ_OK && p < merge->part_end; p++) {
        if (find_object(c, c->merges.parts.keys[p]) == NULL)
            continue;
        st = delete_object(c, c->merges.parts.keys[p], err);
        c->figures.leftovers++;
    }
    return st;
}

/* A replay opened the merge, and wrote its events again: a part of which neither record nor object
 * are there lies in other batches now, and the merge goes on without it. @param keep_part [parts]
 */
static void
let_go(const struct compacting *c, const struct mq_bronze_merge *merge, bool *keep_part)
{
    for (int32_t p = merge->part_begin; p < merge->part_end; p++) {
        const char *name = c->merges.parts.keys[p];
        keep_part[p] = promise_of(c, name) != NULL || find_object(c, name) != NULL;
    }
}

/* One that is begun: its object may be there and sound, or it is made from its parts. Where parts
 * are refused, a merge without an object is given up, and its parts are free again; one with an
 * object stays as it was. */
static enum mq_status
finish_begun(struct compacting *c, struct mq_bronze_merge *merge, bool was_done, bool *ret_keep,
             struct mq_error *err)
{
    struct mq_bronze_merge_verdict verdict;
    bool ok = false;
    *ret_keep = true;
    enum mq_status st = check(c, merge, &verdict, err);
    if (st != MQ_OK)
        return st;
    if (verdict.state == MQ_MERGE_SOUND && merge->part_begin < merge->part_end) {
        describe(merge, &verdict.contents);
        return conclude_counted(c, merge, err);
    }
    if (merge->part_begin < merge->part_end)
        st = write_merged(c, merge, &ok, err);
    if (st == MQ_OK && ok)
        return conclude_counted(c, merge, err);
    *ret_keep = verdict.state != MQ_MERGE_ABSENT;
    merge->done = was_done;
    if (st == MQ_OK && *ret_keep)
        mq_bronze_find(c->refusals,
                       "refused: merged object '%s%s' %s, and not all of its parts "
                       "are there to make it anew",
                       c->prefix, merge->name, verdict.words);
    return st;
}

static enum mq_status
settle_merges(struct compacting *c, struct mq_error *err)
{
    mq_autofree bool *keep = calloc(c->merges.count + 1, sizeof(*keep));
    mq_autofree bool *keep_part = calloc((size_t)c->merges.parts.count + 1, sizeof(*keep_part));
    mq_autofree bool *was_done = calloc(c->merges.count + 1, sizeof(*was_done));
    enum mq_status st = MQ_OK;
    if (keep == NULL || keep_part == NULL || was_done == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate merges");
    memset(keep, 1, c->merges.count);
    memset(keep_part, 1, (size_t)c->merges.parts.count);
    for (size_t m = 0; st == MQ_OK && m < c->merges.count; m++) {
        struct mq_bronze_merge *merge = &c->merges.merges[m];
        was_done[m] = merge->done;
        if (merge->done && needs_look(c, merge))
            st = clear_leftovers(c, merge, err);
        if (st == MQ_OK && !was_done[m] && c->options->only_begun)
            let_go(c, merge, keep_part);
    }
    if (st == MQ_OK)
        st = mq_bronze_merges_keep(&c->merges, keep, keep_part, err);
    const size_t count = c->merges.count;
    bool given_up = false;
    for (size_t m = 0; st == MQ_OK && m < count; m++) {
        if (c->merges.merges[m].done)
            continue;
        st = finish_begun(c, &c->merges.merges[m], was_done[m], &keep[m], err);
        given_up = given_up || !keep[m];
    }
    if (st == MQ_OK && given_up) { /* fewer parts than before: keep_part is long enough */
        memset(keep_part, 1, (size_t)c->merges.parts.count);
        st = mq_bronze_merges_keep(&c->merges, keep, keep_part, err);
        if (st == MQ_OK)
            st = mq_bronze_merges_write(c->store, c->region, c->date, &c->merges, err);
    }
    return st;
}

/* ---- merged objects that no index names ------------------------------------------------- */

/* Enter a merged object whose index was lost, with the batches within it that no other merge has.
 */
static enum mq_status
adopt(struct compacting *c, const struct small_object *object, struct mq_error *err)
{
    struct mq_bronze_merge_verdict verdict;
    enum mq_status st = mq_bronze_merges_add(&c->merges, object->name, c->options->level, err);
    for (size_t i = 0; st == MQ_OK && i < c->history.count; i++) {
        const struct mq_bronze_record *r = &c->history.records[i];
        const struct mq_bronze_object *promise =
            mq_bronze_record_object(r, MQ_BRONZE_EVENTS, c->date);
        char key[MQ_OBJECT_KEY_MAX];
        if (promise == NULL || r->partition != object->partition || r->first < object->first ||
            r->first > object->last || strcmp(r->topic, object->topic) != 0)
            continue;
        st = mq_bronze_object_key(c->region, r, promise, key, err);
        const char *name = strrchr(key, '/') + 1;
        if (st == MQ_OK && mq_bronze_merge_of(&c->merges, name) == NULL)
            st = mq_bronze_merges_add_part(&c->merges, name, err);
    }
    struct mq_bronze_merge *merge = &c->merges.merges[c->merges.count - 1];
    if (st == MQ_OK)
        st = check(c, merge, &verdict, err);
    if (st != MQ_OK)
        return st;
    if (verdict.state == MQ_MERGE_SOUND && merge->part_begin < merge->part_end) {
        mq_log_info("bronze: merged object '%s' is entered in the index again", object->name);
        describe(merge, &verdict.contents);
        return conclude(c, merge, err);
    }
    mq_bronze_find(c->refusals,
                   "refused: merged object '%s%s' is in no index, and %s: nothing was done with it",
                   c->prefix, object->name,
                   verdict.words[0] != '\0' ? verdict.words : "no batch says what it holds");
    mq_autofree bool *keep = calloc(c->merges.count, sizeof(*keep));
    mq_autofree bool *keep_part = calloc((size_t)c->merges.parts.count + 1, sizeof(*keep_part));
    if (keep == NULL || keep_part == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate merges");
    memset(keep, 1, c->merges.count - 1);
    memset(keep_part, 1, (size_t)c->merges.parts.count);
    return mq_bronze_merges_keep(&c->merges, keep, keep_part, err);
}

static enum mq_status
adopt_unlisted(struct compacting *c, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    for (size_t i = 0; st == MQ_OK && i < c->count; i++)
        if (is_unlisted_merge(c, &c->objects[i]))
            st = adopt(c, &c->objects[i], err);
    return st;
}

/* ---- new merges ------------------------------------------------------------------------- */

static bool
is_free(const struct compacting *c, const struct small_object *object)
{
    return object->last < 0 && !object->refused && !object->gone &&
           mq_bronze_merge_of(&c->merges, object->name) == NULL;
}

/* Behind the objects that follow each other in a partition and are small enough together. One that
 * stays as it is, or another merge, ends the run: lines keep the order of keys. */
static size_t
find_run(const struct compacting *c, size_t begin, size_t *ret_free)
{
    const struct small_object *first = &c->objects[begin];
    int64_t bytes = first->bytes;
    size_t end = begin + 1;
    *ret_free = 1;
    for (; end < c->count; end++) {
        const struct small_object *next = &c->objects[end];
        if (next->gone)
            continue;
        if (next->partition != first->partition || strcmp(next->topic, first->topic) != 0 ||
            !is_free(c, next) || bytes + next->bytes > c->options->target_bytes)
            break;
        bytes += next->bytes;
        ++*ret_free;
    }
    return end;
}

static enum mq_status
enter_run(struct compacting *c, size_t begin, size_t end, struct mq_error *err)
{
    const struct small_object *first = &c->objects[begin];
    char name[MQ_BRONZE_MERGED_NAME_MAX];
    int64_t last = first->first;
    for (size_t i = begin; i < end; i++)
        if (!c->objects[i].gone)
            last = c->objects[i].first;
    mq_bronze_merged_name(first->topic, first->partition, first->first, last, name);
    enum mq_status st = mq_bronze_merges_add(&c->merges, name, c->options->level, err);
    for (size_t i = begin; st == MQ_OK && i < end; i++)
        if (!c->objects[i].gone)
            st = mq_bronze_merges_add_part(&c->merges, c->objects[i].name, err);
    return st;
}

static enum mq_status
plan(struct compacting *c, bool *ret_changed, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    *ret_changed = false;
    for (size_t i = 0, end; st == MQ_OK && i < c->count; i = end) {
        size_t members;
        end = i + 1;
        if (!is_free(c, &c->objects[i]))
            continue;
        end = find_run(c, i, &members);
        if (members < 2)
            continue;
        st = enter_run(c, i, end, err);
        *ret_changed = true;
    }
    return st;
}

/* Enter, write, conclude; where parts are refused, again with what is left, until all is merged
 * that can be. */
static enum mq_status
merge_free(struct compacting *c, struct mq_error *err)
{
    bool changed;
    enum mq_status st = plan(c, &changed, err);
    while (st == MQ_OK && changed) {
        st = mq_bronze_merges_write(c->store, c->region, c->date, &c->merges, err);
        if (st == MQ_OK)
            st = settle_merges(c, err);
        if (st == MQ_OK)
            st = plan(c, &changed, err);
    }
    return st;
}

/* ---- all of it -------------------------------------------------------------------------- */

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
read_index(struct compacting *c, bool *ret_anew, struct mq_error *err)
{
    enum mq_status st = mq_bronze_merges_read(c->store, c->region, c->date, &c->merges, err);
    *ret_anew = st == MQ_E_FORMAT;
    if (!*ret_anew)
        return st;
    mq_log_warn("bronze: the index of merges of %s cannot be read, and is made anew", c->date);
    return mq_bronze_merges_begin_anew(c->store, c->region, c->date, &c->merges, err);
}

static enum mq_status
compact(struct compacting *c, struct mq_error *err)
{
    bool anew = false;
    enum mq_status st = mq_bronze_day_prefix(c->region, MQ_BRONZE_EVENTS, c->date, c->prefix, err);
    if (st == MQ_OK)
        st = read_index(c, &anew, err);
    if (st == MQ_OK)
        st = mq_object_list(c->store, c->prefix, note, c, err);
    if (st == MQ_OK)
        st = order_objects(c, err);
    if (st == MQ_OK)
        st = read_records(c, err);
    if (st == MQ_OK)
        st = adopt_unlisted(c, err);
    if (st == MQ_OK && anew)
        st = mq_bronze_merges_write(c->store, c->region, c->date, &c->merges, err);
    if (st == MQ_OK)
        st = settle_merges(c, err);
    if (st == MQ_OK && !c->options->only_begun)
        st = merge_free(c, err);
    if (st == MQ_OK)
        st = mq_object_list(c->store, c->prefix, count_object, &c->figures.after, err);
    return st;
}

enum mq_status
mq_bronze_compact(struct mq_object_store *store, const char *region, const char *date,
                  const struct mq_compact_options *options, struct mq_compact_figures *ret_figures,
                  struct mq_error *err)
{
    struct mq_bronze_findings own;
    mq_bronze_findings_init(&own);
    struct compacting c = {.store = store,
                           .region = region,
                           .date = date,
                           .options = options,
                           .refusals = options->refusals != NULL ? options->refusals : &own};
    enum mq_status st = compact(&c, err);
    mq_bronze_merges_release(&c.merges);
    mq_bronze_history_release(&c.history);
    mq_strmap_release(&c.names);
    for (size_t i = 0; i < c.count; i++)
        free(c.objects[i].name);
    free(c.objects);
    if (st == MQ_OK && own.count > 0)
        st = mq_fail(err, MQ_E_CONFLICT, "%s", own.kept > 0 ? own.texts[0] : "objects are refused");
    mq_bronze_findings_release(&own);
    if (st == MQ_OK)
        *ret_figures = c.figures;
    return st;
}
