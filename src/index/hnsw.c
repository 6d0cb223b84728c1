/* The graph's arrays, its scratch, and faiss' form of it. */
#include "index/hnsw.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "index/hnsw_graph.h"

enum mq_status
mq_hnsw_new(int64_t n, int32_t dim, enum mq_index_metric metric, int m, int m0, uint8_t *top,
            struct mq_hnsw **ret_graph, struct mq_error *err)
{
    struct mq_hnsw *graph = NULL;
    enum mq_status st = mq_alloc_array(1, sizeof(*graph), &graph, err);
    if (st != MQ_OK) {
        mq_free(top);
        return st;
    }
    graph->n = n;
    graph->dim = dim;
    graph->metric = metric;
    graph->m = m;
    graph->m0 = m0;
    graph->top = top;
    graph->entry = -1;
    graph->max_layer = -1;
    pthread_mutex_init(&graph->lock, NULL);
    for (int64_t i = 0; i < n; i++)
        graph->upper_count += top[i];
    size_t ground = (size_t)n * (size_t)graph->m0;
    size_t upper = (size_t)graph->upper_count * (size_t)m;
    if ((st = mq_alloc_array_raw(ground, sizeof(int32_t), &graph->ground, err)) != MQ_OK ||
        (st = mq_alloc_array_raw(upper, sizeof(int32_t), &graph->upper, err)) != MQ_OK ||
        (st = mq_alloc_array((size_t)n, sizeof(int64_t), &graph->upper_start, err)) != MQ_OK) {
        mq_hnsw_free(graph);
        return st;
    }
    memset(graph->ground, 0xff, ground * sizeof(int32_t));
    memset(graph->upper, 0xff, upper * sizeof(int32_t));
    int64_t next = 0;
    for (int64_t i = 0; i < n; i++) {
        graph->upper_start[i] = next;
        next += top[i];
    }
    *ret_graph = graph;
    return MQ_OK;
}

static void
free_scratch(struct mq_hnsw_scratch *scratch)
{
    if (scratch == NULL)
        return;
    mq_free(scratch->visited);
    mq_free(scratch->pool);
    mq_free(scratch->met);
    mq_free(scratch);
}

void
mq_hnsw_free(struct mq_hnsw *graph)
{
    if (graph == NULL)
        return;
    while (graph->idle != NULL) {
        struct mq_hnsw_scratch *scratch = graph->idle;
        graph->idle = scratch->next;
        free_scratch(scratch);
    }
    pthread_mutex_destroy(&graph->lock);
    mq_free(graph->ground);
    mq_free(graph->upper);
    mq_free(graph->upper_start);
    mq_free(graph->top);
    mq_free(graph);
}

enum mq_status
mq_hnsw_scratch_take(struct mq_hnsw *graph, size_t ef, struct mq_hnsw_scratch **ret_scratch,
                     struct mq_error *err)
{
    pthread_mutex_lock(&graph->lock);
    struct mq_hnsw_scratch *scratch = graph->idle;
    if (scratch != NULL)
        graph->idle = scratch->next;
    pthread_mutex_unlock(&graph->lock);
    enum mq_status st = MQ_OK;
    if (scratch == NULL) {
        st = mq_alloc_array(1, sizeof(*scratch), &scratch, err);
        if (st != MQ_OK)
            return st;
        st = mq_alloc_array((size_t)graph->n / 64 + 1, sizeof(uint64_t), &scratch->visited, err);
    }
    if (st == MQ_OK && scratch->pool_room < ef) {
        mq_free(scratch->pool);
        scratch->pool = NULL;
        scratch->pool_room = 0;
        st = mq_alloc_array_raw(ef, sizeof(uint64_t), &scratch->pool, err);
        if (st == MQ_OK)
            scratch->pool_room = ef;
    }
    if (st != MQ_OK) {
        free_scratch(scratch);
        return st;
    }
    *ret_scratch = scratch;
    return MQ_OK;
}

void
mq_hnsw_scratch_give(struct mq_hnsw *graph, struct mq_hnsw_scratch *scratch)
{
    if (scratch == NULL)
        return;
    pthread_mutex_lock(&graph->lock);
    scratch->next = graph->idle;
    graph->idle = scratch;
    pthread_mutex_unlock(&graph->lock);
}

/* Links of a file's vertex on a layer: copied up to the first -1. */
static void
copy_links(const struct mq_faiss_hnsw *file, int32_t vertex, int layer, int32_t *links, int room)
{
    const int32_t *from =
        file->neighbors + file->offsets[vertex] + (uint64_t)file->cum_neighbors[layer];
    int slots = file->cum_neighbors[layer + 1] - file->cum_neighbors[layer];
    for (int i = 0; i < slots && i < room && from[i] >= 0; i++)
        links[i] = from[i];
}

