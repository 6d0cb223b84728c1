/** A small bronze layer in a folder of its own: sourced by the tests of data/bronze_*.h. */
#ifndef MQ_TESTS_BRONZE_FIXTURE_H
#define MQ_TESTS_BRONZE_FIXTURE_H

#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "data/bronze_publish.h"
#include "data/bronze_verify.h"

#define NOW_MS INT64_C(1773100800000) /* 2026-03-10 00:00 */

struct layer {
    char *folder;
    struct mq_object_store *store;
    struct mq_bronze_layer layer;
};

static int
setup(void **state)
{
    struct layer *l = calloc(1, sizeof(*l));
    setenv("MARQUEE_NOW", "1773100800", 1);
    if (mq_fs_scratch(&l->folder, NULL) != MQ_OK ||
        mq_object_store_open(l->folder, &l->store, NULL) != MQ_OK)
        return 1;
    l->layer =
        (struct mq_bronze_layer){.store = l->store,
                                 .region = "1",
                                 .rules = {.age_max_ms = INT64_C(365) * MQ_DAY_SECONDS * 1000,
                                           .ahead_max_ms = 3600000,
                                           .rating_min = 0.5,
                                           .rating_max = 5},
                                 .level = 1};
    *state = l;
    return 0;
}

static int
teardown(void **state)
{
    struct layer *l = *state;
    mq_object_store_free(l->store);
    mq_fs_remove(l->folder, NULL);
    free(l->folder);
    free(l);
    return 0;
}

static void
add(struct mq_bronze_batch *batch, int64_t offset, const char *value)
{
    struct mq_error err = {0};
    struct mq_event event = {
        .offset = offset, .time_ms = NOW_MS, .value = value, .value_size = strlen(value)};
    check_ok(mq_bronze_batch_add(batch, &event, &err));
}

/* Good events of two days, one with line ends, and three that are refused. */
static struct mq_bronze_batch
make_batch(int64_t first)
{
    struct mq_bronze_batch batch = {
        .topic = "user-events", .partition = 2, .first = first, .end = first};
    add(&batch, first, "{\"user_id\":1,\"movie_id\":2,\"rating\":4,\"timestamp\":1773100000}");
    add(&batch, first + 1, "{\"user_id\":1,\"movie_id\":3,\"rating\":9,\"timestamp\":1773100000}");
    add(&batch, first + 2,
        "{\"user_id\": 1,\n \"movie_id\": 4, \"rating\": 5,\r\n"
        "\"timestamp\": 1773010000}");
    add(&batch, first + 3, "not json \xff");
    add(&batch, first + 4, "{\"user_id\":1,\"movie_id\":5,\"rating\":1,\"timestamp\":1}");
    add(&batch, first + 5, "{\"user_id\":7,\"movie_id\":2,\"rating\":3,\"timestamp\":1773010001}");
    return batch;
}

static enum mq_status
publish(struct layer *l, const struct mq_bronze_batch *batch, struct mq_bronze_published *figures,
        struct mq_error *err)
{
    struct mq_bronze_publication *p;
    assert_int_equal(mq_bronze_publication_new(&l->layer, batch, NULL, &p, err), MQ_OK);
    enum mq_status st = mq_bronze_publication_run(p, err);
    if (st == MQ_OK)
        mq_bronze_publication_figures(p, figures);
    mq_bronze_publication_free(p);
    return st;
}

static void
verify_as(struct layer *l, const struct mq_bronze_question *question,
          struct mq_bronze_report *report)
{
    struct mq_error err = {0};
    struct mq_bronze_history history = {0};
    check_ok(mq_bronze_history_load(l->store, "1", question->scope, NULL, &history, &err));
    check_ok(mq_bronze_verify(l->store, "1", question, &history, NULL, report, &err));
    mq_bronze_history_release(&history);
}

static void
verify(struct layer *l, struct mq_bronze_report *report)
{
    const struct mq_bronze_question all = {.date = NULL};
    verify_as(l, &all, report);
}

static void
assert_among(const struct mq_bronze_findings *findings, const char *part)
{
    for (size_t i = 0; i < findings->kept; i++)
        if (strstr(findings->texts[i], part) != NULL)
            return;
    fail_msg("no finding holds '%s'; the first of %d: %s", part, (int)findings->count,
             findings->kept > 0 ? findings->texts[0] : "");
}

static void
assert_finding(struct layer *l, const char *part)
{
    struct mq_bronze_report report;
    verify(l, &report);
    assert_among(&report.findings, part);
    mq_bronze_report_release(&report);
}

static void
assert_whole(struct layer *l, int64_t events, int64_t rejected)
{
    struct mq_bronze_report report;
    verify(l, &report);
    if (report.findings.count > 0)
        fail_msg("%s", report.findings.texts[0]);
    assert_int_equal(report.events, events);
    assert_int_equal(report.rejected, rejected);
    mq_bronze_report_release(&report);
}

static void
publish_at(struct layer *l, int64_t first)
{
    struct mq_error err = {0};
    struct mq_bronze_published figures;
    struct mq_bronze_batch batch = make_batch(first);
    check_ok(publish(l, &batch, &figures, &err));
    mq_bronze_batch_release(&batch);
}

#endif
