#include "data/bronze_publish.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/filesystem.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/action_projection.h"
#include "data/bronze_merges.h"
#include "data/rejected_line.h"
#include "format/gzip_pack.h"

/* An event of the rejected topic keeps clear of what brokers take at most by default. */
#define REJECTED_LINE_MAX ((size_t)900 << 10)
#define REJECTED_AT_ONCE 500
/* So many objects of a batch are put at once, where the layer allows it. */
#define TOGETHER_FROM 8

enum stage { STAGE_JUDGE = 0, STAGE_RECORD, STAGE_OBJECTS, STAGE_LOGS, STAGE_REJECTED, STAGE_DONE };

struct mq_bronze_publication {
    const struct mq_bronze_layer *layer;
    const struct mq_bronze_batch *batch;
    enum stage stage;
    char digest[MQ_SHA256_HEX_SIZE];
    struct mq_event_rules rules;
    struct mq_bronze_verdict verdict;
    struct mq_action_projection projection;
    struct mq_bronze_record record; /* as it is in the store, or will be */
    bool was_there;
    size_t next;      /* object, log or rejected text to be written */
    const char *line; /* of that rejected text */
    int64_t bytes_packed;
};

enum mq_status
mq_bronze_publication_new(const struct mq_bronze_layer *layer, const struct mq_bronze_batch *batch,
                          const struct mq_bronze_record *adopted,
                          struct mq_bronze_publication **ret_publication, struct mq_error *err)
{
    struct mq_bronze_publication *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a publication");
    p->layer = layer;
    p->batch = batch;
    p->rules = layer->rules;
    p->rules.now_ms = mq_clock_now_ms();
    if (adopted != NULL)
        p->rules = adopted->rules;
    *ret_publication = p;
    return MQ_OK;
}

void
mq_bronze_publication_free(struct mq_bronze_publication *p)
{
    if (p == NULL)
        return;
    mq_bronze_verdict_release(&p->verdict);
    mq_action_projection_release(&p->projection);
    mq_bronze_record_release(&p->record);
    free(p);
}

static enum mq_status
judge(struct mq_bronze_publication *p, struct mq_error *err)
{
    mq_bronze_verdict_release(&p->verdict);
    mq_action_projection_release(&p->projection);
    if (p->digest[0] == '\0')
        mq_bronze_batch_digest(p->batch, p->digest);
    return mq_bronze_judge(p->batch, &p->rules,
                           p->layer->project_actions ? mq_action_projection_take : NULL,
                           &p->projection, &p->verdict, err);
}

static bool
same_rules(const struct mq_event_rules *a, const struct mq_event_rules *b)
{
    return a->now_ms == b->now_ms && a->age_max_ms == b->age_max_ms &&
           a->ahead_max_ms == b->ahead_max_ms && a->rating_min == b->rating_min &&
           a->rating_max == b->rating_max;
}

static bool
same_objects(const struct mq_bronze_record *a, const struct mq_bronze_record *b)
{
    bool same = a->object_count == b->object_count;
    for (size_t i = 0; same && i < a->object_count; i++) {
        const struct mq_bronze_object *x = &a->objects[i], *y = &b->objects[i];
        same = x->kind == y->kind && strcmp(x->date, y->date) == 0 && x->lines == y->lines &&
               strcmp(x->sha256, y->sha256) == 0;
    }
    return same;
}

/* ---- the record ------------------------------------------------------------------------- */

/* Objects of a record that the new one does not name. */
static enum mq_status
delete_others(struct mq_bronze_publication *p, const struct mq_bronze_record *before,
              struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    for (size_t i = 0; st == MQ_OK && i < before->object_count; i++) {
        const struct mq_bronze_object *object = &before->objects[i];
        bool kept = false;
        for (size_t k = 0; !kept && k < p->record.object_count; k++)
            kept = p->record.objects[k].kind == object->kind &&
                   strcmp(p->record.objects[k].date, object->date) == 0;
        char key[MQ_OBJECT_KEY_MAX];
        const char *keys[] = {key};
        if (!kept)
            st = mq_bronze_object_key(p->layer->region, before, object, key, err);
        if (!kept && st == MQ_OK)
            st = mq_object_delete(p->layer->store, keys, 1, err);
    }
    return st;
}

