/* Datasets of hdf5_reader.h. */
#include <stdlib.h>
#include <zlib.h>

#include "base/memory.h"
#include "format/hdf5_bytes.h"

#define PIECE_ELEMENTS 65536
#define TREE_DEPTH_MAX 32

/* ---- describing ------------------------------------------------------------------------- */

static enum mq_status
unsupported(const struct mq_hdf5_file *file, const char *name, const char *what,
            struct mq_error *err)
{
    return mq_fail(err, MQ_E_UNSUPPORTED, "'%s': '%s' %s", file->name, name, what);
}

/* Little-endian IEEE floats only: size, and where sign, exponent and mantissa lie. */
static bool
parse_type(const struct mq_hdf5_message *m, int *ret_size)
{
    static const unsigned char layouts[3][9] = {
        /* size, precision, exponent at, its size, mantissa at, its size, bias (2) */
        {2, 16, 10, 5, 0, 10, 15, 0, 15},
        {4, 32, 23, 8, 0, 23, 127, 0, 31},
        {8, 64, 52, 11, 0, 52, 0xff, 3, 63},
    };
    const unsigned char *p = m->data;
    if (m->size < 20 || (p[0] & 15) != 1 || (p[1] & 0x41) != 0)
        return false;
    for (int i = 0; i < 3; i++) {
        const unsigned char *l = layouts[i];
        if (mq_hdf5_u32(p + 4) == l[0] && p[2] == l[8] && mq_hdf5_u16(p + 8) == 0 &&
            mq_hdf5_u16(p + 10) == l[1] && p[12] == l[2] && p[13] == l[3] && p[14] == l[4] &&
            p[15] == l[5] && mq_hdf5_u32(p + 16) == (uint32_t)l[6] + 256u * l[7]) {
            *ret_size = l[0];
            return true;
        }
    }
    return false;
}

/* Version 1 pads names and values; version 2 does not, and leaves out the names of known filters.
 */
static bool
parse_filters(const struct mq_hdf5_message *m, struct mq_hdf5_dataset *d)
{
    const unsigned char *p = m->data;
    if (m->size < 2 || p[0] < 1 || p[0] > 2)
        return false;
    size_t at = p[0] == 1 ? 8 : 2;
    for (int i = 0; i < p[1]; i++) {
        if (at > m->size || m->size - at < 8)
            return false;
        int id = mq_hdf5_u16(p + at);
        bool named = p[0] == 1 || id >= 256;
        size_t name = named ? mq_hdf5_u16(p + at + 2) : 0;
        size_t values = mq_hdf5_u16(p + at + (named ? 6 : 4));
        at += named ? 8 : 6;
        at +=
            p[0] == 1 ? ((name + 7) & ~(size_t)7) + 4 * (values + (values & 1)) : name + 4 * values;
        if (at > m->size)
            return false;
        if (id == 1 && d->deflate_at < 0)
            d->deflate_at = i;
        else if (id == 2 && d->shuffle_at < 0)
            d->shuffle_at = i;
        else
            return false;
    }
    return true;
}

