#include "format/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "arrays are written as they are");

#define MAGIC "\x93NUMPY"
#define FLOATS_LIMIT ((size_t)16 << 30)

static const struct {
    const char *name;
    size_t size;
} types[MQ_NPY_TYPE_COUNT] = {{"f4", 4}, {"f8", 8}, {"i4", 4}, {"i8", 8}, {"u1", 1}};

size_t
mq_npy_type_size(enum mq_npy_type type)
{
    return types[type].size;
}

const char *
mq_npy_type_name(enum mq_npy_type type)
{
    return types[type].name;
}

/* ---- the header's Python literal ---------------------------------------------------------- */

/* {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } in any order and spacing. */
struct literal {
    const char *at, *end;
    const char *name;
    struct mq_error *err;
};

static enum mq_status
malformed(const struct literal *in, const char *what)
{
    return mq_fail(in->err, MQ_E_FORMAT, "cannot read npy '%s': header: %s", in->name, what);
}

static void
skip_blanks(struct literal *in)
{
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\n' || *in->at == '\t'))
        in->at++;
}

static bool
take(struct literal *in, char c)
{
    skip_blanks(in);
    if (in->at == in->end || *in->at != c)
        return false;
    in->at++;
    return true;
}

static bool
take_word(struct literal *in, const char *word)
{
    size_t n = strlen(word);
    skip_blanks(in);
    if ((size_t)(in->end - in->at) < n || memcmp(in->at, word, n) != 0)
        return false;
    in->at += n;
    return true;
}

static bool
take_text(struct literal *in, char *room, size_t room_size)
{
    skip_blanks(in);
    if (in->at == in->end || (*in->at != '\'' && *in->at != '"'))
        return false;
    char quote = *in->at++;
    size_t n = 0;
    while (in->at < in->end && *in->at != quote) {
        if (n + 1 == room_size || *in->at == '\\' || *in->at < ' ')
            return false;
        room[n++] = *in->at++;
    }
    room[n] = '\0';
    return take(in, quote);
}

static enum mq_status
read_type(struct literal *in, struct mq_npy_header *header)
{
    char text[32];
    skip_blanks(in);
    if (in->at < in->end && *in->at == '[')
        return mq_fail(in->err, MQ_E_UNSUPPORTED, "cannot read npy '%s': record types", in->name);
    if (!take_text(in, text, sizeof(text)) || text[0] == '\0')
        return malformed(in, "'descr' is not a text");
    for (int type = 0; type < MQ_NPY_TYPE_COUNT; type++) {
        if (strcmp(text + 1, types[type].name) == 0 && strchr("<>|=", text[0]) != NULL) {
            header->type = (enum mq_npy_type)type;
            header->big_endian = text[0] == '>';
            return MQ_OK;
        }
    }
    return mq_fail(in->err, MQ_E_UNSUPPORTED,
                   "cannot read npy '%s': element type '%s' (known: f4, f8, i4, i8, u1)", in->name,
                   text);
}

static enum mq_status
read_shape(struct literal *in, struct mq_npy_header *header)
{
    if (!take(in, '('))
        return malformed(in, "'shape' is not a tuple");
    header->dims = 0;
    header->count = 1;
    while (!take(in, ')')) {
        int64_t extent = 0;
        bool digits = false;
        skip_blanks(in);
        while (in->at < in->end && *in->at >= '0' && *in->at <= '9') {
            if (__builtin_mul_overflow(extent, 10, &extent) ||
                __builtin_add_overflow(extent, *in->at - '0', &extent))
                return malformed(in, "an extent is too large");
            digits = true;
            in->at++;
        }
        if (in->at < in->end && *in->at == 'L') /* written by Python 2 */
            in->at++;
        if (!digits)
            return malformed(in, "'shape' holds something else than numbers");
        if (header->dims == MQ_NPY_DIMS_MAX)
            return malformed(in, "more than 8 dimensions");
        header->shape[header->dims++] = extent;
        if (__builtin_mul_overflow(header->count, extent, &header->count))
            return malformed(in, "the shape is too large");
        if (!take(in, ',')) {
            if (!take(in, ')'))
                return malformed(in, "'shape' is not closed");
            break;
        }
    }
    return MQ_OK;
}

static enum mq_status
read_literal(struct literal *in, struct mq_npy_header *header)
{
    bool seen[3] = {false};
    if (!take(in, '{'))
        return malformed(in, "it is not a dict");
    while (!take(in, '}')) {
        char key[32];
        if (!take_text(in, key, sizeof(key)) || !take(in, ':'))
            return malformed(in, "a key is malformed");
        enum mq_status st = MQ_OK;
        int which = strcmp(key, "descr") == 0           ? 0
                    : strcmp(key, "fortran_order") == 0 ? 1
                    : strcmp(key, "shape") == 0         ? 2
                                                        : 3;
        if (which == 3 || seen[which])
            return malformed(in, "an unknown or repeated key");
        seen[which] = true;
        if (which == 0)
            st = read_type(in, header);
        else if (which == 2)
            st = read_shape(in, header);
        else if (take_word(in, "True"))
            header->fortran_order = true;
        else if (!take_word(in, "False"))
            st = malformed(in, "'fortran_order' is neither True nor False");
        if (st != MQ_OK)
            return st;
        if (!take(in, ',')) {
            if (!take(in, '}'))
                return malformed(in, "the dict is not closed");
            break;
        }
    }
    skip_blanks(in);
    if (in->at != in->end)
        return malformed(in, "text follows the dict");
    if (!seen[0] || !seen[1] || !seen[2])
        return malformed(in, "a key is missing");
    return MQ_OK;
}