/* The batch was begun by another version of Marquee, which judged otherwise: judge it as we do. */
static enum mq_status
take_over(struct mq_bronze_publication *p, const struct mq_bronze_record *there,
          const struct mq_object_info *info, const char *key, struct mq_error *err)
{
    mq_log_warn("bronze: batch '%s' was judged otherwise by another version: it is judged anew",
                key);
    struct mq_buffer text = {0};
    enum mq_status st = delete_others(p, there, err);
    if (st == MQ_OK)
        st = mq_bronze_record_text(&p->record, &text, err);
    if (st == MQ_OK)
        st = mq_object_put(p->layer->store, key, text.data, text.size, MQ_PUT_IF_MATCH, info->etag,
                           NULL, err);
    mq_buffer_release(&text);
    if (st == MQ_E_CONFLICT) { /* somebody did it before us: look again */
        mq_fail(err, MQ_E_UNREACHABLE, "batch record '%s' changes while it is read", key);
        return MQ_E_UNREACHABLE;
    }
    return st;
}

/* A record begins at our offset: is it this batch? */
static enum mq_status
meet_record(struct mq_bronze_publication *p, const char *key, struct mq_error *err)
{
    const struct mq_bronze_batch *batch = p->batch;
    struct mq_bronze_record there = {0};
    struct mq_object_info info;
    enum mq_status st = mq_bronze_record_read(p->layer->store, p->layer->region, batch->topic,
                                              batch->partition, batch->first, &there, &info, err);
    if (st != MQ_OK)
        return st;
    p->was_there = true;
    if (there.end != batch->end) {
        st = mq_fail(err, MQ_E_EXISTS, "batch '%s' ends at offset %" PRId64 ", not %" PRId64, key,
                     there.end, batch->end);
    } else if (strcmp(there.sha256, p->digest) != 0) {
        st = mq_fail(err, MQ_E_CONFLICT,
                     "offsets %" PRId64 " to %" PRId64
                     " of partition %d of topic '%s' held other events when batch '%s' was written",
                     batch->first, batch->end, batch->partition, batch->topic, key);
        mq_error_hint(err, "was the topic deleted and made anew? give it another name, or a store "
                           "or region of its own");
    } else if (!same_rules(&there.rules, &p->rules)) {
        p->rules = there.rules; /* what counts is what was said first */
        p->stage = STAGE_JUDGE;
    } else if (!same_objects(&there, &p->record)) {
        st = take_over(p, &there, &info, key, err);
        if (st == MQ_OK)
            p->stage = STAGE_OBJECTS;
    } else {
        p->stage = STAGE_OBJECTS;
    }
    mq_bronze_record_release(&there);
    return st;
}

static enum mq_status
put_record(struct mq_bronze_publication *p, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_buffer text;
    mq_buffer_init(&text, MQ_BRONZE_RECORD_MAX);
    mq_bronze_record_release(&p->record);
    enum mq_status st =
        mq_bronze_record_make(p->batch, p->digest, &p->rules, &p->verdict, &p->record, err);
    if (st == MQ_OK)
        st = mq_bronze_record_key(p->layer->region, p->batch->topic, p->batch->partition,
                                  p->batch->first, key, err);
    if (st == MQ_OK)
        st = mq_bronze_record_text(&p->record, &text, err);
    if (st == MQ_OK)
        st = mq_object_put(p->layer->store, key, text.data, text.size, MQ_PUT_IF_ABSENT, NULL, NULL,
                           err);
    mq_buffer_release(&text);
    if (st == MQ_E_EXISTS)
        return meet_record(p, key, err);
    if (st == MQ_OK)
        p->stage = STAGE_OBJECTS;
    return st;
}

