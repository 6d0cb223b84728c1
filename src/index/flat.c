/*
 * Exact search.
 *
 * Rows are read tile by tile, each tile for a whole group of queries while it is in the first-level
 * cache. First come the byte codes (byte_panels.h): one kernel call gives, for four queries, the
 * bits of the rows that may still beat the k-th best. Only those are scored in float32. As the k-th
 * best rises, nearly all rows are settled by their codes: a quarter of the bytes of float32, and
 * four times the products an instruction. The result is exact, because the bound is.
 *
 * Few rows, or very wide ones, are scored in float32 at once.
 */
#include <math.h>

#include "base/memory.h"
#include "index/index_parts.h"
#include "math/kernels.h"
#include "math/reservoir.h"

/* Panels of a tile: 512 rows, 16 kB of codes at 32 dimensions. */
#define TILE_PANELS 16
#define TILE_ROWS (TILE_PANELS * MQ_PANEL_ROWS)
/* Rows below which codes are not worth their making. */
#define PANELS_FROM 1024
/* Queries of one parallel range. */
#define GROUP 64

struct search {
    const struct mq_vector_index *index;
    const float *queries;
    int k;
    int32_t *ids;
    float *scores;
};

/* What one query carries through the tiles. */
struct running {
    struct mq_reservoir best;
    struct mq_byte_query bytes;
    double square; /* |q|², squared distance only */
    float reached; /* threshold that `above` was made for */
    int16_t above;
};

enum mq_status
mq_flat_prepare(struct mq_vector_index *index, struct mq_pool *pool, struct mq_error *err)
{
    if (index->n < PANELS_FROM || index->dim > MQ_BYTE_PANELS_DIM_MAX)
        return MQ_OK;
    enum mq_status st =
        mq_byte_panels_build(index->vectors, index->n, index->dim, index->metric == MQ_METRIC_L2,
                             pool, &index->panels, err);
    index->has_panels = st == MQ_OK;
    return st;
}

/* Offer rows of a tile; scores are products, or distances that turn negative to be maximised. */
static void
offer(struct running *run, bool distance, const int32_t *ids, const float *scores, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float score = distance ? -scores[i] : scores[i];
        if (score >= run->best.threshold)
            mq_reservoir_push(&run->best, score, ids[i]);
    }
    if (count > 0 && (run->best.threshold == -INFINITY || run->best.count > run->best.k * 3 / 2))
        mq_reservoir_shrink(&run->best);
}

static void
renew_bound(struct running *run, bool distance)
{
    if (run->reached == run->best.threshold)
        return;
    run->reached = run->best.threshold;
    double score = (double)run->reached;
    run->above = mq_byte_query_above(&run->bytes, distance ? (run->square + score) / 2 : score);
}

/* Rows whose bits are set, their vectors on the way to the cache. @return how many */
static size_t
gather_hits(const struct mq_vector_index *index, const uint32_t *hits, size_t first_panel,
            size_t panel_count, int32_t *ret_rows)
{
    size_t count = 0, dim = (size_t)index->dim;
    for (size_t panel = 0; panel < panel_count; panel++)
        for (uint32_t bits = hits[panel]; bits != 0; bits &= bits - 1) {
            size_t row = (first_panel + panel) * MQ_PANEL_ROWS + (size_t)__builtin_ctz(bits);
            if (row >= (size_t)index->n) /* the last panel is padded */
                break;
            const float *vector = index->vectors + row * dim;
            for (size_t at = 0; at < dim; at += 16)
                __builtin_prefetch(vector + at);
            ret_rows[count++] = (int32_t)row;
        }
    return count;
}

/* Score what the codes could not settle. */
static void
rescore(const struct mq_vector_index *index, const float *query, struct running *run,
        const int32_t *rows, size_t count)
{
    const struct mq_kernels *kernels = mq_kernels();
    bool distance = index->metric == MQ_METRIC_L2;
    float scores[TILE_ROWS];
    if (count == 0)
        return;
    (distance ? kernels->square_distance_indexed : kernels->dot_indexed)(
        query, index->vectors, (size_t)index->dim, rows, count, scores);
    offer(run, distance, rows, scores, count);
}

