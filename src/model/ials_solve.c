/*
 * A row x of one side, the other side's rows y fixed, minimises L where A x = b with
 *   A = α0 Σ_all y yᵀ + Σ_rated w y yᵀ + λ,   b = Σ_rated c y,
 * w = c, or c - α0 in the form of Hu et al. The first sum, the Gram matrix, is the same for all
 * rows.
 */
#include "model/ials_solve.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "math/blas.h"
#include "math/cholesky.h"
#include "math/kernels.h"

/* Partial sums of a Gram matrix. */
#define GRAM_PARTS 16
/* Rows of a block, and ratings from which on it takes no further row: what is gathered for them
 * should still be near at the next step. */
#define BLOCK_ROWS 32
#define BLOCK_RATINGS 4096

float
mq_ials_row_regularization(const struct mq_ials_side *side, int64_t count)
{
    double frequency = (double)count + (double)side->unobserved_weight * (double)side->table_count;
    return (float)((double)side->regularization *
                   pow(frequency, (double)side->regularization_exponent));
}

struct gram_work {
    const float *table;
    int64_t count, part_rows, factors;
    float alpha;
    float *parts; /* [GRAM_PARTS,factors,factors] */
};

static enum mq_status
gram_part(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct gram_work *work = context;
    int64_t f = work->factors;
    (void)worker;
    (void)err;
    for (int64_t part = begin; part < end; part++) {
        int64_t first = MQ_MIN(part * work->part_rows, work->count);
        int64_t rows = MQ_MIN(work->part_rows, work->count - first);
        mq_sgemm(true, false, f, f, rows, work->alpha, work->table + first * f, f,
                 work->table + first * f, f, 0, work->parts + part * f * f, f);
    }
    return MQ_OK;
}

enum mq_status
mq_ials_gram(const float *table, int32_t count, int32_t factors, float unobserved_weight,
             struct mq_pool *pool, float *ret_gram, struct mq_error *err)
{
    size_t size = (size_t)factors * (size_t)factors;
    mq_autofree float *parts = NULL;
    enum mq_status st = mq_alloc_array_raw(GRAM_PARTS * size, sizeof(float), &parts, err);
    struct gram_work work = {.table = table,
                             .count = count,
                             .part_rows = ((int64_t)count + GRAM_PARTS - 1) / GRAM_PARTS,
                             .factors = factors,
                             .alpha = unobserved_weight,
                             .parts = parts};
    if (st == MQ_OK)
        st = mq_pool_for(pool, GRAM_PARTS, 1, gram_part, &work, err);
    if (st != MQ_OK)
        return st;
    memcpy(ret_gram, parts, size * sizeof(float));
    for (size_t part = 1; part < GRAM_PARTS; part++)
        mq_kernels()->add(parts + part * size, ret_gram, size);
    return MQ_OK;
}

/* ---- exactly ---- */

size_t
mq_ials_row_scratch(int32_t factors, int64_t count)
{
    return (size_t)factors * (size_t)factors + (size_t)count;
}

/* Weights of the rated terms of A: `room` is filled and returned, or what is there already. */
static const float *
rated_weights(const struct mq_ials_side *side, const float *confidence, int64_t count, float *room)
{
    if (side->form == MQ_IALS_BESIDE)
        return confidence;
    for (int64_t i = 0; i < count; i++)
        room[i] = (confidence != NULL ? confidence[i] : 1.0f) - side->unobserved_weight;
    return room;
}

enum mq_status
mq_ials_solve_row(const struct mq_ials_side *side, const int32_t *index, const float *confidence,
                  int64_t count, float *scratch, float *ret_vector, struct mq_error *err)
{
    const struct mq_kernels *kernels = mq_kernels();
    size_t f = (size_t)side->factors, n = (size_t)count;
    memset(ret_vector, 0, f * sizeof(float));
    if (count == 0)
        return MQ_OK;
    const float *weights = rated_weights(side, confidence, count, scratch + f * f);
    float diagonal = mq_ials_row_regularization(side, count);
    /* A is positive definite, but rounding may say otherwise where λ is tiny: then a little more.
     */
    for (int attempt = 0; attempt < 8; attempt++, diagonal *= 10) {
        memcpy(scratch, side->gram, f * f * sizeof(float));
        kernels->gather_outer(side->table, f, index, weights, n, scratch);
        for (size_t j = 0; j < f; j++)
            scratch[j * f + j] += diagonal;
        if (!kernels->cholesky(scratch, f, f))
            continue;
        if (confidence != NULL)
            kernels->gather_weighted_sum(side->table, f, index, confidence, n, ret_vector);
        else
            kernels->gather_sum(side->table, f, index, n, ret_vector);
        mq_cholesky_solve(scratch, f, f, ret_vector);
        return MQ_OK;
    }
    return mq_fail(err, MQ_E_RANGE,
                   "a row of %lld ratings has no solution: its factors or confidence are too large",
                   (long long)count);
}

