/*
 * The layout was taken from files that faiss wrote and is checked against faiss in both directions
 * by tests/golden/faiss_index_golden.py. An index is four letters and a header (dim, count, two
 * unused numbers, trained flag, metric); a vector of T is its length as uint64, then the elements.
 */
#include "format/faiss_index.h"

#include <string.h>

#include "base/memory.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the file is little-endian");

/* What faiss writes into the two header fields it no longer uses. */
#define UNUSED_FIELD ((int64_t)1 << 20)
/* First piece that is allocated when the source does not know its size. */
#define FIRST_PIECE_BYTES ((size_t)1 << 20)

struct header {
    int32_t dim;
    int64_t n;
    int32_t metric;
};

void
mq_faiss_index_release(struct mq_faiss_index *index)
{
    if (index == NULL)
        return;
    mq_free(index->vectors);
    if (index->hnsw != NULL) {
        mq_free(index->hnsw->assign_probas);
        mq_free(index->hnsw->cum_neighbors);
        mq_free(index->hnsw->levels);
        mq_free(index->hnsw->offsets);
        mq_free(index->hnsw->neighbors);
        mq_free(index->hnsw);
    }
    *index = (struct mq_faiss_index){0};
}

/* ---- reading ---------------------------------------------------------------------------- */

/* `count` elements into a fresh block that never grows far beyond what the source really has. */
static enum mq_status
read_array(struct mq_reader *reader, const char *what, uint64_t count, size_t size, void *ret_block,
           struct mq_error *err)
{
    if (count > SIZE_MAX / 2 / size)
        return mq_fail(err, MQ_E_FORMAT, "'%s' is damaged: %s claims %llu elements", reader->name,
                       what, (unsigned long long)count);
    size_t total = (size_t)count * size;
    unsigned char *block = NULL;
    enum mq_status st;
    if (reader->size_bytes >= 0) {
        int64_t left = reader->size_bytes - reader->offset;
        if (left < 0 || total > (uint64_t)left)
            return mq_fail(err, MQ_E_FORMAT,
                           "'%s' is truncated: %s needs %zu bytes at byte %lld, the file ends at "
                           "byte %lld",
                           reader->name, what, total, (long long)reader->offset,
                           (long long)reader->size_bytes);
        if ((st = mq_alloc_array_raw((size_t)count, size, &block, err)) != MQ_OK)
            return st;
        st = mq_reader_exact(reader, block, total, err);
    } else {
        size_t have = 0, room = MQ_MIN(total, FIRST_PIECE_BYTES);
        st = mq_alloc_array_raw(room, 1, &block, err);
        while (st == MQ_OK) {
            if ((st = mq_reader_exact(reader, block + have, room - have, err)) != MQ_OK)
                break;
            have = room;
            if (have == total)
                break;
            room = total - have > have ? have * 2 : total;
            unsigned char *larger;
            if ((st = mq_alloc_array_raw(room, 1, &larger, err)) != MQ_OK)
                break;
            memcpy(larger, block, have);
            mq_free(block);
            block = larger;
        }
    }
    if (st != MQ_OK) {
        mq_free(block);
        return st;
    }
    *(void **)ret_block = block;
    return MQ_OK;
}

/* A length as faiss writes it before every vector; must be `expect`. */
static enum mq_status
read_length(struct mq_reader *reader, const char *what, uint64_t expect, struct mq_error *err)
{
    uint64_t length;
    enum mq_status st = mq_reader_exact(reader, &length, sizeof(length), err);
    if (st == MQ_OK && length != expect)
        return mq_fail(err, MQ_E_FORMAT, "'%s' is damaged: %s has %llu elements, expected %llu",
                       reader->name, what, (unsigned long long)length, (unsigned long long)expect);
    return st;
}

