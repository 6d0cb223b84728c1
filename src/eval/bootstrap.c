/*
 * LANES draws are made together: how often each user was drawn, two bytes a user, so that the
 * random steps of drawing stay in a cache. The columns are then passed over once for all lanes,
 * BLOCK users at a time and always in their order, so that the sums depend on nothing but seed and
 * data.
 */
#include "eval/bootstrap.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"

#define LANES 8
#define BLOCK 512
#define STREAM UINT64_C(0x626f6f74) /* "boot" */

/* A column without NaN. */
struct column {
    const double *sum, *weight; /* weight NULL: each user counts 1 */
    double *own_sum, *own_weight;
    bool root;
};

/* What a thread works with. */
struct worker {
    uint16_t *times; /* [LANES, count] */
    double *block;   /* [BLOCK, LANES] the same of a few users */
    double *sums;    /* [columns, LANES] */
    double *weights; /* [columns, LANES] */
};

struct run {
    struct column *columns;
    struct worker *workers; /* [threads], each made when first needed */
    struct mq_bootstrap *result;
    uint64_t seed;
};

static double
ratio(double sum, double weight, bool root)
{
    double value = weight > 0 ? sum / weight : (double)NAN;
    return root ? sqrt(value) : value;
}

static enum mq_status
clean(const struct mq_bootstrap_column *from, int64_t count, struct column *ret_column,
      struct mq_error *err)
{
    struct column column = {.sum = from->sum, .weight = from->weight, .root = from->root};
    bool whole = true;
    for (int64_t i = 0; i < count && whole; i++)
        whole = !isnan(from->sum[i]);
    enum mq_status st = MQ_OK;
    if (!whole) {
        st = mq_alloc_array_raw((size_t)count, sizeof(double), &column.own_sum, err);
        if (st == MQ_OK)
            st = mq_alloc_array_raw((size_t)count, sizeof(double), &column.own_weight, err);
        for (int64_t i = 0; i < count && st == MQ_OK; i++) {
            bool is_absent = isnan(from->sum[i]);
            column.own_sum[i] = is_absent ? 0 : from->sum[i];
            column.own_weight[i] = is_absent ? 0 : from->weight != NULL ? from->weight[i] : 1;
        }
        column.sum = column.own_sum;
        column.weight = column.own_weight;
    }
    *ret_column = column; /* also on failure: released with the others */
    return st;
}

/* Add values[0 … count-1], as often as each was drawn, to one sum a lane. */
static void
add_up(const double *values, const double *times, int64_t count, double *sums)
{
    double acc[LANES];
    memcpy(acc, sums, sizeof(acc));
    for (int64_t i = 0; i < count; i++)
        for (int lane = 0; lane < LANES; lane++)
            acc[lane] += times[i * LANES + lane] * values[i];
    memcpy(sums, acc, sizeof(acc));
}

/* A user is drawn at most `count` times, and above 65,535 users so many times never. */
static void
draw(const struct run *run, int64_t group, uint16_t *times)
{
    int64_t count = run->result->count;
    memset(times, 0, (size_t)count * LANES * sizeof(*times));
    for (int lane = 0; lane < LANES; lane++) {
        uint16_t *own = times + lane * count;
        struct mq_rng rng;
        mq_rng_init(&rng, run->seed, STREAM + (uint64_t)(group * LANES + lane));
        for (int64_t i = 0; i < count; i++)
            own[mq_rng_below(&rng, (uint32_t)count)]++;
    }
}

