#include "model/hybrid_files.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/sha256.h"
#include "model/hybrid_parts.h"
#include "store/json_object.h"

#define FORM_NAME "marquee-hybrid"
/* Files of one model, far more than it has. */
#define FILES_MAX 1000

bool
mq_hybrid_version_is_valid(const char *version)
{
    size_t n = strlen(version);
    return n >= 1 && n < MQ_HYBRID_VERSION_SIZE && version[0] != '.' &&
           strspn(version, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_") ==
               n;
}

enum mq_status
mq_hybrid_key(const char *region, const char *version, const char *file,
              char ret_key[MQ_OBJECT_KEY_MAX], struct mq_error *err)
{
    if (!mq_hybrid_version_is_valid(version))
        return mq_fail(err, MQ_E_USAGE,
                       "'%.64s' is no version of a model (1 to %d letters, digits, "
                       "'.', '-', '_')",
                       version, MQ_HYBRID_VERSION_SIZE - 1);
    int n =
        snprintf(ret_key, MQ_OBJECT_KEY_MAX, "%s/" MQ_HYBRID_PREFIX "%s/%s", region, version, file);
    return n < MQ_OBJECT_KEY_MAX ? MQ_OK
                                 : mq_fail(err, MQ_E_RANGE, "region '%s' is too long", region);
}

/* The instant, and the first digits of a digest of what was learned from and what came out. */
static enum mq_status
choose_version(struct mq_hybrid *h, struct mq_error *err)
{
    const struct mq_rating_matrix *m = h->ratings;
    const struct {
        const void *bytes;
        size_t size;
    } pieces[] = {
        {m->user_offset, (size_t)(m->user_count + 1) * sizeof(*m->user_offset)},
        {m->user_item, (size_t)m->count * sizeof(*m->user_item)},
        {m->user_rating, (size_t)m->count * sizeof(*m->user_rating)},
        {m->user_time, (size_t)m->count * sizeof(*m->user_time)},
        {h->blend, sizeof(h->blend)},
        {h->rating_weight, sizeof(h->rating_weight)},
        {h->ials != NULL ? (const void *)h->ials->item : "",
         h->ials != NULL ? (size_t)m->item_count * (size_t)h->ials->factors * sizeof(float) : 0}};
    struct mq_sha256 *digest;
    char hex[MQ_SHA256_HEX_SIZE], instant[MQ_INSTANT_SIZE];
    enum mq_status st = mq_sha256_new(&digest, err);
    if (st != MQ_OK)
        return st;
    for (size_t i = 0; st == MQ_OK && i < MQ_COUNT(pieces); i++)
        st = mq_sha256_add(digest, pieces[i].bytes, pieces[i].size, err);
    if (st == MQ_OK)
        st = mq_sha256_hex(digest, hex, err);
    mq_sha256_free(digest);
    if (st != MQ_OK)
        return st;
    mq_instant_format(h->made_s, instant); /* 2026-11-26T02:00:00Z without the marks between */
    snprintf(h->version, sizeof(h->version), "%.4s%.2s%.5s%.2s%.3s-%.8s", instant, instant + 5,
             instant + 8, instant + 14, instant + 17, hex);
    return MQ_OK;
}

/* Write one file; its size and digest go to `files`. */
static enum mq_status
save_part(struct mq_object_store *store, const char *region, const struct mq_hybrid *h,
          const struct mq_hybrid_part *part, json_t *files, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX], hex[MQ_SHA256_HEX_SIZE];
    struct mq_writer *writer = NULL;
    enum mq_status st = mq_hybrid_key(region, h->version, part->name, key, err);
    if (st == MQ_OK)
        st = mq_object_writer(store, key, &writer, err);
    if (st == MQ_OK)
        st = mq_sha256_writer(writer, &writer, err);
    if (st != MQ_OK)
        return st;
    st = part->write(h, writer, err);
    if (st == MQ_OK)
        st = mq_writer_commit(writer, err);
    if (st == MQ_OK)
        st = mq_sha256_written(writer, hex, err);
    if (st == MQ_OK)
        json_object_set_new(
            files, part->name,
            json_pack("{s:I, s:s}", "bytes", (json_int_t)writer->offset, "sha256", hex));
    mq_writer_close(writer);
    return st;
}

