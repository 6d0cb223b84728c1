#include "store/record_codec.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "store/feature_store_backend.h"

#define LAYOUT 1

/* ---- encoding --------------------------------------------------------------------------- */

static enum mq_status
put_text(struct mq_buffer *buffer, const struct mq_text *text, struct mq_error *err)
{
    uint32_t size = (uint32_t)text->size;
    enum mq_status st = mq_buffer_append(buffer, &size, sizeof(size), err);
    if (st == MQ_OK)
        st = mq_buffer_append(buffer, text->data, text->size, err);
    return st == MQ_OK ? mq_buffer_append_char(buffer, '\0', err) : st;
}

static enum mq_status
put_payload(struct mq_buffer *buffer, const struct mq_attribute *a, struct mq_error *err)
{
    uint32_t count;
    enum mq_status st;
    switch (a->type) {
    case MQ_ATTRIBUTE_BOOL:
        return mq_buffer_append_char(buffer, a->truth ? 1 : 0, err);
    case MQ_ATTRIBUTE_INTEGER:
        return mq_buffer_append(buffer, &a->integer, sizeof(a->integer), err);
    case MQ_ATTRIBUTE_REAL:
        return mq_buffer_append(buffer, &a->real, sizeof(a->real), err);
    case MQ_ATTRIBUTE_TEXT:
    case MQ_ATTRIBUTE_BYTES:
        return put_text(buffer, &a->text, err);
    case MQ_ATTRIBUTE_TEXT_SET:
        count = (uint32_t)a->texts.count;
        st = mq_buffer_append(buffer, &count, sizeof(count), err);
        for (size_t i = 0; st == MQ_OK && i < a->texts.count; i++)
            st = put_text(buffer, &a->texts.items[i], err);
        return st;
    case MQ_ATTRIBUTE_REALS:
    case MQ_ATTRIBUTE_NUMBER_SET:
        count = (uint32_t)a->reals.count;
        st = mq_buffer_append(buffer, &count, sizeof(count), err);
        if (st == MQ_OK)
            st = mq_buffer_reserve(buffer, count * sizeof(double), err);
        for (size_t i = 0; st == MQ_OK && i < a->reals.count; i++) {
            double kept = mq_feature_number(a->reals.items[i]);
            st = mq_buffer_append(buffer, &kept, sizeof(kept), err);
        }
        return st;
    default:
        return MQ_OK;
    }
}

enum mq_status
mq_record_encode(const struct mq_record *record, struct mq_buffer *buffer, struct mq_error *err)
{
    int64_t version = record->version > 0 ? record->version : 1;
    uint16_t count = (uint16_t)record->attribute_count;
    enum mq_status st = mq_buffer_append_char(buffer, LAYOUT, err);
    if (st == MQ_OK)
        st = mq_buffer_append(buffer, &version, sizeof(version), err);
    if (st == MQ_OK)
        st = mq_buffer_append(buffer, &record->expires_s, sizeof(record->expires_s), err);
    if (st == MQ_OK)
        st = mq_buffer_append(buffer, &count, sizeof(count), err);
    for (size_t i = 0; st == MQ_OK && i < record->attribute_count; i++) {
        const struct mq_attribute *a = &record->attributes[i];
        struct mq_attribute number = *a;
        if (a->type == MQ_ATTRIBUTE_REAL) {
            number.real = mq_feature_number(a->real);
            if (mq_feature_number_is_whole(number.real, &number.integer))
                number.type = MQ_ATTRIBUTE_INTEGER;
            a = &number;
        }
        size_t size = strlen(a->name);
        st = mq_buffer_append_char(buffer, (char)size, err);
        if (st == MQ_OK)
            st = mq_buffer_append(buffer, a->name, size + 1, err);
        if (st == MQ_OK)
            st = mq_buffer_append_char(buffer, (char)a->type, err);
        if (st == MQ_OK)
            st = put_payload(buffer, a, err);
    }
    return st;
}

/* ---- decoding --------------------------------------------------------------------------- */

struct cursor {
    const unsigned char *p, *end;
};

static bool
take(struct cursor *c, void *ret, size_t size)
{
    if ((size_t)(c->end - c->p) < size)
        return false;
    memcpy(ret, c->p, size);
    c->p += size;
    return true;
}

static bool
take_text(struct cursor *c, struct mq_arena *arena, struct mq_text *ret_text)
{
    uint32_t size;
    if (!take(c, &size, sizeof(size)) || (size_t)(c->end - c->p) <= size || c->p[size] != '\0')
        return false;
    ret_text->data = mq_arena_copy(arena, c->p, size);
    ret_text->size = size;
    c->p += (size_t)size + 1;
    return ret_text->data != NULL;
}

