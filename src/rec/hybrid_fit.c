#include "rec/hybrid_fit.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/rng.h"

/* Of ratings one in so many is held out for the predictors' blend, and at most so many. */
#define RATING_SHARE 20
#define RATING_CASES_MAX 200000

/* Streams of random numbers, one a purpose. */
enum { DRAW_USERS = 1, DRAW_RATINGS, DRAW_SAMPLE };

struct fitting {
    const struct mq_rating_matrix *ratings; /* that blends are learned on */
    int32_t user_count;                     /* of all */
    const struct mq_catalogue *catalogue;
    const struct mq_hybrid_fit_options *options;
    int64_t made_s;
    uint64_t seed;
    struct mq_pool *pool;
};

enum mq_status
mq_hybrid_fit_options_read(const struct mq_config *config,
                           struct mq_hybrid_fit_options *ret_options, struct mq_error *err)
{
    ret_options->blend_users = (int32_t)mq_config_int(config, "hybrid.blend_users");
    ret_options->blend_worth = mq_config_real(config, "hybrid.blend_worth");
    ret_options->blend_newest =
        strcmp(mq_config_text(config, "hybrid.blend_choices"), "newest") == 0;
    ret_options->blend_ratings = mq_config_int(config, "hybrid.blend_ratings");
    ret_options->blend_others = (int32_t)mq_config_int(config, "hybrid.blend_others");
    enum mq_status st = mq_methods_parse(mq_config_text(config, "hybrid.blended"), "hybrid.blended",
                                         &ret_options->blended, err);
    return st == MQ_OK ? mq_hybrid_options_read(config, &ret_options->model, err) : st;
}

/* Held-out ratings: positions in user order, ascending. */
struct held_out {
    int64_t count;
    int32_t *user, *item;
    float *rating;
    uint8_t *keep; /* [ratings] 0: held out */
};

static void
release(struct held_out *h)
{
    mq_free(h->user);
    mq_free(h->item);
    mq_free(h->rating);
    mq_free(h->keep);
}

static enum mq_status
allocate(const struct mq_rating_matrix *m, int64_t most, struct held_out *h, struct mq_error *err)
{
    enum mq_status st = mq_alloc_array((size_t)most, sizeof(*h->user), &h->user, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)most, sizeof(*h->item), &h->item, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)most, sizeof(*h->rating), &h->rating, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)m->count, 1, &h->keep, err);
    if (st == MQ_OK)
        memset(h->keep, 1, (size_t)m->count);
    return st;
}

static void
hold_out(const struct mq_rating_matrix *m, int32_t user, int64_t at, struct held_out *h)
{
    h->user[h->count] = user;
    h->item[h->count] = m->user_item[at];
    h->rating[h->count++] = m->user_rating[at];
    h->keep[at] = 0;
}

/* Each of `left` that remain is drawn with the same chance, until `wanted` are. */
static bool
draw(struct mq_rng *rng, int64_t left, int64_t wanted)
{
    return wanted > 0 && (int64_t)mq_rng_below64(rng, (uint64_t)left) < wanted;
}

/* A rating of users by chance who have others: the newest, or any. */
static enum mq_status
hold_out_choices(const struct fitting *f, struct held_out *h, struct mq_error *err)
{
    const struct mq_rating_matrix *m = f->ratings;
    struct mq_rng rng;
    int64_t left = 0;
    mq_rng_init(&rng, f->seed, DRAW_USERS);
    for (int32_t u = 0; u < m->user_count; u++)
        left += m->user_offset[u + 1] - m->user_offset[u] > 1;
    int64_t wanted = MQ_MIN(left, (int64_t)f->options->blend_users);
    enum mq_status st = allocate(m, wanted, h, err);
    for (int32_t u = 0; st == MQ_OK && u < m->user_count; u++) {
        int64_t first = m->user_offset[u], n = m->user_offset[u + 1] - first;
        if (n < 2 || !draw(&rng, left--, wanted - h->count))
            continue;
        int64_t at = f->options->blend_newest ? m->user_sequence[first + n - 1]
                                              : (int64_t)mq_rng_below64(&rng, (uint64_t)n);
        hold_out(m, u, first + at, h);
    }
    return st;
}

