/*
 * Searching a layer. The best `ef` met so far lie in one sorted array instead of two heaps: at the
 * usual widths an insertion moves a few hundred bytes, and the next vertex to expand is found by
 * walking. All links of a vertex are scored together, after their vectors were prefetched.
 */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "index/hnsw_graph.h"
#include "math/kernels.h"

/* Queries of one parallel range. */
#define GROUP 16

void
mq_hnsw_score(const struct mq_hnsw_measure *measure, const float *point, const int32_t *ids,
              size_t count, float *ret_scores)
{
    const struct mq_kernels *kernels = mq_kernels();
    if (measure->distance) {
        kernels->square_distance_indexed(point, measure->vectors, measure->dim, ids, count,
                                         ret_scores);
        for (size_t i = 0; i < count; i++)
            ret_scores[i] = -ret_scores[i];
        return;
    }
    kernels->dot_indexed(point, measure->vectors, measure->dim, ids, count, ret_scores);
}

static void
prefetch_vector(const struct mq_hnsw_measure *measure, int32_t id)
{
    const char *bytes = (const char *)(measure->vectors + (size_t)id * measure->dim);
    size_t size = MQ_MIN(measure->dim * sizeof(float), (size_t)512);
    for (size_t at = 0; at < size; at += 64)
        __builtin_prefetch(bytes + at);
}

int32_t
mq_hnsw_descend(const struct mq_hnsw *graph, const struct mq_hnsw_measure *measure,
                const float *point, int layer)
{
    int32_t best = graph->entry;
    float scores[MQ_HNSW_LINKS_MAX], best_score;
    mq_hnsw_score(measure, point, &best, 1, &best_score);
    for (int above = graph->max_layer; above > layer; above--) {
        for (bool moved = true; moved;) {
            const int32_t *links = mq_hnsw_links(graph, best, above);
            int room = mq_hnsw_room(graph, above), count = 0;
            moved = false;
            for (; count < room && links[count] >= 0; count++)
                prefetch_vector(measure, links[count]);
            mq_hnsw_score(measure, point, links, (size_t)count, scores);
            for (int i = 0; i < count; i++)
                if (scores[i] > best_score) {
                    best_score = scores[i];
                    best = links[i];
                    moved = true;
                }
        }
    }
    return best;
}

