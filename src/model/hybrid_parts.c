#include "model/hybrid_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/hybrid_tensors.h"

static void
bind_ratings(struct mq_hybrid *h, struct mq_rating_matrix *m, struct mq_bound_tensors *t)
{
    *t = (struct mq_bound_tensors){0};
    mq_bound_tensors_add(t, "", "user_offset", MQ_TENSOR_I64, 1, (int64_t)m->user_count + 1, 0,
                         &m->user_offset);
    mq_bound_tensors_add(t, "", "item", MQ_TENSOR_I32, 1, m->count, 0, &m->user_item);
    mq_bound_tensors_add(t, "", "rating", MQ_TENSOR_F32, 1, m->count, 0, &m->user_rating);
    /* Epoch seconds as int32: from 2038 on a reader adds 2^32 to negative ones. */
    mq_bound_tensors_add(t, "", "time", MQ_TENSOR_I32, 1, m->count, 0, &m->user_time);
    mq_bound_tensors_add(t, "", "sequence", MQ_TENSOR_I32, 1, m->count, 0, &m->user_sequence);
    mq_bound_tensors_add(t, "", "popularity", MQ_TENSOR_F32, 1, m->item_count, 0, &h->popularity);
    mq_bound_tensors_add(t, "", "average", MQ_TENSOR_F32, 1, m->item_count, 0, &h->average);
}

static enum mq_status
write_ratings(const struct mq_hybrid *h, struct mq_writer *writer, struct mq_error *err)
{
    struct mq_bound_tensors t;
    struct mq_hybrid view = *h;
    bind_ratings(&view, h->ratings, &t);
    return mq_bound_tensors_write(&t, writer, err);
}

/* The user side as it was read is what a build would give. */
static enum mq_status
check_ratings(const struct mq_rating_matrix *m, const char *file, struct mq_error *err)
{
    if (m->user_offset[0] != 0 || m->user_offset[m->user_count] != m->count)
        return mq_fail(err, MQ_E_FORMAT, "'%s': user_offset does not run from 0 to %" PRId64, file,
                       m->count);
    for (int32_t u = 0; u < m->user_count; u++) {
        int64_t first = m->user_offset[u], end = m->user_offset[u + 1], sum = 0;
        if (first > end || end > m->count)
            return mq_fail(err, MQ_E_FORMAT, "'%s': user_offset of user %d descends", file, u);
        for (int64_t i = first; i < end; i++) {
            int32_t item = m->user_item[i], place = m->user_sequence[i];
            if (item < 0 || item >= m->item_count || (i > first && item <= m->user_item[i - 1]) ||
                place < 0 || place >= end - first)
                return mq_fail(err, MQ_E_FORMAT,
                               "'%s': rating %" PRId64 " of user %d is out of order or range", file,
                               i, u);
            sum += place;
        }
        if (sum != (end - first) * (end - first - 1) / 2)
            return mq_fail(err, MQ_E_FORMAT, "'%s': the sequence of user %d repeats a rating", file,
                           u);
    }
    return MQ_OK;
}

static enum mq_status
read_ratings(struct mq_hybrid *h, struct mq_reader *reader, const json_t *model,
             struct mq_error *err)
{
    struct mq_rating_matrix *m = h->ratings;
    struct mq_bound_tensors t;
    (void)model;
    m->count = -1;
    bind_ratings(h, m, &t);
    enum mq_status st = mq_bound_tensors_read(&t, reader, err);
    if (st != MQ_OK)
        return st;
    m->count = t.list[1].shape[0];
    for (int i = 2; i <= 4; i++)
        if (t.list[i].shape[0] != m->count)
            return mq_fail(err, MQ_E_FORMAT, "'%s': tensor '%s' has another length than 'item'",
                           reader->name, t.list[i].name);
    st = check_ratings(m, reader->name, err);
    return st == MQ_OK ? mq_rating_matrix_transpose(m, err) : st;
}