static void
sum_columns(const struct run *run, struct worker *worker)
{
    int64_t count = run->result->count;
    size_t room = (size_t)run->result->columns * LANES * sizeof(double);
    memset(worker->sums, 0, room);
    memset(worker->weights, 0, room);
    for (int64_t begin = 0; begin < count; begin += BLOCK) {
        int64_t n = MQ_MIN(count - begin, BLOCK);
        for (int lane = 0; lane < LANES; lane++)
            for (int64_t i = 0; i < n; i++)
                worker->block[i * LANES + lane] = worker->times[lane * count + begin + i];
        for (int c = 0; c < run->result->columns; c++) {
            const struct column *column = &run->columns[c];
            add_up(column->sum + begin, worker->block, n, worker->sums + c * LANES);
            if (column->weight != NULL)
                add_up(column->weight + begin, worker->block, n, worker->weights + c * LANES);
        }
    }
}

static enum mq_status
start_worker(const struct run *run, struct worker *worker, struct mq_error *err)
{
    size_t columns = (size_t)run->result->columns, count = (size_t)run->result->count;
    enum mq_status st = MQ_OK;
    if (worker->times == NULL)
        st = mq_alloc_array_raw(count * LANES, sizeof(*worker->times), &worker->times, err);
    if (st == MQ_OK && worker->block == NULL)
        st = mq_alloc_array_raw((size_t)BLOCK * LANES, sizeof(double), &worker->block, err);
    if (st == MQ_OK && worker->sums == NULL)
        st = mq_alloc_array_raw(columns * LANES, sizeof(double), &worker->sums, err);
    if (st == MQ_OK && worker->weights == NULL)
        st = mq_alloc_array_raw(columns * LANES, sizeof(double), &worker->weights, err);
    return st;
}

static enum mq_status
run_groups(void *argument, int64_t begin, int64_t end, int number, struct mq_error *err)
{
    struct run *run = argument;
    struct mq_bootstrap *result = run->result;
    struct worker *worker = &run->workers[number];
    enum mq_status st = start_worker(run, worker, err);
    for (int64_t group = begin; group < end && st == MQ_OK; group++) {
        draw(run, group, worker->times);
        sum_columns(run, worker);
        for (int64_t c = 0; c < result->columns; c++)
            for (int lane = 0; lane < LANES; lane++) {
                int64_t b = group * LANES + lane;
                bool weighted = run->columns[c].weight != NULL;
                double weight =
                    weighted ? worker->weights[c * LANES + lane] : (double)result->count;
                if (b < result->resamples)
                    result->replicate[c * result->resamples + b] =
                        ratio(worker->sums[c * LANES + lane], weight, run->columns[c].root);
            }
    }
    return st;
}

static double
value_of(const struct column *column, int64_t count)
{
    double sum = 0, weight = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += column->sum[i];
        weight += column->weight != NULL ? column->weight[i] : 1;
    }
    return ratio(sum, weight, column->root);
}

static enum mq_status
prepare(struct run *run, const struct mq_bootstrap_column *columns, int threads,
        struct mq_error *err)
{
    struct mq_bootstrap *result = run->result;
    size_t count = (size_t)result->columns;
    enum mq_status st = mq_alloc_array(count, sizeof(*run->columns), &run->columns, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)threads, sizeof(*run->workers), &run->workers, err);
    if (st == MQ_OK)
        st = mq_alloc_array(count, sizeof(*result->value), &result->value, err);
    if (st == MQ_OK)
        st = mq_alloc_array(count * (size_t)result->resamples, sizeof(*result->replicate),
                            &result->replicate, err);
    for (size_t c = 0; c < count && st == MQ_OK; c++)
        st = clean(&columns[c], result->count, &run->columns[c], err);
    return st;
}