struct exact_work {
    const struct mq_ials_side *side;
    float *solution, *scratch;
    size_t scratch_size;
};

static enum mq_status
solve_range(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct exact_work *work = context;
    const struct mq_ials_side *side = work->side;
    float *scratch = work->scratch + (size_t)worker * work->scratch_size;
    enum mq_status st = MQ_OK;
    for (int64_t row = begin; row < end && st == MQ_OK; row++) {
        int64_t first = side->offset[row];
        st = mq_ials_solve_row(
            side, side->index + first, side->confidence != NULL ? side->confidence + first : NULL,
            side->offset[row + 1] - first, scratch, work->solution + row * side->factors, err);
    }
    return st;
}

static int64_t
longest_row(const struct mq_ials_side *side)
{
    int64_t most = 0;
    for (int32_t row = 0; row < side->row_count; row++)
        most = MQ_MAX(most, side->offset[row + 1] - side->offset[row]);
    return most;
}

enum mq_status
mq_ials_solve_exactly(const struct mq_ials_side *side, float *solution, struct mq_pool *pool,
                      struct mq_error *err)
{
    size_t size = mq_ials_row_scratch(side->factors, longest_row(side));
    mq_autofree float *scratch = NULL;
    enum mq_status st =
        mq_alloc_array_raw((size_t)mq_pool_threads(pool) * size, sizeof(float), &scratch, err);
    struct exact_work work = {
        .side = side, .solution = solution, .scratch = scratch, .scratch_size = size};
    return st == MQ_OK ? mq_pool_for(pool, side->row_count, 16, solve_range, &work, err) : st;
}

/* ---- by steps ---- */

/*
 * Conjugate gradient, preconditioned by what all rows have in common: M = Gram + ridge. A differs
 * from it by the rated rows alone, so one or two steps do what takes plain conjugate gradient three
 * or five. M p comes for nothing: a direction is p = M⁻¹r + β p', so M p = r + β M p'.
 */
struct steps_work {
    const struct mq_ials_side *side;
    const int32_t *block; /* [blocks+1] first rows */
    int32_t steps;
    float ridge;
    const float *inverse; /* [f,f] M⁻¹ */
    float *solution;
    const float *ones; /* [longest row] */
    float *scratch;    /* a worker: four times [BLOCK_ROWS,f], weights [longest] */
    size_t scratch_size;
};

/* image[f] -= (A - M) x of a row, or, with targets, image += b - (A - Gram) x. */
static void
subtract_own(const struct steps_work *work, int64_t row, const float *x, bool targets, float *image,
             float *room)
{
    const struct mq_ials_side *side = work->side;
    const struct mq_kernels *kernels = mq_kernels();
    size_t f = (size_t)side->factors;
    int64_t begin = side->offset[row], count = side->offset[row + 1] - begin;
    const float *confidence = side->confidence != NULL ? side->confidence + begin : NULL;
    const float *weights = rated_weights(side, confidence, count, room);
    const float *target = confidence != NULL ? confidence : work->ones;
    float diagonal = mq_ials_row_regularization(side, count) - (targets ? 0 : work->ridge);
    kernels->axpy(-diagonal, x, image, f);
    kernels->gather_residual(side->table, f, side->index + begin, targets ? target : NULL, weights,
                             (size_t)count, x, image);
}

static void
solve_block(const struct steps_work *work, int32_t first, int32_t rows, float *scratch)
{
    const struct mq_ials_side *side = work->side;
    const struct mq_kernels *kernels = mq_kernels();
    size_t f = (size_t)side->factors, size = BLOCK_ROWS * f;
    float *solution = work->solution + (size_t)first * f;
    float *residual = scratch, *descent = residual + size, *direction = descent + size;
    float *image = direction + size, *room = image + size;
    float square[BLOCK_ROWS];
    for (int32_t r = 0; r < rows; r++)
        if (side->offset[first + r + 1] == side->offset[first + r])
            memset(solution + (size_t)r * f, 0, f * sizeof(float));
    mq_sgemm(false, false, rows, side->factors, side->factors, -1, solution, side->factors,
             side->gram, side->factors, 0, residual, side->factors);
    for (int32_t r = 0; r < rows; r++)
        subtract_own(work, first + r, solution + (size_t)r * f, true, residual + (size_t)r * f,
                     room);
    for (int32_t step = 0; step < work->steps; step++) {
        mq_sgemm_nn(rows, side->factors, side->factors, residual, work->inverse, 0, descent);
        for (int32_t r = 0; r < rows; r++) {
            size_t at = (size_t)r * f;
            float *x = solution + at, *s = residual + at, *z = descent + at;
            float *p = direction + at, *q = image + at; /* q = -M p, then -A p */
            float next = kernels->dot(s, z, f);
            float beta = step > 0 && square[r] > 0 ? next / square[r] : 0;
            for (size_t j = 0; j < f; j++) {
                p[j] = step > 0 ? z[j] + beta * p[j] : z[j];
                q[j] = step > 0 ? beta * q[j] - s[j] : -s[j];
            }
            square[r] = next;
            /* M p must be kept apart from A p for the next direction. */
            float *m = z;
            memcpy(m, q, f * sizeof(float));
            subtract_own(work, first + r, p, false, m, room);
            float curve = -kernels->dot(p, m, f);
            if (!(curve > 0) || !(next > 0)) { /* solved already */
                square[r] = 0;
                continue;
            }
            kernels->axpy(next / curve, p, x, f);
            kernels->axpy(next / curve, m, s, f);
        }
    }
}

