#include "model/choice_model.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

#define F MQ_CHOICE_FEATURES_MAX
#define PASSES_MAX 100
#define HALVINGS_MAX 30
#define GRADIENT_RESTS 1e-9
/* Sets of one range of the pool: their sums are added in order, whoever made them. */
#define RANGE_SETS 64

/* Sums over some sets, at some weights. */
struct sums {
    double log_likelihood;
    double gradient[F];
    double curvature[F][F]; /* of -log likelihood; upper triangle */
};

struct pass {
    const struct mq_choices *choices;
    double weights[F];
    struct sums *ranges; /* [ranges] */
    bool curved;         /* the curvature is wanted */
};

/* Add one set. */
static void
add_set(const struct pass *pass, int64_t set, struct sums *sums)
{
    const struct mq_choices *c = pass->choices;
    int32_t f = c->features;
    int64_t first = c->offset[set], n = c->offset[set + 1] - first;
    const float *x = c->feature + first * f;
    double most = -INFINITY, total = 0, mean[F] = {0}, square[F][F];
    if (pass->curved)
        memset(square, 0, sizeof(square));
    for (int64_t a = 0; a < n; a++) {
        double utility = 0;
        for (int32_t k = 0; k < f; k++)
            utility += pass->weights[k] * (double)x[a * f + k];
        most = fmax(most, utility);
    }
    double chosen = 0;
    for (int64_t a = 0; a < n; a++) {
        double utility = 0;
        for (int32_t k = 0; k < f; k++)
            utility += pass->weights[k] * (double)x[a * f + k];
        double p = exp(utility - most);
        total += p;
        chosen = a == c->chosen[set] ? utility : chosen;
        for (int32_t k = 0; k < f; k++) {
            double weighted = p * (double)x[a * f + k];
            mean[k] += weighted;
            for (int32_t j = k; pass->curved && j < f; j++)
                square[k][j] += weighted * (double)x[a * f + j];
        }
    }
    sums->log_likelihood += chosen - most - log(total);
    for (int32_t k = 0; k < f; k++)
        mean[k] /= total;
    for (int32_t k = 0; k < f; k++) {
        sums->gradient[k] += (double)x[c->chosen[set] * f + k] - mean[k];
        for (int32_t j = k; pass->curved && j < f; j++)
            sums->curvature[k][j] += square[k][j] / total - mean[k] * mean[j];
    }
}

static enum mq_status
add_sets(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct pass *pass = context;
    struct sums *sums = &pass->ranges[begin / RANGE_SETS];
    (void)worker;
    (void)err;
    memset(sums, 0, sizeof(*sums));
    for (int64_t set = begin; set < end; set++)
        add_set(pass, set, sums);
    return MQ_OK;
}

/* One pass over all sets; the ridge is part of the sums. */
static enum mq_status
run_pass(struct pass *pass, const struct mq_choice_options *options, struct mq_pool *pool,
         struct sums *ret_sums, struct mq_error *err)
{
    int64_t count = pass->choices->count;
    int32_t f = pass->choices->features;
    enum mq_status st = mq_pool_for(pool, count, RANGE_SETS, add_sets, pass, err);
    if (st != MQ_OK)
        return st;
    memset(ret_sums, 0, sizeof(*ret_sums));
    for (int64_t r = 0; r * RANGE_SETS < count; r++) {
        const struct sums *range = &pass->ranges[r];
        ret_sums->log_likelihood += range->log_likelihood;
        for (int32_t k = 0; k < f; k++) {
            ret_sums->gradient[k] += range->gradient[k];
            for (int32_t j = k; j < f; j++)
                ret_sums->curvature[k][j] += range->curvature[k][j];
        }
    }
    for (int32_t k = 0; k < f; k++) {
        ret_sums->log_likelihood -= options->ridge / 2 * pass->weights[k] * pass->weights[k];
        ret_sums->gradient[k] -= options->ridge * pass->weights[k];
        ret_sums->curvature[k][k] += options->ridge;
    }
    return MQ_OK;
}

/* Solve curvature · step = gradient over the free features: Cholesky, positive definite by the
 * ridge. Features that are held get a step of 0. */
