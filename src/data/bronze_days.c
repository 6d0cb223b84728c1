#include "data/bronze_days.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cancel.h"
#include "base/memory.h"
#include "data/bronze_merges.h"
#include "format/gzip_stream.h"

#define READ_BYTES ((size_t)256 << 10)

void
mq_bronze_days_release(struct mq_bronze_days *days)
{
    free(days->days);
    *days = (struct mq_bronze_days){0};
}

/* ---- listing ---------------------------------------------------------------------------- */

struct listing {
    struct mq_bronze_days *days;
    size_t prefix_size;
    struct mq_sha256 *digest; /* of the last day; NULL: none begun */
};

static enum mq_status
end_day(struct listing *listing, struct mq_error *err)
{
    if (listing->digest == NULL)
        return MQ_OK;
    struct mq_bronze_day *day = &listing->days->days[listing->days->count - 1];
    enum mq_status st = mq_sha256_hex(listing->digest, day->listing, err);
    mq_sha256_free(listing->digest);
    listing->digest = NULL;
    return st;
}

static enum mq_status
begin_day(struct listing *listing, const char *date, struct mq_error *err)
{
    struct mq_bronze_days *days = listing->days;
    enum mq_status st = end_day(listing, err);
    if (st == MQ_OK)
        st = mq_grow(&days->days, &days->capacity, days->count + 1, sizeof(*days->days), err);
    if (st == MQ_OK)
        st = mq_sha256_new(&listing->digest, err);
    if (st != MQ_OK)
        return st;
    days->days[days->count] = (struct mq_bronze_day){0};
    memcpy(days->days[days->count].date, date, MQ_DATE_SIZE - 1);
    days->count++;
    return MQ_OK;
}

/* Keys come in order, so a day's objects stand together. */
static enum mq_status
note(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    struct listing *listing = context;
    const char *rest = key + listing->prefix_size, *name = rest + 3 + MQ_DATE_SIZE;
    int64_t ignored;
    if (strlen(rest) < 3 + MQ_DATE_SIZE + sizeof(MQ_BRONZE_SUFFIX) - 1 ||
        memcmp(rest, "dt=", 3) != 0 || name[-1] != '/' || strchr(name, '/') != NULL ||
        strcmp(rest + strlen(rest) - (sizeof(MQ_BRONZE_SUFFIX) - 1), MQ_BRONZE_SUFFIX) != 0 ||
        mq_instant_parse(rest + 3, MQ_DATE_SIZE - 1, &ignored, NULL) != MQ_OK)
        return MQ_OK; /* none of ours */
    enum mq_status st = MQ_OK;
    if (listing->digest == NULL ||
        memcmp(listing->days->days[listing->days->count - 1].date, rest + 3, MQ_DATE_SIZE - 1) != 0)
        st = begin_day(listing, rest + 3, err);
    if (st != MQ_OK)
        return st;
    struct mq_bronze_day *day = &listing->days->days[listing->days->count - 1];
    day->objects++;
    day->bytes += info->size_bytes;
    char line[MQ_OBJECT_KEY_MAX + MQ_ETAG_MAX + 32];
    int n = snprintf(line, sizeof(line), "%s\n%lld\n%s\n", name, (long long)info->size_bytes,
                     info->etag);
    return mq_sha256_add(listing->digest, line, (size_t)n, err);
}

enum mq_status
mq_bronze_days_list(struct mq_object_store *store, const char *region, const char *date,
                    struct mq_bronze_days *ret_days, struct mq_error *err)
{
    struct mq_bronze_days days = {0};
    struct listing listing = {.days = &days};
    char prefix[MQ_OBJECT_KEY_MAX];
    enum mq_status st = mq_bronze_day_prefix(region, MQ_BRONZE_EVENTS, "", prefix, err);
    if (st != MQ_OK)
        return st;
    prefix[strlen(prefix) - strlen("dt=/")] = '\0'; /* the folder of all days */
    listing.prefix_size = strlen(prefix);
    if (date != NULL)
        st = mq_bronze_day_prefix(region, MQ_BRONZE_EVENTS, date, prefix, err);
    if (st == MQ_OK)
        st = mq_object_list(store, prefix, note, &listing, err);
    if (st == MQ_OK)
        st = end_day(&listing, err);
    mq_sha256_free(listing.digest);
    if (st != MQ_OK) {
        mq_bronze_days_release(&days);
        return st;
    }
    *ret_days = days;
    return MQ_OK;
}

/* ---- lines ------------------------------------------------------------------------------ */