static enum mq_status
solve_blocks(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct steps_work *work = context;
    (void)err;
    for (int64_t b = begin; b < end; b++)
        solve_block(work, work->block[b], work->block[b + 1] - work->block[b],
                    work->scratch + (size_t)worker * work->scratch_size);
    return MQ_OK;
}

/* Cut the rows in blocks, the same on any number of threads. @param ret_block [row_count+1] */
static int64_t
cut_blocks(const struct mq_ials_side *side, int32_t *ret_block)
{
    int64_t blocks = 0;
    for (int32_t row = 0; row < side->row_count;) {
        int32_t first = row;
        ret_block[blocks++] = first;
        do
            row++;
        while (row < side->row_count && row - first < BLOCK_ROWS &&
               side->offset[row + 1] - side->offset[first] <= BLOCK_RATINGS);
    }
    ret_block[blocks] = side->row_count;
    return blocks;
}

/* M⁻¹ and the ridge in M: λ of a mean row, but enough that rounding does no harm. */
static enum mq_status
make_preconditioner(const struct mq_ials_side *side, struct mq_pool *pool, float *ret_inverse,
                    float *ret_ridge, struct mq_error *err)
{
    size_t f = (size_t)side->factors;
    mq_autofree float *factor = NULL;
    enum mq_status st = mq_alloc_array_raw(f * f, sizeof(float), &factor, err);
    if (st != MQ_OK)
        return st;
    int64_t mean = side->offset[side->row_count] / MQ_MAX(side->row_count, 1);
    float greatest = 0;
    for (size_t j = 0; j < f; j++)
        greatest = MQ_MAX(greatest, side->gram[j * f + j]);
    *ret_ridge = MQ_MAX(mq_ials_row_regularization(side, mean), 1e-4f * greatest);
    if (!(*ret_ridge > 0)) /* nothing on either side */
        *ret_ridge = 1;
    for (int attempt = 0; attempt < 8; attempt++, *ret_ridge *= 10) {
        memcpy(factor, side->gram, f * f * sizeof(float));
        for (size_t j = 0; j < f; j++)
            factor[j * f + j] += *ret_ridge;
        if (mq_kernels()->cholesky(factor, f, f))
            return mq_cholesky_inverse(factor, f, f, pool, ret_inverse, err);
    }
    return mq_fail(err, MQ_E_RANGE, "iALS diverged: the factors are too large");
}

enum mq_status
mq_ials_solve_steps(const struct mq_ials_side *side, int32_t steps, float *solution,
                    struct mq_pool *pool, struct mq_error *err)
{
    size_t longest = (size_t)longest_row(side);
    size_t f = (size_t)side->factors, size = 4 * BLOCK_ROWS * f + longest;
    float ridge = 0;
    mq_autofree float *scratch = NULL;
    mq_autofree float *inverse = NULL;
    mq_autofree float *ones = NULL;
    mq_autofree int32_t *block = NULL;
    enum mq_status st =
        mq_alloc_array_raw((size_t)mq_pool_threads(pool) * size, sizeof(float), &scratch, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(longest, sizeof(float), &ones, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)side->row_count + 1, sizeof(int32_t), &block, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(f * f, sizeof(float), &inverse, err);
    if (st == MQ_OK)
        st = make_preconditioner(side, pool, inverse, &ridge, err);
    if (st != MQ_OK)
        return st;
    for (size_t i = 0; i < longest; i++)
        ones[i] = 1.0f;
    struct steps_work work = {.side = side,
                              .block = block,
                              .steps = steps,
                              .ridge = ridge,
                              .inverse = inverse,
                              .solution = solution,
                              .ones = ones,
                              .scratch = scratch,
                              .scratch_size = size};
    return mq_pool_for(pool, cut_blocks(side, block), 1, solve_blocks, &work, err);
}
