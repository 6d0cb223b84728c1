/** Inside of index/hnsw.h: the graph's arrays and the search of one layer. */
#ifndef MQ_INDEX_HNSW_GRAPH_H
#define MQ_INDEX_HNSW_GRAPH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "index/hnsw.h"
#include "math/reservoir.h"

/** Layers there can be; layers follow a geometric law, so 2^31 vectors stay far below. */
#define MQ_HNSW_LAYERS_MAX 32

/**
 * What a search needs for itself. `pool` holds the best met so far, ascending keys of
 * math/reservoir.h; MQ_HNSW_EXPANDED in a key marks a vertex whose links were followed.
 */
struct mq_hnsw_scratch {
    struct mq_hnsw_scratch *next; /* free list */
    uint64_t *visited;            /* [n/64+1] bits, all clear between searches */
    uint64_t *pool;               /* [pool_room] */
    size_t pool_room, pool_count;
    int32_t *met; /* ids whose bits are set */
    size_t met_count, met_capacity;
};

#define MQ_HNSW_EXPANDED UINT64_C(0x80000000)

struct mq_hnsw {
    int64_t n;
    int32_t dim;
    enum mq_index_metric metric;
    int m, m0; /* links on upper layers, on the ground */
    int ef_construction;
    int32_t *ground;      /* [n,m0] ids, -1 ends a list */
    int32_t *upper;       /* [upper_count,m] lists of layers 1… of each vertex in turn */
    int64_t *upper_start; /* [n] first list in upper, for vertices above the ground */
    int64_t upper_count;
    uint8_t *top;         /* [n] highest layer of a vertex */
    int32_t entry;        /* -1 when empty */
    int max_layer;        /* -1 when empty */
    pthread_mutex_t lock; /* guards idle */
    struct mq_hnsw_scratch *idle;
};

/** How vertices and queries compare: higher is nearer. */
struct mq_hnsw_measure {
    const float *vectors; /* [n,dim] */
    size_t dim;
    bool distance; /* minus the squared distance, else the product */
};

/** Links of a vertex on a layer, m0 on the ground else m. */
static inline int32_t *
mq_hnsw_links(const struct mq_hnsw *graph, int32_t vertex, int layer)
{
    return layer == 0
               ? graph->ground + (size_t)vertex * (size_t)graph->m0
               : graph->upper + (size_t)(graph->upper_start[vertex] + layer - 1) * (size_t)graph->m;
}

static inline int
mq_hnsw_room(const struct mq_hnsw *graph, int layer)
{
    return layer == 0 ? graph->m0 : graph->m;
}

/** Scores of a point against vertices.
 */
void mq_hnsw_score(const struct mq_hnsw_measure *measure, const float *point, const int32_t *ids,
                   size_t count, float *ret_scores);

/** Arrays for n vertices whose `top` layers are given (taken). */
enum mq_status mq_hnsw_new(int64_t n, int32_t dim, enum mq_index_metric metric, int m, int m0,
                           uint8_t *top, struct mq_hnsw **ret_graph, struct mq_error *err);

/** Scratch with room for ef; from the free list or new. */
enum mq_status mq_hnsw_scratch_take(struct mq_hnsw *graph, size_t ef,
                                    struct mq_hnsw_scratch **ret_scratch, struct mq_error *err);
void mq_hnsw_scratch_give(struct mq_hnsw *graph, struct mq_hnsw_scratch *scratch);

/** The vertex of the layers above `layer` that greedy steps from the entry point end at. */
int32_t mq_hnsw_descend(const struct mq_hnsw *graph, const struct mq_hnsw_measure *measure,
                        const float *point, int layer);

/**
 * Fill scratch->pool with the best `ef` that a search of a layer meets from a start vertex.
 * Bits of `visited` are cleared again.
 */
enum mq_status mq_hnsw_search_layer(const struct mq_hnsw *graph,
                                    const struct mq_hnsw_measure *measure, const float *point,
                                    int32_t start, size_t ef, int layer,
                                    struct mq_hnsw_scratch *scratch, struct mq_error *err);

#endif
