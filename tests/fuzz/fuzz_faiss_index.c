/* Any bytes as a faiss index. What is read is written, and what comes back must be the same. */
#include <stdlib.h>
#include <string.h>

#include "format/faiss_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
read_bytes(const void *bytes, size_t size, bool know_size, struct mq_faiss_index *index)
{
    struct mq_reader *reader;
    if (mq_reader_from_memory(bytes, size, "fuzz", &reader, NULL) != MQ_OK)
        abort();
    if (!know_size)
        reader->size_bytes = -1;
    struct mq_error err;
    bool read = mq_faiss_index_read(reader, index, &err) == MQ_OK;
    mq_reader_close(reader);
    return read;
}

static bool
same(const void *a, const void *b, size_t count, size_t size)
{
    return count == 0 || memcmp(a, b, count * size) == 0;
}

static void
compare(const struct mq_faiss_index *a, const struct mq_faiss_index *b)
{
    size_t n = (size_t)a->n;
    if (a->n != b->n || a->dim != b->dim || a->metric != b->metric ||
        !same(a->vectors, b->vectors, n * (size_t)a->dim, sizeof(float)) ||
        (a->hnsw == NULL) != (b->hnsw == NULL))
        abort();
    const struct mq_faiss_hnsw *g = a->hnsw, *h = b->hnsw;
    if (g == NULL)
        return;
    size_t levels = (size_t)g->level_count;
    if (g->level_count != h->level_count || g->entry_point != h->entry_point ||
        !same(g->cum_neighbors, h->cum_neighbors, levels + 1, sizeof(int32_t)) ||
        !same(g->levels, h->levels, n, sizeof(int32_t)) ||
        !same(g->offsets, h->offsets, n + 1, sizeof(uint64_t)) ||
        !same(g->neighbors, h->neighbors, (size_t)g->offsets[n], sizeof(int32_t)))
        abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mq_faiss_index index, again;
    if (!read_bytes(data, size, false, &index)) {
        if (read_bytes(data, size, true, &index))
            abort(); /* knowing the size must not make a file sound */
        return 0;
    }
    struct mq_buffer buffer = {0};
    struct mq_writer *writer;
    if (mq_writer_to_buffer(&buffer, &writer, NULL) != MQ_OK ||
        mq_faiss_index_write(&index, writer, NULL) != MQ_OK ||
        mq_writer_commit(writer, NULL) != MQ_OK)
        abort();
    mq_writer_close(writer);
    if (!read_bytes(buffer.data, buffer.size, true, &again))
        abort();
    compare(&index, &again);
    mq_faiss_index_release(&index);
    mq_faiss_index_release(&again);
    mq_buffer_release(&buffer);
    return 0;
}