/* ---- neighbours ---- */

#define LISTS 6

struct list_of {
    const char *name;
    struct mq_neighbours *lists;
    int32_t rows, codes;
};

/* The lists of a model. @return how many */
static int
lists_of(struct mq_hybrid *h, struct list_of lists[LISTS])
{
    int32_t users = h->ratings->user_count, items = h->ratings->item_count;
    lists[0] = (struct list_of){"items", &h->items, items, items};
    lists[1] = (struct list_of){"users", &h->users, users, users};
    lists[2] = (struct list_of){"content", &h->content, items, items};
    lists[3] = (struct list_of){"rating_items", &h->rating_items, items, items};
    lists[4] = (struct list_of){"rating_users", &h->rating_users, users, users};
    lists[5] = (struct list_of){"following", &h->following, items, items};
    return LISTS;
}

static void
bind_lists(const struct list_of *of, struct mq_bound_tensors *t)
{
    struct mq_neighbours *n = of->lists;
    int64_t k = n->ids != NULL ? n->k : -1;
    mq_bound_tensors_add(t, of->name, "ids", MQ_TENSOR_I32, 2, of->rows, k, &n->ids);
    mq_bound_tensors_add(t, of->name, "scores", MQ_TENSOR_F32, 2, of->rows, k, &n->scores);
    mq_bound_tensors_add(t, of->name, "shared", MQ_TENSOR_I32, 2, of->rows, k, &n->shared);
}

static enum mq_status
write_neighbours(const struct mq_hybrid *h, struct mq_writer *writer, struct mq_error *err)
{
    struct mq_bound_tensors t = {0};
    struct mq_hybrid view = *h;
    struct list_of lists[LISTS];
    int count = lists_of(&view, lists);
    for (int i = 0; i < count; i++)
        if (lists[i].lists->ids != NULL)
            bind_lists(&lists[i], &t);
    return mq_bound_tensors_write(&t, writer, err);
}

/* Codes in range, padding at the end. */
static enum mq_status
check_lists(const struct list_of *of, const char *file, struct mq_error *err)
{
    const struct mq_neighbours *n = of->lists;
    for (int32_t row = 0; row < of->rows; row++) {
        bool padded = false;
        for (int32_t i = 0; i < n->k; i++) {
            int32_t id = n->ids[(int64_t)row * n->k + i];
            padded = padded || id == -1;
            if (padded ? id != -1 : (id < 0 || id >= of->codes))
                return mq_fail(err, MQ_E_FORMAT, "'%s': '%s.ids' holds %d in row %d (0 to %d)",
                               file, of->name, id, row, of->codes - 1);
        }
    }
    return MQ_OK;
}

static bool
model_has(const json_t *model, const char *name)
{
    const json_t *parts = json_object_get(model, "parts");
    size_t i;
    json_t *value;
    json_array_foreach(parts, i, value)
    {
        if (json_is_string(value) && strcmp(json_string_value(value), name) == 0)
            return true;
    }
    return false;
}

static enum mq_status
read_neighbours(struct mq_hybrid *h, struct mq_reader *reader, const json_t *model,
                struct mq_error *err)
{
    struct mq_bound_tensors t = {0};
    struct list_of lists[LISTS];
    int count = lists_of(h, lists), first[LISTS];
    for (int i = 0; i < count; i++) {
        first[i] = t.count;
        if (model_has(model, lists[i].name))
            bind_lists(&lists[i], &t);
    }
    enum mq_status st = mq_bound_tensors_read(&t, reader, err);
    for (int i = 0; st == MQ_OK && i < count; i++) {
        struct mq_neighbours *n = lists[i].lists;
        if (n->ids == NULL)
            continue;
        n->count = lists[i].rows;
        n->k = (int32_t)t.list[first[i]].shape[1];
        for (int s = 1; s < 3; s++)
            if (t.list[first[i] + s].shape[1] != n->k)
                return mq_fail(err, MQ_E_FORMAT, "'%s': '%s' has another width than '%s'",
                               reader->name, t.list[first[i] + s].name, t.list[first[i]].name);
        st = check_lists(&lists[i], reader->name, err);
    }
    return st;
}

