#include "model/hybrid_train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "model/recency.h"
#include "model/sequence_neighbours.h"
#include "model/untrained_items.h"

enum mq_status
mq_methods_parse(const char *text, const char *setting, unsigned *ret_methods, struct mq_error *err)
{
    unsigned methods = 1u << MQ_METHOD_POPULAR;
    for (const char *at = text; *at != '\0';) {
        size_t n = strcspn(at, "|");
        int method = mq_method_find(at, n);
        if (n > 0 && (method < 0 || method == MQ_METHOD_HYBRID))
            return mq_fail(err, MQ_E_CONFIG,
                           "%s names '%.*s' (allowed, joined by '|': item-based, "
                           "user-based, content, mf, ease, sequence, deep, popular)",
                           setting, (int)MQ_MIN(n, (size_t)40), at);
        if (n > 0)
            methods |= 1u << method;
        at += n + (at[n] == '|');
    }
    *ret_methods = methods;
    return MQ_OK;
}

enum mq_status
mq_hybrid_options_read(const struct mq_config *config, struct mq_hybrid_options *ret_options,
                       struct mq_error *err)
{
    struct mq_hybrid_options o = {
        .predict = mq_config_flag(config, "hybrid.predict"),
        .neighbours = (int32_t)mq_config_int(config, "hybrid.neighbours"),
        .content_neighbours = (int32_t)mq_config_int(config, "hybrid.content_neighbours"),
        .half_life_days = mq_config_real(config, "hybrid.half_life_days"),
        .average_prior = mq_config_real(config, "hybrid.average_prior"),
        .rating_low = (float)mq_config_real(config, "events.rating_min"),
        .rating_high = (float)mq_config_real(config, "events.rating_max"),
        .recency = (float)mq_config_real(config, "hybrid.recency"),
        .literal = strcmp(mq_config_text(config, "hybrid.neighbour_form"), "literal") == 0,
        .threshold = (float)mq_config_real(config, "hybrid.threshold"),
        .content = mq_content_options_default(),
        .ials = mq_ials_options_default(),
        .ease = mq_ease_options_default(),
        .slit = mq_slit_options_default(),
        .factors = mq_biased_mf_options_default(),
    };
    int32_t items_max = (int32_t)mq_config_int(config, "hybrid.items_max");
    o.ials.factors = (int32_t)mq_config_int(config, "hybrid.factors");
    o.ease.items_max = o.slit.items_max = items_max;
    mq_youtubednn_options_read(config, &o.deep);
    if (!(o.rating_low < o.rating_high))
        return mq_fail(err, MQ_E_CONFIG, "events.rating_min %g is not below events.rating_max %g",
                       (double)o.rating_low, (double)o.rating_high);
    if (o.literal && !o.predict)
        return mq_fail(err, MQ_E_CONFIG,
                       "hybrid.neighbour_form is literal, which predicts ratings, but "
                       "hybrid.predict is false");
    enum mq_status st = mq_methods_parse(mq_config_text(config, "hybrid.methods"), "hybrid.methods",
                                         &o.methods, err);
    if (st == MQ_OK)
        *ret_options = o;
    return st;
}

struct training {
    const struct mq_hybrid_options *options;
    const struct mq_catalogue *catalogue;
    struct mq_hybrid *hybrid;
    struct mq_pool *pool;
    uint64_t seed;
};

/* ---- figures of films ---- */

static enum mq_status
measure_films(struct training *t, struct mq_error *err)
{
    struct mq_hybrid *h = t->hybrid;
    const struct mq_rating_matrix *m = h->ratings;
    uint32_t newest = 0;
    double mean = mq_rating_matrix_mean(m);
    enum mq_status st =
        mq_alloc_array((size_t)m->item_count, sizeof(*h->popularity), &h->popularity, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)m->item_count, sizeof(*h->average), &h->average, err);
    if (st != MQ_OK)
        return st;
    for (int64_t i = 0; i < m->count; i++)
        newest = MQ_MAX(newest, m->user_time[i]);
    for (int64_t i = 0; i < m->count; i++) {
        double days = (double)(newest - m->user_time[i]) / MQ_DAY_SECONDS;
        h->popularity[m->user_item[i]] += (float)exp2(-days / t->options->half_life_days);
    }
    for (int32_t item = 0; item < m->item_count; item++) {
        double sum = mean * t->options->average_prior, n = t->options->average_prior;
        for (int64_t i = m->item_offset[item]; i < m->item_offset[item + 1]; i++, n++)
            sum += (double)m->item_rating[i];
        h->average[item] = (float)(n > 0 ? sum / n : mean);
    }
    return MQ_OK;
}