static enum mq_status
read_header(struct mq_reader *reader, struct header *ret_header, struct mq_error *err)
{
    struct header h;
    int64_t unused[2];
    uint8_t trained;
    enum mq_status st;
    if ((st = mq_reader_exact(reader, &h.dim, sizeof(h.dim), err)) != MQ_OK ||
        (st = mq_reader_exact(reader, &h.n, sizeof(h.n), err)) != MQ_OK ||
        (st = mq_reader_exact(reader, unused, sizeof(unused), err)) != MQ_OK ||
        (st = mq_reader_exact(reader, &trained, 1, err)) != MQ_OK ||
        (st = mq_reader_exact(reader, &h.metric, sizeof(h.metric), err)) != MQ_OK)
        return st;
    if (h.dim < 1 || h.dim > MQ_FAISS_DIM_MAX)
        return mq_fail(err, MQ_E_FORMAT, "'%s' is damaged: dimension %d (allowed: 1 to %d)",
                       reader->name, h.dim, MQ_FAISS_DIM_MAX);
    if (h.n < 0 || h.n > INT32_MAX)
        return mq_fail(err, MQ_E_FORMAT, "'%s' is damaged: %lld vectors (allowed: 0 to %d)",
                       reader->name, (long long)h.n, INT32_MAX);
    if (h.metric != MQ_FAISS_INNER_PRODUCT && h.metric != MQ_FAISS_L2)
        return mq_fail(err, MQ_E_UNSUPPORTED,
                       "'%s' uses metric %d; read here are 0 (inner product) and 1 (L2)",
                       reader->name, h.metric);
    *ret_header = h;
    return MQ_OK;
}

/* Four letters for a message, whatever bytes they are. */
static const char *
printable(const char code[4], char ret_text[5])
{
    for (int i = 0; i < 4; i++)
        ret_text[i] = code[i] >= 32 && code[i] < 127 ? code[i] : '?';
    ret_text[4] = '\0';
    return ret_text;
}

static bool
is_flat(const char code[4])
{
    return memcmp(code, "IxF2", 4) == 0 || memcmp(code, "IxFI", 4) == 0 ||
           memcmp(code, "IxFl", 4) == 0;
}

/* Row of the first value that is not finite, or -1. */
static int64_t
find_not_finite(const float *values, int64_t n, int32_t dim)
{
    for (int64_t i = 0; i < n; i++) {
        const float *row = values + i * dim;
        float sum = 0; /* x·0 is 0 for finite x, NaN otherwise: one test a row */
        for (int32_t j = 0; j < dim; j++)
            sum += row[j] * 0.0f;
        if (sum != 0) /* true for NaN */
            return i;
    }
    return -1;
}

/* The rest of a flat index after its four letters. */
static enum mq_status
read_flat(struct mq_reader *reader, const char code[4], struct mq_faiss_index *index,
          struct mq_error *err)
{
    struct header h;
    enum mq_status st = read_header(reader, &h, err);
    if (st != MQ_OK)
        return st;
    if ((memcmp(code, "IxF2", 4) == 0 && h.metric != MQ_FAISS_L2) ||
        (memcmp(code, "IxFI", 4) == 0 && h.metric != MQ_FAISS_INNER_PRODUCT))
        return mq_fail(err, MQ_E_FORMAT, "'%s' is damaged: kind '%.4s' with metric %d",
                       reader->name, code, h.metric);
    uint64_t count = (uint64_t)h.n * (uint64_t)h.dim;
    if ((st = read_length(reader, "the vector data", count, err)) != MQ_OK ||
        (st = read_array(reader, "the vector data", count, sizeof(float), &index->vectors, err)) !=
            MQ_OK)
        return st;
    index->metric = (enum mq_faiss_metric)h.metric;
    index->dim = h.dim;
    index->n = h.n;
    int64_t row = find_not_finite(index->vectors, h.n, h.dim);
    if (row >= 0)
        return mq_fail(err, MQ_E_FORMAT, "'%s': vector %lld holds a value that is not finite",
                       reader->name, (long long)row);
    return MQ_OK;
}