/* ---- square models ---- */

static bool
has_ease(const struct mq_hybrid *h)
{
    return h->ease != NULL;
}

static void
bind_square(const char *name, int64_t items, float **weights, struct mq_bound_tensors *t)
{
    mq_bound_tensors_add(t, "", name, MQ_TENSOR_F32, 2, items, items, weights);
}

static enum mq_status
write_ease(const struct mq_hybrid *h, struct mq_writer *writer, struct mq_error *err)
{
    struct mq_bound_tensors t = {0};
    bind_square("weight", h->ratings->item_count, &h->ease->weight, &t);
    return mq_bound_tensors_write(&t, writer, err);
}

static enum mq_status
read_ease(struct mq_hybrid *h, struct mq_reader *reader, const json_t *model, struct mq_error *err)
{
    struct mq_bound_tensors t = {0};
    float *weight = NULL;
    (void)model;
    bind_square("weight", h->ratings->item_count, &weight, &t);
    enum mq_status st = mq_bound_tensors_read(&t, reader, err);
    if (st == MQ_OK)
        st = mq_ease_from_array(weight, h->ratings->item_count, &h->ease, err);
    mq_free(weight);
    return st;
}

static bool
has_slit(const struct mq_hybrid *h)
{
    return h->slit != NULL;
}

static enum mq_status
write_slit(const struct mq_hybrid *h, struct mq_writer *writer, struct mq_error *err)
{
    struct mq_bound_tensors t = {0};
    float past[] = {h->slit->exponent, (float)h->slit->window}, *array = past;
    bind_square("weight", h->ratings->item_count, &h->slit->weights, &t);
    mq_bound_tensors_add(&t, "", "exponent_window", MQ_TENSOR_F32, 1, 2, 0, &array);
    return mq_bound_tensors_write(&t, writer, err);
}

static enum mq_status
read_slit(struct mq_hybrid *h, struct mq_reader *reader, const json_t *model, struct mq_error *err)
{
    struct mq_bound_tensors t = {0};
    float *weights = NULL, *past = NULL;
    (void)model;
    bind_square("weight", h->ratings->item_count, &weights, &t);
    mq_bound_tensors_add(&t, "", "exponent_window", MQ_TENSOR_F32, 1, 2, 0, &past);
    enum mq_status st = mq_bound_tensors_read(&t, reader, err);
    if (st == MQ_OK && !(past[1] >= 1 && past[1] <= MQ_SLIT_WINDOW_MAX))
        st = mq_fail(err, MQ_E_FORMAT, "'%s': a window of %g (1 to %d)", reader->name,
                     (double)past[1], MQ_SLIT_WINDOW_MAX);
    if (st == MQ_OK)
        st = mq_slit_from_weights(weights, h->ratings->item_count, past[0], (int32_t)past[1],
                                  &h->slit, err);
    if (st == MQ_OK)
        weights = NULL;
    mq_free(weights);
    mq_free(past);
    return st;
}

static bool
has_tower(const struct mq_hybrid *h)
{
    return h->tower != NULL;
}

static enum mq_status
write_tower(const struct mq_hybrid *h, struct mq_writer *writer, struct mq_error *err)
{
    return mq_user_tower_write(h->tower, writer, err);
}

static enum mq_status
read_tower(struct mq_hybrid *h, struct mq_reader *reader, const json_t *model, struct mq_error *err)
{
    (void)model;
    enum mq_status st = mq_user_tower_read(reader, &h->tower, err);
    if (st == MQ_OK && h->tower->item_count != h->ratings->item_count)
        st = mq_fail(err, MQ_E_FORMAT, "'%s' knows %d films, the model %d", reader->name,
                     h->tower->item_count, h->ratings->item_count);
    return st;
}
/* ---- factors ---- */