enum mq_status
mq_bootstrap_run(const struct mq_bootstrap_column *columns, int column_count, int64_t count,
                 int resamples, uint64_t seed, struct mq_pool *pool,
                 struct mq_bootstrap *ret_bootstrap, struct mq_error *err)
{
    if (column_count < 0 || count < 0 || count > UINT32_MAX || resamples < 0 ||
        resamples > MQ_RESAMPLES_MAX)
        return mq_fail(err, MQ_E_RANGE,
                       "a bootstrap of %d columns, %" PRId64 " users (to %" PRIu32
                       ") and %d resamples (to %d)",
                       column_count, count, UINT32_MAX, resamples, MQ_RESAMPLES_MAX);
    struct mq_bootstrap result = {
        .count = count, .columns = column_count, .resamples = count > 0 ? resamples : 0};
    struct run run = {.result = &result, .seed = seed};
    int threads = mq_pool_threads(pool);
    enum mq_status st = prepare(&run, columns, threads, err);
    for (int c = 0; c < column_count && st == MQ_OK; c++)
        result.value[c] = value_of(&run.columns[c], count);
    if (st == MQ_OK)
        st = mq_pool_for(pool, (result.resamples + LANES - 1) / LANES, 1, run_groups, &run, err);
    for (int c = 0; run.columns != NULL && c < column_count; c++) {
        mq_free(run.columns[c].own_sum);
        mq_free(run.columns[c].own_weight);
    }
    for (int t = 0; run.workers != NULL && t < threads; t++) {
        mq_free(run.workers[t].times);
        mq_free(run.workers[t].block);
        mq_free(run.workers[t].sums);
        mq_free(run.workers[t].weights);
    }
    mq_free(run.columns);
    mq_free(run.workers);
    if (st != MQ_OK) {
        mq_bootstrap_release(&result);
        return st;
    }
    *ret_bootstrap = result;
    return MQ_OK;
}

void
mq_bootstrap_release(struct mq_bootstrap *bootstrap)
{
    mq_free(bootstrap->value);
    mq_free(bootstrap->replicate);
    *bootstrap = (struct mq_bootstrap){0};
}

static int
compare_values(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Of sorted values, between two of them in proportion (type 7 of Hyndman and Fan, 1996). */
static double
quantile(const double *sorted, int count, double share)
{
    double place = share * (count - 1);
    int below = (int)place;
    if (below + 1 >= count)
        return sorted[count - 1];
    return sorted[below] + (place - below) * (sorted[below + 1] - sorted[below]);
}

/* @param b -1: column a alone */
static enum mq_status
interval(const struct mq_bootstrap *bootstrap, int a, int b, double level,
         struct mq_interval *ret_interval, struct mq_error *err)
{
    if (!(level > 0 && level < 1))
        return mq_fail(err, MQ_E_RANGE, "an interval of level %g (above 0, below 1)", level);
    mq_autofree double *sorted = NULL;
    enum mq_status st =
        mq_alloc_array_raw((size_t)bootstrap->resamples, sizeof(*sorted), &sorted, err);
    if (st != MQ_OK)
        return st;
    int count = 0;
    for (int r = 0; r < bootstrap->resamples; r++) {
        double value = bootstrap->replicate[(int64_t)a * bootstrap->resamples + r];
        if (b >= 0)
            value -= bootstrap->replicate[(int64_t)b * bootstrap->resamples + r];
        if (!isnan(value))
            sorted[count++] = value;
    }
    qsort(sorted, (size_t)count, sizeof(*sorted), compare_values);
    struct mq_interval result = {.value = bootstrap->value[a], .low = NAN, .high = NAN};
    if (b >= 0)
        result.value -= bootstrap->value[b];
    if (count > 0) {
        result.low = quantile(sorted, count, (1 - level) / 2);
        result.high = quantile(sorted, count, (1 + level) / 2);
    }
    *ret_interval = result;
    return MQ_OK;
}

enum mq_status
mq_bootstrap_interval(const struct mq_bootstrap *bootstrap, int column, double level,
                      struct mq_interval *ret_interval, struct mq_error *err)
{
    return interval(bootstrap, column, -1, level, ret_interval, err);
}

enum mq_status
mq_bootstrap_difference(const struct mq_bootstrap *bootstrap, int a, int b, double level,
                        struct mq_interval *ret_interval, struct mq_error *err)
{
    return interval(bootstrap, a, b, level, ret_interval, err);
}