/* ---- neighbours ---- */

int32_t
mq_hybrid_list_length(int32_t neighbours, int32_t rows)
{
    int64_t fit = MQ_HYBRID_LIST_ENTRIES_MAX / MQ_MAX(rows, 1);
    int64_t length = MQ_MIN((int64_t)neighbours, MQ_MAX(fit, MQ_HYBRID_LIST_LENGTH_MIN));
    return (int32_t)MQ_MAX(MQ_MIN(length, (int64_t)rows - 1), 1);
}

static enum mq_status
make_lists(struct training *t, const struct mq_rating_matrix *matrix,
           const struct mq_rating_baseline *baseline, struct mq_neighbour_options options,
           int32_t k, struct mq_neighbours *ret_lists, struct mq_error *err)
{
    struct mq_neighbour_index *index;
    int32_t rows = options.side == MQ_NEIGHBOUR_ITEMS ? matrix->item_count : matrix->user_count;
    int32_t scale = options.side == MQ_NEIGHBOUR_USERS ? t->options->scale_users : 0;
    options.k = MQ_MIN(mq_hybrid_list_length(k, MQ_MAX(rows, scale)), MQ_MAX(rows - 1, 1));
    enum mq_status st = mq_neighbour_index_new(matrix, baseline, &options, t->pool, &index, err);
    if (st != MQ_OK)
        return st;
    st = mq_neighbours_of_all(index, t->pool, ret_lists, err);
    mq_neighbour_index_free(index);
    return st;
}

static enum mq_status
train_items(struct training *t, struct mq_error *err)
{
    return make_lists(t, t->hybrid->ratings, NULL,
                      mq_hybrid_choice_options(t->hybrid, MQ_NEIGHBOUR_ITEMS),
                      t->options->neighbours, &t->hybrid->items, err);
}

static enum mq_status
train_users(struct training *t, struct mq_error *err)
{
    return make_lists(t, t->hybrid->ratings, NULL,
                      mq_hybrid_choice_options(t->hybrid, MQ_NEIGHBOUR_USERS),
                      t->options->neighbours, &t->hybrid->users, err);
}

/* Films outside of the catalogue have no content: rows beyond it are empty. */
static enum mq_status
train_content(struct training *t, struct mq_error *err)
{
    struct mq_hybrid *h = t->hybrid;
    struct mq_rating_matrix *terms;
    struct mq_neighbours known = {0};
    if (t->catalogue == NULL)
        return MQ_OK;
    enum mq_status st = mq_content_matrix_build(t->catalogue, &t->options->content, &terms, err);
    if (st != MQ_OK)
        return st;
    struct mq_neighbour_options options = mq_neighbour_options_cosine(MQ_NEIGHBOUR_ITEMS);
    options.binary = false;
    int32_t length = mq_hybrid_list_length(t->options->content_neighbours, h->ratings->item_count);
    st = make_lists(t, terms, NULL, options, length, &known, err);
    mq_rating_matrix_free(terms);
    if (st != MQ_OK)
        return st;
    size_t k = (size_t)known.k, all = (size_t)h->ratings->item_count, films = (size_t)known.count;
    struct mq_neighbours *c = &h->content;
    *c = (struct mq_neighbours){.count = h->ratings->item_count, .k = known.k};
    st = mq_alloc_array(all, k * sizeof(*c->ids), &c->ids, err);
    if (st == MQ_OK)
        st = mq_alloc_array(all, k * sizeof(*c->scores), &c->scores, err);
    if (st == MQ_OK)
        st = mq_alloc_array(all, k * sizeof(*c->shared), &c->shared, err);
    if (st == MQ_OK) {
        memcpy(c->ids, known.ids, films * k * sizeof(*c->ids));
        memcpy(c->scores, known.scores, films * k * sizeof(*c->scores));
        memcpy(c->shared, known.shared, films * k * sizeof(*c->shared));
        for (size_t i = films * k; i < all * k; i++)
            c->ids[i] = -1;
    }
    mq_neighbours_release(&known);
    return st;
}