struct reading {
    struct mq_object_store *store;
    size_t prefix_size;
    struct mq_bronze_merges merges;
    mq_bronze_line_fn fn;
    void *context;
    char *bytes; /* [READ_BYTES] */
    struct mq_buffer rest;
};

static enum mq_status
too_long(const struct mq_bronze_line *line, struct mq_error *err)
{
    return mq_fail(err, MQ_E_FORMAT, "line %lld of '%s' has over %zu bytes",
                   (long long)line->number, line->key, MQ_BRONZE_LINE_MAX);
}

/* The lines in some bytes; what is behind the last line end waits for more. */
static enum mq_status
split(struct reading *reading, const char *bytes, size_t size, struct mq_bronze_line *line,
      struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    const char *end = bytes + size;
    while (st == MQ_OK && bytes < end) {
        const char *stop = memchr(bytes, '\n', (size_t)(end - bytes));
        size_t n = (size_t)((stop != NULL ? stop : end) - bytes);
        if (reading->rest.size + n > MQ_BRONZE_LINE_MAX)
            return too_long(line, err);
        if (stop == NULL || reading->rest.size > 0) {
            st = mq_buffer_append(&reading->rest, bytes, n, err);
            line->bytes = reading->rest.data;
            line->size = reading->rest.size;
        } else {
            line->bytes = bytes;
            line->size = n;
        }
        bytes += n + (stop != NULL);
        if (st != MQ_OK || stop == NULL)
            return st;
        st = reading->fn(reading->context, line, err);
        mq_buffer_reset(&reading->rest);
        line->number++;
    }
    return st;
}

static enum mq_status
read_object(struct reading *reading, const char *key, struct mq_error *err)
{
    struct mq_bronze_line line = {.key = key, .number = 1};
    struct mq_reader *raw = NULL, *text = NULL;
    size_t n = 1;
    mq_buffer_reset(&reading->rest);
    enum mq_status st = mq_object_reader(reading->store, key, &raw, err);
    if (st == MQ_OK)
        st = mq_gzip_reader(raw, &text, err);
    while (st == MQ_OK && n > 0) {
        st = mq_reader_some(text, reading->bytes, READ_BYTES, &n, err);
        if (st == MQ_E_FORMAT)
            mq_error_hint(err, "what is whole and what is not: marquee bronze verify");
        if (st == MQ_OK)
            st = split(reading, reading->bytes, n, &line, err);
        if (st == MQ_OK)
            st = mq_cancel_check(err);
    }
    mq_reader_close(text);
    if (st == MQ_OK && reading->rest.size > 0) { /* a last line without an end */
        line.bytes = reading->rest.data;
        line.size = reading->rest.size;
        st = reading->fn(reading->context, &line, err);
    }
    return st;
}

static enum mq_status
visit(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    (void)info;
    struct reading *reading = context;
    const char *name = key + reading->prefix_size;
    size_t n = strlen(name);
    if (n < sizeof(MQ_BRONZE_SUFFIX) ||
        strcmp(name + n - (sizeof(MQ_BRONZE_SUFFIX) - 1), MQ_BRONZE_SUFFIX) != 0 ||
        strchr(name, '/') != NULL)
        return MQ_OK; /* none of ours */
    const struct mq_bronze_merge *part_of = mq_bronze_merge_of(&reading->merges, name);
    const struct mq_bronze_merge *merged = mq_bronze_merge_named(&reading->merges, name);
    if ((part_of != NULL && part_of->done) || (merged != NULL && !merged->done))
        return MQ_OK;
    return read_object(reading, key, err);
}

enum mq_status
mq_bronze_read_day(struct mq_object_store *store, const char *region, enum mq_bronze_kind kind,
                   const char *date, mq_bronze_line_fn fn, void *context, struct mq_error *err)
{
    struct reading reading = {.store = store, .fn = fn, .context = context};
    char prefix[MQ_OBJECT_KEY_MAX];
    enum mq_status st = mq_bronze_day_prefix(region, kind, date, prefix, err);
    if (st == MQ_OK && kind == MQ_BRONZE_EVENTS)
        st = mq_bronze_merges_read(store, region, date, &reading.merges, err);
    if (st != MQ_OK)
        return st;
    reading.prefix_size = strlen(prefix);
    mq_buffer_init(&reading.rest, 2 * MQ_BRONZE_LINE_MAX);
    reading.bytes = malloc(READ_BYTES);
    st = reading.bytes != NULL ? mq_object_list(store, prefix, visit, &reading, err)
                               : mq_fail(err, MQ_E_NOMEM, "cannot allocate a buffer");
    free(reading.bytes);
    mq_buffer_release(&reading.rest);
    mq_bronze_merges_release(&reading.merges);
    return st;
}
