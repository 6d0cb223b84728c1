/*
 * Any bytes as a pickle, whole and as a stream. What is read whole is walked, written, and read
 * again; the two must be equal.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "format/pickle_reader.h"
#include "format/pickle_writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mq_pickle_limits limits = {
    .memory_bytes = 32 << 20, .text_bytes = 1 << 20, .nodes = 20000};

/* Kinds that the writer has no call for are written as something comparable. */
static void
write_value(struct mq_pickle_writer *w, const struct mq_pickle_value *v)
{
    switch ((enum mq_pickle_kind)v->kind) {
    case MQ_PICKLE_NONE:
        mq_pickle_put_none(w);
        break;
    case MQ_PICKLE_BOOL:
        mq_pickle_put_bool(w, v->truth);
        break;
    case MQ_PICKLE_INT:
    case MQ_PICKLE_INSTANT:
    case MQ_PICKLE_DATE:
    case MQ_PICKLE_DURATION:
        mq_pickle_put_int(w, v->integer);
        break;
    case MQ_PICKLE_REAL:
        mq_pickle_put_real(w, v->real);
        break;
    case MQ_PICKLE_TEXT:
    case MQ_PICKLE_BIG_INT:
        mq_pickle_put_text(w, v->text, v->size);
        break;
    case MQ_PICKLE_BYTES:
        mq_pickle_put_bytes(w, v->text, v->size);
        break;
    case MQ_PICKLE_LIST:
    case MQ_PICKLE_SET:
    case MQ_PICKLE_TUPLE:
        if (v->kind == MQ_PICKLE_TUPLE)
            mq_pickle_begin_tuple(w);
        else
            mq_pickle_begin_list(w);
        for (size_t i = 0; i < v->size; i++)
            write_value(w, mq_pickle_item(v, i));
        mq_pickle_end(w);
        break;
    case MQ_PICKLE_DICT:
        mq_pickle_begin_dict(w);
        for (size_t i = 0; i < v->size; i++) {
            write_value(w, mq_pickle_key(v, i));
            write_value(w, mq_pickle_at(v, i));
        }
        mq_pickle_end(w);
        break;
    case MQ_PICKLE_ARRAY:
        mq_pickle_put_bytes(w, v->array->data, (size_t)v->array->count * v->array->width);
        break;
    case MQ_PICKLE_KIND_COUNT:
        abort();
    }
}

static void
compare(const struct mq_pickle_value *a, const struct mq_pickle_value *b)
{
    bool same;
    switch ((enum mq_pickle_kind)a->kind) {
    case MQ_PICKLE_NONE:
        same = mq_pickle_is_none(b);
        break;
    case MQ_PICKLE_BOOL:
        same = b->kind == MQ_PICKLE_BOOL && b->truth == a->truth;
        break;
    case MQ_PICKLE_INT:
    case MQ_PICKLE_INSTANT:
    case MQ_PICKLE_DATE:
    case MQ_PICKLE_DURATION:
        same = b->kind == MQ_PICKLE_INT && b->integer == a->integer;
        break;
    case MQ_PICKLE_REAL:
        same = b->kind == MQ_PICKLE_REAL && memcmp(&b->real, &a->real, sizeof(double)) == 0;
        break;
    case MQ_PICKLE_TEXT:
    case MQ_PICKLE_BIG_INT:
        same = b->kind == MQ_PICKLE_TEXT && b->size == a->size &&
               memcmp(a->text, b->text, a->size) == 0;
        break;
    case MQ_PICKLE_BYTES:
        same = b->kind == MQ_PICKLE_BYTES && b->size == a->size &&
               (a->size == 0 || memcmp(a->text, b->text, a->size) == 0);
        break;
    case MQ_PICKLE_ARRAY:
        same = b->kind == MQ_PICKLE_BYTES && b->size == (size_t)a->array->count * a->array->width &&
               (b->size == 0 || memcmp(a->array->data, b->text, b->size) == 0);
        for (int64_t i = 0; i < a->array->count; i++)
            (void)mq_pickle_array_real(a->array, i);
        break;
    case MQ_PICKLE_LIST:
    case MQ_PICKLE_TUPLE:
    case MQ_PICKLE_SET:
        same = mq_pickle_count(b) == a->size;
        for (size_t i = 0; same && i < a->size; i++)
            compare(mq_pickle_item(a, i), mq_pickle_item(b, i));
        break;
    case MQ_PICKLE_DICT:
        same = b->kind == MQ_PICKLE_DICT && b->size == a->size;
        for (size_t i = 0; same && i < a->size; i++) {
            compare(mq_pickle_key(a, i), mq_pickle_key(b, i));
            compare(mq_pickle_at(a, i), mq_pickle_at(b, i));
        }
        break;
    default:
        same = false;
        break;
    }
    if (!same)
        abort();
}

