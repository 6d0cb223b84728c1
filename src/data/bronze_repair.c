#include "data/bronze_repair.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/strmap.h"
#include "data/bronze_compact.h"
#include "data/bronze_merge_check.h"

/* Of new merges: a repair begins none. */
#define LEVEL 6

struct mq_bronze_repair {
    struct mq_bronze_repair_options options;
    int64_t held[MQ_PARTITIONS_MAX]; /* first offset that the log holds, by partition */
    struct mq_strmap looked_at;      /* "<date>/<merged object>" */
    struct mq_strmap open_days;      /* whose merges have to be finished */
    struct mq_bronze_repair_figures figures;
};

void
mq_bronze_repair_free(struct mq_bronze_repair *repair)
{
    if (repair == NULL)
        return;
    mq_strmap_release(&repair->looked_at);
    mq_strmap_release(&repair->open_days);
    free(repair);
}

static enum mq_status
add_once(struct mq_strmap *map, const char *text, bool *ret_new, struct mq_error *err)
{
    int32_t code, known = map->count;
    enum mq_status st = mq_strmap_add_text(map, text, &code, err);
    *ret_new = st == MQ_OK && code == known;
    return st;
}

static enum mq_status
load(const struct mq_bronze_repair *r, const struct mq_bronze_span *spans, int count,
     struct mq_bronze_history *history, struct mq_error *err)
{
    struct mq_bronze_scope scope = {r->options.topic, spans, count};
    return mq_bronze_history_load(r->options.store, r->options.region, &scope, r->options.pool,
                                  history, err);
}

/* ---- records that cannot be read -------------------------------------------------------- */

/* Where the batch of a lost record ended: where the next begins, or the group came, or the log. */
static enum mq_status
end_of_lost(const struct mq_bronze_repair *r, int32_t partition, int64_t first, int count,
            int64_t *ret_end, struct mq_error *err)
{
    int64_t held, end, next, committed[MQ_PARTITIONS_MAX];
    enum mq_status st = mq_bronze_record_after(r->options.store, r->options.region,
                                               r->options.topic, partition, first, &next, err);
    if (st == MQ_OK && next != INT64_MAX) {
        *ret_end = next;
        return MQ_OK;
    }
    if (st == MQ_OK)
        st = mq_event_log_committed(r->options.log, r->options.topic, r->options.group, count,
                                    committed, err);
    if (st == MQ_OK)
        st = mq_event_log_bounds(r->options.log, r->options.topic, partition, &held, &end, err);
    if (st == MQ_OK)
        *ret_end = committed[partition] > first ? MQ_MIN(committed[partition], end) : end;
    return st;
}

static enum mq_status
drop_record(struct mq_bronze_repair *r, const struct mq_bronze_unread *unread,
            struct mq_bronze_span *spans, int count, bool *ret_dropped, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    const char *keys[] = {key};
    int64_t end;
    int32_t p = unread->partition;
    if (unread->why == MQ_E_UNSUPPORTED)
        return mq_fail(err, MQ_E_UNSUPPORTED, "%s", unread->message);
    if (unread->why != MQ_E_FORMAT || r->held[p] > unread->first)
        return MQ_OK; /* the end of the repair tells */
    enum mq_status st = end_of_lost(r, p, unread->first, count, &end, err);
    if (st == MQ_OK)
        st = mq_bronze_record_key(r->options.region, r->options.topic, p, unread->first, key, err);
    if (st != MQ_OK || end <= unread->first)
        return st;
    mq_log_info("replay: %s; it is made anew", unread->message);
    st = mq_object_delete(r->options.store, keys, 1, err);
    if (st != MQ_OK)
        return st;
    spans[p] = mq_bronze_span_join(spans[p], (struct mq_bronze_span){unread->first, end});
    r->figures.records++;
    *ret_dropped = true;
    return MQ_OK;
}