static void
newton_step(const struct sums *sums, const bool *held, int32_t f, double *step)
{
    double l[F][F], y[F];
    int32_t free_of[F], n = 0;
    for (int32_t k = 0; k < f; k++) {
        step[k] = 0;
        if (!held[k])
            free_of[n++] = k;
    }
    for (int32_t i = 0; i < n; i++)
        for (int32_t j = 0; j <= i; j++) {
            double sum = sums->curvature[free_of[j]][free_of[i]];
            for (int32_t k = 0; k < j; k++)
                sum -= l[i][k] * l[j][k];
            l[i][j] = i == j ? sqrt(fmax(sum, 1e-300)) : sum / l[j][j];
        }
    for (int32_t i = 0; i < n; i++) {
        y[i] = sums->gradient[free_of[i]];
        for (int32_t k = 0; k < i; k++)
            y[i] -= l[i][k] * y[k];
        y[i] /= l[i][i];
    }
    for (int32_t i = n - 1; i >= 0; i--) {
        for (int32_t k = i + 1; k < n; k++)
            y[i] -= l[k][i] * y[k];
        y[i] /= l[i][i];
        step[free_of[i]] = y[i];
    }
}

/* A step that does not lower the likelihood; weights that may not be negative stop at 0.
 * @return false: there is none: at rest */
static enum mq_status
take_step(struct pass *pass, const struct mq_choice_options *options, const double *step,
          struct mq_pool *pool, struct sums *sums, bool *ret_moved, struct mq_error *err)
{
    double from[F], before = sums->log_likelihood, scale = 1;
    struct sums tried;
    memcpy(from, pass->weights, sizeof(from));
    *ret_moved = false;
    for (int h = 0; h < HALVINGS_MAX && !*ret_moved; h++, scale /= 2) {
        for (int32_t k = 0; k < pass->choices->features; k++) {
            pass->weights[k] = from[k] + scale * step[k];
            if (options->at_least_zero)
                pass->weights[k] = fmax(pass->weights[k], 0);
        }
        enum mq_status st = run_pass(pass, options, pool, &tried, err);
        if (st != MQ_OK)
            return st;
        *ret_moved = tried.log_likelihood > before;
    }
    if (*ret_moved)
        *sums = tried;
    else
        memcpy(pass->weights, from, sizeof(from));
    return MQ_OK;
}

/* Weights at their bound that would go below it. */
static double
hold(const struct pass *pass, const struct sums *sums, bool at_least_zero, bool *held)
{
    double most = 0;
    for (int32_t k = 0; k < pass->choices->features; k++) {
        held[k] = at_least_zero && pass->weights[k] <= 0 && sums->gradient[k] <= 0;
        if (!held[k])
            most = fmax(most, fabs(sums->gradient[k]));
    }
    return most;
}

static enum mq_status
check(const struct mq_choices *c, const struct mq_choice_options *options, struct mq_error *err)
{
    if (c->features < 1 || c->features > F)
        return mq_fail(err, MQ_E_RANGE, "choices of %d features (1 to %d)", c->features, F);
    if (!(options->ridge > 0) || !isfinite(options->ridge))
        return mq_fail(err, MQ_E_RANGE, "choices with a ridge of %g (above 0)", options->ridge);
    for (int64_t s = 0; s < c->count; s++)
        if (c->chosen[s] < 0 || c->chosen[s] >= c->offset[s + 1] - c->offset[s])
            return mq_fail(err, MQ_E_RANGE, "choice %lld takes alternative %d of %lld",
                           (long long)s, c->chosen[s],
                           (long long)(c->offset[s + 1] - c->offset[s]));
    return MQ_OK;
}

enum mq_status
mq_choice_fit(const struct mq_choices *choices, const struct mq_choice_options *options,
              struct mq_pool *pool, double *ret_weights, double *ret_loss, struct mq_error *err)
{
    struct pass pass = {.choices = choices, .curved = true};
    struct sums sums = {0};
    enum mq_status st = check(choices, options, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)(choices->count / RANGE_SETS + 1), sizeof(*pass.ranges),
                            &pass.ranges, err);
    if (st == MQ_OK)
        st = run_pass(&pass, options, pool, &sums, err);
    bool moved = true;
    for (int p = 0; st == MQ_OK && moved && p < PASSES_MAX; p++) {
        double step[F];
        bool held[F];
        if (hold(&pass, &sums, options->at_least_zero, held) <=
            GRADIENT_RESTS * (double)MQ_MAX(choices->count, 1))
            break;
        newton_step(&sums, held, choices->features, step);
        st = take_step(&pass, options, step, pool, &sums, &moved, err);
    }
    mq_free(pass.ranges);
    if (st != MQ_OK)
        return st;
    double ridge = 0;
    for (int32_t k = 0; k < choices->features; k++) {
        ret_weights[k] = pass.weights[k];
        ridge += options->ridge / 2 * pass.weights[k] * pass.weights[k];
    }
    if (ret_loss != NULL)
        *ret_loss =
            choices->count > 0 ? -(sums.log_likelihood + ridge) / (double)choices->count : 0;
    return MQ_OK;
}
