/*
 * Strings are interned at their second sighting: the first only leaves a hash in the table, so that
 * the keys of a million users, each seen once, neither fill the table nor the reader's memo. A slot
 * with a memo number stays for good; one with a hash alone may be taken over. When the eight slots
 * of a string's window are all taken, that string is simply written out each time.
 */
#include "format/pickle_writer.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/memory.h"
#include "base/strmap.h"
#include "format/pickle_opcodes.h"
#include "format/utf8.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "integers and arrays are copied as is");

#define OUT_BYTES ((size_t)64 << 10)
#define BATCH_ENTRIES 1000
#define BATCH_BYTES ((int64_t)64 << 10)
/* The table doubles when half of its slots hold memoised strings. */
#define INTERN_SLOTS_FIRST ((size_t)1 << 12)
#define INTERN_SLOTS_LAST ((size_t)1 << 17)
#define INTERN_WINDOW 8
#define INTERN_TEXT_MAX 64
#define DIMS_MAX 8

#define INLINE_TEXT 19

/* Two a cache line; most ids and all method names are compared without leaving it. */
struct slot {
    uint64_t hash; /* 0: empty */
    uint32_t memo; /* number + 1, 0: seen once */
    uint8_t size;
    char text[INLINE_TEXT]; /* of a memoised string; a pointer to it when longer */
};

_Static_assert(sizeof(struct slot) == 32, "a slot is half a cache line");

struct frame {
    char kind;       /* '}', ']', '(' */
    bool batch_open; /* a MARK waits for its SETITEMS or APPENDS */
    bool value_due;  /* a key was written */
    int in_batch;
    int64_t batch_begin; /* stream offset of its MARK */
};

struct mq_pickle_writer {
    struct mq_writer *out;
    unsigned char *bytes; /* [OUT_BYTES] not yet given to out */
    size_t used;
    int64_t flushed;

    struct frame frames[MQ_PICKLE_WRITE_DEPTH_MAX];
    int depth;
    bool done; /* the one outermost value is complete */

    uint32_t memo_count;
    struct slot *slots; /* [slot_count], a power of two */
    size_t slot_count, interned;
    struct mq_arena text;
    /* memo number + 1 of NumPy's names and of each dtype */
    uint32_t reconstruct_memo, ndarray_memo, dtype_class_memo, dtype_memo[MQ_PICKLE_DTYPE_COUNT];

    enum mq_status failure;
    struct mq_error error;
};

enum mq_status
mq_pickle_writer_new(struct mq_writer *out, struct mq_pickle_writer **ret_writer,
                     struct mq_error *err)
{
    struct mq_pickle_writer *writer = calloc(1, sizeof(*writer));
    if (writer != NULL) {
        writer->bytes = malloc(OUT_BYTES);
        void *slots = NULL;
        if (mq_alloc_array(INTERN_SLOTS_FIRST, sizeof(*writer->slots), &slots, NULL) == MQ_OK)
            writer->slots = slots;
        writer->slot_count = INTERN_SLOTS_FIRST;
    }
    if (writer == NULL || writer->bytes == NULL || writer->slots == NULL) {
        mq_pickle_writer_free(writer);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a pickle writer");
    }
    writer->out = out;
    memcpy(writer->bytes, "\x80\x03", 2);
    writer->used = 2;
    *ret_writer = writer;
    return MQ_OK;
}

void
mq_pickle_writer_free(struct mq_pickle_writer *writer)
{
    if (writer == NULL)
        return;
    mq_arena_release(&writer->text);
    free(writer->slots);
    free(writer->bytes);
    free(writer);
}

/* ---- bytes ------------------------------------------------------------------------------ */

static void
misuse(struct mq_pickle_writer *writer, const char *what)
{
    if (writer->failure == MQ_OK)
        writer->failure = mq_fail(&writer->error, MQ_E_INTERNAL, "cannot write pickle '%s': %s",
                                  writer->out->name, what);
}