static enum mq_status
parse_layout(struct mq_hdf5_file *file, const struct mq_hdf5_message *m, const char *name,
             struct mq_hdf5_dataset *d, struct mq_error *err)
{
    const unsigned char *p = m->data;
    uint64_t bytes = (uint64_t)d->elements * (uint64_t)d->element_size;
    if (m->size < 4 || p[0] != 3 || p[1] > 2)
        return unsupported(file, name, "is stored in a way that is not read here", err);
    d->layout = p[1];
    if (d->layout == 1 && m->size >= 18) {
        d->address = mq_hdf5_u64(p + 2);
        if (bytes > 0 && (d->address > file->size || bytes > file->size - d->address ||
                          mq_hdf5_u64(p + 10) < bytes))
            return mq_fail(err, MQ_E_FORMAT,
                           "'%s' is damaged: '%s' claims %llu bytes at byte %llu, the file has "
                           "%llu",
                           file->name, name, (unsigned long long)bytes,
                           (unsigned long long)d->address, (unsigned long long)file->size);
        return MQ_OK;
    }
    if (d->layout == 0 && mq_hdf5_u16(p + 2) >= bytes && m->size - 4 >= bytes)
        return MQ_OK; /* the data is in the header */
    if (d->layout != 2 || p[2] != d->rank + 1 || d->rank < 1 ||
        m->size < 11 + 4 * (size_t)(d->rank + 1))
        return mq_fail(err, MQ_E_FORMAT, "'%s' is damaged: layout of '%s'", file->name, name);
    d->address = mq_hdf5_u64(p + 3);
    d->chunk_bytes = (uint64_t)d->element_size;
    uint64_t limit = file->size * MQ_HDF5_EXPANSION_MAX;
    for (int k = 0; k < d->rank; k++) {
        d->chunk[k] = mq_hdf5_u32(p + 11 + 4 * k);
        if (d->chunk[k] == 0 || d->chunk[k] > limit / d->chunk_bytes)
            return mq_fail(err, MQ_E_FORMAT, "'%s' is damaged: pieces of '%s'", file->name, name);
        d->chunk_bytes *= d->chunk[k];
    }
    if (bytes > limit || mq_hdf5_u32(p + 11 + 4 * d->rank) != (uint32_t)d->element_size)
        return mq_fail(err, MQ_E_FORMAT,
                       "'%s' is damaged: '%s' claims %llu bytes, the file has "
                       "%llu",
                       file->name, name, (unsigned long long)bytes, (unsigned long long)file->size);
    return MQ_OK;
}

static enum mq_status
describe(struct mq_hdf5_file *file, const struct mq_hdf5_header *header, const char *name,
         struct mq_hdf5_dataset *d, struct mq_error *err)
{
    const struct mq_hdf5_message *space = mq_hdf5_header_find(header, MQ_HDF5_SPACE);
    const struct mq_hdf5_message *type = mq_hdf5_header_find(header, MQ_HDF5_TYPE);
    const struct mq_hdf5_message *layout = mq_hdf5_header_find(header, MQ_HDF5_LAYOUT);
    const struct mq_hdf5_message *filters = mq_hdf5_header_find(header, MQ_HDF5_FILTERS);
    uint64_t dims[MQ_HDF5_RANK_MAX];
    if (space == NULL || type == NULL || layout == NULL)
        return unsupported(file, name, "is no dataset", err);
    if (mq_hdf5_header_find(header, MQ_HDF5_EXTERNAL) != NULL)
        return mq_fail(err, MQ_E_FORMAT, "'%s': '%s' points to another file", file->name, name);
    if (!parse_type(type, &d->element_size))
        return unsupported(file, name, "does not hold little-endian floats of 16 to 64 bits", err);
    if (!mq_hdf5_space_parse(space->data, space->size, &d->rank, dims))
        return unsupported(file, name, "has no shape of up to 4 dimensions", err);
    d->elements = 1;
    for (int k = 0; k < d->rank; k++) {
        if (dims[k] > (uint64_t)(MQ_HDF5_ELEMENTS_MAX / MQ_MAX(d->elements, 1)))
            return mq_fail(err, MQ_E_RANGE, "'%s': '%s' has more than %lld elements", file->name,
                           name, (long long)MQ_HDF5_ELEMENTS_MAX);
        d->shape[k] = (int64_t)dims[k];
        d->elements *= d->shape[k];
    }
    if (filters != NULL && !parse_filters(filters, d))
        return unsupported(file, name, "uses a filter other than deflate and shuffle", err);
    return parse_layout(file, layout, name, d, err);
}

enum mq_status
mq_hdf5_dataset_open(struct mq_hdf5_file *file, uint64_t object, const char *name,
                     struct mq_hdf5_dataset *ret_dataset, struct mq_error *err)
{
    struct mq_hdf5_header header;
    struct mq_hdf5_dataset dataset = {.deflate_at = -1, .shuffle_at = -1};
    enum mq_status st = mq_hdf5_header_read(file, object, &header, err);
    if (st != MQ_OK)
        return st;
    st = describe(file, &header, name, &dataset, err);
    mq_hdf5_header_release(&header);
    if (st != MQ_OK)
        return st;
    if (dataset.layout == 0)
        dataset.address = object;
    *ret_dataset = dataset;
    return MQ_OK;
}