/* model.json */
static json_t *
describe(const struct mq_hybrid *h, json_t *files, json_t *facts)
{
    json_t *blend = json_object(), *weights = json_object();
    char made[MQ_INSTANT_SIZE];
    mq_instant_format(h->made_s, made);
    for (int m = 0; m < MQ_METHOD_COUNT; m++)
        json_object_set_new(blend, mq_method_name((enum mq_method)m),
                            json_real((double)h->blend[m]));
    for (int p = 0; p < MQ_PREDICTOR_COUNT; p++)
        json_object_set_new(weights, mq_predictor_name((enum mq_rating_predictor)p),
                            json_real((double)h->rating_weight[p]));
    json_t *model = json_pack(
        "{s:s, s:i, s:s, s:s, s:I, s:i, s:i, s:I, s:o, s:o, s:o, s:f, s:[f,f], s:f, s:s, "
        "s:f, s:O}",
        "format", FORM_NAME, "form", MQ_HYBRID_FORM, "version", h->version, "made", made, "made_s",
        (json_int_t)h->made_s, "users", h->ratings->user_count, "items", h->ratings->item_count,
        "ratings", (json_int_t)h->ratings->count, "parts", mq_hybrid_parts_list(h), "blend", blend,
        "rating_weights", weights, "rating_bias", (double)h->rating_bias, "rating_scale",
        (double)h->rating_low, (double)h->rating_high, "recency", (double)h->recency,
        "neighbour_form", h->literal ? "literal" : "tuned", "threshold", (double)h->threshold,
        "files", files);
    if (model != NULL && facts != NULL)
        json_object_update_missing(model, facts);
    return model;
}

static enum mq_status
save_model(struct mq_object_store *store, const char *region, const struct mq_hybrid *h,
           json_t *files, json_t *facts, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    mq_autojson json_t *model = describe(h, files, facts);
    enum mq_status st = mq_hybrid_key(region, h->version, MQ_HYBRID_MODEL_JSON, key, err);
    return st == MQ_OK ? mq_object_put_json(store, key, model, MQ_JSON_INDENTED, 0, MQ_PUT_ALWAYS,
                                            NULL, NULL, err)
                       : st;
}

enum mq_status
mq_hybrid_save(struct mq_object_store *store, const char *region, struct mq_hybrid *h,
               json_t *facts, struct mq_error *err)
{
    mq_autojson json_t *files = json_object();
    enum mq_status st = choose_version(h, err);
    for (size_t i = 0; st == MQ_OK && i < MQ_HYBRID_PARTS; i++)
        if (mq_hybrid_parts[i].is_there == NULL || mq_hybrid_parts[i].is_there(h))
            st = save_part(store, region, h, &mq_hybrid_parts[i], files, err);
    return st == MQ_OK ? save_model(store, region, h, files, facts, err) : st;
}

/* ---- reading ---- */

enum mq_status
mq_hybrid_peek(struct mq_object_store *store, const char *region, const char *version,
               json_t **ret_model, int64_t *ret_form, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    const char *format;
    int64_t form = 0;
    json_t *model = NULL;
    struct mq_buffer text;
    mq_buffer_init(&text, MQ_HYBRID_MODEL_MAX_BYTES);
    enum mq_status st = mq_hybrid_key(region, version, MQ_HYBRID_MODEL_JSON, key, err);
    if (st == MQ_OK)
        st = mq_object_get(store, key, &text, err);
    if (st == MQ_E_NOT_FOUND) {
        mq_fail(err, MQ_E_NOT_FOUND, "no model '%s' in '%s/%s'", version,
                mq_object_store_uri(store), region);
        mq_error_hint(err, "marquee models list shows those that are there; a pruned one is gone");
    }
    if (st == MQ_OK)
        st = mq_json_parse(text.data, text.size, key, &model, err);
    mq_buffer_release(&text);
    if (st == MQ_OK)
        st = mq_json_need_text(model, "format", &format, err);
    if (st == MQ_OK && strcmp(format, FORM_NAME) != 0)
        st = mq_fail(err, MQ_E_FORMAT, "'%s': format is '%.40s' (" FORM_NAME ")", key, format);
    if (st == MQ_OK)
        st = mq_json_need_int(model, "form", &form, err);
    if (st != MQ_OK) {
        json_decref(model);
        return st;
    }
    *ret_model = model;
    *ret_form = form;
    return MQ_OK;
}

