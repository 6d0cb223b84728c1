#include "rec/blend_learning.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "math/topk.h"
#include "model/choice_model.h"
#include "rec/blend_selection.h"
#include "rec/blended_scores.h"

#define CASES_OF_A_RANGE 8
#define RIDGE 1.0

#define STREAM_OTHERS (UINT64_C(1) << 32) /* one a case */

/* Of one thread. */
struct scratch {
    struct mq_blended_scorer *scorer;
    struct mq_arena arena;
    float *scores;  /* [methods, items] */
    int32_t *stamp; /* [items] case + 1 where the film is an alternative */
};

struct learning {
    const struct mq_hybrid *hybrid;
    const struct mq_blend_cases *cases;
    const struct mq_blend_options *options;
    int32_t method_count;
    enum mq_method method[MQ_METHOD_COUNT];
    size_t room;             /* alternatives of a case at most */
    struct scratch *scratch; /* [threads] */
    float *feature;          /* [cases, room, methods] */
    int32_t *alternatives;   /* [cases] */
};

/* ---- alternatives ------------------------------------------------------------------------- */

static void
add_alternative(const struct learning *l, struct scratch *s, int64_t index, int32_t item)
{
    size_t items = (size_t)l->hybrid->ratings->item_count, methods = (size_t)l->method_count;
    if (s->stamp[item] == (int32_t)index + 1)
        return;
    s->stamp[item] = (int32_t)index + 1;
    float *row =
        l->feature + ((size_t)index * l->room + (size_t)l->alternatives[index]++) * methods;
    for (size_t m = 0; m < methods; m++)
        row[m] = s->scores[m * items + (size_t)item];
}

/* Films by chance. */
static void
add_others(const struct learning *l, struct scratch *s, int64_t index)
{
    const struct mq_rating_matrix *ratings = l->hybrid->ratings;
    struct mq_rng rng;
    mq_rng_init(&rng, l->options->seed, STREAM_OTHERS + (uint64_t)index);
    for (int32_t k = 0; k < l->options->others; k++) {
        int32_t item = (int32_t)mq_rng_below(&rng, (uint32_t)ratings->item_count);
        if (mq_rating_matrix_find(ratings, l->cases->user[index], item) < 0)
            add_alternative(l, s, index, item);
    }
}

/* The held-out film is the first alternative. */
static enum mq_status
make_case(const struct learning *l, struct scratch *s, int64_t index, struct mq_error *err)
{
    const struct mq_rating_matrix *ratings = l->hybrid->ratings;
    size_t items = (size_t)ratings->item_count;
    int32_t code = l->cases->user[index];
    int64_t first = ratings->user_offset[code];
    struct mq_scored best[MQ_BLEND_ALTERNATIVES];
    struct mq_rated_user user;
    mq_arena_reset(&s->arena);
    enum mq_status st = mq_rated_user_stored(l->hybrid, code, &s->arena, &user, err);
    for (int32_t m = 0; st == MQ_OK && m < l->method_count; m++) {
        bool known;
        st = mq_standard_scores(s->scorer, &user, l->method[m], s->scores + (size_t)m * items,
                                &known, err);
    }
    l->alternatives[index] = 0;
    if (st == MQ_OK)
        add_alternative(l, s, index, l->cases->item[index]);
    for (int32_t m = 0; st == MQ_OK && m < l->method_count; m++) {
        size_t found;
        st = mq_topk_row(s->scores + (size_t)m * items, items,
                         MQ_MIN(items, (size_t)MQ_BLEND_ALTERNATIVES), ratings->user_item + first,
                         (size_t)(ratings->user_offset[code + 1] - first), best, &found, err);
        for (size_t k = 0; st == MQ_OK && k < found; k++)
            add_alternative(l, s, index, best[k].id);
    }
    if (st == MQ_OK)
        add_others(l, s, index);
    return st;
}

static enum mq_status
make_cases(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct learning *l = context;
    enum mq_status st = MQ_OK;
    for (int64_t i = begin; st == MQ_OK && i < end; i++)
        st = make_case(l, &l->scratch[worker], i, err);
    return st;
}