/* Arrays of the factor models; those of the rating factors are the model's own. */
struct factors {
    float *user, *item, *settings; /* of iALS */
    struct mq_biased_mf mf;
    float *mf_settings;
    float *user_bias, *item_bias, *baseline; /* of the baseline */
};

static void
bind_factors(const struct mq_hybrid *h, struct factors *f, bool ials, bool mf,
             struct mq_bound_tensors *t)
{
    int64_t users = h->ratings->user_count, items = h->ratings->item_count;
    int64_t width = ials && h->ials != NULL ? h->ials->factors : -1;
    int64_t row = mf && h->factors != NULL ? h->factors->factors + 1 : -1;
    int64_t moments =
        mf && h->factors != NULL ? MQ_BIASED_MF_MOMENTS((int64_t)h->factors->factors) : -1;
    mq_bound_tensors_add(t, "baseline", "user", MQ_TENSOR_F32, 1, users, 0, &f->user_bias);
    mq_bound_tensors_add(t, "baseline", "item", MQ_TENSOR_F32, 1, items, 0, &f->item_bias);
    mq_bound_tensors_add(t, "baseline", "mean_shrink", MQ_TENSOR_F32, 1, 2, 0, &f->baseline);
    if (ials) {
        mq_bound_tensors_add(t, "ials", "user", MQ_TENSOR_F32, 2, users, width, &f->user);
        mq_bound_tensors_add(t, "ials", "item", MQ_TENSOR_F32, 2, items, width, &f->item);
        mq_bound_tensors_add(t, "ials", "settings", MQ_TENSOR_F32, 1, 4, 0, &f->settings);
    }
    if (mf) {
        mq_bound_tensors_add(t, "mf", "user", MQ_TENSOR_F32, 2, users, row, &f->mf.user);
        mq_bound_tensors_add(t, "mf", "item", MQ_TENSOR_F32, 2, items, row, &f->mf.item);
        mq_bound_tensors_add(t, "mf", "precision", MQ_TENSOR_F32, 1, row, 0, &f->mf.precision);
        mq_bound_tensors_add(t, "mf", "implicit", MQ_TENSOR_F32, 2, items, row, &f->mf.implicit);
        mq_bound_tensors_add(t, "mf", "moments", MQ_TENSOR_F32, 2, items, moments, &f->mf.moments);
        mq_bound_tensors_add(t, "mf", "settings", MQ_TENSOR_F32, 1, 5, 0, &f->mf_settings);
    }
}

static enum mq_status
write_factors(const struct mq_hybrid *h, struct mq_writer *writer, struct mq_error *err)
{
    struct mq_bound_tensors t = {0};
    float ials[4], mf[5];
    float baseline[] = {(float)h->baseline.mean, h->baseline.user_shrink};
    struct factors f = {.user_bias = h->baseline.user,
                        .item_bias = h->baseline.item,
                        .baseline = baseline,
                        .settings = ials,
                        .mf_settings = mf};
    if (h->ials != NULL) {
        const struct mq_ials *m = h->ials;
        f.user = m->user;
        f.item = m->item;
        ials[0] = m->unobserved_weight;
        ials[1] = m->regularization;
        ials[2] = m->regularization_exponent;
        ials[3] = (float)m->form;
    }
    if (h->factors != NULL) {
        f.mf = *h->factors;
        mf[0] = f.mf.mean;
        mf[1] = f.mf.scale;
        mf[2] = f.mf.low;
        mf[3] = f.mf.high;
        mf[4] = f.mf.noise;
    }
    bind_factors(h, &f, h->ials != NULL, h->factors != NULL, &t);
    return mq_bound_tensors_write(&t, writer, err);
}

