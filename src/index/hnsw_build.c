/*
 * Building the graph batch by batch (hnsw.h says how it deviates from the paper).
 *
 * A batch has three parts. (1) In parallel, each new vertex searches the graph as the batch found
 * it, joins what it found with the batch's earlier members, and chooses its own links among them
 * (algorithm 4: a candidate is taken unless one already taken is nearer to it than the new vertex
 * is). (2) The links back are sorted by the vertex that receives them. (3) In parallel over
 * receiving vertices, each takes all its new links at once and, where it has no room, chooses
 * again.
 */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "base/rng.h"
#include "index/hnsw_graph.h"
#include "math/kernels.h"

/* Vertices of a batch: enough to spread over threads; each compares with all earlier members. */
#define BATCH 512
/* Receiving vertices of one parallel range. */
#define RECEIVERS 64
/* Candidates a receiving vertex chooses among: its links and what a batch can bring. */
#define CANDIDATES_MAX (MQ_HNSW_LINKS_MAX + BATCH)

struct builder {
    struct mq_hnsw *graph;
    struct mq_hnsw_measure measure;
    struct mq_pool *pool;
    int layer;      /* the layer whose links back are made */
    int64_t begin;  /* first vertex of the batch */
    uint64_t *back; /* receiver << 32 | giver, sorted */
    int64_t *runs;  /* [run_count+1] where each receiver's links begin in back */
    int64_t back_count, run_count;
};

static const float *
vector_of(const struct builder *b, int32_t vertex)
{
    return b->measure.vectors + (size_t)vertex * b->measure.dim;
}

/* Choose up to `room` of the candidates (ascending keys, best first) as links. */
static void
choose_links(const struct builder *b, const uint64_t *candidates, size_t count, int room,
             int32_t *ret_links)
{
    float scores[MQ_HNSW_LINKS_MAX];
    int taken = 0;
    for (size_t i = 0; i < count && taken < room; i++) {
        int32_t id = (int32_t)(candidates[i] & INT32_MAX);
        float near = mq_reservoir_score(candidates[i]);
        bool good = true;
        /* In steps of eight: most candidates are ruled out by the first few taken. */
        for (int j = 0; good && j < taken; j += 8) {
            int step = MQ_MIN(8, taken - j);
            mq_hnsw_score(&b->measure, vector_of(b, id), ret_links + j, (size_t)step, scores);
            for (int l = 0; l < step; l++)
                good &= scores[l] < near;
        }
        if (good)
            ret_links[taken++] = id;
    }
    for (int i = taken; i < room; i++)
        ret_links[i] = -1;
}

/* Earlier members of the batch on this layer join the candidates. @return how many there are now */
static size_t
join_batch(const struct builder *b, int32_t vertex, int layer, size_t ef, uint64_t *candidates,
           size_t count)
{
    int32_t ids[BATCH];
    float scores[BATCH];
    size_t mates = 0;
    for (int32_t mate = (int32_t)b->begin; mate < vertex; mate++)
        if (b->graph->top[mate] >= layer)
            ids[mates++] = mate;
    mq_hnsw_score(&b->measure, vector_of(b, vertex), ids, mates, scores);
    float worst = count == ef ? mq_reservoir_score(candidates[count - 1]) : -INFINITY;
    size_t all = count;
    for (size_t i = 0; i < mates; i++)
        if (scores[i] > worst)
            candidates[all++] = mq_reservoir_key(scores[i], ids[i]);
    if (all > count) {
        mq_keys_sort(candidates, all);
        all = MQ_MIN(all, ef);
    }
    return all;
}