static void
flush(struct mq_pickle_writer *writer)
{
    if (writer->failure == MQ_OK)
        writer->failure = mq_writer_put(writer->out, writer->bytes, writer->used, &writer->error);
    writer->flushed += (int64_t)writer->used;
    writer->used = 0;
}

/* Room for a few bytes; what is not filled is given back by moving `used` less far. */
static inline unsigned char *
room(struct mq_pickle_writer *writer, size_t size)
{
    if (OUT_BYTES - writer->used < size)
        flush(writer);
    return writer->bytes + writer->used;
}

static void
put(struct mq_pickle_writer *writer, const void *bytes, size_t size)
{
    if (size > OUT_BYTES / 2) {
        flush(writer);
        if (writer->failure == MQ_OK)
            writer->failure = mq_writer_put(writer->out, bytes, size, &writer->error);
        writer->flushed += (int64_t)size;
        return;
    }
    unsigned char *p = room(writer, size);
    if (size > 0)
        memcpy(p, bytes, size);
    writer->used += size;
}

static inline void
put_op(struct mq_pickle_writer *writer, unsigned char op)
{
    *room(writer, 1) = op;
    writer->used++;
}

static void
put_op_u32(struct mq_pickle_writer *writer, unsigned char op, uint32_t value)
{
    unsigned char *p = room(writer, 5);
    p[0] = op;
    memcpy(p + 1, &value, 4);
    writer->used += 5;
}

static void
put_int(struct mq_pickle_writer *writer, int64_t value)
{
    unsigned char *p = room(writer, 16);
    if (value >= 0 && value <= 0xff) {
        p[0] = OP_BININT1;
        p[1] = (unsigned char)value;
        writer->used += 2;
    } else if (value >= 0 && value <= 0xffff) {
        p[0] = OP_BININT2;
        memcpy(p + 1, &value, 2);
        writer->used += 3;
    } else if (value >= INT32_MIN && value <= INT32_MAX) {
        p[0] = OP_BININT;
        memcpy(p + 1, &value, 4);
        writer->used += 5;
    } else {
        /* Fewest bytes whose top bit is the sign. */
        unsigned char n = 8;
        while (n > 1 && (value >> (8 * n - 9) == 0 || value >> (8 * n - 9) == -1))
            n--;
        p[0] = OP_LONG1;
        p[1] = n;
        memcpy(p + 2, &value, 8);
        writer->used += 2 + (size_t)n;
    }
}

static uint32_t
put_memo(struct mq_pickle_writer *writer)
{
    uint32_t number = writer->memo_count++;
    if (number <= 0xff) {
        unsigned char *p = room(writer, 2);
        p[0] = OP_BINPUT;
        p[1] = (unsigned char)number;
        writer->used += 2;
    } else {
        put_op_u32(writer, OP_LONG_BINPUT, number);
    }
    return number + 1;
}

static void
put_reference(struct mq_pickle_writer *writer, uint32_t memo)
{
    uint32_t number = memo - 1;
    if (number <= 0xff) {
        unsigned char *p = room(writer, 2);
        p[0] = OP_BINGET;
        p[1] = (unsigned char)number;
        writer->used += 2;
    } else {
        put_op_u32(writer, OP_LONG_BINGET, number);
    }
}

/* ---- nesting ---------------------------------------------------------------------------- */

/* Called before each value: opens a batch where one is due. False: nothing may be written. */
static bool
before(struct mq_pickle_writer *writer)
{
    if (writer->failure != MQ_OK)
        return false;
    if (writer->depth == 0) {
        if (writer->done)
            misuse(writer, "a second outermost value");
        return !writer->done;
    }
    struct frame *frame = &writer->frames[writer->depth - 1];
    if (frame->kind != OP_MARK && !frame->batch_open) {
        frame->batch_begin = writer->flushed + (int64_t)writer->used;
        frame->batch_open = true;
        frame->in_batch = 0;
        put_op(writer, OP_MARK);
    }
    return true;
}