static enum mq_status
drop_records(struct mq_bronze_repair *r, struct mq_bronze_span *spans, int count,
             struct mq_error *err)
{
    struct mq_bronze_history history = {0};
    bool dropped = true;
    enum mq_status st = MQ_OK;
    while (st == MQ_OK && dropped) { /* a stretch that grew may hold more of them */
        dropped = false;
        st = load(r, spans, count, &history, err);
        for (size_t i = 0; st == MQ_OK && i < history.unread_count; i++)
            st = drop_record(r, &history.unread[i], spans, count, &dropped, err);
        mq_bronze_history_release(&history);
    }
    return st;
}

/* ---- merges ----------------------------------------------------------------------------- */

static enum mq_status
finish_day(struct mq_bronze_repair *r, const char *date, struct mq_bronze_findings *refusals,
           struct mq_error *err)
{
    struct mq_compact_options options = {
        .level = LEVEL, .only_begun = true, .pool = r->options.pool, .refusals = refusals};
    struct mq_compact_figures figures;
    return mq_bronze_compact(r->options.store, r->options.region, date, &options, &figures, err);
}

/* A day's index; one that cannot be read is made anew first. */
static enum mq_status
read_index(struct mq_bronze_repair *r, const char *date, struct mq_bronze_merges *merges,
           struct mq_error *err)
{
    struct mq_error own = {0};
    enum mq_status st =
        mq_bronze_merges_read(r->options.store, r->options.region, date, merges, &own);
    if (st == MQ_E_FORMAT) {
        struct mq_bronze_findings refusals;
        mq_bronze_findings_init(&refusals); /* the end of the repair tells */
        st = finish_day(r, date, &refusals, &own);
        mq_bronze_findings_release(&refusals);
        if (st == MQ_OK)
            st = mq_bronze_merges_read(r->options.store, r->options.region, date, merges, &own);
    }
    if (st != MQ_OK && err != NULL)
        *err = own;
    return st;
}

static bool
is_within(const struct mq_bronze_repair *r, const struct mq_bronze_merges *merges,
          const struct mq_bronze_merge *merge, const struct mq_bronze_history *history,
          const struct mq_bronze_span *spans, int count)
{
    for (int32_t p = merge->part_begin; p < merge->part_end; p++) {
        char topic[MQ_TOPIC_NAME_MAX + 1];
        int32_t partition;
        int64_t first;
        if (mq_bronze_name_parse(merges->parts.keys[p], MQ_BRONZE_SUFFIX, topic, &partition,
                                 &first) &&
            strcmp(topic, r->options.topic) == 0 && partition < count &&
            ((first >= spans[partition].first && first < spans[partition].end) ||
             mq_bronze_history_find(history, topic, partition, first) != NULL))
            return true;
    }
    return false;
}

static enum mq_status
check(const struct mq_bronze_repair *r, const char *date, const struct mq_bronze_merges *merges,
      const struct mq_bronze_merge *merge, const struct mq_bronze_history *parts,
      struct mq_bronze_merge_verdict *verdict, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    enum mq_status st =
        mq_bronze_day_key(r->options.region, MQ_BRONZE_EVENTS, date, merge->name, key, err);
    if (st != MQ_OK)
        return st;
    return mq_bronze_merge_check(r->options.store, key, date, merges, merge, parts, verdict, err);
}

/* The offsets of a merge's parts; the record of the last may be lost. */
static enum mq_status
extent_of(const struct mq_bronze_repair *r, const char *date, const struct mq_bronze_merges *merges,
          const struct mq_bronze_merge *merge, const struct mq_bronze_history *parts, int count,
          int32_t *ret_partition, struct mq_bronze_span *ret_extent, struct mq_error *err)
{
    char topic[MQ_TOPIC_NAME_MAX + 1];
    *ret_extent = (struct mq_bronze_span){0, 0};
    if (!mq_bronze_merge_extent(merges, merge, parts, topic, ret_partition, ret_extent) ||
        *ret_partition >= count) {
        *ret_extent = (struct mq_bronze_span){0, 0}; /* of no use: the end of the repair tells */
        return MQ_OK;
    }
    const char *last = merges->parts.keys[merge->part_end - 1];
    return mq_bronze_history_object(parts, MQ_BRONZE_EVENTS, date, last) != NULL
               ? MQ_OK
               : end_of_lost(r, *ret_partition, ret_extent->end - 1, count, &ret_extent->end, err);
}