static enum mq_status
insert_vertices(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct builder *b = context;
    struct mq_hnsw *graph = b->graph;
    size_t ef = (size_t)graph->ef_construction;
    struct mq_hnsw_scratch *scratch;
    mq_autofree uint64_t *candidates = NULL;
    (void)worker;
    enum mq_status st = mq_alloc_array_raw(ef + BATCH, sizeof(*candidates), &candidates, err);
    if (st != MQ_OK || (st = mq_hnsw_scratch_take(graph, ef, &scratch, err)) != MQ_OK)
        return st;
    for (int64_t i = begin; st == MQ_OK && i < end; i++) {
        int32_t vertex = (int32_t)(b->begin + i), start = -1;
        const float *point = vector_of(b, vertex);
        if (graph->entry >= 0)
            start = mq_hnsw_descend(graph, &b->measure, point, graph->top[vertex]);
        for (int layer = graph->top[vertex]; st == MQ_OK && layer >= 0; layer--) {
            size_t count = 0;
            if (start >= 0 && layer <= graph->max_layer) {
                st =
                    mq_hnsw_search_layer(graph, &b->measure, point, start, ef, layer, scratch, err);
                if (st != MQ_OK)
                    break;
                count = scratch->pool_count;
                for (size_t c = 0; c < count; c++)
                    candidates[c] = scratch->pool[c] & ~MQ_HNSW_EXPANDED;
                start = (int32_t)(candidates[0] & INT32_MAX);
            }
            count = join_batch(b, vertex, layer, ef, candidates, count);
            choose_links(b, candidates, count, MQ_MIN(graph->m, mq_hnsw_room(graph, layer)),
                         mq_hnsw_links(graph, vertex, layer));
        }
    }
    mq_hnsw_scratch_give(graph, scratch);
    return st;
}

/* One receiver takes the links back that the batch brings it. */
static void
receive_links(const struct builder *b, const uint64_t *back, size_t count)
{
    struct mq_hnsw *graph = b->graph;
    int32_t receiver = (int32_t)(back[0] >> 32), ids[CANDIDATES_MAX];
    int32_t *links = mq_hnsw_links(graph, receiver, b->layer);
    int room = mq_hnsw_room(graph, b->layer);
    size_t all = 0;
    while (all < (size_t)room && links[all] >= 0) {
        ids[all] = links[all];
        all++;
    }
    for (size_t i = 0; i < count; i++) {
        int32_t giver = (int32_t)(back[i] & INT32_MAX);
        bool held = false;
        for (int l = 0; l < room && links[l] >= 0 && !held; l++)
            held = links[l] == giver;
        if (!held)
            ids[all++] = giver;
    }
    if (all <= (size_t)room) {
        memcpy(links, ids, all * sizeof(*ids));
        return;
    }
    float scores[CANDIDATES_MAX];
    uint64_t candidates[CANDIDATES_MAX];
    mq_hnsw_score(&b->measure, vector_of(b, receiver), ids, all, scores);
    for (size_t i = 0; i < all; i++)
        candidates[i] = mq_reservoir_key(scores[i], ids[i]);
    mq_keys_sort(candidates, all);
    choose_links(b, candidates, all, room, links);
}

static enum mq_status
receive_range(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct builder *b = context;
    (void)worker;
    (void)err;
    for (int64_t run = begin; run < end; run++)
        receive_links(b, b->back + b->runs[run], (size_t)(b->runs[run + 1] - b->runs[run]));
    return MQ_OK;
}

/* Make the links back of a batch on one layer. */
static enum mq_status
link_back(struct builder *b, int64_t end, int layer, struct mq_error *err)
{
    b->layer = layer;
    b->back_count = b->run_count = 0;
    for (int32_t vertex = (int32_t)b->begin; vertex < (int32_t)end; vertex++) {
        if (b->graph->top[vertex] < layer)
            continue;
        const int32_t *links = mq_hnsw_links(b->graph, vertex, layer);
        for (int i = 0; i < b->graph->m && i < mq_hnsw_room(b->graph, layer) && links[i] >= 0; i++)
            b->back[b->back_count++] = (uint64_t)(uint32_t)links[i] << 32 | (uint32_t)vertex;
    }
    mq_keys_sort(b->back, (size_t)b->back_count);
    for (int64_t i = 0; i < b->back_count; i++)
        if (i == 0 || b->back[i] >> 32 != b->back[i - 1] >> 32)
            b->runs[b->run_count++] = i;
    b->runs[b->run_count] = b->back_count;
    return mq_pool_for(b->pool, b->run_count, RECEIVERS, receive_range, b, err);
}