enum mq_status
mq_hybrid_describe(struct mq_object_store *store, const char *region, const char *version,
                   json_t **ret_model, struct mq_error *err)
{
    json_t *model = NULL;
    int64_t form = 0;
    enum mq_status st = mq_hybrid_peek(store, region, version, &model, &form, err);
    if (st == MQ_OK && form > MQ_HYBRID_FORM) {
        json_decref(model);
        return mq_hybrid_newer(version, form, err);
    }
    if (st == MQ_OK)
        *ret_model = model;
    return st;
}

enum mq_status
mq_hybrid_newer(const char *version, int64_t form, struct mq_error *err)
{
    mq_fail(err, MQ_E_UNSUPPORTED,
            "model '%s' has form %lld: a newer Marquee made it (this one reads up to %d)", version,
            (long long)form, MQ_HYBRID_FORM);
    mq_error_hint(err, "install that version of Marquee, or let another model serve: marquee "
                       "models promote VERSION, or rollback");
    return MQ_E_UNSUPPORTED;
}

static enum mq_status
read_weights(const json_t *object, const char *(*name_of)(int), int count, float *ret_weights,
             struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    for (int i = 0; st == MQ_OK && i < count; i++) {
        double value;
        st = mq_json_need_real(object, name_of(i), &value, err);
        if (st == MQ_OK)
            ret_weights[i] = (float)value;
    }
    return st;
}

static const char *
method_name(int i)
{
    return mq_method_name((enum mq_method)i);
}

static const char *
predictor_name(int i)
{
    return mq_predictor_name((enum mq_rating_predictor)i);
}

static enum mq_status
read_model(struct mq_hybrid *h, const json_t *model, struct mq_error *err)
{
    const json_t *scale = json_object_get(model, "rating_scale");
    double bias;
    enum mq_status st = mq_json_need_int(model, "made_s", &h->made_s, err);
    if (st == MQ_OK)
        st = read_weights(json_object_get(model, "blend"), method_name, MQ_METHOD_COUNT, h->blend,
                          err);
    if (st == MQ_OK)
        st = read_weights(json_object_get(model, "rating_weights"), predictor_name,
                          MQ_PREDICTOR_COUNT, h->rating_weight, err);
    if (st == MQ_OK)
        st = mq_json_need_real(model, "rating_bias", &bias, err);
    if (st != MQ_OK)
        return st;
    h->rating_bias = (float)bias;
    h->rating_low = (float)json_number_value(json_array_get(scale, 0));
    h->rating_high = (float)json_number_value(json_array_get(scale, 1));
    const json_t *recency = json_object_get(model, "recency"); /* not in older models */
    h->recency = json_is_number(recency) ? (float)json_number_value(recency) : 1;
    if (!(h->recency >= 0 && h->recency <= MQ_HYBRID_RECENCY_MAX))
        return mq_fail(err, MQ_E_FORMAT, "recency is %g (0 to %g)", (double)h->recency,
                       (double)MQ_HYBRID_RECENCY_MAX);
    const char *form = json_string_value(json_object_get(model, "neighbour_form"));
    h->literal = form != NULL && strcmp(form, "literal") == 0; /* nor these */
    h->threshold = (float)json_number_value(json_object_get(model, "threshold"));
    if (form != NULL && !h->literal && strcmp(form, "tuned") != 0)
        return mq_fail(err, MQ_E_FORMAT, "neighbour_form is '%.40s' (tuned, literal)", form);
    if (!(h->threshold >= -1 && h->threshold <= 1))
        return mq_fail(err, MQ_E_FORMAT, "threshold is %g (-1 to 1)", (double)h->threshold);
    return h->rating_low < h->rating_high
               ? MQ_OK
               : mq_fail(err, MQ_E_FORMAT, "rating_scale is no pair of numbers, lower first");
}