/*
 * Open a merge whose object is not what it must be; have the parts of an open one written again.
 * @param ret_opened the index has to be written
 */
static enum mq_status
open_if_bad(struct mq_bronze_repair *r, const char *date, const struct mq_bronze_merges *merges,
            struct mq_bronze_merge *merge, const struct mq_bronze_history *parts,
            struct mq_bronze_span *spans, int count, bool *ret_opened, struct mq_error *err)
{
    struct mq_bronze_merge_verdict verdict = {.state = MQ_MERGE_ABSENT};
    int32_t p = 0;
    struct mq_bronze_span extent;
    enum mq_status st = MQ_OK;
    if (merge->done)
        st = check(r, date, merges, merge, parts, &verdict, err);
    if (st == MQ_OK && merge->done && verdict.state == MQ_MERGE_SOUND)
        return MQ_OK;
    if (st == MQ_OK)
        st = extent_of(r, date, merges, merge, parts, count, &p, &extent, err);
    if (st != MQ_OK || mq_bronze_span_is_empty(extent))
        return st;
    if (extent.first < r->held[p] && verdict.state != MQ_MERGE_ABSENT) {
        mq_log_warn("replay: merged object '%s' of %s %s, and the log holds not all of its events "
                    "any more: it is left as it is",
                    merge->name, date, verdict.words);
        return MQ_OK;
    }
    extent.first = MQ_MAX(extent.first, r->held[p]);
    spans[p] = mq_bronze_span_join(spans[p], extent);
    if (!merge->done)
        return MQ_OK;
    merge->done = false;
    r->figures.merges++;
    *ret_opened = true;
    mq_log_info("replay: merged object '%s' of %s %s; it is made anew", merge->name, date,
                verdict.words);
    return MQ_OK;
}

static enum mq_status
refuse_newer(const struct mq_bronze_history *parts, struct mq_error *err)
{
    for (size_t i = 0; i < parts->unread_count; i++)
        if (parts->unread[i].why == MQ_E_UNSUPPORTED)
            return mq_fail(err, MQ_E_UNSUPPORTED, "%s", parts->unread[i].message);
    return MQ_OK;
}

static enum mq_status
look_at_day(struct mq_bronze_repair *r, const char *date, const struct mq_bronze_history *history,
            struct mq_bronze_span *spans, int count, struct mq_error *err)
{
    struct mq_bronze_merges merges = {0};
    struct mq_bronze_history parts = {0};
    bool opened = false, is_new, is_open = false;
    enum mq_status st = read_index(r, date, &merges, err);
    mq_autofree bool *is_due = calloc(merges.count + 1, sizeof(*is_due));
    if (st == MQ_OK && is_due == NULL)
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate merges");
    for (size_t m = 0; st == MQ_OK && m < merges.count; m++) {
        const struct mq_bronze_merge *merge = &merges.merges[m];
        char name[MQ_OBJECT_KEY_MAX];
        if (!is_within(r, &merges, merge, history, spans, count))
            continue;
        is_open = is_open || !merge->done;
        snprintf(name, sizeof(name), "%s/%s", date, merge->name);
        st = add_once(&r->looked_at, name, &is_due[m], err);
        for (int32_t p = merge->part_begin; st == MQ_OK && is_due[m] && p < merge->part_end; p++)
            st = mq_bronze_history_name_object(&parts, merges.parts.keys[p], err);
    }
    if (st == MQ_OK)
        st = mq_bronze_history_read(r->options.store, r->options.region, r->options.pool, &parts,
                                    err);
    if (st == MQ_OK)
        st = refuse_newer(&parts, err);
    for (size_t m = 0; st == MQ_OK && m < merges.count; m++)
        if (is_due[m])
            st = open_if_bad(r, date, &merges, &merges.merges[m], &parts, spans, count, &opened,
                             err);
    if (st == MQ_OK && opened)
        st = mq_bronze_merges_write(r->options.store, r->options.region, date, &merges, err);
    if (st == MQ_OK && (opened || is_open))
        st = add_once(&r->open_days, date, &is_new, err);
    mq_bronze_history_release(&parts);
    mq_bronze_merges_release(&merges);
    return st;
}

