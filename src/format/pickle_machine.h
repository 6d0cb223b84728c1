/*
 * Inside of the pickle reader: the stack machine that pickle_reader.c drives, its memo
 * (pickle_memo.c) and the few objects it builds (pickle_object.c). Not for other modules.
 */
#ifndef MQ_FORMAT_PICKLE_MACHINE_H
#define MQ_FORMAT_PICKLE_MACHINE_H

#include "base/strmap.h"
#include "format/pickle_reader.h"

/* Kinds that exist while reading only. */
enum {
    KIND_CLASS = MQ_PICKLE_KIND_COUNT, /* integer: enum pickle_class */
    KIND_DTYPE,                        /* internal: struct pickle_dtype */
    KIND_SHELL,                        /* an ndarray before its state */
    KIND_TIMEZONE,                     /* integer: offset in microseconds */
    KIND_OUTER                         /* the outermost container of a stream, once replaced */
};

/* mq_pickle_value.state */
enum {
    STATE_PLACED = 1,  /* inside another value: may not change any more */
    STATE_TAINTED = 2, /* a tuple that holds one of the kinds above */
    STATE_KEPT = 4     /* outlives the entries of a stream */
};

struct pickle_dtype {
    char kind;
    uint32_t width;
    bool swapped; /* big endian */
};

#define MEMO_CHUNK ((uint32_t)1 << 14)

/* A container's memo entry, good until the batch ends. */
struct pickle_local {
    struct mq_pickle_value *value;
    uint32_t number;
};

/*
 * Four bytes a memo number, in chunks made on demand: 0 unset, else a tag and a place in one of
 * three tables. When streaming, texts are interned by content, other small constants (bytes,
 * classes, dtypes) are copied aside, and containers are known within their batch only.
 */
struct pickle_memo {
    uint32_t **chunks; /* [chunk_count], NULL where no number was set yet */
    size_t chunk_count, chunk_capacity;
    uint32_t count; /* distinct numbers set: what MEMOIZE takes next */
    struct pickle_local *locals;
    size_t local_count, local_capacity;
    struct mq_strmap texts;
    struct mq_pickle_value **text_values; /* [texts.count] */
    size_t text_capacity;
    struct mq_pickle_value **kept;
    size_t kept_count, kept_capacity;
};

struct pickle_machine {
    struct mq_reader *in;
    int64_t begin;     /* reader offset of the first byte */
    int64_t op_offset; /* of the opcode at hand, from begin */
    struct mq_pickle_limits limits;
    struct mq_error *err;

    struct mq_arena *values; /* of the tree, or of the batch */
    struct mq_arena kept;    /* streaming: what outlives a batch */
    size_t table_bytes;      /* stack, marks, memo */

    bool streaming;
    mq_pickle_entry_fn fn;
    void *context;
    int64_t entries;

    struct mq_pickle_value **stack;
    size_t depth, stack_capacity;
    size_t *marks; /* stack depths */
    size_t mark_count, mark_capacity;
    struct pickle_memo *memo;

    struct mq_pickle_value *small_ints[256];
    struct mq_pickle_value *none, *yes, *no;
    unsigned char scratch[16];
};

/* Record a failure with the file's name and the opcode's byte offset. */
enum mq_status pickle_fail(struct pickle_machine *m, enum mq_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Account for table memory. */
enum mq_status pickle_charge(struct pickle_machine *m, size_t bytes);
/* Grow a table, accounted. */
enum mq_status pickle_grow(struct pickle_machine *m, void *block, size_t *capacity, size_t need,
                           size_t size);
/* Zeroed memory in the values' arena, limits checked. NULL: failure recorded, MQ_E_NOMEM. */
void *pickle_alloc(struct pickle_machine *m, size_t size);
void *pickle_alloc_aligned(struct pickle_machine *m, size_t size);
struct mq_pickle_value *pickle_value(struct pickle_machine *m, int kind);
/* A TEXT or BYTES value with room for `size` bytes and a NUL, to be filled by the caller. */
struct mq_pickle_value *pickle_text_value(struct pickle_machine *m, int kind, size_t size,
                                          char **ret_text);

/* The next `size` bytes (up to 16), good until the next call; NULL: truncated or unreadable,
 * failure recorded in m->err, code in *ret_status. */
const unsigned char *pickle_slow_bytes(struct pickle_machine *m, size_t size,
                                       enum mq_status *ret_status);

static inline const unsigned char *
pickle_bytes(struct pickle_machine *m, size_t size, enum mq_status *ret_status)
{
    struct mq_reader *in = m->in;
    if (in->window_end - in->window_begin >= size) {
        const unsigned char *p = in->window + in->window_begin;
        in->window_begin += size;
        in->offset += (int64_t)size;
        return p;
    }
    return pickle_slow_bytes(m, size, ret_status);
}

/* pickle_scalar.c: the argument of an opcode as a value. */
enum mq_status pickle_read_text(struct pickle_machine *m, int op, struct mq_pickle_value **ret);
enum mq_status pickle_read_unicode_line(struct pickle_machine *m, struct mq_pickle_value **ret);
enum mq_status pickle_read_long(struct pickle_machine *m, int op, struct mq_pickle_value **ret);
enum mq_status pickle_read_int_line(struct pickle_machine *m, int op, struct mq_pickle_value **ret);
enum mq_status pickle_read_float(struct pickle_machine *m, int op, struct mq_pickle_value **ret);
/* A line without its end, NUL-terminated in `room`. */
enum mq_status pickle_read_line(struct pickle_machine *m, char *room, size_t room_size,
                                size_t *ret_size);
enum mq_status pickle_int(struct pickle_machine *m, int64_t value, struct mq_pickle_value **ret);
enum mq_status pickle_bool(struct pickle_machine *m, bool value, struct mq_pickle_value **ret);

/* Put a child into a parent: checks that it is a plain value, depth and node limits. */
enum mq_status pickle_place(struct pickle_machine *m, struct mq_pickle_value *parent,
                            struct mq_pickle_value *child);

/* Memoise the value at *top, which may be replaced by its kept copy. */
enum mq_status pickle_memo_put(struct pickle_machine *m, uint32_t number,
                               struct mq_pickle_value **top);
enum mq_status pickle_memo_get(struct pickle_machine *m, uint32_t number,
                               struct mq_pickle_value **ret_value);
void pickle_memo_free(struct pickle_memo *memo);

/* The class of that name, or MQ_E_UNSUPPORTED. */
enum mq_status pickle_find_class(struct pickle_machine *m, const char *module, size_t module_size,
                                 const char *name, size_t name_size,
                                 struct mq_pickle_value **ret_class);
/* What calling `callable` with the tuple `args` would make. */
enum mq_status pickle_reduce(struct pickle_machine *m, const struct mq_pickle_value *callable,
                             struct mq_pickle_value *args, struct mq_pickle_value **ret_value);
/* Give a shell or dtype its state. */
enum mq_status pickle_build(struct pickle_machine *m, struct mq_pickle_value *value,
                            const struct mq_pickle_value *state);
/* Name of a class value. */
const char *pickle_class_name(const struct mq_pickle_value *value);

/* In pickle_value.c: one element of a numeric array. */
double mq_pickle_number(char kind, uint32_t width, const void *bytes);

#endif