static void
free_scratch(struct scratch *scratch, int threads)
{
    for (int t = 0; scratch != NULL && t < threads; t++) {
        mq_blended_scorer_free(scratch[t].scorer);
        mq_arena_release(&scratch[t].arena);
        mq_free(scratch[t].scores);
        mq_free(scratch[t].stamp);
    }
    mq_free(scratch);
}

static enum mq_status
make_alternatives(struct learning *l, struct mq_pool *pool, struct mq_error *err)
{
    int threads = mq_pool_threads(pool);
    size_t items = (size_t)l->hybrid->ratings->item_count, count = (size_t)l->cases->count;
    enum mq_status st = mq_alloc_array_raw(count * l->room * (size_t)l->method_count,
                                           sizeof(*l->feature), &l->feature, err);
    if (st == MQ_OK)
        st = mq_alloc_array(count, sizeof(*l->alternatives), &l->alternatives, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)threads, sizeof(*l->scratch), &l->scratch, err);
    for (int t = 0; st == MQ_OK && t < threads; t++) {
        struct scratch *s = &l->scratch[t];
        st = mq_blended_scorer_new(l->hybrid, &s->scorer, err);
        if (st == MQ_OK)
            st = mq_alloc_array_raw(items * (size_t)l->method_count, sizeof(*s->scores), &s->scores,
                                    err);
        if (st == MQ_OK)
            st = mq_alloc_array(items, sizeof(*s->stamp), &s->stamp, err);
    }
    if (st == MQ_OK)
        st = mq_pool_for(pool, l->cases->count, CASES_OF_A_RANGE, make_cases, l, err);
    free_scratch(l->scratch, threads);
    return st;
}

/* ---- fits --------------------------------------------------------------------------------- */

struct fit {
    const struct learning *learning;
    int64_t *offset; /* [cases+1] */
    int32_t *chosen; /* [cases] all 0 */
    float *feature;  /* [offset[cases], methods in use] */
    struct mq_pool *pool;
};

/* Weights of some methods; 0 of the others. */
static enum mq_status
fit_some(const struct fit *f, unsigned methods, double *ret_weight, double *ret_loss,
         struct mq_error *err)
{
    const struct learning *l = f->learning;
    int32_t used[MQ_METHOD_COUNT], n = 0;
    double weight[MQ_METHOD_COUNT];
    for (int32_t m = 0; m < l->method_count; m++)
        if ((methods & 1u << m) != 0)
            used[n++] = m;
    float *to = f->feature;
    for (int64_t i = 0; i < l->cases->count; i++) {
        const float *from = l->feature + (size_t)i * l->room * (size_t)l->method_count;
        for (int32_t a = 0; a < l->alternatives[i]; a++, from += l->method_count)
            for (int32_t k = 0; k < n; k++)
                *to++ = from[used[k]];
    }
    const struct mq_choices choices = {.count = l->cases->count,
                                       .features = n,
                                       .offset = f->offset,
                                       .feature = f->feature,
                                       .chosen = f->chosen};
    const struct mq_choice_options options = {.ridge = RIDGE, .at_least_zero = true};
    enum mq_status st = mq_choice_fit(&choices, &options, f->pool, weight, ret_loss, err);
    memset(ret_weight, 0, sizeof(*ret_weight) * MQ_METHOD_COUNT);
    for (int32_t k = 0; st == MQ_OK && k < n; k++)
        ret_weight[used[k]] = weight[k];
    return st;
}

static int
least(const double *weight, unsigned methods)
{
    int found = -1;
    for (int m = 0; m < MQ_METHOD_COUNT; m++)
        if ((methods & 1u << m) != 0 && (found < 0 || weight[m] < weight[found]))
            found = m;
    return found;
}

/* All methods; then without the least, while that costs next to nothing. */
static enum mq_status
fit_all(const struct fit *f, double *ret_weight, double *ret_loss, struct mq_error *err)
{
    unsigned methods = (1u << f->learning->method_count) - 1;
    double weight[MQ_METHOD_COUNT], loss;
    enum mq_status st = fit_some(f, methods, ret_weight, ret_loss, err);
    while (st == MQ_OK && (methods & (methods - 1)) != 0) {
        methods &= ~(1u << least(ret_weight, methods));
        st = fit_some(f, methods, weight, &loss, err);
        if (st != MQ_OK || loss - *ret_loss > f->learning->options->worth)
            break;
        memcpy(ret_weight, weight, sizeof(weight));
        *ret_loss = loss;
    }
    return st;
}