/* All days of good events that batches of the spans name. */
static enum mq_status
look_at_days(struct mq_bronze_repair *r, struct mq_bronze_span *spans, int count,
             struct mq_error *err)
{
    struct mq_bronze_history history = {0};
    struct mq_strmap days = {0};
    enum mq_status st = load(r, spans, count, &history, err);
    for (size_t i = 0; st == MQ_OK && i < history.count; i++)
        for (size_t k = 0; st == MQ_OK && k < history.records[i].object_count; k++) {
            const struct mq_bronze_object *object = &history.records[i].objects[k];
            bool is_new = false;
            if (object->kind == MQ_BRONZE_EVENTS)
                st = add_once(&days, object->date, &is_new, err);
            if (st == MQ_OK && is_new)
                st = look_at_day(r, object->date, &history, spans, count, err);
        }
    mq_strmap_release(&days);
    mq_bronze_history_release(&history);
    return st;
}

/*
 * Join the batches of a stretch of a partition that were judged, and so written, from from_ms on.
 * @param ret_before there is one that was judged before
 */
static enum mq_status
join_since(const struct mq_bronze_repair *r, int32_t partition, struct mq_bronze_span stretch,
           struct mq_bronze_span *span, bool *ret_before, struct mq_error *err)
{
    struct mq_bronze_span spans[MQ_PARTITIONS_MAX] = {{0, 0}};
    struct mq_bronze_history history = {0};
    spans[partition] = stretch;
    enum mq_status st = load(r, spans, partition + 1, &history, err);
    for (size_t i = history.count; st == MQ_OK && !*ret_before && i > 0; i--) {
        const struct mq_bronze_record *record = &history.records[i - 1];
        *ret_before = record->rules.now_ms < r->options.from_ms;
        if (!*ret_before)
            *span = mq_bronze_span_join(
                *span,
                (struct mq_bronze_span){record->first, MQ_MIN(record->end, r->held[partition])});
    }
    mq_bronze_history_release(&history);
    return st;
}

/* Batches since a time that the log holds no more: nothing can be written again there, but whoever
 * asks for that time wants to know whether all is there. A chain may be years long: it is read from
 * its end, in stretches that double, and at most about twice as far back as the time reaches. */
static enum mq_status
reach_back(const struct mq_bronze_repair *r, int32_t partition, struct mq_bronze_span *span,
           struct mq_error *err)
{
    const int64_t held = r->held[partition];
    int64_t last, end = held;
    bool before = false;
    if (r->options.from_ms == INT64_MAX || held == 0 ||
        (!mq_bronze_span_is_empty(*span) && span->first > held))
        return MQ_OK;
    enum mq_status st = mq_bronze_record_first_before(
        r->options.store, r->options.region, r->options.topic, partition, held - 1, &last, err);
    if (st != MQ_OK || last < 0)
        return st;
    for (int64_t width = held - last; st == MQ_OK && !before && end > 0;) {
        const int64_t begin = end > width ? end - width : 0;
        st = join_since(r, partition, (struct mq_bronze_span){begin, end}, span, &before, err);
        width = width < held / 2 ? 2 * width : held;
        end = begin;
    }
    return st;
}