/* ---- objects ---------------------------------------------------------------------------- */

/* Whether compaction has merged an object of this batch. */
static enum mq_status
is_merged(struct mq_bronze_publication *p, const struct mq_bronze_object *object, const char *key,
          bool *ret_merged, struct mq_error *err)
{
    *ret_merged = false;
    return p->was_there ? mq_bronze_is_merged(p->layer->store, p->layer->region, object, key,
                                              ret_merged, err)
                        : MQ_OK;
}

static enum mq_status
pack(const struct mq_bronze_publication *p, const struct mq_bronze_text *text,
     struct mq_buffer *packed, struct mq_error *err)
{
    mq_buffer_init(packed, 2 * MQ_BRONZE_BATCH_LIMIT);
    return mq_gzip_pack(text->text, text->size, p->layer->level, packed, err);
}

static enum mq_status
put_packed(struct mq_bronze_publication *p, const struct mq_bronze_text *text, const char *key,
           int64_t *ret_size, struct mq_error *err)
{
    struct mq_buffer packed;
    enum mq_status st = pack(p, text, &packed, err);
    if (st == MQ_OK)
        st = mq_object_put(p->layer->store, key, packed.data, packed.size, MQ_PUT_ALWAYS, NULL,
                           NULL, err);
    *ret_size = (int64_t)packed.size;
    mq_buffer_release(&packed);
    return st;
}

/* A compaction may have merged an object while we wrote it again. */
static enum mq_status
drop_if_merged(struct mq_bronze_publication *p, const struct mq_bronze_text *text, const char *key,
               struct mq_error *err)
{
    bool merged = false;
    const char *keys[] = {key};
    enum mq_status st = is_merged(p, &text->object, key, &merged, err);
    return st == MQ_OK && merged ? mq_object_delete(p->layer->store, keys, 1, err) : st;
}

static enum mq_status
put_object(struct mq_bronze_publication *p, const struct mq_bronze_text *text, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    bool merged = false;
    int64_t size = 0;
    enum mq_status st = mq_bronze_object_key(p->layer->region, &p->record, &text->object, key, err);
    if (st == MQ_OK)
        st = is_merged(p, &text->object, key, &merged, err);
    if (st != MQ_OK || merged)
        return st;
    st = put_packed(p, text, key, &size, err);
    if (st == MQ_OK)
        p->bytes_packed += size;
    return st == MQ_OK ? drop_if_merged(p, text, key, err) : st;
}

/* ---- many objects at once --------------------------------------------------------------- */

/* The objects of a batch that are to be put: those that no compaction has merged. */
struct together {
    struct mq_bronze_publication *p;
    const struct mq_bronze_text **texts; /* [count] */
    const char **keys, **paths;          /* [count], in the arena */
    int64_t *sizes;
    size_t count;
    struct mq_arena names;
};