/* Insert a key in the ascending pool of at most ef. @return its place, or ef when refused */
static size_t
insert(struct mq_hnsw_scratch *s, size_t ef, uint64_t key)
{
    if (s->pool_count == ef) {
        if (key >= s->pool[ef - 1])
            return ef;
        s->pool_count--;
    }
    size_t low = 0, high = s->pool_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (s->pool[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    memmove(s->pool + low + 1, s->pool + low, (s->pool_count - low) * sizeof(*s->pool));
    s->pool[low] = key;
    s->pool_count++;
    return low;
}

/* The links that were not met before, marked as met, their vectors on the way to the cache. */
static size_t
gather_unmet(const struct mq_hnsw_measure *measure, const int32_t *links, int room,
             struct mq_hnsw_scratch *s)
{
    int32_t *met = s->met + s->met_count;
    size_t count = 0;
    for (int i = 0; i < room && links[i] >= 0; i++) {
        int32_t id = links[i];
        uint64_t bit = UINT64_C(1) << (id & 63), *word = &s->visited[id >> 6];
        if (*word & bit)
            continue;
        *word |= bit;
        met[count++] = id;
        prefetch_vector(measure, id);
    }
    s->met_count += count;
    return count;
}

static int32_t
vertex_of(uint64_t key)
{
    return (int32_t)(key & INT32_MAX);
}

enum mq_status
mq_hnsw_search_layer(const struct mq_hnsw *graph, const struct mq_hnsw_measure *measure,
                     const float *point, int32_t start, size_t ef, int layer,
                     struct mq_hnsw_scratch *s, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    int room = mq_hnsw_room(graph, layer);
    float scores[MQ_HNSW_LINKS_MAX];
    s->pool_count = s->met_count = 0;
    if ((st = mq_grow(&s->met, &s->met_capacity, 1, sizeof(*s->met), err)) != MQ_OK)
        return st;
    gather_unmet(measure, &start, 1, s);
    mq_hnsw_score(measure, point, &start, 1, scores);
    insert(s, ef, mq_reservoir_key(scores[0], start));
    size_t next = 0;
    while (next < s->pool_count) {
        if (s->pool[next] & MQ_HNSW_EXPANDED) {
            next++;
            continue;
        }
        int32_t vertex = vertex_of(s->pool[next]);
        s->pool[next++] |= MQ_HNSW_EXPANDED;
        if ((st = mq_grow(&s->met, &s->met_capacity, s->met_count + (size_t)room, sizeof(*s->met),
                          err)) != MQ_OK)
            break;
        size_t begin = s->met_count;
        size_t count = gather_unmet(measure, mq_hnsw_links(graph, vertex, layer), room, s);
        if (next < s->pool_count && layer == 0) {
            const int32_t *links = mq_hnsw_links(graph, vertex_of(s->pool[next]), 0);
            for (int at = 0; at < room; at += 16)
                __builtin_prefetch(links + at);
        }
        mq_hnsw_score(measure, point, s->met + begin, count, scores);
        size_t lowest = next;
        float worst = s->pool_count == ef ? mq_reservoir_score(s->pool[ef - 1]) : -INFINITY;
        for (size_t i = 0; i < count; i++) {
            if (scores[i] < worst)
                continue;
            size_t place = insert(s, ef, mq_reservoir_key(scores[i], s->met[begin + i]));
            lowest = MQ_MIN(lowest, place);
            if (s->pool_count == ef)
                worst = mq_reservoir_score(s->pool[ef - 1]);
        }
        next = lowest;
    }
    for (size_t i = 0; i < s->met_count; i++)
        s->visited[s->met[i] >> 6] = 0;
    return st;
}

struct query_batch {
    struct mq_hnsw *graph;
    const struct mq_hnsw_measure *measure;
    const float *queries;
    int k;
    size_t ef;
    int32_t *ids;
    float *scores;
};

static void
deliver(const struct query_batch *b, int64_t query, struct mq_hnsw_scratch *s)
{
    int32_t *ids = b->ids + query * b->k;
    float *scores = b->scores + query * b->k;
    size_t found = s->pool_count;
    for (size_t i = 0; i < found; i++)
        s->pool[i] &= ~MQ_HNSW_EXPANDED;
    /* Equal scores may stand out of the order of their ids while some are marked. */
    mq_keys_sort(s->pool, found);
    for (size_t i = 0; i < (size_t)b->k; i++) {
        ids[i] = i < found ? vertex_of(s->pool[i]) : -1;
        scores[i] = i < found ? mq_reservoir_score(s->pool[i]) : -INFINITY;
        if (b->measure->distance)
            scores[i] = scores[i] == 0 ? 0 : -scores[i];
    }
}

static enum mq_status
search_range(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct query_batch *b = context;
    struct mq_hnsw_scratch *scratch;
    (void)worker;
    enum mq_status st = mq_hnsw_scratch_take(b->graph, b->ef, &scratch, err);
    if (st != MQ_OK)
        return st;
    for (int64_t q = begin; st == MQ_OK && q < end; q++) {
        const float *query = b->queries + (size_t)q * b->measure->dim;
        scratch->pool_count = 0;
        if (b->graph->entry >= 0) {
            int32_t start = mq_hnsw_descend(b->graph, b->measure, query, 0);
            st = mq_hnsw_search_layer(b->graph, b->measure, query, start, b->ef, 0, scratch, err);
        }
        if (st == MQ_OK)
            deliver(b, q, scratch);
    }
    mq_hnsw_scratch_give(b->graph, scratch);
    return st;
}

enum mq_status
mq_hnsw_search(struct mq_hnsw *graph, const float *vectors, const float *queries, int64_t n_queries,
               int k, int ef_search, int32_t *ret_ids, float *ret_scores, struct mq_pool *pool,
               struct mq_error *err)
{
    struct mq_hnsw_measure measure = {
        .vectors = vectors, .dim = (size_t)graph->dim, .distance = graph->metric == MQ_METRIC_L2};
    struct query_batch batch = {.graph = graph,
                                .measure = &measure,
                                .queries = queries,
                                .k = k,
                                .ef = (size_t)MQ_MAX(k, ef_search),
                                .ids = ret_ids,
                                .scores = ret_scores};
    return mq_pool_for(pool, n_queries, GROUP, search_range, &batch, err);
}