static void
close_batch(struct mq_pickle_writer *writer, struct frame *frame)
{
    if (frame->batch_open)
        put_op(writer, frame->kind == OP_EMPTY_DICT ? OP_SETITEMS : OP_APPENDS);
    frame->batch_open = false;
}

/* Called after each value is complete. */
static void
after(struct mq_pickle_writer *writer)
{
    if (writer->depth == 0) {
        writer->done = true;
        return;
    }
    struct frame *frame = &writer->frames[writer->depth - 1];
    if (frame->kind == OP_MARK)
        return;
    if (frame->kind == OP_EMPTY_DICT) {
        frame->value_due = !frame->value_due;
        if (frame->value_due)
            return;
    }
    if (++frame->in_batch >= BATCH_ENTRIES ||
        writer->flushed + (int64_t)writer->used - frame->batch_begin >= BATCH_BYTES)
        close_batch(writer, frame);
}

static void
begin(struct mq_pickle_writer *writer, char kind)
{
    if (!before(writer))
        return;
    if (writer->depth == MQ_PICKLE_WRITE_DEPTH_MAX) {
        misuse(writer, "nested too deep");
        return;
    }
    put_op(writer, (unsigned char)kind);
    writer->frames[writer->depth++] = (struct frame){.kind = kind};
}

void
mq_pickle_begin_dict(struct mq_pickle_writer *writer)
{
    begin(writer, OP_EMPTY_DICT);
}

void
mq_pickle_begin_list(struct mq_pickle_writer *writer)
{
    begin(writer, OP_EMPTY_LIST);
}

void
mq_pickle_begin_tuple(struct mq_pickle_writer *writer)
{
    begin(writer, OP_MARK);
}

void
mq_pickle_end(struct mq_pickle_writer *writer)
{
    if (writer->failure != MQ_OK)
        return;
    if (writer->depth == 0) {
        misuse(writer, "nothing is open to be closed");
        return;
    }
    struct frame *frame = &writer->frames[writer->depth - 1];
    if (frame->value_due) {
        misuse(writer, "a dict was closed after a key without a value");
        return;
    }
    if (frame->kind == OP_MARK)
        put_op(writer, OP_TUPLE);
    else
        close_batch(writer, frame);
    writer->depth--;
    after(writer);
}

/* ---- values ----------------------------------------------------------------------------- */

static bool
same_text(const struct slot *slot, const char *text)
{
    const char *known = slot->text;
    if (slot->size > INLINE_TEXT)
        memcpy(&known, slot->text, sizeof(known));
    return memcmp(known, text, slot->size) == 0;
}

static struct slot *
find_slot(struct mq_pickle_writer *writer, uint64_t hash, const char *text, size_t size)
{
    struct slot *empty = NULL, *spare = NULL;
    for (size_t i = 0; i < INTERN_WINDOW; i++) {
        struct slot *slot = &writer->slots[(hash + i) & (writer->slot_count - 1)];
        if (slot->hash == hash) {
            if (slot->memo == 0 || (slot->size == size && same_text(slot, text)))
                return slot;
        } else if (slot->hash == 0) {
            empty = slot; /* slots are never emptied: the string cannot lie further on */
            break;
        } else if (slot->memo == 0) {
            spare = spare != NULL ? spare : slot;
        }
    }
    struct slot *slot = empty != NULL ? empty : spare;
    if (slot != NULL)
        *slot = (struct slot){0};
    return slot;
}

/* Double the table; a string that finds no place in its window is interned anew when it returns. */
static void
grow_slots(struct mq_pickle_writer *writer)
{
    struct slot *old = writer->slots;
    size_t old_count = writer->slot_count;
    void *fresh = NULL;
    if (mq_alloc_array(2 * old_count, sizeof(*old), &fresh, NULL) != MQ_OK)
        return; /* goes on with the small table: the output is longer, not wrong */
    writer->slots = fresh;
    writer->slot_count = 2 * old_count;
    writer->interned = 0;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].memo == 0)
            continue;
        for (size_t k = 0; k < INTERN_WINDOW; k++) {
            struct slot *slot = &writer->slots[(old[i].hash + k) & (writer->slot_count - 1)];
            if (slot->hash == 0) {
                *slot = old[i];
                writer->interned++;
                break;
            }
        }
    }
    mq_free(old);
}