/* ---- factors ---- */

/* Trained on all choices alike; then each user's vector is made of the recent ones above all. */
static enum mq_status
train_mf(struct training *t, struct mq_error *err)
{
    struct mq_hybrid *h = t->hybrid;
    mq_autofree float *weight = NULL;
    enum mq_status st =
        mq_ials_train(h->ratings, NULL, &t->options->ials, t->seed, t->pool, &h->ials, NULL, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)h->ratings->count, sizeof(*weight), &weight, err);
    if (st == MQ_OK)
        st = mq_recency_weights_all(h->ratings, mq_hybrid_recency(h), weight, err);
    return st == MQ_OK
               ? mq_ials_fold_in_all(h->ials, h->ratings, weight, t->pool, h->ials->user, err)
               : st;
}

static enum mq_status
train_ease(struct training *t, struct mq_error *err)
{
    return mq_ease_train(t->hybrid->ratings, NULL, &t->options->ease, t->pool, &t->hybrid->ease,
                         err);
}

static enum mq_status
train_sequence(struct training *t, struct mq_error *err)
{
    struct mq_hybrid *h = t->hybrid;
    if (h->ratings->item_count <= t->options->slit.items_max)
        return mq_slit_train(h->ratings, &t->options->slit, t->pool, &h->slit, err);
    struct mq_sequence_options options = mq_sequence_options_default();
    options.k = mq_hybrid_list_length(t->options->neighbours, h->ratings->item_count);
    return mq_sequence_neighbours(h->ratings, &options, t->pool, &h->following, err);
}

/* Films that nobody rated get the mean vector of their categories. */
static enum mq_status
fill_untrained(struct training *t, struct mq_error *err)
{
    const struct mq_rating_matrix *m = t->hybrid->ratings;
    const struct mq_catalogue *c = t->catalogue;
    mq_autofree uint8_t *trained = NULL;
    mq_autofree int64_t *offset = NULL;
    size_t items = (size_t)m->item_count;
    enum mq_status st = mq_alloc_array(items, 1, &trained, err);
    if (st == MQ_OK)
        st = mq_alloc_array(items + 1, sizeof(*offset), &offset, err);
    if (st != MQ_OK)
        return st;
    int64_t films = c != NULL ? c->count : 0;
    for (int64_t i = 0; i < m->item_count; i++) {
        trained[i] = m->item_offset[i + 1] > m->item_offset[i];
        offset[i + 1] = i < films ? c->offset[MQ_PROPERTY_CATEGORY][i + 1] : offset[i];
    }
    return mq_untrained_items_fill(
        m->item_count, MQ_TOWER_DIM, trained, c != NULL ? c->names[MQ_PROPERTY_CATEGORY].count : 0,
        offset, c != NULL ? c->value[MQ_PROPERTY_CATEGORY] : NULL, t->hybrid->tower->item, err);
}

static enum mq_status
train_deep(struct training *t, struct mq_error *err)
{
    const struct mq_rating_matrix *m = t->hybrid->ratings;
    mq_autofree int32_t *histories = NULL;
    struct mq_youtubednn_report report;
    enum mq_status st = mq_alloc_array_raw((size_t)m->count, sizeof(*histories), &histories, err);
    for (int32_t u = 0; st == MQ_OK && u < m->user_count; u++)
        mq_rating_matrix_history(m, u, histories + m->user_offset[u]);
    const struct mq_youtubednn_data data = {.user_count = m->user_count,
                                            .item_count = m->item_count,
                                            .offset = m->user_offset,
                                            .item = histories};
    if (st == MQ_OK)
        st = mq_youtubednn_train(&data, &t->options->deep, t->seed, t->pool, &t->hybrid->tower,
                                 &report, err);
    return st == MQ_OK ? fill_untrained(t, err) : st;
}

/* ---- predictors ---- */