static enum mq_status
choose(struct together *t, struct mq_error *err)
{
    struct mq_bronze_publication *p = t->p;
    size_t n = p->verdict.text_count;
    t->texts = mq_arena_array(&t->names, n, sizeof(*t->texts));
    t->keys = mq_arena_array(&t->names, n, sizeof(*t->keys));
    t->paths = mq_arena_array(&t->names, n, sizeof(*t->paths));
    t->sizes = mq_arena_array(&t->names, n, sizeof(*t->sizes));
    if (t->texts == NULL || t->keys == NULL || t->paths == NULL || t->sizes == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the names of %zu objects", n);
    for (size_t i = 0; i < n; i++) {
        const struct mq_bronze_text *text = &p->verdict.texts[i];
        char key[MQ_OBJECT_KEY_MAX];
        bool merged = false;
        enum mq_status st =
            mq_bronze_object_key(p->layer->region, &p->record, &text->object, key, err);
        if (st == MQ_OK)
            st = is_merged(p, &text->object, key, &merged, err);
        if (st != MQ_OK)
            return st;
        if (merged)
            continue;
        t->texts[t->count] = text;
        t->keys[t->count] = mq_arena_copy(&t->names, key, strlen(key));
        t->paths[t->count] = mq_arena_format(&t->names, "%s/object-%zu", p->layer->scratch, i);
        if (t->keys[t->count] == NULL || t->paths[t->count] == NULL)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate a key");
        t->count++;
    }
    return MQ_OK;
}

static enum mq_status
put_range(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    (void)worker;
    struct together *t = context;
    enum mq_status st = MQ_OK;
    for (int64_t i = begin; st == MQ_OK && i < end; i++)
        st = put_packed(t->p, t->texts[i], t->keys[i], &t->sizes[i], err);
    return st;
}

static enum mq_status
write_file(const char *path, const struct mq_buffer *bytes, struct mq_error *err)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return mq_fail_errno(err, errno, "cannot create '%s'", path);
    bool whole = fwrite(bytes->data, 1, bytes->size, file) == bytes->size;
    whole = fclose(file) == 0 && whole;
    return whole ? MQ_OK : mq_fail_errno(err, errno, "cannot write '%s'", path);
}

static enum mq_status
put_by_files(struct together *t, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    for (size_t i = 0; st == MQ_OK && i < t->count; i++) {
        struct mq_buffer packed;
        st = pack(t->p, t->texts[i], &packed, err);
        if (st == MQ_OK)
            st = write_file(t->paths[i], &packed, err);
        t->sizes[i] = (int64_t)packed.size;
        mq_buffer_release(&packed);
    }
    if (st == MQ_OK)
        st = mq_object_put_files(t->p->layer->store, t->keys, t->paths, t->count, err);
    for (size_t i = 0; i < t->count; i++)
        unlink(t->paths[i]); /* where it was not moved */
    return st;
}

static enum mq_status
put_together(struct mq_bronze_publication *p, struct mq_error *err)
{
    struct together t = {.p = p};
    char local[MQ_PATH_MAX];
    bool is_folder =
        mq_object_store_local_path(p->layer->store, p->layer->region, local, sizeof(local));
    enum mq_status st = choose(&t, err);
    if (st == MQ_OK)
        st = is_folder ? put_by_files(&t, err)
                       : mq_pool_for(p->layer->pool, (int64_t)t.count, 1, put_range, &t, err);
    for (size_t i = 0; st == MQ_OK && i < t.count; i++) {
        p->bytes_packed += t.sizes[i];
        st = drop_if_merged(p, t.texts[i], t.keys[i], err);
    }
    mq_arena_release(&t.names);
    return st;
}

static enum mq_status
put_log(struct mq_bronze_publication *p, const struct mq_projected_log *log, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    enum mq_status st = mq_projected_log_key(p->layer->region, log, p->batch->topic,
                                             p->batch->partition, p->batch->first, key, err);
    return st == MQ_OK ? mq_object_put(p->layer->store, key, log->text.data, log->text.size,
                                       MQ_PUT_ALWAYS, NULL, NULL, err)
                       : st;
}

/* ---- the rejected topic ----------------------------------------------------------------- */

static enum mq_status
produce(struct mq_bronze_publication *p, struct mq_new_event *events, size_t count,
        struct mq_error *err)
{
    struct mq_produced produced[REJECTED_AT_ONCE];
    const char *topic = p->layer->rejected_topic;
    enum mq_status st = mq_event_log_produce(p->layer->log, topic, events, count,
                                             MQ_BRONZE_REJECTED_TIMEOUT_MS, produced, err);
    if (st == MQ_E_NOT_FOUND) {
        st = mq_event_log_ensure_topic(p->layer->log, topic, MQ_REJECTED_PARTITIONS, NULL, err);
        if (st == MQ_OK)
            st = mq_event_log_produce(p->layer->log, topic, events, count,
                                      MQ_BRONZE_REJECTED_TIMEOUT_MS, produced, err);
    }
    return st;
}