static enum mq_status
search_panels(const struct mq_vector_index *index, const float *queries, size_t count,
              struct running *runs, struct mq_error *err)
{
    const struct mq_kernels *kernels = mq_kernels();
    const struct mq_byte_panels *panels = &index->panels;
    bool distance = index->metric == MQ_METRIC_L2;
    size_t dim = (size_t)index->dim, pairs = panels->pairs;
    mq_autofree int32_t *weights = NULL;
    enum mq_status st = mq_alloc_array_raw(count * pairs, sizeof(*weights), &weights, err);
    if (st != MQ_OK)
        return st;
    for (size_t q = 0; q < count; q++) {
        struct running *run = &runs[q];
        mq_byte_query_prepare(panels, queries + q * dim, weights + q * pairs, &run->bytes);
        run->square = 0;
        for (size_t j = 0; j < dim; j++)
            run->square += (double)queries[q * dim + j] * queries[q * dim + j];
        run->reached = -INFINITY;
        run->above = INT16_MIN;
    }
    for (size_t tile = 0; tile < panels->panel_count; tile += TILE_PANELS) {
        size_t size = MQ_MIN((size_t)TILE_PANELS, panels->panel_count - tile);
        const uint8_t *codes = panels->codes + tile * pairs * MQ_PANEL_ROWS * 2;
        /* Four queries' rows are scored after the next four were scanned: by then they are near. */
        int32_t rows[2][4][TILE_ROWS];
        size_t counts[2][4], before = 0, together = 0;
        int turn = 0;
        for (size_t q = 0; q < count || together > 0; turn ^= 1) {
            size_t waiting = together;
            together = MQ_MIN(count - q, (size_t)(count - q >= 4 ? 4 : 1));
            if (together > 0) {
                uint32_t hits[4 * TILE_PANELS];
                int16_t start[4], above[4];
                for (size_t i = 0; i < together; i++) {
                    renew_bound(&runs[q + i], distance);
                    start[i] = runs[q + i].bytes.start;
                    above[i] = runs[q + i].above;
                }
                (together == 4 ? kernels->scan_panels4 : kernels->scan_panels)(
                    codes, size, pairs, weights + q * pairs, start, above, hits);
                for (size_t i = 0; i < together; i++)
                    counts[turn][i] =
                        gather_hits(index, hits + i * size, tile, size, rows[turn][i]);
            }
            for (size_t i = 0; i < waiting; i++)
                rescore(index, queries + (before + i) * dim, &runs[before + i], rows[turn ^ 1][i],
                        counts[turn ^ 1][i]);
            before = q;
            q += together;
        }
    }
    return MQ_OK;
}

static void
search_rows(const struct mq_vector_index *index, const float *queries, size_t count,
            struct running *runs)
{
    const struct mq_kernels *kernels = mq_kernels();
    bool distance = index->metric == MQ_METRIC_L2;
    size_t dim = (size_t)index->dim;
    size_t rows = MQ_MAX((size_t)8, MQ_MIN((size_t)TILE_ROWS, 8192 / dim));
    int32_t ids[TILE_ROWS];
    float scores[TILE_ROWS];
    for (int64_t tile = 0; tile < index->n; tile += (int64_t)rows) {
        size_t size = (size_t)MQ_MIN((int64_t)rows, index->n - tile);
        for (size_t i = 0; i < size; i++)
            ids[i] = (int32_t)(tile + (int64_t)i);
        for (size_t q = 0; q < count; q++) {
            (distance ? kernels->square_distance_rows : kernels->dot_rows)(
                queries + q * dim, index->vectors + (size_t)tile * dim, size, dim, scores);
            offer(&runs[q], distance, ids, scores, size);
        }
    }
}

static void
deliver(const struct search *s, int64_t query, struct running *run)
{
    bool distance = s->index->metric == MQ_METRIC_L2;
    int32_t *ids = s->ids + query * s->k;
    float *scores = s->scores + query * s->k;
    size_t found = mq_reservoir_finish(&run->best), k = (size_t)s->k;
    for (size_t i = 0; i < k; i++) {
        ids[i] = i < found ? mq_reservoir_id(run->best.keys[i]) : -1;
        scores[i] = i < found ? mq_reservoir_score(run->best.keys[i]) : -INFINITY;
        if (distance)
            scores[i] = scores[i] == 0 ? 0 : -scores[i];
    }
}

static enum mq_status
search_group(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct search *s = context;
    const struct mq_vector_index *index = s->index;
    const float *queries = s->queries + (size_t)begin * (size_t)index->dim;
    size_t count = (size_t)(end - begin);
    /* k beyond the number of rows needs no more room than the rows. */
    size_t k = (size_t)MQ_MAX((int64_t)1, MQ_MIN((int64_t)s->k, index->n));
    struct running runs[GROUP];
    mq_autofree uint64_t *keys = NULL;
    (void)worker;
    enum mq_status st = mq_alloc_array_raw(count * mq_reservoir_room(k), sizeof(*keys), &keys, err);
    if (st != MQ_OK)
        return st;
    for (size_t q = 0; q < count; q++)
        mq_reservoir_init(&runs[q].best, keys + q * mq_reservoir_room(k), k);
    if (index->has_panels)
        st = search_panels(index, queries, count, runs, err);
    else
        search_rows(index, queries, count, runs);
    for (size_t q = 0; st == MQ_OK && q < count; q++)
        deliver(s, begin + (int64_t)q, &runs[q]);
    return st;
}

enum mq_status
mq_flat_search(const struct mq_vector_index *index, const float *queries, int64_t n_queries, int k,
               int32_t *ret_ids, float *ret_scores, struct mq_pool *pool, struct mq_error *err)
{
    struct search search = {
        .index = index, .queries = queries, .k = k, .ids = ret_ids, .scores = ret_scores};
    /* Smaller ranges where the batch would not fill the pool; whole fours are fastest. */
    int64_t grain = (n_queries / mq_pool_threads(pool) + 3) / 4 * 4;
    grain = MQ_MAX((int64_t)4, MQ_MIN((int64_t)GROUP, grain));
    return mq_pool_for(pool, n_queries, grain, search_group, &search, err);
}