static enum mq_status
train_predictors(struct training *t, struct mq_error *err)
{
    struct mq_hybrid *h = t->hybrid;
    const struct mq_rating_baseline_options options = mq_rating_baseline_options_default();
    enum mq_status st = mq_rating_baseline_fit(h->ratings, &options, t->pool, &h->baseline, err);
    bool literal = t->options->literal; /* which ranks by these lists */
    if (st != MQ_OK || (!t->options->predict && !literal))
        return st;
    st = make_lists(t, h->ratings, &h->baseline, mq_hybrid_rating_options(h, MQ_NEIGHBOUR_ITEMS),
                    t->options->neighbours, &h->rating_items, err);
    if (st == MQ_OK)
        st =
            make_lists(t, h->ratings, &h->baseline, mq_hybrid_rating_options(h, MQ_NEIGHBOUR_USERS),
                       t->options->neighbours, &h->rating_users, err);
    if (st == MQ_OK && t->options->predict)
        st = mq_biased_mf_train(h->ratings, &t->options->factors, t->seed, t->pool, &h->factors,
                                NULL, err);
    return st;
}

/* ---- all of it ---- */

static enum mq_status (*const trainers[MQ_METHOD_COUNT])(struct training *t,
                                                         struct mq_error *err) = {
    [MQ_METHOD_ITEM_BASED] = train_items, [MQ_METHOD_USER_BASED] = train_users,
    [MQ_METHOD_CONTENT] = train_content,  [MQ_METHOD_MF] = train_mf,
    [MQ_METHOD_EASE] = train_ease,        [MQ_METHOD_SEQUENCE] = train_sequence,
    [MQ_METHOD_DEEP] = train_deep,        [MQ_METHOD_POPULAR] = measure_films,
};

/* Until something better is learned. */
static void
weigh_alike(struct mq_hybrid *h)
{
    for (int m = 0; m < MQ_METHOD_COUNT; m++)
        h->blend[m] = mq_hybrid_has(h, (enum mq_method)m);
    h->rating_weight[h->factors != NULL ? MQ_PREDICTOR_FACTORS : MQ_PREDICTOR_BASELINE] = 1;
}

static enum mq_status
train_all(struct training *t, struct mq_hybrid_report *report, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    for (int m = 0; st == MQ_OK && m < MQ_METHOD_COUNT; m++) {
        if ((t->options->methods & 1u << m) == 0 && m != MQ_METHOD_POPULAR)
            continue;
        report->left_out[m] =
            m == MQ_METHOD_EASE && t->hybrid->ratings->item_count > t->options->ease.items_max;
        if (report->left_out[m])
            continue;
        double begun = mq_clock_monotonic_s();
        st = trainers[m](t, err);
        report->method_s[m] = mq_clock_monotonic_s() - begun;
        mq_log_debug("hybrid: %s in %.2f s", mq_method_name((enum mq_method)m),
                     report->method_s[m]);
    }
    double begun = mq_clock_monotonic_s();
    if (st == MQ_OK)
        st = train_predictors(t, err);
    report->predictors_s = mq_clock_monotonic_s() - begun;
    weigh_alike(t->hybrid);
    return st == MQ_OK ? mq_hybrid_finish(t->hybrid, t->pool, err) : st;
}

enum mq_status
mq_hybrid_train(struct mq_rating_matrix *ratings, const struct mq_catalogue *catalogue,
                const struct mq_hybrid_options *options, int64_t made_s, uint64_t seed,
                struct mq_pool *pool, struct mq_hybrid **ret_hybrid,
                struct mq_hybrid_report *ret_report, struct mq_error *err)
{
    struct mq_hybrid_report report = {0};
    if (ratings->count == 0) {
        mq_fail(err, MQ_E_INPUT, "cannot train a hybrid model: there is no rating");
        mq_error_hint(err, "import some (marquee import movielens FILE --as events), or consume "
                           "events");
        return MQ_E_INPUT;
    }
    struct mq_hybrid *h = calloc(1, sizeof(*h));
    if (h == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a hybrid model");
    h->ratings = ratings;
    h->made_s = made_s;
    h->rating_low = options->rating_low;
    h->rating_high = options->rating_high;
    h->recency = options->recency;
    h->literal = options->literal;
    h->threshold = options->threshold;
    h->scale_users = options->scale_users;
    struct training t = {
        .options = options, .catalogue = catalogue, .hybrid = h, .pool = pool, .seed = seed};
    enum mq_status st = train_all(&t, &report, err);
    if (st != MQ_OK) {
        h->ratings = NULL; /* the caller's still */
        mq_hybrid_free(h);
        return st;
    }
    *ret_hybrid = h;
    if (ret_report != NULL)
        *ret_report = report;
    return MQ_OK;
}