static void
put_text(struct mq_pickle_writer *writer, const char *text, size_t size)
{
    struct slot *slot = NULL;
    uint64_t hash = 0;
    if (size <= INTERN_TEXT_MAX) {
        hash = mq_hash_bytes(text, size, 0) | 1;
        slot = find_slot(writer, hash, text, size);
        if (slot != NULL && slot->memo != 0) {
            put_reference(writer, slot->memo);
            return;
        }
    }
    if (size > UINT32_MAX || !mq_utf8_valid(text, size)) {
        writer->failure = mq_fail(&writer->error, MQ_E_FORMAT,
                                  "cannot write pickle '%s': a text of %zu bytes is not UTF-8",
                                  writer->out->name, size);
        return;
    }
    put_op_u32(writer, OP_BINUNICODE, (uint32_t)size);
    put(writer, text, size);
    if (slot == NULL)
        return;
    if (slot->hash == 0) {
        slot->hash = hash;
        return;
    }
    if (size > INLINE_TEXT) {
        const char *copy = mq_arena_copy(&writer->text, text, size);
        if (copy == NULL)
            return; /* stays un-interned: the output is longer, not wrong */
        memcpy(slot->text, &copy, sizeof(copy));
    } else if (size > 0) {
        memcpy(slot->text, text, size);
    }
    slot->size = (uint8_t)size;
    slot->memo = put_memo(writer);
    if (++writer->interned > writer->slot_count / 2 && writer->slot_count < INTERN_SLOTS_LAST)
        grow_slots(writer);
}

static void
put_bytes(struct mq_pickle_writer *writer, const void *bytes, size_t size)
{
    if (size <= 0xff) {
        unsigned char *p = room(writer, 2);
        p[0] = OP_SHORT_BINBYTES;
        p[1] = (unsigned char)size;
        writer->used += 2;
    } else if (size <= UINT32_MAX) {
        put_op_u32(writer, OP_BINBYTES, (uint32_t)size);
    } else {
        writer->failure =
            mq_fail(&writer->error, MQ_E_RANGE,
                    "cannot write pickle '%s': %zu bytes in one value (allowed: below 4 GiB)",
                    writer->out->name, size);
        return;
    }
    put(writer, bytes, size);
}

void
mq_pickle_put_text(struct mq_pickle_writer *writer, const char *text, size_t size)
{
    if (before(writer)) {
        put_text(writer, text, size);
        after(writer);
    }
}

void
mq_pickle_put_string(struct mq_pickle_writer *writer, const char *text)
{
    mq_pickle_put_text(writer, text, strlen(text));
}

void
mq_pickle_put_int(struct mq_pickle_writer *writer, int64_t value)
{
    if (before(writer)) {
        put_int(writer, value);
        after(writer);
    }
}

void
mq_pickle_put_real(struct mq_pickle_writer *writer, double value)
{
    if (!before(writer))
        return;
    uint64_t bits;
    memcpy(&bits, &value, 8);
    bits = __builtin_bswap64(bits);
    unsigned char *p = room(writer, 9);
    p[0] = OP_BINFLOAT;
    memcpy(p + 1, &bits, 8);
    writer->used += 9;
    after(writer);
}

static void
put_atom(struct mq_pickle_writer *writer, unsigned char op)
{
    if (before(writer)) {
        put_op(writer, op);
        after(writer);
    }
}

void
mq_pickle_put_bool(struct mq_pickle_writer *writer, bool value)
{
    put_atom(writer, value ? OP_NEWTRUE : OP_NEWFALSE);
}

void
mq_pickle_put_none(struct mq_pickle_writer *writer)
{
    put_atom(writer, OP_NONE);
}