/* A file that model.json names, and what it should be. */
struct due_file {
    struct mq_reader *reader; /* digests; NULL: the model has no such file, and needs none */
    const char *sha256;
    int64_t bytes;
};

static enum mq_status
open_part(struct mq_object_store *store, const char *region, const char *version,
          const struct mq_hybrid_part *part, const json_t *model, struct due_file *ret_file,
          struct mq_error *err)
{
    const json_t *file = json_object_get(json_object_get(model, "files"), part->name);
    char key[MQ_OBJECT_KEY_MAX];
    struct due_file due = {0};
    if (file == NULL && part->is_there != NULL)
        return MQ_OK;
    if (file == NULL)
        return mq_fail(err, MQ_E_FORMAT, "model '%s' lacks %s", version, part->name);
    enum mq_status st = mq_hybrid_key(region, version, part->name, key, err);
    if (st == MQ_OK)
        st = mq_json_need_int(file, "bytes", &due.bytes, err);
    if (st == MQ_OK)
        st = mq_json_need_text(file, "sha256", &due.sha256, err);
    if (st == MQ_OK)
        st = mq_object_reader(store, key, &due.reader, err);
    if (st == MQ_OK)
        st = mq_sha256_reader(due.reader, &due.reader, err);
    if (st == MQ_OK)
        *ret_file = due;
    return st;
}

/* Read a file that model.json names, and hold it against size and digest. */
static enum mq_status
load_part(struct mq_object_store *store, const char *region, struct mq_hybrid *h,
          const struct mq_hybrid_part *part, const json_t *model, struct mq_error *err)
{
    struct due_file due = {0};
    enum mq_status st = open_part(store, region, h->version, part, model, &due, err);
    if (st != MQ_OK || due.reader == NULL)
        return st;
    st = part->read(h, due.reader, model, err);
    struct mq_error differs = {0};
    /* What is wrong with the bytes matters more than what came of them. */
    if ((st == MQ_OK || st == MQ_E_FORMAT || st == MQ_E_UNSUPPORTED) &&
        mq_sha256_expect(due.reader, due.bytes, due.sha256, &differs) == MQ_E_FORMAT) {
        st = MQ_E_FORMAT;
        if (err != NULL)
            *err = differs;
    }
    mq_reader_close(due.reader);
    return st;
}

enum mq_status
mq_hybrid_verify(struct mq_object_store *store, const char *region, const char *version,
                 struct mq_error *err)
{
    mq_autojson json_t *model = NULL;
    struct mq_hybrid none = {0}; /* where the numbers of model.json go */
    enum mq_status st = mq_hybrid_describe(store, region, version, &model, err);
    if (st != MQ_OK)
        return st;
    st = read_model(&none, model, err);
    if (st != MQ_OK)
        return mq_fail_context(err, st, "model '%s' is not as it was saved: " MQ_HYBRID_MODEL_JSON,
                               version);
    for (size_t i = 0; st == MQ_OK && i < MQ_HYBRID_PARTS; i++) {
        struct due_file due = {0};
        st = open_part(store, region, version, &mq_hybrid_parts[i], model, &due, err);
        if (st == MQ_OK && due.reader != NULL) {
            st = mq_sha256_expect(due.reader, due.bytes, due.sha256, err);
            mq_reader_close(due.reader);
        }
        if (st == MQ_E_NOT_FOUND)
            st = mq_fail(err, MQ_E_FORMAT, "model '%s' is damaged: %s is missing", version,
                         mq_hybrid_parts[i].name);
        else if (st == MQ_E_FORMAT)
            st = mq_fail_context(err, st, "model '%s' is not as it was saved", version);
    }
    return st;
}