/* Some lines of a rejected text, from p->line on. A line that is too large for a broker is left to
 * the object. */
static enum mq_status
produce_some(struct mq_bronze_publication *p, const struct mq_bronze_text *text,
             struct mq_error *err)
{
    struct mq_new_event events[REJECTED_AT_ONCE];
    char key[MQ_EVENT_KEY_MAX];
    size_t count = 0, bytes = 0;
    const char *end = text->text + text->size, *line = p->line != NULL ? p->line : text->text;
    int key_size = snprintf(key, sizeof(key), "%s-%d", p->batch->topic, p->batch->partition);
    while (line < end && count < REJECTED_AT_ONCE && bytes < REJECTED_LINE_MAX) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t size = (size_t)(stop - line);
        if (size <= REJECTED_LINE_MAX)
            events[count++] = (struct mq_new_event){key, (size_t)key_size, line, size};
        else
            mq_log_warn(
                "bronze: a rejected event is kept in bronze/rejected alone, for its line has "
                "%zu bytes, and topic '%s' takes lines up to %zu: %.80s…",
                size, p->layer->rejected_topic, REJECTED_LINE_MAX, line);
        bytes += size;
        line = stop + 1;
    }
    enum mq_status st = count > 0 ? produce(p, events, count, err) : MQ_OK;
    if (st == MQ_OK)
        p->line = line;
    return st;
}

static enum mq_status
produce_rejected(struct mq_bronze_publication *p, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    bool wanted = p->layer->rejected_topic != NULL && !p->batch->holds_refusals;
    while (st == MQ_OK && wanted && p->next < p->verdict.text_count) {
        const struct mq_bronze_text *text = &p->verdict.texts[p->next];
        if (text->object.kind == MQ_BRONZE_REJECTED && p->line != text->text + text->size) {
            st = produce_some(p, text, err);
        } else {
            p->line = NULL;
            p->next++;
        }
    }
    return st;
}

/* ---- all of it -------------------------------------------------------------------------- */

enum mq_status
mq_bronze_publication_run(struct mq_bronze_publication *p, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    while (st == MQ_OK && p->stage != STAGE_DONE) {
        switch (p->stage) {
        case STAGE_JUDGE:
            st = judge(p, err);
            if (st == MQ_OK)
                p->stage = STAGE_RECORD;
            break;
        case STAGE_RECORD:
            st = put_record(p, err);
            p->next = 0;
            break;
        case STAGE_OBJECTS:
            if (p->next == p->verdict.text_count) {
                p->stage = STAGE_LOGS;
                p->next = 0;
            } else if (p->layer->scratch != NULL && p->next == 0 &&
                       p->verdict.text_count >= TOGETHER_FROM) {
                st = put_together(p, err);
                if (st == MQ_OK)
                    p->next = p->verdict.text_count;
            } else if ((st = put_object(p, &p->verdict.texts[p->next], err)) == MQ_OK) {
                p->next++;
            }
            break;
        case STAGE_LOGS:
            if (p->next == p->projection.count) {
                p->stage = STAGE_REJECTED;
                p->next = 0;
            } else if ((st = put_log(p, &p->projection.logs[p->next], err)) == MQ_OK) {
                p->next++;
            }
            break;
        case STAGE_REJECTED:
            st = produce_rejected(p, err);
            if (st == MQ_OK)
                p->stage = STAGE_DONE;
            break;
        case STAGE_DONE:
            break;
        }
    }
    return st;
}

void
mq_bronze_publication_figures(const struct mq_bronze_publication *p,
                              struct mq_bronze_published *ret_figures)
{
    *ret_figures = (struct mq_bronze_published){
        .good = p->verdict.good,
        .rejected = p->verdict.rejected,
        .objects = (int64_t)(p->verdict.text_count + p->projection.count),
        .bytes_packed = p->bytes_packed,
        .was_there = p->was_there};
    memcpy(ret_figures->faults, p->verdict.faults, sizeof(ret_figures->faults));
}