static enum mq_status
make_ials(struct mq_hybrid *h, const struct factors *f, int64_t width, struct mq_error *err)
{
    struct mq_ials_options options = mq_ials_options_default();
    if (width < 1 || width > MQ_IALS_FACTORS_MAX)
        return mq_fail(err, MQ_E_FORMAT, "iALS of %lld factors", (long long)width);
    options.factors = (int32_t)width;
    options.unobserved_weight = f->settings[0];
    options.regularization = f->settings[1];
    options.regularization_exponent = f->settings[2];
    options.form = f->settings[3] == (float)MQ_IALS_INSTEAD ? MQ_IALS_INSTEAD : MQ_IALS_BESIDE;
    return mq_ials_from_arrays(f->user, h->ratings->user_count, f->item, h->ratings->item_count,
                               &options, NULL, &h->ials, err);
}

static enum mq_status
make_rating_factors(struct mq_hybrid *h, struct factors *f, int64_t row, int64_t moments,
                    struct mq_error *err)
{
    if (row < 1 || row > MQ_BIASED_MF_FACTORS_MAX + 1 || moments != MQ_BIASED_MF_MOMENTS(row - 1))
        return mq_fail(err, MQ_E_FORMAT, "rating factors of rows of %lld and moments of %lld",
                       (long long)row, (long long)moments);
    f->mf.user_count = h->ratings->user_count;
    f->mf.item_count = h->ratings->item_count;
    f->mf.factors = (int32_t)row - 1;
    f->mf.mean = f->mf_settings[0];
    f->mf.scale = f->mf_settings[1];
    f->mf.low = f->mf_settings[2];
    f->mf.high = f->mf_settings[3];
    f->mf.noise = f->mf_settings[4];
    return mq_biased_mf_from_arrays(&f->mf, &h->factors, err);
}

static const struct mq_bound_tensor *
find_bound(const struct mq_bound_tensors *t, const char *name)
{
    for (int i = 0; i < t->count; i++)
        if (strcmp(t->list[i].name, name) == 0)
            return &t->list[i];
    return NULL;
}

static enum mq_status
read_factors(struct mq_hybrid *h, struct mq_reader *reader, const json_t *model,
             struct mq_error *err)
{
    struct mq_bound_tensors t = {0};
    struct factors f = {0};
    bool ials = model_has(model, "ials"), mf = model_has(model, "mf");
    bind_factors(h, &f, ials, mf, &t);
    enum mq_status st = mq_bound_tensors_read(&t, reader, err);
    if (st == MQ_OK) {
        h->baseline = (struct mq_rating_baseline){.user_count = h->ratings->user_count,
                                                  .item_count = h->ratings->item_count,
                                                  .mean = (double)f.baseline[0],
                                                  .user_shrink = f.baseline[1],
                                                  .user = f.user_bias,
                                                  .item = f.item_bias};
        f.user_bias = f.item_bias = NULL;
    }
    if (st == MQ_OK && ials)
        st = make_ials(h, &f, find_bound(&t, "ials.item")->shape[1], err);
    if (st == MQ_OK && mf)
        st = make_rating_factors(h, &f, find_bound(&t, "mf.item")->shape[1],
                                 find_bound(&t, "mf.moments")->shape[1], err);
    if (st == MQ_E_FORMAT || st == MQ_E_RANGE)
        st = mq_fail_context(err, MQ_E_FORMAT, "'%s'", reader->name);
    mq_free(f.user);
    mq_free(f.item);
    mq_free(f.settings);
    mq_free(f.mf.user);
    mq_free(f.mf.item);
    mq_free(f.mf.precision);
    mq_free(f.mf.implicit);
    mq_free(f.mf.moments);
    mq_free(f.mf_settings);
    mq_free(f.user_bias);
    mq_free(f.item_bias);
    mq_free(f.baseline);
    return st;
}

/* ---- ids ---- */