void
mq_pickle_put_bytes(struct mq_pickle_writer *writer, const void *bytes, size_t size)
{
    if (before(writer)) {
        put_bytes(writer, bytes, size);
        after(writer);
    }
}

/* ---- NumPy ------------------------------------------------------------------------------ */

static void
put_name(struct mq_pickle_writer *writer, const char *module, const char *name, uint32_t *memo)
{
    if (*memo != 0) {
        put_reference(writer, *memo);
        return;
    }
    put_op(writer, OP_GLOBAL);
    put(writer, module, strlen(module));
    put_op(writer, '\n');
    put(writer, name, strlen(name));
    put_op(writer, '\n');
    *memo = put_memo(writer);
}

static void
put_dtype(struct mq_pickle_writer *writer, enum mq_pickle_dtype dtype)
{
    static const char *const names[] = {"f4", "f8", "i4", "i8", "u1"};
    if (writer->dtype_memo[dtype] != 0) {
        put_reference(writer, writer->dtype_memo[dtype]);
        return;
    }
    /* numpy.dtype(name, False, True), then its state (3, order, None, None, None, -1, -1, 0) */
    put_name(writer, "numpy", "dtype", &writer->dtype_class_memo);
    put_text(writer, names[dtype], 2);
    put(writer, "\x89\x88\x87R", 4);
    writer->dtype_memo[dtype] = put_memo(writer);
    put(writer, "(K\x03", 3);
    put_text(writer, dtype == MQ_PICKLE_U1 ? "|" : "<", 1);
    put(writer, "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb", 17);
}

void
mq_pickle_put_array(struct mq_pickle_writer *writer, enum mq_pickle_dtype dtype, int dims,
                    const int64_t *shape, const void *data)
{
    static const size_t widths[] = {4, 8, 4, 8, 1};
    if (!before(writer))
        return;
    if (dims < 1 || dims > DIMS_MAX || (unsigned)dtype >= MQ_PICKLE_DTYPE_COUNT) {
        misuse(writer, "an array must have 1 to 8 dimensions and a known type");
        return;
    }
    size_t size = widths[dtype];
    for (int i = 0; i < dims; i++) {
        if (shape[i] < 0 || __builtin_mul_overflow(size, (size_t)shape[i], &size)) {
            misuse(writer, "the shape of an array is negative or too large");
            return;
        }
    }
    /* _reconstruct(ndarray, (0,), b'b'), then the state (1, shape, dtype, False, data) */
    put_name(writer, "numpy.core.multiarray", "_reconstruct", &writer->reconstruct_memo);
    put_name(writer, "numpy", "ndarray", &writer->ndarray_memo);
    put(writer,
        "K\x00\x85"
        "C\x01"
        "b\x87R(K\x01",
        11);
    if (dims > 3)
        put_op(writer, OP_MARK);
    for (int i = 0; i < dims; i++)
        put_int(writer, shape[i]);
    put_op(writer, dims > 3 ? (unsigned char)OP_TUPLE : (unsigned char)(OP_TUPLE1 + dims - 1));
    put_dtype(writer, dtype);
    put_op(writer, OP_NEWFALSE);
    put_bytes(writer, data, size);
    put(writer, "tb", 2);
    after(writer);
}

/* ---- end -------------------------------------------------------------------------------- */

bool
mq_pickle_failed(const struct mq_pickle_writer *writer)
{
    return writer->failure != MQ_OK;
}

enum mq_status
mq_pickle_finish(struct mq_pickle_writer *writer, struct mq_error *err)
{
    if (writer->failure == MQ_OK && (writer->depth != 0 || !writer->done))
        misuse(writer, writer->depth != 0 ? "a container is still open" : "no value was written");
    if (writer->failure == MQ_OK) {
        put_op(writer, OP_STOP);
        flush(writer);
    }
    if (writer->failure != MQ_OK && err != NULL)
        *err = writer->error;
    return writer->failure;
}