static enum mq_status
fit(const struct learning *l, struct mq_pool *pool, double *ret_weight,
    struct mq_blend_report *report, struct mq_error *err)
{
    size_t count = (size_t)l->cases->count;
    mq_autofree int64_t *offset = NULL;
    mq_autofree int32_t *chosen = NULL;
    mq_autofree float *feature = NULL;
    enum mq_status st = mq_alloc_array(count + 1, sizeof(*offset), &offset, err);
    if (st == MQ_OK)
        st = mq_alloc_array(count, sizeof(*chosen), &chosen, err);
    if (st != MQ_OK)
        return st;
    for (size_t i = 0; i < count; i++) {
        offset[i + 1] = offset[i] + l->alternatives[i];
        report->loss_uniform += log((double)l->alternatives[i]) / (double)count;
    }
    report->alternatives = offset[count];
    st = mq_alloc_array_raw((size_t)offset[count] * (size_t)l->method_count, sizeof(*feature),
                            &feature, err);
    const struct fit fit = {l, offset, chosen, feature, pool};
    if (st == MQ_OK)
        st = fit_all(&fit, ret_weight, &report->loss, err);
    const struct mq_blend_table table = {l->cases->count, l->method_count, l->room, l->alternatives,
                                         l->feature};
    return st == MQ_OK ? mq_blend_select(&table, ret_weight, &report->by_order, err) : st;
}

enum mq_status
mq_blend_learn(const struct mq_hybrid *hybrid, const struct mq_blend_cases *cases,
               const struct mq_blend_options *options, struct mq_pool *pool, float *ret_blend,
               struct mq_blend_report *ret_report, struct mq_error *err)
{
    struct learning l = {.hybrid = hybrid, .cases = cases, .options = options};
    struct mq_blend_report report = {.cases = cases->count};
    double weight[MQ_METHOD_COUNT] = {0};
    if (cases->count > MQ_BLEND_CASES_MAX)
        return mq_fail(err, MQ_E_RANGE, "blend of %lld cases (at most %d)", (long long)cases->count,
                       MQ_BLEND_CASES_MAX);
    if (options->others < 0 || options->others > MQ_BLEND_OTHERS_MAX)
        return mq_fail(err, MQ_E_RANGE, "blend with %d films by chance (0 to %d)", options->others,
                       MQ_BLEND_OTHERS_MAX);
    for (int m = 0; m < MQ_METHOD_COUNT; m++)
        if (mq_hybrid_has(hybrid, (enum mq_method)m))
            l.method[l.method_count++] = (enum mq_method)m;
    l.room = (size_t)l.method_count * MQ_BLEND_ALTERNATIVES + 1 + (size_t)options->others;
    size_t bytes = (size_t)cases->count * l.room * (size_t)l.method_count * sizeof(*l.feature);
    if (bytes > MQ_BLEND_BYTES_MAX) {
        mq_fail(
            err, MQ_E_RANGE,
            "the blend would be learned on %zu MB of scores (at most %zu): %lld choices with %zu "
            "films each, by %d methods",
            bytes >> 20, MQ_BLEND_BYTES_MAX >> 20, (long long)cases->count, l.room, l.method_count);
        mq_error_hint(err, "lower hybrid.blend_users or hybrid.blend_others");
        return MQ_E_RANGE;
    }
    enum mq_status st = cases->count > 0 ? make_alternatives(&l, pool, err) : MQ_OK;
    if (st == MQ_OK && cases->count > 0)
        st = fit(&l, pool, weight, &report, err);
    mq_free(l.feature);
    mq_free(l.alternatives);
    if (st != MQ_OK)
        return st;
    double sum = 0;
    for (int32_t m = 0; m < l.method_count; m++)
        sum += weight[m];
    memset(ret_blend, 0, sizeof(*ret_blend) * MQ_METHOD_COUNT);
    for (int32_t m = 0; m < l.method_count; m++)
        ret_blend[l.method[m]] = sum > 0 ? (float)weight[m] : 1;
    if (ret_report != NULL)
        *ret_report = report;
    return MQ_OK;
}