static enum mq_status
read_hnsw(struct mq_reader *reader, int64_t n, struct mq_faiss_hnsw *hnsw, struct mq_error *err)
{
    uint64_t levels, links;
    enum mq_status st = mq_reader_exact(reader, &levels, sizeof(levels), err);
    if (st != MQ_OK)
        return st;
    if (levels < 1 || levels > MQ_FAISS_LEVELS_MAX)
        return mq_fail(err, MQ_E_FORMAT, "'%s' is damaged: %llu graph levels (allowed: 1 to %d)",
                       reader->name, (unsigned long long)levels, MQ_FAISS_LEVELS_MAX);
    hnsw->level_count = (int32_t)levels;
    uint64_t count = (uint64_t)n;
    if ((st = read_array(reader, "the level probabilities", levels, sizeof(double),
                         &hnsw->assign_probas, err)) != MQ_OK ||
        (st = read_length(reader, "the link counts", levels + 1, err)) != MQ_OK ||
        (st = read_array(reader, "the link counts", levels + 1, sizeof(int32_t),
                         &hnsw->cum_neighbors, err)) != MQ_OK ||
        (st = read_length(reader, "the levels", count, err)) != MQ_OK ||
        (st = read_array(reader, "the levels", count, sizeof(int32_t), &hnsw->levels, err)) !=
            MQ_OK ||
        (st = read_length(reader, "the link offsets", count + 1, err)) != MQ_OK ||
        (st = read_array(reader, "the link offsets", count + 1, sizeof(uint64_t), &hnsw->offsets,
                         err)) != MQ_OK ||
        (st = mq_reader_exact(reader, &links, sizeof(links), err)) != MQ_OK)
        return st;
    if (links != hnsw->offsets[n])
        return mq_fail(err, MQ_E_FORMAT, "'%s' is damaged: %llu links, but the offsets end at %llu",
                       reader->name, (unsigned long long)links,
                       (unsigned long long)hnsw->offsets[n]);
    int32_t tail[5]; /* entry point, top layer, efConstruction, efSearch, and an unused one */
    if ((st = read_array(reader, "the links", links, sizeof(int32_t), &hnsw->neighbors, err)) !=
            MQ_OK ||
        (st = mq_reader_exact(reader, tail, sizeof(tail), err)) != MQ_OK)
        return st;
    hnsw->entry_point = tail[0];
    hnsw->max_level = tail[1];
    hnsw->ef_construction = tail[2];
    hnsw->ef_search = tail[3];
    if (mq_faiss_hnsw_check(hnsw, n, err) != MQ_OK) {
        (void)mq_fail_context(err, MQ_E_FORMAT, "'%s' is damaged", reader->name);
        if (err != NULL)
            err->code = MQ_E_FORMAT;
        return MQ_E_FORMAT;
    }
    return MQ_OK;
}

static enum mq_status
read_index(struct mq_reader *reader, struct mq_faiss_index *index, struct mq_error *err)
{
    char code[4], text[5];
    enum mq_status st = mq_reader_exact(reader, code, sizeof(code), err);
    if (st != MQ_OK)
        return st;
    struct header h = {0};
    bool graph = memcmp(code, "IHNf", 4) == 0;
    if (graph) {
        if ((st = read_header(reader, &h, err)) != MQ_OK ||
            (st = mq_alloc_array(1, sizeof(*index->hnsw), &index->hnsw, err)) != MQ_OK ||
            (st = read_hnsw(reader, h.n, index->hnsw, err)) != MQ_OK ||
            (st = mq_reader_exact(reader, code, sizeof(code), err)) != MQ_OK)
            return st;
    }
    if (!is_flat(code)) {
        st =
            mq_fail(err, MQ_E_UNSUPPORTED, "'%s' is not a faiss index that is read here: kind '%s'",
                    reader->name, printable(code, text));
        mq_error_hint(err, "IndexFlatL2, IndexFlatIP and IndexHNSWFlat are read");
        return st;
    }
    if ((st = read_flat(reader, code, index, err)) != MQ_OK)
        return st;
    if (graph && (h.dim != index->dim || h.n != index->n || h.metric != (int32_t)index->metric))
        return mq_fail(err, MQ_E_FORMAT,
                       "'%s' is damaged: a graph of %lld vectors of %d (metric %d) over a table of "
                       "%lld of %d (metric %d)",
                       reader->name, (long long)h.n, h.dim, h.metric, (long long)index->n,
                       index->dim, (int)index->metric);
    int next;
    if ((st = mq_reader_peek(reader, &next, err)) == MQ_OK && next >= 0)
        return mq_fail(err, MQ_E_FORMAT, "'%s' is damaged: bytes follow the index at byte %lld",
                       reader->name, (long long)reader->offset);
    return st;
}

enum mq_status
mq_faiss_index_read(struct mq_reader *reader, struct mq_faiss_index *ret_index,
                    struct mq_error *err)
{
    struct mq_faiss_index index = {0};
    enum mq_status st = read_index(reader, &index, err);
    if (st != MQ_OK) {
        mq_faiss_index_release(&index);
        return mq_fail_context(err, st, "cannot read vector index");
    }
    *ret_index = index;
    return MQ_OK;
}

