/*
 * write_faiss_index OUT DATA: index files for faiss_index_golden.py to check with faiss.
 *
 * From values both sides know: a flat index of each metric, an empty one, and a small hand-made
 * graph. From faiss' own files in DATA: each read and written again, to be the same bytes.
 */
#include <stdio.h>
#include <string.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "format/faiss_index.h"

enum { N = 200, DIM = 8 };

/* Exact in float32 and easy to repeat in Python. */
static float
value(int i, int j)
{
    return (float)((i * 37 + j * 11 + i * j) % 127 - 63) / 16.0f;
}

static enum mq_status
write_file(const char *folder, const char *name, const struct mq_faiss_index *index,
           struct mq_error *err)
{
    char path[MQ_PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    struct mq_writer *writer;
    enum mq_status st = mq_writer_to_file(path, &writer, err);
    if (st != MQ_OK)
        return st;
    st = mq_faiss_index_write(index, writer, err);
    if (st == MQ_OK)
        st = mq_writer_commit(writer, err);
    mq_writer_close(writer);
    return st;
}

static enum mq_status
rewrite_file(const char *out, const char *data, const char *name, struct mq_error *err)
{
    char path[MQ_PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", data, name);
    struct mq_reader *reader;
    struct mq_faiss_index index;
    enum mq_status st = mq_reader_from_file(path, &reader, err);
    if (st != MQ_OK)
        return st;
    st = mq_faiss_index_read(reader, &index, err);
    mq_reader_close(reader);
    if (st != MQ_OK)
        return st;
    st = write_file(out, name, &index, err);
    mq_faiss_index_release(&index);
    return st;
}

/* Every vector linked with its neighbours in number, on one layer: a search must walk it. */
static enum mq_status
write_chain(const char *out, const float *vectors, struct mq_error *err)
{
    double probas[] = {1};
    int32_t cum[] = {0, 4}, levels[N], neighbors[N * 4];
    uint64_t offsets[N + 1];
    for (int i = 0; i < N; i++) {
        int step[] = {-1, 1, -2, 2};
        int used = 0;
        levels[i] = 1;
        offsets[i] = (uint64_t)i * 4;
        for (int k = 0; k < 4; k++) {
            if (i + step[k] >= 0 && i + step[k] < N)
                neighbors[i * 4 + used++] = i + step[k];
        }
        while (used < 4)
            neighbors[i * 4 + used++] = -1;
    }
    offsets[N] = N * 4;
    struct mq_faiss_hnsw hnsw = {1, probas, cum, levels, offsets, neighbors, 0, 0, 40, 400};
    float *copy = (float *)(uintptr_t)vectors;
    struct mq_faiss_index index = {MQ_FAISS_L2, DIM, N, copy, &hnsw};
    return write_file(out, "marquee-hnsw.index", &index, err);
}

int
main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "use: %s OUT DATA\n", argv[0]);
        return 2;
    }
    static float vectors[N * DIM];
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < DIM; j++)
            vectors[i * DIM + j] = value(i, j);
    }
    struct mq_error err = {0};
    struct mq_faiss_index flat = {MQ_FAISS_L2, DIM, N, vectors, NULL};
    enum mq_status st = write_file(argv[1], "marquee-flat-l2.index", &flat, &err);
    flat.metric = MQ_FAISS_INNER_PRODUCT;
    if (st == MQ_OK)
        st = write_file(argv[1], "marquee-flat-ip.index", &flat, &err);
    flat.n = 0;
    if (st == MQ_OK)
        st = write_file(argv[1], "marquee-flat-empty.index", &flat, &err);
    if (st == MQ_OK)
        st = write_chain(argv[1], vectors, &err);
    static const char *const theirs[] = {"faiss-flat-l2.index", "faiss-flat-ip.index",
                                         "faiss-hnsw-l2.index", "faiss-hnsw-ip.index",
                                         "faiss-hnsw-empty.index"};
    for (size_t i = 0; i < MQ_COUNT(theirs) && st == MQ_OK; i++)
        st = rewrite_file(argv[1], argv[2], theirs[i], &err);
    if (st != MQ_OK)
        fprintf(stderr, "write_faiss_index: %s\n", err.message);
    return st == MQ_OK ? 0 : 1;
}