/* One rating in twenty; a user keeps one, and so does a film. */
static enum mq_status
hold_out_ratings(const struct fitting *f, struct held_out *h, struct mq_error *err)
{
    const struct mq_rating_matrix *m = f->ratings;
    struct mq_rng rng;
    mq_rng_init(&rng, f->seed, DRAW_RATINGS);
    int64_t left = m->count, wanted = MQ_MIN(m->count / RATING_SHARE, RATING_CASES_MAX);
    mq_autofree int64_t *of_item = NULL;
    enum mq_status st = allocate(m, wanted, h, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)m->item_count, sizeof(*of_item), &of_item, err);
    for (int32_t i = 0; st == MQ_OK && i < m->item_count; i++)
        of_item[i] = m->item_offset[i + 1] - m->item_offset[i];
    for (int32_t u = 0; st == MQ_OK && u < m->user_count; u++) {
        int64_t kept = m->user_offset[u + 1] - m->user_offset[u];
        for (int64_t at = m->user_offset[u]; at < m->user_offset[u + 1]; at++) {
            bool drawn = draw(&rng, left--, wanted - h->count);
            if (!drawn || kept < 2 || of_item[m->user_item[at]] < 2)
                continue;
            kept--;
            of_item[m->user_item[at]]--;
            hold_out(m, u, at, h);
        }
    }
    return st;
}

/* A model of what is kept. */
static enum mq_status
train_part(const struct fitting *f, const struct held_out *h,
           const struct mq_hybrid_options *options, struct mq_hybrid **ret_hybrid,
           struct mq_error *err)
{
    struct mq_rating_matrix *part = NULL;
    struct mq_hybrid_options scaled = *options;
    scaled.scale_users = f->user_count; /* no better neighbours than the model will have */
    enum mq_status st = mq_rating_matrix_part(f->ratings, h->keep, &part, err);
    if (st == MQ_OK)
        st = mq_hybrid_train(part, f->catalogue, &scaled, f->made_s, f->seed, f->pool, ret_hybrid,
                             NULL, err);
    if (st != MQ_OK)
        mq_rating_matrix_free(part);
    return st;
}

static enum mq_status
learn_blend(const struct fitting *f, float *ret_blend, struct mq_hybrid_fit_report *report,
            struct mq_error *err)
{
    struct mq_hybrid_options options = f->options->model;
    struct held_out h = {0};
    struct mq_hybrid *hybrid = NULL;
    options.predict = false;
    options.methods &= f->options->blended;
    enum mq_status st = hold_out_choices(f, &h, err);
    if (st == MQ_OK && h.count > 0)
        st = train_part(f, &h, &options, &hybrid, err);
    const struct mq_blend_cases cases = {h.count, h.user, h.item};
    const struct mq_blend_options blend = {f->options->blend_others, f->seed,
                                           f->options->blend_worth};
    if (st == MQ_OK && h.count > 0)
        st = mq_blend_learn(hybrid, &cases, &blend, f->pool, ret_blend, &report->blend, err);
    mq_hybrid_free(hybrid);
    release(&h);
    return st;
}

static enum mq_status
learn_rating_blend(const struct fitting *f, struct mq_hybrid_fit_report *report,
                   struct mq_error *err)
{
    struct mq_hybrid_options options = f->options->model;
    struct held_out h = {0};
    struct mq_hybrid *hybrid = NULL;
    options.methods = 0;
    enum mq_status st = hold_out_ratings(f, &h, err);
    if (st == MQ_OK && h.count > 0)
        st = train_part(f, &h, &options, &hybrid, err);
    const struct mq_rating_blend_cases cases = {h.count, h.user, h.item, h.rating};
    if (st == MQ_OK && h.count > 0)
        st = mq_rating_blend_learn(hybrid, &cases, f->pool, &report->rating_blend, err);
    report->rating_cases = h.count;
    mq_hybrid_free(hybrid);
    release(&h);
    return st;
}

/* All ratings of users drawn at random, as many users as have about `blend_ratings` together.
 * *ret_sample stays NULL where there are no more than that. */