/* ---- checking --------------------------------------------------------------------------- */

/* One vector's place in the arrays; its links are checked apart, when all places are known good. */
static enum mq_status
check_place(const struct mq_faiss_hnsw *hnsw, int64_t i, struct mq_error *err)
{
    int32_t levels = hnsw->levels[i];
    if (levels < 1 || levels > hnsw->level_count)
        return mq_fail(err, MQ_E_RANGE, "vector %lld is on %d graph levels (allowed: 1 to %d)",
                       (long long)i, levels, hnsw->level_count);
    uint64_t begin = hnsw->offsets[i], end = hnsw->offsets[i + 1];
    if (end < begin || end - begin != (uint64_t)hnsw->cum_neighbors[levels])
        return mq_fail(err, MQ_E_RANGE,
                       "vector %lld has links %llu to %llu, expected %d of them on %d levels",
                       (long long)i, (unsigned long long)begin, (unsigned long long)end,
                       hnsw->cum_neighbors[levels], levels);
    return MQ_OK;
}

static enum mq_status
check_links(const struct mq_faiss_hnsw *hnsw, int64_t n, int64_t i, struct mq_error *err)
{
    const int32_t *links = hnsw->neighbors + hnsw->offsets[i];
    for (int32_t level = 0; level < hnsw->levels[i]; level++) {
        for (int32_t j = hnsw->cum_neighbors[level]; j < hnsw->cum_neighbors[level + 1]; j++) {
            int32_t id = links[j];
            if (id < -1 || id >= n || (id >= 0 && hnsw->levels[id] <= level))
                return mq_fail(err, MQ_E_RANGE,
                               "vector %lld links on level %d to %d, which is not there",
                               (long long)i, level, id);
        }
    }
    return MQ_OK;
}

enum mq_status
mq_faiss_hnsw_check(const struct mq_faiss_hnsw *hnsw, int64_t n, struct mq_error *err)
{
    if (hnsw->level_count < 1 || hnsw->level_count > MQ_FAISS_LEVELS_MAX)
        return mq_fail(err, MQ_E_RANGE, "%d graph levels (allowed: 1 to %d)", hnsw->level_count,
                       MQ_FAISS_LEVELS_MAX);
    for (int32_t l = 0; l < hnsw->level_count; l++) {
        double p = hnsw->assign_probas[l];
        if (!(p >= 0 && p <= 1))
            return mq_fail(err, MQ_E_RANGE, "level %d has probability %g (allowed: 0 to 1)", l, p);
    }
    if (hnsw->cum_neighbors[0] != 0)
        return mq_fail(err, MQ_E_RANGE, "link counts begin with %d, expected 0",
                       hnsw->cum_neighbors[0]);
    for (int32_t l = 0; l < hnsw->level_count; l++) {
        if (hnsw->cum_neighbors[l + 1] < hnsw->cum_neighbors[l] ||
            hnsw->cum_neighbors[l + 1] > MQ_FAISS_NEIGHBORS_MAX)
            return mq_fail(err, MQ_E_RANGE,
                           "link counts go from %d to %d at level %d (allowed: rising, to %d)",
                           hnsw->cum_neighbors[l], hnsw->cum_neighbors[l + 1], l,
                           MQ_FAISS_NEIGHBORS_MAX);
    }
    if (hnsw->offsets[0] != 0)
        return mq_fail(err, MQ_E_RANGE, "link offsets begin with %llu, expected 0",
                       (unsigned long long)hnsw->offsets[0]);
    enum mq_status st;
    for (int64_t i = 0; i < n; i++) {
        if ((st = check_place(hnsw, i, err)) != MQ_OK)
            return st;
    }
    for (int64_t i = 0; i < n; i++) {
        if ((st = check_links(hnsw, n, i, err)) != MQ_OK)
            return st;
    }
    if (n == 0) {
        if (hnsw->entry_point != -1 || hnsw->max_level != -1)
            return mq_fail(err, MQ_E_RANGE, "an empty graph is entered at %d on level %d",
                           hnsw->entry_point, hnsw->max_level);
    } else if (hnsw->entry_point < 0 || hnsw->entry_point >= n || hnsw->max_level < 0 ||
               hnsw->levels[hnsw->entry_point] != hnsw->max_level + 1) {
        return mq_fail(err, MQ_E_RANGE,
                       "the graph is entered at %d on level %d, which is not there",
                       hnsw->entry_point, hnsw->max_level);
    }
    if (hnsw->ef_construction < 0 || hnsw->ef_search < 0)
        return mq_fail(err, MQ_E_RANGE, "negative search width (%d, %d)", hnsw->ef_construction,
                       hnsw->ef_search);
    return MQ_OK;
}