/* ---- converting ------------------------------------------------------------------------- */

static float
half_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, mantissa = h & 0x3ff;
    float value;
    if (exponent == 0) {
        value = (float)mantissa * 0x1p-24f;
        return sign != 0 ? -value : value;
    }
    uint32_t bits = sign | (exponent == 31 ? 255u : exponent + 112) << 23 | mantissa << 13;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static void
to_floats(const unsigned char *bytes, int element_size, int64_t count, float *ret_values)
{
    if (element_size == 4) {
        memcpy(ret_values, bytes, (size_t)count * 4);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        if (element_size == 8) {
            double value;
            memcpy(&value, bytes + 8 * i, sizeof(value));
            ret_values[i] = (float)value;
        } else {
            ret_values[i] = half_to_float(mq_hdf5_u16(bytes + 2 * i));
        }
    }
}

/* ---- chunks ----------------------------------------------------------------------------- */

/* Reading of some rows out of chunks. */
struct gather {
    struct mq_hdf5_file *file;
    const struct mq_hdf5_dataset *d;
    const char *name;
    int64_t first, count;
    float *values;
    int64_t copied;   /* elements so far */
    uint64_t visited; /* chunks so far */
    uint64_t chunk_count;
    unsigned char *packed, *plain, *scratch;
    size_t packed_capacity;
};

static enum mq_status
bad_chunk(const struct gather *g, struct mq_error *err)
{
    return mq_fail(err, MQ_E_FORMAT, "'%s' is damaged: a piece of '%s'", g->file->name, g->name);
}

static bool
inflate_whole(const unsigned char *packed, size_t size, unsigned char *plain, size_t plain_size)
{
    z_stream z = {0};
    if (inflateInit(&z) != Z_OK)
        return false;
    z.next_in = (unsigned char *)(uintptr_t)packed;
    z.avail_in = (uInt)size;
    z.next_out = plain;
    z.avail_out = (uInt)plain_size;
    int status = inflate(&z, Z_FINISH);
    bool whole = status == Z_STREAM_END && z.avail_out == 0;
    inflateEnd(&z);
    return whole;
}

/* The chunk's bytes as they were before filtering, in g->plain. @param mask bit i: not filter i */
static enum mq_status
expand_chunk(struct gather *g, uint64_t address, uint32_t size, uint32_t mask, struct mq_error *err)
{
    const struct mq_hdf5_dataset *d = g->d;
    bool deflated = d->deflate_at >= 0 && (mask >> d->deflate_at & 1) == 0;
    bool shuffled = d->shuffle_at >= 0 && (mask >> d->shuffle_at & 1) == 0;
    if (shuffled && deflated && d->shuffle_at > d->deflate_at)
        return bad_chunk(g, err); /* nobody packs first and shuffles then */
    if (d->chunk_bytes > UINT32_MAX || (!deflated && size != d->chunk_bytes))
        return bad_chunk(g, err);
    enum mq_status st = mq_grow(&g->packed, &g->packed_capacity, (size_t)size + 1, 1, err);
    if (st != MQ_OK || (st = mq_hdf5_bytes(g->file, address, g->packed, size, err)) != MQ_OK)
        return st;
    unsigned char *target = shuffled ? g->scratch : g->plain;
    if (!deflated)
        memcpy(target, g->packed, size);
    else if (!inflate_whole(g->packed, size, target, (size_t)d->chunk_bytes))
        return bad_chunk(g, err);
    if (shuffled) {
        size_t n = (size_t)d->chunk_bytes / (size_t)d->element_size;
        for (size_t i = 0; i < n; i++) {
            for (size_t b = 0; b < (size_t)d->element_size; b++)
                g->plain[i * (size_t)d->element_size + b] = g->scratch[b * n + i];
        }
    }
    return MQ_OK;
}