static bool
take_payload(struct cursor *c, struct mq_arena *arena, struct mq_attribute *a)
{
    uint32_t count;
    unsigned char truth;
    switch (a->type) {
    case MQ_ATTRIBUTE_NULL:
        return true;
    case MQ_ATTRIBUTE_BOOL:
        if (!take(c, &truth, 1) || truth > 1)
            return false;
        a->truth = truth == 1;
        return true;
    case MQ_ATTRIBUTE_INTEGER:
        return take(c, &a->integer, sizeof(a->integer));
    case MQ_ATTRIBUTE_REAL:
        return take(c, &a->real, sizeof(a->real)) && isfinite(a->real);
    case MQ_ATTRIBUTE_TEXT:
    case MQ_ATTRIBUTE_BYTES:
        return take_text(c, arena, &a->text);
    case MQ_ATTRIBUTE_TEXT_SET: {
        /* Each text takes at least five bytes: a count beyond that is a lie. */
        if (!take(c, &count, sizeof(count)) || count > (size_t)(c->end - c->p) / 5)
            return false;
        struct mq_text *items = mq_arena_array(arena, count, sizeof(*items));
        if (items == NULL)
            return false;
        for (uint32_t i = 0; i < count; i++)
            if (!take_text(c, arena, &items[i]))
                return false;
        a->texts.items = items;
        a->texts.count = count;
        return true;
    }
    case MQ_ATTRIBUTE_REALS:
    case MQ_ATTRIBUTE_NUMBER_SET: {
        if (!take(c, &count, sizeof(count)) || count > (size_t)(c->end - c->p) / sizeof(double))
            return false;
        double *items = mq_arena_array(arena, count, sizeof(*items));
        if (items == NULL || !take(c, items, count * sizeof(double)))
            return false;
        a->reals.items = items;
        a->reals.count = count;
        return true;
    }
    default:
        return false;
    }
}

enum mq_status
mq_record_decode(const char *key, const void *bytes, size_t size, struct mq_arena *arena,
                 struct mq_record *ret_record, struct mq_error *err)
{
    struct cursor c = {bytes, (const unsigned char *)bytes + size};
    struct mq_record record = {.key = key, .found = true};
    unsigned char layout, byte;
    uint16_t count;
    if (!take(&c, &layout, 1))
        goto malformed;
    if (layout != LAYOUT)
        return mq_fail(err, MQ_E_UNSUPPORTED, "record '%.64s' has layout %u, known here is %d", key,
                       layout, LAYOUT);
    if (!take(&c, &record.version, sizeof(record.version)) ||
        !take(&c, &record.expires_s, sizeof(record.expires_s)) ||
        !take(&c, &count, sizeof(count)) || count > MQ_RECORD_ATTRIBUTES_MAX)
        goto malformed;
    struct mq_attribute *attributes = mq_arena_array(arena, count, sizeof(*attributes));
    if (attributes == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate record '%.64s'", key);
    for (uint16_t i = 0; i < count; i++) {
        struct mq_attribute *a = &attributes[i];
        if (!take(&c, &byte, 1) || (size_t)(c.end - c.p) <= byte || c.p[byte] != '\0' ||
            memchr(c.p, '\0', byte) != NULL)
            goto malformed;
        a->name = mq_arena_copy(arena, c.p, byte);
        if (a->name == NULL)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate record '%.64s'", key);
        c.p += (size_t)byte + 1;
        if (!take(&c, &byte, 1) || byte >= MQ_ATTRIBUTE_TYPE_COUNT)
            goto malformed;
        a->type = (enum mq_attribute_type)byte;
        if (!take_payload(&c, arena, a))
            goto malformed;
    }
    if (c.p != c.end)
        goto malformed;
    record.attributes = attributes;
    record.attribute_count = count;
    *ret_record = record;
    return MQ_OK;
malformed:
    return mq_fail(err, MQ_E_FORMAT, "record '%.64s' is damaged (%zu bytes)", key, size);
}

/* ---- updates ---------------------------------------------------------------------------- */

enum mq_status
mq_record_merge(const char *key, const struct mq_record *before, const struct mq_attribute *changes,
                size_t change_count, struct mq_arena *arena, struct mq_record *ret_record,
                struct mq_error *err)
{
    size_t old_count = before != NULL ? before->attribute_count : 0;
    struct mq_attribute *merged = mq_arena_array(arena, old_count + change_count, sizeof(*merged));
    if (merged == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate record '%.64s'", key);
    size_t count = 0;
    for (size_t i = 0; i < old_count; i++)
        merged[count++] = before->attributes[i];
    for (size_t i = 0; i < change_count; i++) {
        size_t place = 0;
        while (place < count && strcmp(merged[place].name, changes[i].name) != 0)
            place++;
        if (changes[i].type == MQ_ATTRIBUTE_NULL) {
            if (place < count)
                memmove(&merged[place], &merged[place + 1], (--count - place) * sizeof(*merged));
            continue;
        }
        merged[place] = changes[i];
        if (place == count)
            count++;
    }
    if (count > MQ_RECORD_ATTRIBUTES_MAX)
        return mq_fail(err, MQ_E_RANGE, "record '%.64s' would have %zu attributes (at most %d)",
                       key, count, MQ_RECORD_ATTRIBUTES_MAX);
    *ret_record = (struct mq_record){.key = key,
                                     .version = before != NULL ? before->version + 1 : 1,
                                     .expires_s = before != NULL ? before->expires_s : 0,
                                     .attributes = merged,
                                     .attribute_count = count,
                                     .found = true};
    return MQ_OK;
}
