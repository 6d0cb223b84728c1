#include "data/bronze_verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/bronze_verify_objects.h"

void
mq_bronze_report_release(struct mq_bronze_report *report)
{
    mq_bronze_findings_release(&report->findings);
    mq_bronze_findings_release(&report->unchecked);
    for (size_t i = 0; i < report->stray_count; i++)
        free(report->strays[i]);
    free(report->strays);
    *report = (struct mq_bronze_report){0};
}

const struct mq_bronze_end *
mq_bronze_question_end(const struct mq_bronze_question *question, const char *topic,
                       int32_t partition)
{
    const struct mq_bronze_ends *both[] = {question->ends, question->refusals_ends};
    for (size_t i = 0; i < MQ_COUNT(both); i++)
        if (both[i] != NULL && both[i]->is_known && partition < both[i]->count &&
            strcmp(both[i]->topic, topic) == 0)
            return &both[i]->ends[partition];
    return NULL;
}

void
mq_bronze_question_mending(const struct mq_bronze_question *question, const char *topic,
                           int32_t partition, struct mq_bronze_span span,
                           char ret_text[MQ_BRONZE_MENDING_MAX])
{
    const struct mq_bronze_end *end = mq_bronze_question_end(question, topic, partition);
    if (end != NULL && end->held > span.first)
        snprintf(ret_text, MQ_BRONZE_MENDING_MAX,
                 "nothing of Marquee: the log holds its events no more");
    else
        mq_bronze_mending(topic, partition, span.first, span.end, ret_text);
}

/* ---- chains ----------------------------------------------------------------------------- */

/* One partition's batches, as they are gone through. */
struct chain {
    const struct mq_bronze_question *question;
    struct mq_bronze_report *report;
    const char *topic;
    int32_t partition;
    int64_t first; /* of the first batch */
    int64_t end;   /* of the batch at hand; -1: its record cannot be read */
    int64_t at;    /* first offset of the batch at hand */
    bool is_begun;
};

static void
find_hole(struct chain *c, const char *what, int64_t first, int64_t end)
{
    char mending[MQ_BRONZE_MENDING_MAX];
    mq_bronze_question_mending(c->question, c->topic, c->partition,
                               (struct mq_bronze_span){first, end}, mending);
    mq_bronze_find(&c->report->findings,
                   "%s: partition %d of topic '%s': no batch holds offsets %" PRId64 " to %" PRId64
                   " (what mends it: %s)",
                   what, c->partition, c->topic, first, end - 1, mending);
}

/* The chain goes on at `first`. */
static void
go_on(struct chain *c, int64_t first, int64_t end)
{
    if (!c->is_begun)
        c->first = first;
    else if (c->end >= 0 && first > c->end)
        find_hole(c, "gap", c->end, first);
    else if (c->end >= 0 && first < c->end)
        mq_bronze_find(
            &c->report->findings,
            "double: partition %d of topic '%s': two batches hold offsets %" PRId64 " to %" PRId64,
            c->partition, c->topic, first, (end >= 0 ? MQ_MIN(c->end, end) : first + 1) - 1);
    c->is_begun = true;
    c->at = first;
    c->end = end;
}

/* Does the chain begin where it must? */
static void
check_beginning(struct chain *c, const struct mq_bronze_end *log)
{
    const struct mq_bronze_scope *scope = c->question->scope;
    bool is_import = mq_bronze_is_import(c->topic);
    if (scope != NULL) {
        if (c->first > scope->spans[c->partition].first)
            find_hole(c, "gap", scope->spans[c->partition].first, c->first);
    } else if (c->first > 0 && is_import) {
        find_hole(c, "beginning", 0, c->first);
    } else if (c->first > 0 && log != NULL && log->held < c->first) {
        find_hole(c, "beginning", log->held, c->first);
    } else if (c->first > 0 && log != NULL) {
        mq_bronze_find(&c->report->unchecked,
                       "beginning of partition %d of topic '%s': the first batch begins at offset "
                       "%" PRId64 ", and the log holds nothing before %" PRId64 " any more",
                       c->partition, c->topic, c->first, log->held);
    }
}

/* Does it reach as far as it must? */
static void
check_end(struct chain *c, const struct mq_bronze_end *log)
{
    const struct mq_bronze_scope *scope = c->question->scope;
    int64_t end = c->end >= 0 ? c->end : c->at + 1;
    if (scope != NULL) {
        if (c->end >= 0 && c->end < scope->spans[c->partition].end)
            find_hole(c, "gap", c->end, scope->spans[c->partition].end);
        return;
    }
    if (log == NULL)
        return;
    if (log->end < end)
        mq_bronze_find(&c->report->findings,
                       "end: the batches of partition %d of topic '%s' reach offset %" PRId64
                       ", and the log ends at %" PRId64 ": is it the log they came from?",
                       c->partition, c->topic, end - 1, log->end);
    else if (log->committed < 0)
        mq_bronze_find(&c->report->unchecked,
                       "end of partition %d of topic '%s': group '%s' has committed nothing",
                       c->partition, c->topic, c->question->ends->group);
    else if (c->end >= 0 && log->committed > c->end)
        find_hole(c, "end", c->end, log->committed);
}