enum mq_status
mq_hybrid_load(struct mq_object_store *store, const char *region, const char *version,
               struct mq_pool *pool, struct mq_hybrid **ret_hybrid, struct mq_error *err)
{
    mq_autojson json_t *model = NULL;
    enum mq_status st = mq_hybrid_describe(store, region, version, &model, err);
    if (st != MQ_OK)
        return st;
    struct mq_hybrid *h = calloc(1, sizeof(*h));
    if (h == NULL || (h->ratings = calloc(1, sizeof(*h->ratings))) == NULL) {
        free(h);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a model");
    }
    snprintf(h->version, sizeof(h->version), "%s", version);
    st = read_model(h, model, err);
    if (st != MQ_OK)
        st = mq_fail_context(err, st, "model '%s', " MQ_HYBRID_MODEL_JSON, version);
    for (size_t i = 0; st == MQ_OK && i < MQ_HYBRID_PARTS; i++)
        st = load_part(store, region, h, &mq_hybrid_parts[i], model, err);
    if (st == MQ_OK)
        st = mq_hybrid_finish(h, pool, err);
    if (st != MQ_OK) {
        mq_hybrid_free(h);
        return st;
    }
    *ret_hybrid = h;
    return MQ_OK;
}

bool
mq_hybrid_is_unreadable(enum mq_status st)
{
    return st == MQ_E_NOT_FOUND || st == MQ_E_FORMAT || st == MQ_E_UNSUPPORTED;
}

struct files_listing {
    size_t prefix_size;
    mq_hybrid_file_fn fn;
    void *context;
};

/* "<version>/<file>"; what lies beside the versions, such as current.json, is passed over. */
static enum mq_status
visit_file(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    const struct files_listing *l = context;
    const char *name = key + l->prefix_size, *slash = strchr(name, '/');
    char version[MQ_HYBRID_VERSION_SIZE];
    if (slash == NULL || (size_t)(slash - name) >= sizeof(version))
        return MQ_OK;
    snprintf(version, sizeof(version), "%.*s", (int)(slash - name), name);
    return mq_hybrid_version_is_valid(version) ? l->fn(l->context, version, slash + 1, info, err)
                                               : MQ_OK;
}

enum mq_status
mq_hybrid_each_file(struct mq_object_store *store, const char *region, mq_hybrid_file_fn fn,
                    void *context, struct mq_error *err)
{
    struct files_listing l = {.fn = fn, .context = context};
    char prefix[MQ_OBJECT_KEY_MAX];
    int n = snprintf(prefix, sizeof(prefix), "%s/" MQ_HYBRID_PREFIX, region);
    if (n >= (int)sizeof(prefix))
        return mq_fail(err, MQ_E_RANGE, "region '%s' is too long", region);
    l.prefix_size = (size_t)n;
    return mq_object_list(store, prefix, visit_file, &l, err);
}

struct files {
    struct mq_arena text;
    const char *keys[FILES_MAX];
    size_t count;
};

static enum mq_status
add_file(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    struct files *files = context;
    (void)info;
    if (files->count == FILES_MAX)
        return MQ_OK; /* the rest is an incomplete model of the next time */
    files->keys[files->count] = mq_arena_copy(&files->text, key, strlen(key));
    if (files->keys[files->count++] == NULL)
        return mq_fail(err, MQ_E_NOMEM, "no memory for the names of a model's files");
    return MQ_OK;
}

enum mq_status
mq_hybrid_delete(struct mq_object_store *store, const char *region, const char *version,
                 struct mq_error *err)
{
    char prefix[MQ_OBJECT_KEY_MAX], key[MQ_OBJECT_KEY_MAX];
    const char *keys[] = {key};
    enum mq_status st = mq_hybrid_key(region, version, "", prefix, err);
    if (st == MQ_OK)
        st = mq_hybrid_key(region, version, MQ_HYBRID_MODEL_JSON, key, err);
    if (st == MQ_OK) /* a model without it is none */
        st = mq_object_delete(store, keys, 1, err);
    if (st != MQ_OK)
        return st;
    struct files *files = calloc(1, sizeof(*files));
    if (files == NULL)
        return mq_fail(err, MQ_E_NOMEM, "no memory for the names of a model's files");
    mq_arena_init(&files->text, 0);
    st = mq_object_list(store, prefix, add_file, files, err);
    if (st == MQ_OK && files->count > 0)
        st = mq_object_delete(store, files->keys, files->count, err);
    mq_arena_release(&files->text);
    free(files);
    return st;
}