enum mq_status
mq_hnsw_from_faiss(const struct mq_faiss_hnsw *file, int64_t n, int32_t dim,
                   enum mq_index_metric metric, struct mq_hnsw **ret_graph, struct mq_error *err)
{
    int m = 1, m0 = 1;
    for (int layer = 0; layer < file->level_count; layer++) {
        int slots = file->cum_neighbors[layer + 1] - file->cum_neighbors[layer];
        if (slots > MQ_HNSW_LINKS_MAX)
            return mq_fail(err, MQ_E_RANGE,
                           "cannot use this index: its graph has room for %d links of a vector "
                           "(allowed: up to %d)",
                           slots, MQ_HNSW_LINKS_MAX);
        m = layer > 0 ? MQ_MAX(m, slots) : m;
        m0 = layer == 0 ? MQ_MAX(m0, slots) : m0;
    }
    if (file->max_level >= MQ_HNSW_LAYERS_MAX)
        return mq_fail(err, MQ_E_RANGE,
                       "cannot use this index: its graph has %d layers (allowed: up to %d)",
                       file->max_level + 1, MQ_HNSW_LAYERS_MAX);
    uint8_t *top = NULL;
    struct mq_hnsw *graph = NULL;
    enum mq_status st = mq_alloc_array((size_t)n, 1, &top, err);
    if (st != MQ_OK)
        return st;
    for (int64_t i = 0; i < n; i++)
        top[i] = (uint8_t)(file->levels[i] - 1);
    if ((st = mq_hnsw_new(n, dim, metric, m, m0, top, &graph, err)) != MQ_OK)
        return st;
    for (int32_t i = 0; i < (int32_t)n; i++)
        for (int layer = 0; layer <= top[i]; layer++)
            copy_links(file, i, layer, mq_hnsw_links(graph, i, layer), mq_hnsw_room(graph, layer));
    graph->entry = file->entry_point;
    graph->max_layer = file->max_level;
    graph->ef_construction = file->ef_construction;
    *ret_graph = graph;
    return MQ_OK;
}

enum mq_status
mq_hnsw_to_faiss(const struct mq_hnsw *graph, int ef_search, struct mq_faiss_hnsw *ret_file,
                 struct mq_error *err)
{
    struct mq_faiss_hnsw file = {0};
    int layers = MQ_MAX(graph->max_layer + 1, 1);
    size_t n = (size_t)graph->n;
    size_t slots = n * (size_t)graph->m0 + (size_t)graph->upper_count * (size_t)graph->m;
    enum mq_status st;
    if ((st = mq_alloc_array((size_t)layers, sizeof(double), &file.assign_probas, err)) != MQ_OK ||
        (st = mq_alloc_array((size_t)layers + 1, sizeof(int32_t), &file.cum_neighbors, err)) !=
            MQ_OK ||
        (st = mq_alloc_array(n, sizeof(int32_t), &file.levels, err)) != MQ_OK ||
        (st = mq_alloc_array(n + 1, sizeof(uint64_t), &file.offsets, err)) != MQ_OK ||
        (st = mq_alloc_array_raw(slots, sizeof(int32_t), &file.neighbors, err)) != MQ_OK) {
        mq_hnsw_faiss_release(&file);
        return st;
    }
    file.level_count = layers;
    double above = 1;
    for (int layer = 0; layer < layers; layer++) {
        file.cum_neighbors[layer + 1] = file.cum_neighbors[layer] + mq_hnsw_room(graph, layer);
        file.assign_probas[layer] = above * (1 - 1.0 / MQ_MAX(graph->m, 2));
        above /= MQ_MAX(graph->m, 2);
    }
    for (int32_t i = 0; i < (int32_t)graph->n; i++) {
        int32_t *to = file.neighbors + file.offsets[i];
        file.levels[i] = graph->top[i] + 1;
        file.offsets[i + 1] = file.offsets[i] + (uint64_t)file.cum_neighbors[graph->top[i] + 1];
        for (int layer = 0; layer <= graph->top[i]; layer++)
            memcpy(to + file.cum_neighbors[layer], mq_hnsw_links(graph, i, layer),
                   (size_t)mq_hnsw_room(graph, layer) * sizeof(int32_t));
    }
    file.entry_point = graph->entry;
    file.max_level = graph->max_layer;
    file.ef_construction = graph->ef_construction;
    file.ef_search = ef_search;
    *ret_file = file;
    return MQ_OK;
}

void
mq_hnsw_faiss_release(struct mq_faiss_hnsw *file)
{
    mq_free(file->assign_probas);
    mq_free(file->cum_neighbors);
    mq_free(file->levels);
    mq_free(file->offsets);
    mq_free(file->neighbors);
    *file = (struct mq_faiss_hnsw){0};
}