enum mq_status
mq_bronze_repair_new(const struct mq_bronze_repair_options *options, struct mq_bronze_span *spans,
                     int count, struct mq_bronze_repair **ret_repair, struct mq_error *err)
{
    struct mq_bronze_repair *r = calloc(1, sizeof(*r));
    struct mq_bronze_span before[MQ_PARTITIONS_MAX];
    bool grew = true;
    enum mq_status st = MQ_OK;
    if (r == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a repair");
    r->options = *options;
    for (int p = 0; st == MQ_OK && p < count; p++) {
        int64_t end;
        st = mq_event_log_bounds(options->log, options->topic, p, &r->held[p], &end, err);
        if (st == MQ_OK)
            st = reach_back(r, p, &spans[p], err);
    }
    while (st == MQ_OK && grew) { /* what is opened may reach into further batches and merges */
        memcpy(before, spans, (size_t)count * sizeof(*spans));
        st = drop_records(r, spans, count, err);
        if (st == MQ_OK)
            st = look_at_days(r, spans, count, err);
        grew = memcmp(before, spans, (size_t)count * sizeof(*spans)) != 0;
    }
    if (st != MQ_OK) {
        mq_bronze_repair_free(r);
        return st;
    }
    *ret_repair = r;
    return MQ_OK;
}

/* ---- afterwards ------------------------------------------------------------------------- */

static enum mq_status
verify(const struct mq_bronze_repair *r, const struct mq_bronze_span *spans, int count,
       struct mq_bronze_report *report, struct mq_error *err)
{
    struct mq_bronze_scope scope = {r->options.topic, spans, count};
    struct mq_bronze_question question = {.scope = &scope};
    struct mq_bronze_history history = {0};
    enum mq_status st = load(r, spans, count, &history, err);
    if (st == MQ_OK)
        st = mq_bronze_verify(r->options.store, r->options.region, &question, &history,
                              r->options.pool, report, err);
    mq_bronze_history_release(&history);
    return st;
}

/* Every offset is accounted for, so objects that no batch names hold nothing of their own. */
static enum mq_status
delete_leftovers(struct mq_bronze_repair *r, const struct mq_bronze_report *report,
                 struct mq_error *err)
{
    for (size_t i = 0; i < report->stray_count; i++)
        mq_log_info("replay: '%s' is of a batch that was lost, and its events are in others now: "
                    "it is deleted",
                    report->strays[i]);
    r->figures.leftovers += (int64_t)report->stray_count;
    return mq_object_delete(r->options.store, (const char *const *)report->strays,
                            report->stray_count, err);
}

enum mq_status
mq_bronze_repair_finish(struct mq_bronze_repair *r, const struct mq_bronze_span *spans, int count,
                        struct mq_bronze_repair_figures *ret_figures,
                        struct mq_bronze_report *ret_report, struct mq_error *err)
{
    struct mq_bronze_findings refusals;
    enum mq_status st = MQ_OK;
    mq_bronze_findings_init(&refusals);
    for (int32_t d = 0; st == MQ_OK && d < r->open_days.count; d++)
        st = finish_day(r, r->open_days.keys[d], &refusals, err);
    if (st == MQ_OK)
        st = verify(r, spans, count, ret_report, err);
    if (st == MQ_OK && refusals.count == 0 && ret_report->stray_count > 0 &&
        ret_report->findings.count == (int64_t)ret_report->stray_count) {
        st = delete_leftovers(r, ret_report, err);
        mq_bronze_report_release(ret_report);
        if (st == MQ_OK)
            st = verify(r, spans, count, ret_report, err);
    }
    for (size_t i = 0; st == MQ_OK && i < refusals.kept; i++)
        mq_bronze_find(&ret_report->findings, "%s", refusals.texts[i]);
    mq_bronze_findings_release(&refusals);
    if (st == MQ_OK)
        *ret_figures = r->figures;
    return st;
}
