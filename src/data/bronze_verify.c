/* The proof of data/bronze_history.h: records against each other, then against the objects. */
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/bronze_history.h"
#include "data/bronze_merges.h"
#include "format/gzip_stream.h"

#define READ_BYTES ((size_t)128 << 10)

void
mq_bronze_report_release(struct mq_bronze_report *report)
{
    for (size_t i = 0; i < report->findings_kept; i++)
        free(report->findings[i]);
    free(report->findings);
    *report = (struct mq_bronze_report){0};
}

/* An object that is there, or that a record names; joined by its place. */
struct item {
    enum mq_bronze_kind kind;
    char date[MQ_DATE_SIZE];
    char *name;   /* below the day's folder; owned */
    bool named;   /* by a record, or a done merge */
    bool there;   /* in a listing */
    bool is_part; /* of a done merge: lives on in its object */
    bool is_merge;
    int64_t lines, bytes;
    char sha256[MQ_SHA256_HEX_SIZE];
};

struct verifying {
    struct mq_object_store *store;
    const char *region;
    struct mq_bronze_report report;
    pthread_mutex_t lock; /* guards the report while the pool runs */
    struct item *items;
    size_t count, capacity;
};

static void find(struct verifying *v, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
find(struct verifying *v, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    pthread_mutex_lock(&v->lock);
    struct mq_bronze_report *r = &v->report;
    r->finding_count++;
    char *copy = r->findings_kept < MQ_BRONZE_FINDINGS_MAX ? mq_strdup(text) : NULL;
    if (copy != NULL && mq_grow(&r->findings, &r->findings_capacity, r->findings_kept + 1,
                                sizeof(*r->findings), NULL) == MQ_OK)
        r->findings[r->findings_kept++] = copy;
    else
        free(copy);
    pthread_mutex_unlock(&v->lock);
}

/* ---- chains ----------------------------------------------------------------------------- */

static void
check_counts(struct verifying *v, const struct mq_bronze_record *record)
{
    int64_t lines[MQ_BRONZE_KINDS] = {0};
    for (size_t i = 0; i < record->object_count; i++)
        lines[record->objects[i].kind] += record->objects[i].lines;
    v->report.batches++;
    v->report.offsets += record->end - record->first;
    v->report.events += lines[MQ_BRONZE_EVENTS];
    v->report.rejected += lines[MQ_BRONZE_REJECTED];
    v->report.lost += record->lost;
    v->report.empty += record->end - record->first - record->count - record->lost;
    if (lines[MQ_BRONZE_EVENTS] + lines[MQ_BRONZE_REJECTED] != record->count)
        find(v, "count: batch %s-%d-%020" PRId64 " has %" PRId64 " events, its objects %" PRId64,
             record->topic, record->partition, record->first, record->count,
             lines[MQ_BRONZE_EVENTS] + lines[MQ_BRONZE_REJECTED]);
    if (record->lost > 0)
        find(v,
             "lost: %" PRId64 " offsets of batch %s-%d-%020" PRId64
             " were gone from the log (retention) before they were read",
             record->lost, record->topic, record->partition, record->first);
}

static void
check_chains(struct verifying *v, const struct mq_bronze_history *history)
{
    const struct mq_bronze_record *before = NULL;
    for (size_t i = 0; i < history->count; i++) {
        const struct mq_bronze_record *record = &history->records[i];
        bool same = before != NULL && strcmp(before->topic, record->topic) == 0 &&
                    before->partition == record->partition;
        v->report.partitions += !same;
        check_counts(v, record);
        if (same && record->first > before->end)
            find(v,
                 "gap: partition %d of topic '%s': no batch holds offsets %" PRId64 " to %" PRId64,
                 record->partition, record->topic, before->end, record->first - 1);
        if (same && record->first < before->end)
            find(v,
                 "double: partition %d of topic '%s': two batches hold offsets %" PRId64
                 " to %" PRId64,
                 record->partition, record->topic, record->first,
                 MQ_MIN(before->end, record->end) - 1);
        before = record;
    }
}

/* ---- objects: named, there, or both ----------------------------------------------------- */

static enum mq_status
add_item(struct verifying *v, const struct item *item, const char *name, struct mq_error *err)
{
    enum mq_status st = mq_grow(&v->items, &v->capacity, v->count + 1, sizeof(*v->items), err);
    if (st != MQ_OK)
        return st;
    v->items[v->count] = *item;
    v->items[v->count].name = mq_strdup(name);
    if (v->items[v->count].name == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a name");
    v->count++;
    return MQ_OK;
}

static enum mq_status
add_named(struct verifying *v, const struct mq_bronze_history *history, const char *date,
          struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    for (size_t i = 0; st == MQ_OK && i < history->count; i++) {
        const struct mq_bronze_record *record = &history->records[i];
        for (size_t k = 0; st == MQ_OK && k < record->object_count; k++) {
            const struct mq_bronze_object *object = &record->objects[k];
            if (date != NULL && strcmp(object->date, date) != 0)
                continue;
            struct item item = {.kind = object->kind,
                                .named = true,
                                .lines = object->lines,
                                .bytes = object->bytes};
            memcpy(item.date, object->date, sizeof(item.date));
            memcpy(item.sha256, object->sha256, sizeof(item.sha256));
            char key[MQ_OBJECT_KEY_MAX];
            st = mq_bronze_object_key(v->region, record, object, key, err);
            if (st == MQ_OK)
                st = add_item(v, &item, strrchr(key, '/') + 1, err);
        }
    }
    return st;
}

/* Objects in a listing of a kind: "<region>/bronze/<kind>/dt=<date>/<name>". */
struct listing {
    struct verifying *v;
    enum mq_bronze_kind kind;
    size_t prefix_size;
};

static enum mq_status
add_there(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    (void)info;
    struct listing *listing = context;
    struct item item = {.kind = listing->kind, .there = true};
    const char *day = key + listing->prefix_size, *slash = strchr(day, '/');
    if (strncmp(day, "dt=", 3) != 0 || slash == NULL || slash - day != 3 + MQ_DATE_SIZE - 1 ||
        strchr(slash + 1, '/') != NULL) {
        find(listing->v, "stray: '%s' is no object of a batch", key);
        return MQ_OK;
    }
    memcpy(item.date, day + 3, MQ_DATE_SIZE - 1);
    return add_item(listing->v, &item, slash + 1, err);
}

static enum mq_status
list_kinds(struct verifying *v, const char *date, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    for (int k = 0; st == MQ_OK && k < MQ_BRONZE_KINDS; k++) {
        char prefix[MQ_OBJECT_KEY_MAX];
        struct listing listing = {.v = v, .kind = (enum mq_bronze_kind)k};
        st = mq_bronze_day_prefix(v->region, listing.kind, date != NULL ? date : "", prefix, err);
        if (st != MQ_OK)
            break;
        listing.prefix_size = (size_t)(strstr(prefix, "/dt=") + 1 - prefix);
        if (date == NULL)
            prefix[listing.prefix_size] = '\0';
        st = mq_object_list(v->store, prefix, add_there, &listing, err);
    }
    return st;
}

static int
compare_items(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->kind != y->kind)
        return (int)x->kind - (int)y->kind;
    int order = strcmp(x->date, y->date);
    return order != 0 ? order : strcmp(x->name, y->name);
}

/* One item where a name was both named and there. */
static void
join_items(struct verifying *v)
{
    if (v->count > 1)
        qsort(v->items, v->count, sizeof(*v->items), compare_items);
    size_t kept = 0;
    for (size_t i = 0; i < v->count; i++) {
        struct item *last = kept > 0 ? &v->items[kept - 1] : NULL;
        struct item *item = &v->items[i];
        if (last == NULL || compare_items(last, item) != 0) {
            v->items[kept++] = *item;
            continue;
        }
        if (item->named) {
            item->there = item->there || last->there;
            free(last->name);
            *last = *item;
        } else {
            last->there = true;
            free(item->name);
        }
    }
    v->count = kept;
}

/* What compaction did to a day's objects, items [begin, end). */
static enum mq_status
apply_merges(struct verifying *v, size_t begin, size_t end, struct mq_error *err)
{
    struct mq_bronze_merges merges = {0};
    enum mq_status st =
        mq_bronze_merges_read(v->store, v->region, v->items[begin].date, &merges, err);
    mq_autofree int64_t *lines = calloc(merges.count + 1, sizeof(*lines));
    if (st == MQ_OK && lines == NULL)
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate merges");
    for (size_t i = begin; st == MQ_OK && i < end; i++) {
        struct item *item = &v->items[i];
        const struct mq_bronze_merge *part_of = mq_bronze_merge_of(&merges, item->name);
        const struct mq_bronze_merge *merge = mq_bronze_merge_named(&merges, item->name);
        if (part_of != NULL && part_of->done) {
            item->is_part = true;
            lines[part_of - merges.merges] += item->lines;
        }
        if (merge == NULL)
            continue;
        item->is_merge = true;
        item->named = merge->done;
        item->lines = merge->lines;
        item->bytes = merge->bytes;
        memcpy(item->sha256, merge->sha256, sizeof(item->sha256));
    }
    for (size_t m = 0; st == MQ_OK && m < merges.count; m++) {
        const struct mq_bronze_merge *merge = &merges.merges[m];
        bool is_there = false;
        for (size_t i = begin; i < end; i++)
            is_there =
                is_there || (v->items[i].there && strcmp(v->items[i].name, merge->name) == 0);
        if (merge->done && !is_there)
            find(v, "missing: merged object '%s' of %s", merge->name, v->items[begin].date);
        if (merge->done && lines[m] != merge->lines)
            find(v, "count: merged object '%s' of %s has %" PRId64 " lines, its parts %" PRId64,
                 merge->name, v->items[begin].date, merge->lines, lines[m]);
    }
    mq_bronze_merges_release(&merges);
    return st;
}

static enum mq_status
apply_all_merges(struct verifying *v, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    for (size_t i = 0, end; st == MQ_OK && i < v->count; i = end) {
        for (end = i + 1; end < v->count && v->items[end].kind == v->items[i].kind &&
                          strcmp(v->items[end].date, v->items[i].date) == 0;
             end++) {
        }
        if (v->items[i].kind == MQ_BRONZE_EVENTS)
            st = apply_merges(v, i, end, err);
    }
    return st;
}

/* ---- contents --------------------------------------------------------------------------- */

static enum mq_status
measure(struct mq_object_store *store, const char *key, int64_t *ret_lines, int64_t *ret_bytes,
        char ret_sha256[MQ_SHA256_HEX_SIZE], struct mq_error *err)
{
    struct mq_reader *raw = NULL, *text = NULL;
    struct mq_sha256 *digest = NULL;
    mq_autofree char *bytes = malloc(READ_BYTES);
    int64_t lines = 0, total = 0;
    size_t n = 1;
    enum mq_status st = bytes == NULL ? mq_fail(err, MQ_E_NOMEM, "cannot allocate a buffer")
                                      : mq_sha256_new(&digest, err);
    if (st == MQ_OK)
        st = mq_object_reader(store, key, &raw, err);
    if (st == MQ_OK)
        st = mq_gzip_reader(raw, &text, err);
    while (st == MQ_OK && n > 0) {
        st = mq_reader_some(text, bytes, READ_BYTES, &n, err);
        if (st == MQ_OK)
            st = mq_sha256_add(digest, bytes, n, err);
        total += st == MQ_OK ? (int64_t)n : 0;
        for (const char *p = bytes; st == MQ_OK && (size_t)(p - bytes) < n; p++) {
            p = memchr(p, '\n', n - (size_t)(p - bytes));
            if (p == NULL)
                break;
            lines++;
        }
    }
    if (st == MQ_OK)
        st = mq_sha256_hex(digest, ret_sha256, err);
    mq_reader_close(text);
    mq_sha256_free(digest);
    *ret_lines = lines;
    *ret_bytes = total;
    return st;
}

static enum mq_status
check_item(struct verifying *v, const struct item *item, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX], sha256[MQ_SHA256_HEX_SIZE];
    int64_t lines, bytes;
    enum mq_status st = mq_bronze_day_prefix(v->region, item->kind, item->date, key, err);
    if (st != MQ_OK)
        return st;
    size_t n = strlen(key);
    snprintf(key + n, sizeof(key) - n, "%s", item->name);
    if (item->is_part) {
        if (item->there)
            find(v, "leftover: '%s' was merged (run: marquee bronze compact --date %s)", key,
                 item->date);
        return MQ_OK;
    }
    if (!item->named) {
        if (item->is_merge)
            find(v, "unfinished: merge '%s' (run: marquee bronze compact --date %s)", key,
                 item->date);
        else
            find(v, "stray: no batch names '%s'", key);
        return MQ_OK;
    }
    if (!item->there) {
        find(v, "missing: '%s' with %" PRId64 " lines", key, item->lines);
        return MQ_OK;
    }
    st = measure(v->store, key, &lines, &bytes, sha256, err);
    if (st == MQ_E_FORMAT) {
        find(v, "damaged: '%s': %s", key, err != NULL ? err->message : "");
        return MQ_OK;
    }
    if (st != MQ_OK)
        return st;
    if (lines != item->lines)
        find(v, "count: '%s' has %" PRId64 " lines, not %" PRId64, key, lines, item->lines);
    else if (strcmp(sha256, item->sha256) != 0)
        find(v, "changed: '%s' does not hold what was written (SHA-256 %.12s…, not %.12s…)", key,
             sha256, item->sha256);
    pthread_mutex_lock(&v->lock);
    v->report.objects++;
    v->report.merged += item->is_merge;
    v->report.bytes += bytes;
    pthread_mutex_unlock(&v->lock);
    return MQ_OK;
}