static void
end_chain(struct chain *c)
{
    if (!c->is_begun)
        return;
    const struct mq_bronze_end *log = mq_bronze_question_end(c->question, c->topic, c->partition);
    c->report->partitions++;
    check_beginning(c, log);
    check_end(c, log);
    c->is_begun = false;
}

static void
check_counts(struct chain *c, const struct mq_bronze_record *record)
{
    struct mq_bronze_report *r = c->report;
    const char *date = c->question->date;
    int64_t lines[MQ_BRONZE_KINDS] = {0};
    for (size_t i = 0; i < record->object_count; i++) {
        const struct mq_bronze_object *object = &record->objects[i];
        lines[object->kind] += object->lines;
        if (date != NULL && strcmp(object->date, date) != 0)
            continue;
        r->events += object->kind == MQ_BRONZE_EVENTS ? object->lines : 0;
        r->rejected += object->kind == MQ_BRONZE_REJECTED ? object->lines : 0;
    }
    r->batches++;
    r->offsets += record->end - record->first;
    r->lost += record->lost;
    r->empty += record->end - record->first - record->count - record->lost;
    r->skipped += record->skipped;
    if (lines[MQ_BRONZE_EVENTS] + lines[MQ_BRONZE_REJECTED] + record->skipped != record->count)
        mq_bronze_find(&r->findings,
                       "count: batch %s-%d-%020" PRId64 " has %" PRId64 " events, its objects "
                       "%" PRId64,
                       record->topic, record->partition, record->first,
                       record->count - record->skipped,
                       lines[MQ_BRONZE_EVENTS] + lines[MQ_BRONZE_REJECTED]);
    if (record->lost > 0)
        mq_bronze_find(&r->findings,
                       "lost: %" PRId64 " offsets of batch %s-%d-%020" PRId64
                       " were gone from the log (retention) before they were read",
                       record->lost, record->topic, record->partition, record->first);
}

static void
find_unread(struct chain *c, const struct mq_bronze_history *history,
            const struct mq_bronze_unread *unread)
{
    char mending[MQ_BRONZE_MENDING_MAX];
    int64_t next = mq_bronze_history_next(history, unread->topic, unread->partition, unread->first);
    struct mq_bronze_span span = {unread->first, next != INT64_MAX ? next : unread->first + 1};
    mq_bronze_question_mending(c->question, unread->topic, unread->partition, span, mending);
    if (unread->why == MQ_E_FORMAT)
        mq_bronze_find(&c->report->findings, "unreadable: %s (what mends it: %s)", unread->message,
                       mending);
    else
        mq_bronze_find(&c->report->findings, "unreadable: %s", unread->message);
}

static void
need_chain(struct chain *c, const char *topic, int32_t partition)
{
    if (c->is_begun && (c->partition != partition || strcmp(c->topic, topic) != 0))
        end_chain(c);
    c->topic = topic;
    c->partition = partition;
}

static bool
comes_before(const struct mq_bronze_unread *u, const struct mq_bronze_record *r)
{
    int order = strcmp(u->topic, r->topic);
    if (order == 0)
        order = (u->partition > r->partition) - (u->partition < r->partition);
    return order != 0 ? order < 0 : u->first < r->first;
}

/* Records and those that cannot be read, each in order: merged. */
static void
check_chains(const struct mq_bronze_question *question, const struct mq_bronze_history *history,
             struct mq_bronze_report *report)
{
    struct chain c = {.question = question, .report = report};
    size_t i = 0, u = 0;
    while (i < history->count || u < history->unread_count) {
        const struct mq_bronze_record *record = &history->records[i];
        const struct mq_bronze_unread *unread = &history->unread[u];
        if (u < history->unread_count && unread->why == MQ_E_NOT_FOUND) {
            u++;
        } else if (u < history->unread_count &&
                   (i == history->count || comes_before(unread, record))) {
            need_chain(&c, unread->topic, unread->partition);
            go_on(&c, unread->first, -1);
            find_unread(&c, history, unread);
            u++;
        } else if (i < history->count) {
            need_chain(&c, record->topic, record->partition);
            go_on(&c, record->first, record->end);
            check_counts(&c, record);
            i++;
        }
    }
    end_chain(&c);
}

/* ---- partitions without a batch, topics without a log ------------------------------------ */

