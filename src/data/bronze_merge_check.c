#include "data/bronze_merge_check.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

/* Texts of the parts; the first that no record names ends the list. */
static enum mq_status
texts_of(const char *date, const struct mq_bronze_merges *merges,
         const struct mq_bronze_merge *merge, const struct mq_bronze_history *history,
         const struct mq_bronze_object ***ret_texts, size_t *ret_count, struct mq_error *err)
{
    const struct mq_bronze_object **texts;
    size_t count = 0;
    enum mq_status st = mq_alloc_array((size_t)(merge->part_end - merge->part_begin),
                                       sizeof(const struct mq_bronze_object *), &texts, err);
    if (st != MQ_OK)
        return st;
    for (int32_t p = merge->part_begin; p < merge->part_end; p++) {
        texts[count] =
            mq_bronze_history_object(history, MQ_BRONZE_EVENTS, date, merges->parts.keys[p]);
        if (texts[count] == NULL)
            break;
        count++;
    }
    *ret_texts = texts;
    *ret_count = count;
    return MQ_OK;
}

static void
judge(const struct mq_bronze_merges *merges, const struct mq_bronze_merge *merge,
      const struct mq_bronze_object *const *texts, size_t count, struct mq_bronze_merge_verdict *v)
{
    size_t parts = (size_t)(merge->part_end - merge->part_begin);
    if (count < parts) {
        v->state = MQ_MERGE_UNNAMED;
        v->part = merges->parts.keys[(size_t)merge->part_begin + count];
        snprintf(v->words, sizeof(v->words), "has lines of '%.128s', which no batch names",
                 v->part);
        return;
    }
    if (v->contents.is_whole)
        return;
    v->state = MQ_MERGE_DIFFERS;
    int64_t lines = 0;
    for (size_t i = 0; i < count; i++)
        lines += texts[i]->lines;
    if (v->contents.agreeing < parts)
        v->part = merges->parts.keys[(size_t)merge->part_begin + v->contents.agreeing];
    if (v->contents.lines != lines)
        snprintf(v->words, sizeof(v->words), "has %lld lines, its batches %lld",
                 (long long)v->contents.lines, (long long)lines);
    else
        snprintf(v->words, sizeof(v->words), "does not hold the lines of '%.128s' as written",
                 v->part != NULL ? v->part : "");
}

enum mq_status
mq_bronze_merge_check(struct mq_object_store *store, const char *key, const char *date,
                      const struct mq_bronze_merges *merges, const struct mq_bronze_merge *merge,
                      const struct mq_bronze_history *history,
                      struct mq_bronze_merge_verdict *ret_verdict, struct mq_error *err)
{
    struct mq_bronze_merge_verdict v = {.state = MQ_MERGE_SOUND};
    mq_autofree const struct mq_bronze_object **texts = NULL;
    size_t count;
    struct mq_error own = {0};
    enum mq_status st = texts_of(date, merges, merge, history, &texts, &count, err);
    if (st != MQ_OK)
        return st;
    st = mq_bronze_contents_read(store, key, texts, count, NULL, &v.contents, &own);
    if (st == MQ_E_NOT_FOUND) {
        v.state = MQ_MERGE_ABSENT;
        snprintf(v.words, sizeof(v.words), "is not there");
    } else if (st == MQ_E_FORMAT) {
        v.state = MQ_MERGE_DAMAGED;
        snprintf(v.words, sizeof(v.words), "is damaged: %.200s", own.message);
    } else if (st == MQ_OK) {
        judge(merges, merge, texts, count, &v);
    } else {
        if (err != NULL)
            *err = own;
        return st;
    }
    *ret_verdict = v;
    return MQ_OK;
}

bool
mq_bronze_merge_extent(const struct mq_bronze_merges *merges, const struct mq_bronze_merge *merge,
                       const struct mq_bronze_history *history,
                       char ret_topic[MQ_TOPIC_NAME_MAX + 1], int32_t *ret_partition,
                       struct mq_bronze_span *ret_span)
{
    struct mq_bronze_span extent = {0, 0};
    for (int32_t p = merge->part_begin; p < merge->part_end; p++) {
        char topic[MQ_TOPIC_NAME_MAX + 1];
        int32_t partition;
        int64_t first;
        if (!mq_bronze_name_parse(merges->parts.keys[p], MQ_BRONZE_SUFFIX, topic, &partition,
                                  &first))
            return false;
        if (p == merge->part_begin) {
            memcpy(ret_topic, topic, sizeof(topic));
            *ret_partition = partition;
        } else if (strcmp(topic, ret_topic) != 0 || partition != *ret_partition) {
            return false;
        }
        const struct mq_bronze_record *record =
            mq_bronze_history_find(history, topic, partition, first);
        extent = mq_bronze_span_join(
            extent, (struct mq_bronze_span){first, record != NULL ? record->end : first + 1});
    }
    *ret_span = extent;
    return !mq_bronze_span_is_empty(extent);
}