enum mq_status
mq_npy_read_header(struct mq_reader *reader, struct mq_npy_header *ret_header, struct mq_error *err)
{
    unsigned char start[8], length[4] = {0};
    int64_t begin = reader->offset;
    enum mq_status st = mq_reader_exact(reader, start, sizeof(start), err);
    if (st != MQ_OK)
        return st;
    if (memcmp(start, MAGIC, 6) != 0)
        return mq_fail(err, MQ_E_FORMAT, "cannot read npy '%s': it does not start with NUMPY",
                       reader->name);
    if (start[6] < 1 || start[6] > 3 || start[7] != 0)
        return mq_fail(err, MQ_E_UNSUPPORTED,
                       "cannot read npy '%s': version %d.%d (known: 1.0 to 3.0)", reader->name,
                       start[6], start[7]);
    if ((st = mq_reader_exact(reader, length, start[6] == 1 ? 2 : 4, err)) != MQ_OK)
        return st;
    uint32_t size;
    memcpy(&size, length, sizeof(size));
    if (size > MQ_NPY_HEADER_MAX)
        return mq_fail(err, MQ_E_RANGE, "cannot read npy '%s': header of %u bytes (allowed: %d)",
                       reader->name, size, MQ_NPY_HEADER_MAX);
    mq_autofree char *text = malloc(size + 1);
    if (text == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an npy header");
    if ((st = mq_reader_exact(reader, text, size, err)) != MQ_OK)
        return st;
    struct mq_npy_header header = {0};
    struct literal in = {text, text + size, reader->name, err};
    if ((st = read_literal(&in, &header)) != MQ_OK)
        return st;
    if (__builtin_mul_overflow(header.count, (int64_t)types[header.type].size, &header.size_bytes))
        return malformed(&in, "the shape is too large");
    header.data_offset = reader->offset - begin;
    if (reader->size_bytes >= 0 && header.size_bytes > reader->size_bytes - reader->offset)
        return mq_fail(err, MQ_E_FORMAT,
                       "cannot read npy '%s': its shape asks %lld bytes of data, %lld are there",
                       reader->name, (long long)header.size_bytes,
                       (long long)(reader->size_bytes - reader->offset));
    *ret_header = header;
    return MQ_OK;
}

/* ---- data ------------------------------------------------------------------------------- */

static void
swap_bytes(unsigned char *bytes, int64_t count, size_t size)
{
    for (int64_t i = 0; i < count; i++, bytes += size) {
        if (size == 4) {
            uint32_t v;
            memcpy(&v, bytes, 4);
            v = __builtin_bswap32(v);
            memcpy(bytes, &v, 4);
        } else {
            uint64_t v;
            memcpy(&v, bytes, 8);
            v = __builtin_bswap64(v);
            memcpy(bytes, &v, 8);
        }
    }
}

/* From first index fastest to last index fastest. */
static void
to_c_order(const struct mq_npy_header *header, const unsigned char *from, unsigned char *to)
{
    size_t size = types[header->type].size;
    int64_t stride[MQ_NPY_DIMS_MAX], at[MQ_NPY_DIMS_MAX] = {0}, step = 1, place = 0;
    for (int i = 0; i < header->dims; i++) {
        stride[i] = step;
        step *= header->shape[i];
    }
    for (int64_t n = 0; n < header->count; n++, to += size) {
        memcpy(to, from + (size_t)place * size, size);
        for (int i = header->dims - 1; i >= 0; i--) {
            place += stride[i];
            if (++at[i] < header->shape[i])
                break;
            place -= stride[i] * header->shape[i];
            at[i] = 0;
        }
    }
}

enum mq_status
mq_npy_read_data(struct mq_reader *reader, const struct mq_npy_header *header, void *data,
                 struct mq_error *err)
{
    bool turn = header->fortran_order && header->dims > 1 && header->count > 0;
    mq_autofree unsigned char *file = NULL;
    enum mq_status st = MQ_OK;
    if (turn)
        st = mq_alloc_array_raw((size_t)header->size_bytes, 1, &file, err);
    unsigned char *to = turn ? file : data;
    if (st == MQ_OK)
        st = mq_reader_exact(reader, to, (size_t)header->size_bytes, err);
    if (st != MQ_OK)
        return st;
    if (header->big_endian && types[header->type].size > 1)
        swap_bytes(to, header->count, types[header->type].size);
    if (turn)
        to_c_order(header, file, data);
    return MQ_OK;
}

enum mq_status
mq_npy_read_floats(struct mq_reader *reader, size_t limit_bytes, float **ret_data,
                   int64_t *ret_rows, int64_t *ret_columns, struct mq_error *err)
{
    struct mq_npy_header header;
    enum mq_status st = mq_npy_read_header(reader, &header, err);
    if (st != MQ_OK)
        return st;
    if ((header.type != MQ_NPY_F4 && header.type != MQ_NPY_F8) || header.dims < 1 ||
        header.dims > 2)
        return mq_fail(err, MQ_E_FORMAT,
                       "cannot read npy '%s': a %d-dimensional array of %s where a float matrix is "
                       "due",
                       reader->name, header.dims, types[header.type].name);
    if ((uint64_t)header.size_bytes > (limit_bytes != 0 ? limit_bytes : FLOATS_LIMIT))
        return mq_fail(err, MQ_E_RANGE, "cannot read npy '%s': %lld bytes (allowed: %zu)",
                       reader->name, (long long)header.size_bytes,
                       limit_bytes != 0 ? limit_bytes : FLOATS_LIMIT);
    float *floats = NULL;
    double *doubles = NULL;
    if (header.type == MQ_NPY_F4) {
        st = mq_alloc_array_raw((size_t)header.count, sizeof(*floats), &floats, err);
        if (st == MQ_OK)
            st = mq_npy_read_data(reader, &header, floats, err);
    } else {
        st = mq_alloc_array_raw((size_t)header.count, sizeof(*doubles), &doubles, err);
        if (st == MQ_OK)
            st = mq_npy_read_data(reader, &header, doubles, err);
        if (st == MQ_OK)
            st = mq_alloc_array_raw((size_t)header.count, sizeof(*floats), &floats, err);
        for (int64_t i = 0; st == MQ_OK && i < header.count; i++)
            floats[i] = (float)doubles[i];
        mq_free(doubles);
    }
    if (st != MQ_OK) {
        mq_free(floats);
        return st;
    }
    *ret_data = floats;
    *ret_rows = header.shape[0];
    *ret_columns = header.dims == 2 ? header.shape[1] : 1;
    return MQ_OK;
}

/* ---- writing ---------------------------------------------------------------------------- */

enum mq_status
mq_npy_write_header(struct mq_writer *writer, enum mq_npy_type type, int dims, const int64_t *shape,
                    struct mq_error *err)
{
    char text[512] = "";
    int64_t bytes = (int64_t)types[type].size;
    if (dims < 0 || dims > MQ_NPY_DIMS_MAX)
        return mq_fail(err, MQ_E_RANGE, "cannot write npy '%s': %d dimensions (allowed: 0 to %d)",
                       writer->name, dims, MQ_NPY_DIMS_MAX);
    int n = snprintf(text, sizeof(text), "{'descr': '%s%s', 'fortran_order': False, 'shape': (",
                     types[type].size > 1 ? "<" : "|", types[type].name);
    for (int i = 0; i < dims; i++) {
        if (shape[i] < 0 || __builtin_mul_overflow(bytes, shape[i], &bytes))
            return mq_fail(err, MQ_E_RANGE,
                           "cannot write npy '%s': extent %lld is negative or too large",
                           writer->name, (long long)shape[i]);
        n += snprintf(text + n, sizeof(text) - (size_t)n, "%lld%s", (long long)shape[i],
                      dims == 1 ? "," : (i + 1 < dims ? ", " : ""));
    }
    n += snprintf(text + n, sizeof(text) - (size_t)n, "), }");
    /* Blanks and a newline, so that 10 + header is a multiple of 64. */
    size_t padded = ((size_t)n + 11 + 63) / 64 * 64 - 10;
    memset(text + n, ' ', padded - (size_t)n - 1);
    text[padded - 1] = '\n';
    unsigned char start[10] = MAGIC "\x01";
    start[8] = (unsigned char)(padded & 0xff);
    start[9] = (unsigned char)(padded >> 8);
    enum mq_status st = mq_writer_put(writer, start, sizeof(start), err);
    return st != MQ_OK ? st : mq_writer_put(writer, text, padded, err);
}

enum mq_status
mq_npy_write_rows(struct mq_writer *writer, enum mq_npy_type type, const void *data, int64_t count,
                  struct mq_error *err)
{
    size_t bytes;
    if (count < 0 || __builtin_mul_overflow((size_t)count, types[type].size, &bytes))
        return mq_fail(err, MQ_E_RANGE, "cannot write %lld elements to npy '%s'", (long long)count,
                       writer->name);
    return mq_writer_put(writer, data, bytes, err);
}

enum mq_status
mq_npy_write(struct mq_writer *writer, enum mq_npy_type type, int dims, const int64_t *shape,
             const void *data, struct mq_error *err)
{
    enum mq_status st = mq_npy_write_header(writer, type, dims, shape, err);
    int64_t count = 1;
    for (int i = 0; st == MQ_OK && i < dims; i++)
        count *= shape[i];
    return st != MQ_OK ? st : mq_npy_write_rows(writer, type, data, count, err);
}