static enum mq_status
draw_sample(const struct fitting *f, struct mq_rating_matrix **ret_sample, struct mq_error *err)
{
    const struct mq_rating_matrix *m = f->ratings;
    int64_t most = f->options->blend_ratings;
    if (most == 0 || m->count <= most)
        return MQ_OK;
    double share = (double)most / (double)m->count;
    int32_t wanted = MQ_MAX(1, (int32_t)((double)m->user_count * share)), count = 0;
    mq_autofree int32_t *users = NULL;
    struct mq_rng rng;
    mq_rng_init(&rng, f->seed, DRAW_SAMPLE);
    enum mq_status st = mq_alloc_array_raw((size_t)wanted, sizeof(*users), &users, err);
    for (int32_t u = 0; st == MQ_OK && u < m->user_count; u++)
        if (draw(&rng, m->user_count - u, wanted - count))
            users[count++] = u;
    return st == MQ_OK ? mq_rating_matrix_of_users(m, users, count, ret_sample, err) : st;
}

static enum mq_status
learn_rating_blend_by_sample(const struct fitting *f, struct mq_hybrid_fit_report *report,
                             struct mq_error *err)
{
    struct fitting part = *f;
    struct mq_rating_matrix *sample = NULL;
    enum mq_status st = draw_sample(f, &sample, err);
    if (sample != NULL)
        part.ratings = sample;
    report->blend_ratings = part.ratings->count;
    if (st == MQ_OK)
        st = learn_rating_blend(&part, report, err);
    mq_rating_matrix_free(sample);
    return st;
}

enum mq_status
mq_hybrid_fit(struct mq_rating_matrix *ratings, const struct mq_catalogue *catalogue,
              const struct mq_hybrid_fit_options *options, int64_t made_s, uint64_t seed,
              struct mq_pool *pool, struct mq_hybrid **ret_hybrid,
              struct mq_hybrid_fit_report *ret_report, struct mq_error *err)
{
    const struct fitting f = {.ratings = ratings,
                              .user_count = ratings->user_count,
                              .catalogue = catalogue,
                              .options = options,
                              .made_s = made_s,
                              .seed = seed,
                              .pool = pool};
    struct mq_hybrid_fit_report report = {0};
    struct mq_hybrid *h = NULL;
    float blend[MQ_METHOD_COUNT];
    double begun = mq_clock_monotonic_s();
    enum mq_status st = MQ_OK;
    if (options->blend_users > 0)
        st = learn_blend(&f, blend, &report, err);
    report.blend_s = mq_clock_monotonic_s() - begun;
    begun += report.blend_s;
    if (st == MQ_OK && options->model.predict)
        st = learn_rating_blend_by_sample(&f, &report, err);
    report.rating_blend_s = mq_clock_monotonic_s() - begun;
    begun += report.rating_blend_s;
    if (st == MQ_OK)
        st = mq_hybrid_train(ratings, catalogue, &options->model, made_s, seed, pool, &h,
                             &report.parts, err);
    report.train_s = mq_clock_monotonic_s() - begun;
    if (st != MQ_OK)
        return st;
    if (report.blend.cases > 0)
        memcpy(h->blend, blend, sizeof(blend));
    for (int m = 0; m < MQ_METHOD_COUNT; m++)
        if ((options->blended & 1u << m) == 0)
            h->blend[m] = 0;
    if (report.rating_cases > 0) {
        memcpy(h->rating_weight, report.rating_blend.weight, sizeof(h->rating_weight));
        h->rating_bias = report.rating_blend.bias;
    }
    mq_log_debug(
        "hybrid: blend of %lld choices in %.1f s, loss %.3f of %.3f nats%s; of %lld ratings "
        "out of %lld in %.1f s, RMSE %.4f",
        (long long)report.blend.cases, report.blend_s, report.blend.loss, report.blend.loss_uniform,
        report.blend.by_order ? ", then by their order" : "", (long long)report.rating_cases,
        (long long)report.blend_ratings, report.rating_blend_s, report.rating_blend.rmse_blend);
    for (int m = 0; m < MQ_METHOD_COUNT; m++)
        if (mq_hybrid_has(h, (enum mq_method)m))
            mq_log_debug("hybrid: %s weighs %.3f", mq_method_name((enum mq_method)m),
                         (double)h->blend[m]);
    *ret_hybrid = h;
    if (ret_report != NULL)
        *ret_report = report;
    return MQ_OK;
}