static enum mq_status
insert_batch(struct builder *b, int64_t end, struct mq_error *err)
{
    struct mq_hnsw *graph = b->graph;
    enum mq_status st = mq_pool_for(b->pool, end - b->begin, 8, insert_vertices, b, err);
    int highest = 0;
    for (int64_t i = b->begin; i < end; i++)
        highest = MQ_MAX(highest, graph->top[i]);
    for (int layer = 0; st == MQ_OK && layer <= highest; layer++)
        st = link_back(b, end, layer, err);
    for (int64_t i = b->begin; i < end; i++)
        if (graph->top[i] > graph->max_layer) {
            graph->max_layer = graph->top[i];
            graph->entry = (int32_t)i;
        }
    return st;
}

/* Layers: floor(-ln(u)/ln(m)), drawn by id, so that they do not depend on the order of work. */
static enum mq_status
draw_layers(int64_t n, int m, uint64_t seed, uint8_t **ret_top, struct mq_error *err)
{
    uint8_t *top = NULL;
    enum mq_status st = mq_alloc_array((size_t)n, 1, &top, err);
    if (st != MQ_OK)
        return st;
    double per_layer = 1 / log(m);
    for (int64_t i = 0; i < n; i++) {
        struct mq_rng rng;
        mq_rng_init(&rng, seed, (uint64_t)i);
        double layer = floor(-log(1 - mq_rng_uniform(&rng)) * per_layer);
        top[i] = (uint8_t)MQ_MIN(layer, MQ_HNSW_LAYERS_MAX - 1);
    }
    *ret_top = top;
    return MQ_OK;
}

enum mq_status
mq_hnsw_build(const float *vectors, int64_t n, int32_t dim,
              const struct mq_vector_index_options *options, struct mq_pool *pool, uint64_t seed,
              struct mq_hnsw **ret_graph, struct mq_error *err)
{
    int m = options->hnsw_m;
    uint8_t *top = NULL;
    struct mq_hnsw *graph = NULL;
    mq_autofree uint64_t *back = NULL;
    mq_autofree int64_t *runs = NULL;
    enum mq_status st;
    if ((st = draw_layers(n, m, seed, &top, err)) != MQ_OK ||
        (st = mq_hnsw_new(n, dim, options->metric, m, 2 * m, top, &graph, err)) != MQ_OK)
        return st;
    graph->ef_construction = options->ef_construction;
    if ((st = mq_alloc_array_raw(BATCH * (size_t)m, sizeof(*back), &back, err)) != MQ_OK ||
        (st = mq_alloc_array_raw(BATCH * (size_t)m + 1, sizeof(*runs), &runs, err)) != MQ_OK) {
        mq_hnsw_free(graph);
        return st;
    }
    struct builder builder = {.graph = graph,
                              .measure = {.vectors = vectors,
                                          .dim = (size_t)dim,
                                          .distance = options->metric == MQ_METRIC_L2},
                              .pool = pool,
                              .back = back,
                              .runs = runs};
    struct mq_progress progress;
    mq_progress_begin(&progress, "index", "vectors", n);
    for (int64_t done = 0; st == MQ_OK && done < n;) {
        int64_t end = MQ_MIN(n, done + BATCH);
        builder.begin = done;
        st = insert_batch(&builder, end, err);
        mq_progress_add(&progress, end - done);
        done = end;
    }
    mq_progress_end(&progress);
    if (st != MQ_OK) {
        mq_hnsw_free(graph);
        return st;
    }
    *ret_graph = graph;
    return MQ_OK;
}