/* ---- writing ---------------------------------------------------------------------------- */

static enum mq_status
write_header(const struct mq_faiss_index *index, const char *code, struct mq_writer *writer,
             struct mq_error *err)
{
    unsigned char bytes[4 + 4 + 8 + 16 + 1 + 4], *p = bytes;
    int64_t unused[2] = {UNUSED_FIELD, UNUSED_FIELD};
    int32_t metric = (int32_t)index->metric;
    memcpy(p, code, 4);
    memcpy(p + 4, &index->dim, 4);
    memcpy(p + 8, &index->n, 8);
    memcpy(p + 16, unused, 16);
    p[32] = 1; /* trained */
    memcpy(p + 33, &metric, 4);
    return mq_writer_put(writer, bytes, sizeof(bytes), err);
}

static enum mq_status
write_array(struct mq_writer *writer, const void *values, uint64_t count, size_t size,
            struct mq_error *err)
{
    enum mq_status st = mq_writer_put(writer, &count, sizeof(count), err);
    return st != MQ_OK || count == 0 ? st
                                     : mq_writer_put(writer, values, (size_t)count * size, err);
}

static enum mq_status
write_hnsw(const struct mq_faiss_hnsw *hnsw, int64_t n, struct mq_writer *writer,
           struct mq_error *err)
{
    uint64_t count = (uint64_t)n, levels = (uint64_t)hnsw->level_count;
    int32_t tail[5] = {hnsw->entry_point, hnsw->max_level, hnsw->ef_construction, hnsw->ef_search,
                       1};
    enum mq_status st;
    if ((st = write_array(writer, hnsw->assign_probas, levels, sizeof(double), err)) != MQ_OK ||
        (st = write_array(writer, hnsw->cum_neighbors, levels + 1, sizeof(int32_t), err)) !=
            MQ_OK ||
        (st = write_array(writer, hnsw->levels, count, sizeof(int32_t), err)) != MQ_OK ||
        (st = write_array(writer, hnsw->offsets, count + 1, sizeof(uint64_t), err)) != MQ_OK ||
        (st = write_array(writer, hnsw->neighbors, hnsw->offsets[n], sizeof(int32_t), err)) !=
            MQ_OK)
        return st;
    return mq_writer_put(writer, tail, sizeof(tail), err);
}

enum mq_status
mq_faiss_index_write(const struct mq_faiss_index *index, struct mq_writer *writer,
                     struct mq_error *err)
{
    if (index->dim < 1 || index->dim > MQ_FAISS_DIM_MAX || index->n < 0 || index->n > INT32_MAX)
        return mq_fail(err, MQ_E_RANGE,
                       "cannot write vector index '%s': %lld vectors of dimension %d (allowed: 0 "
                       "to %d of 1 to %d)",
                       writer->name, (long long)index->n, index->dim, INT32_MAX, MQ_FAISS_DIM_MAX);
    int64_t row = find_not_finite(index->vectors, index->n, index->dim);
    if (row >= 0)
        return mq_fail(err, MQ_E_RANGE,
                       "cannot write vector index '%s': vector %lld holds a value that is not "
                       "finite",
                       writer->name, (long long)row);
    enum mq_status st;
    if (index->hnsw != NULL) {
        if ((st = mq_faiss_hnsw_check(index->hnsw, index->n, err)) != MQ_OK)
            return mq_fail_context(err, st, "cannot write vector index '%s'", writer->name);
        if ((st = write_header(index, "IHNf", writer, err)) != MQ_OK ||
            (st = write_hnsw(index->hnsw, index->n, writer, err)) != MQ_OK)
            return st;
    }
    const char *code = index->metric == MQ_FAISS_L2 ? "IxF2" : "IxFI";
    if ((st = write_header(index, code, writer, err)) != MQ_OK)
        return st;
    return write_array(writer, index->vectors, (uint64_t)index->n * (uint64_t)index->dim,
                       sizeof(float), err);
}