struct walk {
    size_t entry;
};

/* Touch everything that a consumer may touch. */
static void
touch(const struct mq_pickle_value *v)
{
    if (mq_pickle_kind_name(v) == NULL || v->kind >= MQ_PICKLE_KIND_COUNT)
        abort();
    if ((v->kind == MQ_PICKLE_TEXT || v->kind == MQ_PICKLE_BYTES) && v->text[v->size] != '\0')
        abort();
    for (size_t i = 0; i < mq_pickle_count(v); i++) {
        if (v->kind == MQ_PICKLE_DICT) {
            touch(mq_pickle_key(v, i));
            touch(mq_pickle_at(v, i));
        } else {
            touch(mq_pickle_item(v, i));
        }
    }
}

static enum mq_status
check_entry(void *context, const struct mq_pickle_value *key, const struct mq_pickle_value *value,
            struct mq_error *err)
{
    struct walk *walk = context;
    if (key != NULL)
        touch(key);
    touch(value);
    walk->entry++;
    return MQ_OK;
}

static void
compare_written(const struct mq_pickle_value *value)
{
    struct mq_buffer buffer = {0};
    struct mq_writer *out;
    struct mq_reader *in;
    struct mq_pickle_writer *w;
    struct mq_arena arena = {0};
    struct mq_error err = {0};
    const struct mq_pickle_value *again;
    if (mq_writer_to_buffer(&buffer, &out, &err) != MQ_OK ||
        mq_pickle_writer_new(out, &w, &err) != MQ_OK)
        abort();
    write_value(w, value);
    enum mq_status st = mq_pickle_finish(w, &err);
    if (st == MQ_E_INTERNAL) { /* nested deeper than the writer goes */
        mq_pickle_writer_free(w);
        mq_writer_close(out);
        mq_buffer_release(&buffer);
        return;
    }
    if (st != MQ_OK || mq_writer_commit(out, &err) != MQ_OK ||
        mq_reader_from_memory(buffer.data, buffer.size, "again", &in, &err) != MQ_OK ||
        mq_pickle_read(in, NULL, &arena, &again, &err) != MQ_OK)
        abort();
    compare(value, again);
    mq_reader_close(in);
    mq_arena_release(&arena);
    mq_pickle_writer_free(w);
    mq_writer_close(out);
    mq_buffer_release(&buffer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mq_error err = {0};
    struct mq_arena arena = {0};
    struct mq_reader *in;
    const struct mq_pickle_value *value = NULL;
    if (mq_reader_from_memory(data, size, "fuzz", &in, NULL) != MQ_OK)
        abort();
    enum mq_status st = mq_pickle_read(in, &limits, &arena, &value, &err);
    if ((st == MQ_OK) != (value != NULL) || (st != MQ_OK && err.message[0] == '\0'))
        abort();
    mq_reader_close(in);
    if (value != NULL)
        compare_written(value);

    struct walk walk = {0};
    int64_t count = 0;
    if (mq_reader_from_memory(data, size, "fuzz", &in, NULL) != MQ_OK)
        abort();
    if (mq_pickle_stream(in, &limits, check_entry, &walk, &count, &err) == MQ_OK && value != NULL &&
        (count != (int64_t)walk.entry || walk.entry != mq_pickle_count(value)))
        abort();
    mq_reader_close(in);
    mq_arena_release(&arena);
    return 0;
}