/* Copy what a chunk at `offset` shares with the wanted rows, row of the last dimension by row. */
static void
copy_chunk(struct gather *g, const int64_t *offset)
{
    const struct mq_hdf5_dataset *d = g->d;
    int64_t begin[MQ_HDF5_RANK_MAX], end[MQ_HDF5_RANK_MAX], at[MQ_HDF5_RANK_MAX];
    for (int k = 0; k < d->rank; k++) {
        begin[k] = k == 0 ? MQ_MAX(offset[0], g->first) : offset[k];
        int64_t last = k == 0 ? g->first + g->count : d->shape[k];
        end[k] = MQ_MIN(offset[k] + (int64_t)d->chunk[k], last);
        at[k] = begin[k];
        if (begin[k] >= end[k])
            return;
    }
    int last = d->rank - 1;
    int64_t run = end[last] - begin[last];
    for (;;) {
        int64_t from = 0, to = 0;
        for (int k = 0; k < d->rank; k++) {
            from = from * (int64_t)d->chunk[k] + at[k] - offset[k];
            to = to * (k == 0 ? 1 : d->shape[k]) + at[k] - (k == 0 ? g->first : 0);
        }
        to_floats(g->plain + from * d->element_size, d->element_size, run, g->values + to);
        g->copied += run;
        int k = last - 1;
        while (k >= 0 && ++at[k] == end[k])
            at[k] = begin[k], k--;
        if (k < 0)
            return;
    }
}

/* @param level of the node at address, -1 for the root of a tree (any) */
static enum mq_status
gather_tree(struct gather *g, uint64_t address, int level, struct mq_error *err)
{
    const struct mq_hdf5_dataset *d = g->d;
    unsigned char head[24], key[8 + 8 * (MQ_HDF5_RANK_MAX + 1) + 8];
    size_t key_size = 8 + 8 * (size_t)(d->rank + 1);
    enum mq_status st = mq_hdf5_bytes(g->file, address, head, sizeof(head), err);
    if (st != MQ_OK)
        return st;
    if (memcmp(head, "TREE", 4) != 0 || head[4] != 1 || (level >= 0 && head[5] != level) ||
        head[5] > TREE_DEPTH_MAX)
        return mq_hdf5_damaged(g->file, "no node of pieces", address, err);
    for (int i = 0; i < mq_hdf5_u16(head + 6); i++) {
        uint64_t at = address + 24 + (uint64_t)i * (key_size + 8);
        if ((st = mq_hdf5_bytes(g->file, at, key, key_size + 8, err)) != MQ_OK)
            return st;
        uint64_t child = mq_hdf5_u64(key + key_size);
        if (head[5] > 0) {
            if ((st = gather_tree(g, child, head[5] - 1, err)) != MQ_OK)
                return st;
            continue;
        }
        int64_t offset[MQ_HDF5_RANK_MAX];
        for (int k = 0; k < d->rank; k++) {
            uint64_t o = mq_hdf5_u64(key + 8 + 8 * k);
            if (o >= (uint64_t)d->shape[k] || o % d->chunk[k] != 0)
                return bad_chunk(g, err);
            offset[k] = (int64_t)o;
        }
        if (++g->visited > g->chunk_count)
            return bad_chunk(g, err);
        if (offset[0] >= g->first + g->count || offset[0] + (int64_t)d->chunk[0] <= g->first)
            continue;
        if ((st = expand_chunk(g, child, mq_hdf5_u32(key), mq_hdf5_u32(key + 4), err)) != MQ_OK)
            return st;
        copy_chunk(g, offset);
    }
    return MQ_OK;
}

