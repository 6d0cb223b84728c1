#include "data/bronze_verify_objects.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strmap.h"
#include "data/bronze_merge_check.h"

/* An object that is there, or that a record names; joined by its place. */
struct item {
    enum mq_bronze_kind kind;
    char date[MQ_DATE_SIZE];
    char *name;                             /* below the day's folder; owned */
    bool there;                             /* in a listing */
    bool is_part;                           /* of a done merge: lives on in its object */
    bool settled;                           /* a merged object: looked at with its merge */
    const struct mq_bronze_object *promise; /* of the record that names it; NULL: none does */
};

/* A day whose good events were, or may be, merged. */
struct day {
    char date[MQ_DATE_SIZE];
    struct mq_bronze_merges merges;
    bool *touched; /* [merges.count] some part was asked for */
};

/* One merge to be looked at. */
struct merged_item {
    const struct day *day;
    const struct mq_bronze_merge *merge;
    bool there; /* in a listing; done merges are read whatever it says */
};

struct verifying {
    struct mq_object_store *store;
    const char *region;
    const struct mq_bronze_question *question;
    const struct mq_bronze_history *history;
    struct mq_bronze_history parts; /* of merges, beyond a scope */
    struct mq_bronze_report *report;
    struct item *items;
    size_t count, capacity;
    struct day *days; /* [day_count] by date */
    size_t day_count, day_capacity;
    struct merged_item *merged;
    size_t merged_count, merged_capacity;
    pthread_mutex_t lock; /* guards the report's figures while the pool runs */
};