static bool
has_batch(const struct mq_bronze_history *history, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < history->count; i++)
        if (history->records[i].partition == partition &&
            strcmp(history->records[i].topic, topic) == 0)
            return true;
    for (size_t i = 0; i < history->unread_count; i++)
        if (history->unread[i].partition == partition &&
            strcmp(history->unread[i].topic, topic) == 0)
            return true;
    return false;
}

static void
check_ends_without_batch(const struct mq_bronze_question *question,
                         const struct mq_bronze_ends *ends, const struct mq_bronze_history *history,
                         struct mq_bronze_report *report)
{
    for (int p = 0; ends != NULL && ends->is_known && p < ends->count; p++) {
        struct chain c = {
            .question = question, .report = report, .topic = ends->topic, .partition = p};
        if (ends->ends[p].committed > 0 && !has_batch(history, ends->topic, p))
            find_hole(&c, "end", MQ_MIN(ends->ends[p].held, ends->ends[p].committed - 1),
                      ends->ends[p].committed);
    }
}

static void
check_without_batch(const struct mq_bronze_question *question,
                    const struct mq_bronze_history *history, struct mq_bronze_report *report)
{
    const struct mq_bronze_scope *scope = question->scope;
    check_ends_without_batch(question, question->ends, history, report);
    check_ends_without_batch(question, question->refusals_ends, history, report);
    for (int p = 0; scope != NULL && p < scope->count; p++) {
        struct chain c = {
            .question = question, .report = report, .topic = scope->topic, .partition = p};
        if (!mq_bronze_span_is_empty(scope->spans[p]) && !has_batch(history, scope->topic, p))
            find_hole(&c, "gap", scope->spans[p].first, scope->spans[p].end);
    }
}

/* Topics whose ends nobody could tell, each once. */
static void
tell_unasked(const struct mq_bronze_question *question, const struct mq_bronze_history *history,
             struct mq_bronze_report *report)
{
    const char *before = NULL;
    for (size_t i = 0; question->ends != NULL && i < history->count; i++) {
        const char *topic = history->records[i].topic;
        const struct mq_bronze_ends *ends = question->ends;
        if (before != NULL && strcmp(before, topic) == 0)
            continue;
        before = topic;
        if (question->refusals_ends != NULL && strcmp(topic, question->refusals_ends->topic) == 0)
            ends = question->refusals_ends;
        if (mq_bronze_is_import(topic))
            mq_bronze_find(&report->unchecked,
                           "end of topic '%s': no log holds an import; whether it came to its end, "
                           "importing the same source again tells",
                           topic);
        else if (strcmp(topic, ends->topic) != 0)
            mq_bronze_find(&report->unchecked,
                           "both ends of topic '%s': the log was asked for '%s' (--topic)", topic,
                           ends->topic);
        else if (!ends->is_known)
            mq_bronze_find(&report->unchecked, "both ends of topic '%s': %s", topic, ends->why_not);
    }
}

/* ---- nothing ---------------------------------------------------------------------------- */

/* A proof of nothing is none. */
static void
find_nothing(const char *region, const struct mq_bronze_question *question,
             const struct mq_bronze_history *history, struct mq_bronze_report *report)
{
    char first[MQ_DATE_SIZE] = "", last[MQ_DATE_SIZE] = "";
    for (size_t i = 0; i < history->count; i++)
        for (size_t k = 0; k < history->records[i].object_count; k++) {
            const char *date = history->records[i].objects[k].date;
            if (first[0] == '\0' || strcmp(date, first) < 0)
                memcpy(first, date, sizeof(first));
            if (strcmp(date, last) > 0)
                memcpy(last, date, sizeof(last));
        }
    if (first[0] == '\0')
        mq_bronze_find(
            &report->findings,
            "nothing: there is no batch in region '%s': nothing was consumed or imported "
            "yet, or --store or --region names another place",
            region);
    else
        mq_bronze_find(&report->findings,
                       "nothing: no batch holds events of %s, and there is no object of that day "
                       "(the days are from %s to %s)",
                       question->date, first, last);
}

enum mq_status
mq_bronze_verify(struct mq_object_store *store, const char *region,
                 const struct mq_bronze_question *question, const struct mq_bronze_history *history,
                 struct mq_pool *pool, struct mq_bronze_report *ret_report, struct mq_error *err)
{
    bool any = false;
    *ret_report = (struct mq_bronze_report){0};
    mq_bronze_findings_init(&ret_report->findings);
    mq_bronze_findings_init(&ret_report->unchecked);
    check_chains(question, history, ret_report);
    check_without_batch(question, history, ret_report);
    tell_unasked(question, history, ret_report);
    enum mq_status st =
        mq_bronze_verify_objects(store, region, question, history, pool, ret_report, &any, err);
    if (st != MQ_OK)
        mq_bronze_report_release(ret_report);
    else if (!any && question->scope == NULL)
        find_nothing(region, question, history, ret_report);
    return st;
}