static enum mq_status
read_chunks(struct gather *g, int64_t elements, struct mq_error *err)
{
    const struct mq_hdf5_dataset *d = g->d;
    enum mq_status st;
    g->chunk_count = 1;
    for (int k = 0; k < d->rank; k++)
        g->chunk_count *= ((uint64_t)d->shape[k] + d->chunk[k] - 1) / d->chunk[k];
    if ((st = mq_alloc_array_raw((size_t)d->chunk_bytes, 1, &g->plain, err)) == MQ_OK &&
        (st = mq_alloc_array_raw((size_t)d->chunk_bytes, 1, &g->scratch, err)) == MQ_OK)
        st = gather_tree(g, d->address, -1, err);
    if (st == MQ_OK && g->copied != elements)
        st = mq_fail(err, MQ_E_FORMAT, "'%s' is damaged: pieces of '%s' are missing or repeated",
                     g->file->name, g->name);
    mq_free(g->plain);
    mq_free(g->scratch);
    free(g->packed);
    return st;
}

/* ---- reading ---------------------------------------------------------------------------- */

static enum mq_status
read_contiguous(struct mq_hdf5_file *file, const struct mq_hdf5_dataset *d, int64_t begin,
                int64_t count, float *ret_values, struct mq_error *err)
{
    uint64_t size = (uint64_t)d->element_size;
    if (d->element_size == 4) /* straight into place */
        return mq_hdf5_bytes(file, d->address + (uint64_t)begin * size, ret_values,
                             (size_t)count * 4, err);
    mq_autofree unsigned char *piece = NULL;
    enum mq_status st = mq_alloc_array_raw(PIECE_ELEMENTS, size, &piece, err);
    for (int64_t done = 0; st == MQ_OK && done < count; done += PIECE_ELEMENTS) {
        int64_t n = MQ_MIN(count - done, PIECE_ELEMENTS);
        st = mq_hdf5_bytes(file, d->address + (uint64_t)(begin + done) * size, piece,
                           (size_t)n * size, err);
        if (st == MQ_OK)
            to_floats(piece, d->element_size, n, ret_values + done);
    }
    return st;
}

static enum mq_status
read_compact(struct mq_hdf5_file *file, const struct mq_hdf5_dataset *d, const char *name,
             int64_t begin, int64_t count, float *ret_values, struct mq_error *err)
{
    struct mq_hdf5_header header;
    enum mq_status st = mq_hdf5_header_read(file, d->address, &header, err);
    if (st != MQ_OK)
        return st;
    const struct mq_hdf5_message *layout = mq_hdf5_header_find(&header, MQ_HDF5_LAYOUT);
    size_t size = (size_t)d->element_size;
    if (layout == NULL || layout->size < 4 || layout->size - 4 < (size_t)(begin + count) * size)
        st = mq_fail(err, MQ_E_FORMAT, "'%s' is damaged: layout of '%s'", file->name, name);
    else
        to_floats(layout->data + 4 + (size_t)begin * size, d->element_size, count, ret_values);
    mq_hdf5_header_release(&header);
    return st;
}

enum mq_status
mq_hdf5_dataset_read(struct mq_hdf5_file *file, const struct mq_hdf5_dataset *d, const char *name,
                     int64_t first, int64_t count, float *ret_values, struct mq_error *err)
{
    int64_t rows = d->rank > 0 ? d->shape[0] : 1;
    if (first < 0 || count < 0 || first > rows || count > rows - first)
        return mq_fail(err, MQ_E_RANGE, "'%s': rows %lld to %lld of '%s', which has %lld",
                       file->name, (long long)first, (long long)first + (long long)count, name,
                       (long long)rows);
    if (count == 0 || d->elements == 0)
        return MQ_OK;
    int64_t row = d->elements / rows;
    mq_hdf5_refill(file, (uint64_t)(count * row) * (uint64_t)d->element_size);
    if (d->layout == 0)
        return read_compact(file, d, name, first * row, count * row, ret_values, err);
    if (d->layout == 1)
        return read_contiguous(file, d, first * row, count * row, ret_values, err);
    struct gather g = {
        .file = file, .d = d, .name = name, .first = first, .count = count, .values = ret_values};
    return read_chunks(&g, count * row, err);
}