/* ---- items: promised, there, or both ---------------------------------------------------- */

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
add_promised(struct verifying *v, struct mq_error *err)
{
    const char *date = v->question->date;
    enum mq_status st = MQ_OK;
    for (size_t i = 0; st == MQ_OK && i < v->history->count; i++) {
        const struct mq_bronze_record *record = &v->history->records[i];
        for (size_t k = 0; st == MQ_OK && k < record->object_count; k++) {
            const struct mq_bronze_object *object = &record->objects[k];
            if (date != NULL && strcmp(object->date, date) != 0)
                continue;
            struct item item = {.kind = object->kind, .promise = object};
            memcpy(item.date, object->date, sizeof(item.date));
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

static bool
in_scope(const struct mq_bronze_scope *scope, const char *name)
{
    char topic[MQ_TOPIC_NAME_MAX + 1];
    int32_t partition;
    int64_t first;
    return mq_bronze_name_parse(name, MQ_BRONZE_SUFFIX, topic, &partition, &first) &&
           strcmp(topic, scope->topic) == 0 && partition < scope->count &&
           first >= scope->spans[partition].first && first < scope->spans[partition].end;
}

static enum mq_status
add_there(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    (void)info;
    struct listing *listing = context;
    const struct mq_bronze_question *q = listing->v->question;
    struct item item = {.kind = listing->kind, .there = true};
    const char *day = key + listing->prefix_size, *slash = strchr(day, '/');
    if (strncmp(day, "dt=", 3) != 0 || slash == NULL || slash - day != 3 + MQ_DATE_SIZE - 1 ||
        strchr(slash + 1, '/') != NULL) {
        if (q->scope == NULL)
            mq_bronze_find(&listing->v->report->findings, "stray: '%s' is no object of a batch",
                           key);
        return MQ_OK;
    }
    memcpy(item.date, day + 3, MQ_DATE_SIZE - 1);
    bool asked_for =
        q->scope == NULL || in_scope(q->scope, slash + 1) ||
        mq_bronze_history_object(listing->v->history, item.kind, item.date, slash + 1) != NULL;
    return asked_for ? add_item(listing->v, &item, slash + 1, err) : MQ_OK;
}

/* List a kind: one day, or (date "") all. */
static enum mq_status
list_kind(struct verifying *v, enum mq_bronze_kind kind, const char *date, struct mq_error *err)
{
    char prefix[MQ_OBJECT_KEY_MAX];
    struct listing listing = {.v = v, .kind = kind};
    enum mq_status st = mq_bronze_day_prefix(v->region, kind, date, prefix, err);
    if (st != MQ_OK)
        return st;
    listing.prefix_size = (size_t)(strstr(prefix, "/dt=") + 1 - prefix);
    if (*date == '\0')
        prefix[listing.prefix_size] = '\0';
    return mq_object_list(v->store, prefix, add_there, &listing, err);
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

/* The days that a scope's batches name, each once a kind. v->items are the promised ones, in order.
 */
static enum mq_status
list_promised_days(struct verifying *v, struct mq_error *err)
{
    const size_t promised = v->count;
    enum mq_status st = MQ_OK;
    if (promised > 1)
        qsort(v->items, promised, sizeof(*v->items), compare_items);
    for (size_t i = 0; st == MQ_OK && i < promised; i++) {
        char date[MQ_DATE_SIZE];
        enum mq_bronze_kind kind = v->items[i].kind;
        memcpy(date, v->items[i].date, sizeof(date));
        if (i == 0 || kind != v->items[i - 1].kind || strcmp(date, v->items[i - 1].date) != 0)
            st = list_kind(v, kind, date, err); /* may move the items */
    }
    return st;
}

static enum mq_status
list_objects(struct verifying *v, struct mq_error *err)
{
    if (v->question->scope != NULL)
        return list_promised_days(v, err);
    enum mq_status st = MQ_OK;
    for (int k = 0; st == MQ_OK && k < MQ_BRONZE_KINDS; k++)
        st = list_kind(v, (enum mq_bronze_kind)k,
                       v->question->date != NULL ? v->question->date : "", err);
    return st;
}

/* One item where a name was both promised and there. */
static void
join_items(struct verifying *v)
{
    size_t kept = 0;
    if (v->count > 1)
        qsort(v->items, v->count, sizeof(*v->items), compare_items);
    for (size_t i = 0; i < v->count; i++) {
        struct item *last = kept > 0 ? &v->items[kept - 1] : NULL;
        struct item *item = &v->items[i];
        if (last == NULL || compare_items(last, item) != 0) {
            v->items[kept++] = *item;
            continue;
        }
        last->there = last->there || item->there;
        if (last->promise == NULL)
            last->promise = item->promise;
        free(item->name);
    }
    v->count = kept;
}

/* ---- merges ----------------------------------------------------------------------------- */

static enum mq_status
add_day(struct verifying *v, const char *date, struct mq_error *err)
{
    for (size_t i = 0; i < v->day_count; i++)
        if (strcmp(v->days[i].date, date) == 0)
            return MQ_OK;
    enum mq_status st =
        mq_grow(&v->days, &v->day_capacity, v->day_count + 1, sizeof(*v->days), err);
    if (st != MQ_OK)
        return st;
    struct day *day = &v->days[v->day_count];
    struct mq_error own = {0};
    *day = (struct day){.touched = NULL};
    snprintf(day->date, sizeof(day->date), "%s", date);
    st = mq_bronze_merges_read(v->store, v->region, day->date, &day->merges, &own);
    if (st == MQ_E_FORMAT || st == MQ_E_UNSUPPORTED) {
        mq_bronze_find(&v->report->findings, "unreadable: %s%s%s%s", own.message,
                       own.hint[0] != '\0' ? " (" : "", own.hint, own.hint[0] != '\0' ? ")" : "");
    } else if (st != MQ_OK) {
        if (err != NULL)
            *err = own;
        return st;
    }
    day->touched = calloc(day->merges.count + 1, sizeof(*day->touched));
    v->day_count++;
    return day->touched != NULL ? MQ_OK : mq_fail(err, MQ_E_NOMEM, "cannot allocate merges");
}

static enum mq_status
note_index(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    (void)info;
    char date[MQ_DATE_SIZE] = "";
    const char *name = strrchr(key, '/') + 1;
    if (strncmp(name, "dt=", 3) != 0 || strlen(name) != 3 + MQ_DATE_SIZE - 1 + strlen(".json"))
        return MQ_OK;
    memcpy(date, name + 3, MQ_DATE_SIZE - 1);
    return add_day(context, date, err);
}

/* Indexes of all days, of the one asked for, or of those a scope's batches name. */
static enum mq_status
read_indexes(struct verifying *v, struct mq_error *err)
{
    const struct mq_bronze_question *q = v->question;
    char prefix[MQ_OBJECT_KEY_MAX];
    enum mq_status st = MQ_OK;
    if (q->date != NULL)
        return add_day(v, q->date, err);
    if (q->scope == NULL) {
        int n = snprintf(prefix, sizeof(prefix), "%s/bronze/merges/", v->region);
        return n < MQ_OBJECT_KEY_MAX
                   ? mq_object_list(v->store, prefix, note_index, v, err)
                   : mq_fail(err, MQ_E_RANGE, "region '%.64s…' is too long", v->region);
    }
    for (size_t i = 0; st == MQ_OK && i < v->count; i++)
        if (v->items[i].kind == MQ_BRONZE_EVENTS &&
            (i == 0 || strcmp(v->items[i].date, v->items[i - 1].date) != 0))
            st = add_day(v, v->items[i].date, err);
    return st;
}

static enum mq_status
add_merged(struct verifying *v, const struct day *day, const struct mq_bronze_merge *merge,
           bool there, struct mq_error *err)
{
    enum mq_status st =
        mq_grow(&v->merged, &v->merged_capacity, v->merged_count + 1, sizeof(*v->merged), err);
    if (st == MQ_OK)
        v->merged[v->merged_count++] = (struct merged_item){day, merge, there};
    return st;
}

/* The first item of a day's good events, or of what follows. */
static size_t
find_day(const struct verifying *v, const char *date)
{
    size_t low = 0, high = v->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct item *item = &v->items[middle];
        if (item->kind == MQ_BRONZE_EVENTS && strcmp(item->date, date) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* What compaction did to a day's objects. */
static enum mq_status
apply_merges(struct verifying *v, struct day *day, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    mq_autofree bool *there = calloc(day->merges.count + 1, sizeof(*there));
    if (there == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate merges");
    for (size_t i = find_day(v, day->date); i < v->count && v->items[i].kind == MQ_BRONZE_EVENTS &&
                                            strcmp(v->items[i].date, day->date) == 0;
         i++) {
        struct item *item = &v->items[i];
        const struct mq_bronze_merge *of = mq_bronze_merge_of(&day->merges, item->name);
        const struct mq_bronze_merge *named = mq_bronze_merge_named(&day->merges, item->name);
        if (of != NULL) {
            item->is_part = of->done;
            day->touched[of - day->merges.merges] = true;
        }
        if (named != NULL) {
            item->settled = true;
            there[named - day->merges.merges] = true;
        }
    }
    for (size_t m = 0; st == MQ_OK && m < day->merges.count; m++) {
        const struct mq_bronze_merge *merge = &day->merges.merges[m];
        if (v->question->scope != NULL && !day->touched[m])
            continue;
        st = add_merged(v, day, merge, there[m], err);
        for (int32_t p = merge->part_begin; st == MQ_OK && p < merge->part_end; p++)
            if (v->question->scope != NULL)
                st = mq_bronze_history_name_object(&v->parts, day->merges.parts.keys[p], err);
    }
    return st;
}

/* ---- contents --------------------------------------------------------------------------- */

/* The batch that an object's name tells: its offsets, as far as they are known. */
static bool
batch_of(const struct verifying *v, const char *name, char topic[MQ_TOPIC_NAME_MAX + 1],
         int32_t *partition, struct mq_bronze_span *span)
{
    if (!mq_bronze_name_parse(name, MQ_BRONZE_SUFFIX, topic, partition, &span->first))
        return false;
    const struct mq_bronze_record *record =
        mq_bronze_history_find(v->history, topic, *partition, span->first);
    span->end = record != NULL ? record->end : span->first + 1;
    return true;
}

/* Whether it is a partition's last batch, and not committed yet: its objects may be on their way.
 */
static bool
is_under_way(const struct verifying *v, const char *topic, int32_t partition, int64_t first)
{
    const struct mq_bronze_end *end = mq_bronze_question_end(v->question, topic, partition);
    int64_t committed = end != NULL ? end->committed : -1;
    return committed >= 0 && first >= committed &&
           mq_bronze_history_next(v->history, topic, partition, first) == INT64_MAX;
}

/* An object that a batch promises is not as it should be. */
static void
find_bad(struct verifying *v, const char *what, const char *key, const char *name,
         const char *words)
{
    char topic[MQ_TOPIC_NAME_MAX + 1], mending[MQ_BRONZE_MENDING_MAX];
    int32_t partition;
    struct mq_bronze_span span;
    if (!batch_of(v, name, topic, &partition, &span))
        return;
    if (is_under_way(v, topic, partition, span.first)) {
        mq_bronze_find(&v->report->unchecked,
                       "'%s': its batch is begun and not committed yet (who consumes next writes "
                       "it)",
                       key);
        return;
    }
    mq_bronze_question_mending(v->question, topic, partition, span, mending);
    mq_bronze_find(&v->report->findings, "%s: '%s' %s (what mends it: %s)", what, key, words,
                   mending);
}

/* No record that was read names the object. Its batch may have come since. */
static enum mq_status
check_stray(struct verifying *v, const struct item *item, const char *key, struct mq_error *err)
{
    char topic[MQ_TOPIC_NAME_MAX + 1];
    int32_t partition;
    int64_t first, last;
    struct mq_bronze_record record = {0};
    struct mq_error own = {0};
    if (mq_bronze_name_parse(item->name, MQ_BRONZE_SUFFIX, topic, &partition, &first)) {
        if (mq_bronze_history_find_unread(v->history, topic, partition, first) != NULL)
            return MQ_OK; /* that is told with the record */
        enum mq_status st = mq_bronze_record_read(v->store, v->region, topic, partition, first,
                                                  &record, NULL, &own);
        bool named =
            st == MQ_OK && mq_bronze_record_object(&record, item->kind, item->date) != NULL;
        mq_bronze_record_release(&record);
        if (named)
            return MQ_OK;
        if (st != MQ_OK && st != MQ_E_NOT_FOUND && st != MQ_E_FORMAT && st != MQ_E_UNSUPPORTED) {
            if (err != NULL)
                *err = own;
            return st;
        }
    } else if (item->kind == MQ_BRONZE_EVENTS &&
               mq_bronze_merged_name_parse(item->name, topic, &partition, &first, &last)) {
        mq_bronze_find(&v->report->findings,
                       "stray: merged object '%s' is in no index (what mends it: `marquee bronze "
                       "compact --date %s`)",
                       key, item->date);
        return MQ_OK;
    }
    mq_bronze_find(&v->report->findings, "stray: no batch names '%s'", key);
    if (v->question->scope == NULL)
        return MQ_OK;
    struct mq_bronze_report *r = v->report;
    pthread_mutex_lock(&v->lock);
    enum mq_status st =
        mq_grow(&r->strays, &r->stray_capacity, r->stray_count + 1, sizeof(*r->strays), err);
    if (st == MQ_OK && (r->strays[r->stray_count] = mq_strdup(key)) != NULL)
        r->stray_count++;
    pthread_mutex_unlock(&v->lock);
    return st;
}

static void
count_object(struct verifying *v, const struct mq_bronze_contents *contents, bool merged)
{
    pthread_mutex_lock(&v->lock);
    v->report->objects++;
    v->report->merged += merged;
    v->report->bytes += contents->bytes;
    pthread_mutex_unlock(&v->lock);
}

static enum mq_status
check_item(struct verifying *v, const struct item *item, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX], words[MQ_ERROR_MESSAGE_MAX];
    struct mq_bronze_contents contents;
    struct mq_error own = {0};
    if (item->settled)
        return MQ_OK;
    enum mq_status st = mq_bronze_day_key(v->region, item->kind, item->date, item->name, key, err);
    if (st != MQ_OK)
        return st;
    if (item->is_part) {
        if (item->there)
            mq_bronze_find(&v->report->findings,
                           "leftover: '%s' was merged (what mends it: `marquee bronze compact "
                           "--date %s`)",
                           key, item->date);
        return MQ_OK;
    }
    if (item->promise == NULL)
        return check_stray(v, item, key, err);
    st = mq_bronze_contents_read(v->store, key, &item->promise, 1, NULL, &contents, &own);
    if (st == MQ_E_NOT_FOUND) {
        snprintf(words, sizeof(words), "with %" PRId64 " lines", item->promise->lines);
        find_bad(v, "missing", key, item->name, words);
        return MQ_OK;
    }
    if (st == MQ_E_FORMAT) {
        snprintf(words, sizeof(words), "is no gzip text: %.900s", own.message);
        find_bad(v, "damaged", key, item->name, words);
        return MQ_OK;
    }
    if (st != MQ_OK) {
        if (err != NULL)
            *err = own;
        return st;
    }
    if (!contents.is_whole) {
        mq_bronze_contents_differ(&contents, item->promise, words, sizeof(words));
        find_bad(v, contents.lines != item->promise->lines ? "count" : "changed", key, item->name,
                 words);
    }
    count_object(v, &contents, false);
    return MQ_OK;
}

/* A merged object whose parts' batches are not all known: a damaged record is told by itself. */
static bool
part_is_told(const struct verifying *v, const char *part)
{
    char topic[MQ_TOPIC_NAME_MAX + 1];
    int32_t partition;
    int64_t first;
    if (!mq_bronze_name_parse(part, MQ_BRONZE_SUFFIX, topic, &partition, &first))
        return false;
    const struct mq_bronze_unread *unread =
        mq_bronze_history_find_unread(v->history, topic, partition, first);
    return unread != NULL && unread->why != MQ_E_NOT_FOUND;
}

static enum mq_status
check_merged(struct verifying *v, const struct merged_item *merged, struct mq_error *err)
{
    static const char *const whats[] = {"", "missing", "damaged", "changed", "changed"};
    const struct mq_bronze_merge *merge = merged->merge;
    const struct mq_bronze_history *records = v->question->scope != NULL ? &v->parts : v->history;
    struct mq_bronze_merge_verdict verdict;
    char key[MQ_OBJECT_KEY_MAX], topic[MQ_TOPIC_NAME_MAX + 1], mending[MQ_BRONZE_MENDING_MAX] = "";
    int32_t partition;
    struct mq_bronze_span span;
    enum mq_status st =
        mq_bronze_day_key(v->region, MQ_BRONZE_EVENTS, merged->day->date, merge->name, key, err);
    if (st != MQ_OK)
        return st;
    if (!merge->done) { /* the parts count, and were looked at */
        if (merged->there)
            mq_bronze_find(&v->report->findings,
                           "unfinished: merge '%s' (what mends it: `marquee bronze compact --date "
                           "%s`)",
                           key, merged->day->date);
        return MQ_OK;
    }
    st = mq_bronze_merge_check(v->store, key, merged->day->date, &merged->day->merges, merge,
                               records, &verdict, err);
    if (st != MQ_OK)
        return st;
    if (verdict.state != MQ_MERGE_ABSENT && verdict.state != MQ_MERGE_DAMAGED)
        count_object(v, &verdict.contents, true);
    if (verdict.state == MQ_MERGE_SOUND)
        return MQ_OK;
    if (verdict.state == MQ_MERGE_UNNAMED && part_is_told(v, verdict.part) &&
        strcmp(verdict.contents.sha256, merge->sha256) == 0)
        return MQ_OK; /* as it was written, if the index may be believed */
    if (mq_bronze_merge_extent(&merged->day->merges, merge, records, topic, &partition, &span))
        mq_bronze_question_mending(v->question, topic, partition, span, mending);
    mq_bronze_find(&v->report->findings, "%s: merged object '%s' %s%s%s%s", whats[verdict.state],
                   key, verdict.words, mending[0] != '\0' ? " (what mends it: " : "", mending,
                   mending[0] != '\0' ? ")" : "");
    return MQ_OK;
}

static enum mq_status
check_range(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    (void)worker;
    struct verifying *v = context;
    enum mq_status st = MQ_OK;
    for (int64_t i = begin; st == MQ_OK && i < end; i++)
        st = (size_t)i < v->merged_count
                 ? check_merged(v, &v->merged[i], err)
                 : check_item(v, &v->items[(size_t)i - v->merged_count], err);
    return st;
}

enum mq_status
mq_bronze_verify_objects(struct mq_object_store *store, const char *region,
                         const struct mq_bronze_question *question,
                         const struct mq_bronze_history *history, struct mq_pool *pool,
                         struct mq_bronze_report *report, bool *ret_any, struct mq_error *err)
{
    struct verifying v = {.store = store,
                          .region = region,
                          .question = question,
                          .history = history,
                          .report = report};
    pthread_mutex_init(&v.lock, NULL);
    enum mq_status st = add_promised(&v, err);
    if (st == MQ_OK)
        st = list_objects(&v, err);
    if (st == MQ_OK) {
        join_items(&v);
        st = read_indexes(&v, err);
    }
    for (size_t d = 0; st == MQ_OK && d < v.day_count; d++)
        st = apply_merges(&v, &v.days[d], err);
    if (st == MQ_OK && question->scope != NULL)
        st = mq_bronze_history_read(store, region, pool, &v.parts, err);
    if (st == MQ_OK)
        st = mq_pool_for(pool, (int64_t)(v.merged_count + v.count), 1, check_range, &v, err);
    *ret_any = v.count > 0 || v.merged_count > 0;
    for (size_t i = 0; i < v.count; i++)
        free(v.items[i].name);
    free(v.items);
    for (size_t d = 0; d < v.day_count; d++) {
        mq_bronze_merges_release(&v.days[d].merges);
        free(v.days[d].touched);
    }
    free(v.days);
    free(v.merged);
    mq_bronze_history_release(&v.parts);
    pthread_mutex_destroy(&v.lock);
    return st;
}