static enum mq_status
write_ids(const struct mq_strmap *ids, struct mq_writer *writer, struct mq_error *err)
{
    struct mq_buffer text = {0};
    enum mq_status st = mq_buffer_append_char(&text, '[', err);
    for (int32_t i = 0; st == MQ_OK && i < ids->count; i++) {
        if (i > 0)
            st = mq_buffer_append_text(&text, ",\n", err);
        if (st == MQ_OK)
            st = mq_json_quote(ids->keys[i], ids->sizes[i], &text, err);
        if (st == MQ_OK && text.size > 65536) {
            st = mq_writer_put(writer, text.data, text.size, err);
            mq_buffer_reset(&text);
        }
    }
    if (st == MQ_OK)
        st = mq_buffer_append_text(&text, "]\n", err);
    if (st == MQ_OK)
        st = mq_writer_put(writer, text.data, text.size, err);
    mq_buffer_release(&text);
    return st;
}

static enum mq_status
write_users(const struct mq_hybrid *h, struct mq_writer *writer, struct mq_error *err)
{
    return write_ids(&h->ratings->users, writer, err);
}

static enum mq_status
write_items(const struct mq_hybrid *h, struct mq_writer *writer, struct mq_error *err)
{
    return write_ids(&h->ratings->items, writer, err);
}

static enum mq_status
read_ids(struct mq_strmap *ids, struct mq_reader *reader, struct mq_error *err)
{
    mq_autojson json_t *list = NULL;
    size_t i;
    json_t *id;
    enum mq_status st = mq_json_read(reader, MQ_JSON_SIZE_MAX, &list, err);
    if (st == MQ_OK && !json_is_array(list))
        st = mq_fail(err, MQ_E_FORMAT, "'%s' is no array", reader->name);
    json_array_foreach(st == MQ_OK ? list : NULL, i, id)
    {
        int32_t code = -1;
        if (json_is_string(id))
            st = mq_strmap_add(ids, json_string_value(id), json_string_length(id), &code, err);
        if (st == MQ_OK && code != (int32_t)i)
            st = mq_fail(err, MQ_E_FORMAT, "'%s': id %zu is no text, or stands twice", reader->name,
                         i);
        if (st != MQ_OK)
            break;
    }
    return st;
}

static enum mq_status
read_users(struct mq_hybrid *h, struct mq_reader *reader, const json_t *model, struct mq_error *err)
{
    (void)model;
    enum mq_status st = read_ids(&h->ratings->users, reader, err);
    h->ratings->user_count = h->ratings->users.count;
    return st;
}

static enum mq_status
read_items(struct mq_hybrid *h, struct mq_reader *reader, const json_t *model, struct mq_error *err)
{
    (void)model;
    enum mq_status st = read_ids(&h->ratings->items, reader, err);
    h->ratings->item_count = h->ratings->items.count;
    return st;
}

const struct mq_hybrid_part mq_hybrid_parts[MQ_HYBRID_PARTS] = {
    {"users.json", NULL, write_users, read_users},
    {"items.json", NULL, write_items, read_items},
    {"ratings.safetensors", NULL, write_ratings, read_ratings},
    {"neighbours.safetensors", NULL, write_neighbours, read_neighbours},
    {"factors.safetensors", NULL, write_factors, read_factors},
    {"ease.safetensors", has_ease, write_ease, read_ease},
    {"slit.safetensors", has_slit, write_slit, read_slit},
    {"tower.h5", has_tower, write_tower, read_tower},
};

json_t *
mq_hybrid_parts_list(const struct mq_hybrid *h)
{
    const struct {
        const char *name;
        bool there;
    } all[] = {{"items", h->items.ids != NULL},
               {"users", h->users.ids != NULL},
               {"content", h->content.ids != NULL},
               {"following", h->following.ids != NULL},
               {"rating_items", h->rating_items.ids != NULL},
               {"rating_users", h->rating_users.ids != NULL},
               {"ials", h->ials != NULL},
               {"mf", h->factors != NULL}};
    json_t *list = json_array();
    for (size_t i = 0; i < MQ_COUNT(all); i++)
        if (all[i].there)
            json_array_append_new(list, json_string(all[i].name));
    return list;
}