static enum mq_status
check_items(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    (void)worker;
    struct verifying *v = context;
    enum mq_status st = MQ_OK;
    for (int64_t i = begin; st == MQ_OK && i < end; i++)
        st = check_item(v, &v->items[i], err);
    return st;
}

enum mq_status
mq_bronze_verify(struct mq_object_store *store, const char *region, const char *date,
                 const struct mq_bronze_history *history, struct mq_pool *pool,
                 struct mq_bronze_report *ret_report, struct mq_error *err)
{
    struct verifying v = {.store = store, .region = region};
    pthread_mutex_init(&v.lock, NULL);
    check_chains(&v, history);
    enum mq_status st = add_named(&v, history, date, err);
    if (st == MQ_OK)
        st = list_kinds(&v, date, err);
    if (st == MQ_OK) {
        join_items(&v);
        st = apply_all_merges(&v, err);
    }
    if (st == MQ_OK)
        st = mq_pool_for(pool, (int64_t)v.count, 1, check_items, &v, err);
    for (size_t i = 0; i < v.count; i++)
        free(v.items[i].name);
    free(v.items);
    pthread_mutex_destroy(&v.lock);
    if (st != MQ_OK) {
        mq_bronze_report_release(&v.report);
        return st;
    }
    *ret_report = v.report;
    return MQ_OK;
}
