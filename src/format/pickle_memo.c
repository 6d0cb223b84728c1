#include "format/pickle_machine.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define TAG_LOCAL (1u << 30)
#define TAG_TEXT (2u << 30)
#define TAG_KEPT (3u << 30)
#define TAG_MASK (3u << 30)
#define PLACE_MASK ((1u << 30) - 1)

void
pickle_memo_free(struct pickle_memo *memo)
{
    if (memo == NULL)
        return;
    for (size_t i = 0; i < memo->chunk_count; i++)
        free(memo->chunks[i]);
    free(memo->chunks);
    free(memo->locals);
    free(memo->text_values);
    free(memo->kept);
    mq_strmap_release(&memo->texts);
    free(memo);
}

static enum mq_status
slot_of(struct pickle_machine *m, uint32_t number, uint32_t **ret_slot)
{
    if (number >= MQ_PICKLE_MEMO_MAX)
        return pickle_fail(m, MQ_E_RANGE, "memo number %u (allowed: below %u)", number,
                           MQ_PICKLE_MEMO_MAX);
    struct pickle_memo *memo = m->memo;
    size_t at = number / MEMO_CHUNK;
    if (at >= memo->chunk_count) {
        enum mq_status st =
            pickle_grow(m, &memo->chunks, &memo->chunk_capacity, at + 1, sizeof(*memo->chunks));
        if (st != MQ_OK)
            return st;
        while (memo->chunk_count <= at)
            memo->chunks[memo->chunk_count++] = NULL;
    }
    uint32_t **chunk = &memo->chunks[at];
    if (*chunk == NULL) {
        enum mq_status st = pickle_charge(m, MEMO_CHUNK * sizeof(uint32_t));
        if (st != MQ_OK)
            return st;
        *chunk = calloc(MEMO_CHUNK, sizeof(uint32_t));
        if (*chunk == NULL)
            return pickle_fail(m, MQ_E_NOMEM, "no memory for the memo");
    }
    *ret_slot = &(*chunk)[number % MEMO_CHUNK];
    return MQ_OK;
}

/* Copy a constant to where it outlives the batch. */
static enum mq_status
keep(struct pickle_machine *m, const struct mq_pickle_value *value,
     struct mq_pickle_value **ret_kept)
{
    struct mq_arena *batch = m->values;
    m->values = &m->kept;
    m->table_bytes += batch->used_bytes;
    enum mq_status st = MQ_OK;
    struct mq_pickle_value *copy;
    if (value->kind == MQ_PICKLE_BYTES || value->kind == MQ_PICKLE_TEXT) {
        char *text;
        copy = pickle_text_value(m, value->kind, value->size, &text);
        if (copy != NULL && value->size > 0)
            memcpy(text, value->text, value->size);
    } else {
        copy = pickle_value(m, value->kind);
        if (copy != NULL) {
            *copy = *value;
            if (value->kind == KIND_DTYPE) {
                copy->internal = pickle_alloc(m, sizeof(struct pickle_dtype));
                if (copy->internal != NULL)
                    memcpy(copy->internal, value->internal, sizeof(struct pickle_dtype));
                else
                    copy = NULL;
            }
        }
    }
    m->values = batch;
    m->table_bytes -= batch->used_bytes;
    if (copy == NULL)
        return MQ_E_NOMEM;
    copy->state = STATE_KEPT;
    *ret_kept = copy;
    return st;
}

static enum mq_status
put_text(struct pickle_machine *m, struct mq_pickle_value **top, uint32_t *ret_code)
{
    struct pickle_memo *memo = m->memo;
    int32_t code, before = memo->texts.count;
    enum mq_status st = mq_strmap_add(&memo->texts, (*top)->text, (*top)->size, &code, m->err);
    if (st == MQ_OK && memo->texts.count > before) {
        /* Two look-up words and the key beside what pickle_grow and the values' arena count. */
        st = pickle_charge(m, (*top)->size + 32);
        if (st == MQ_OK)
            st = pickle_grow(m, &memo->text_values, &memo->text_capacity, (size_t)memo->texts.count,
                             sizeof(*memo->text_values));
        if (st != MQ_OK)
            return st;
        struct mq_arena *batch = m->values;
        m->values = &m->kept;
        m->table_bytes += batch->used_bytes;
        struct mq_pickle_value *value = pickle_value(m, MQ_PICKLE_TEXT);
        m->values = batch;
        m->table_bytes -= batch->used_bytes;
        if (value == NULL)
            return MQ_E_NOMEM;
        value->text = memo->texts.keys[code];
        value->size = memo->texts.sizes[code];
        value->state = STATE_KEPT;
        memo->text_values[code] = value;
    }
    if (st != MQ_OK)
        return st;
    *top = memo->text_values[code];
    *ret_code = TAG_TEXT | (uint32_t)code;
    return MQ_OK;
}

enum mq_status
pickle_memo_put(struct pickle_machine *m, uint32_t number, struct mq_pickle_value **top)
{
    struct pickle_memo *memo = m->memo;
    uint32_t *slot = NULL, code;
    enum mq_status st = slot_of(m, number, &slot);
    if (st != MQ_OK)
        return st;
    int kind = (*top)->kind;
    bool constant = kind == MQ_PICKLE_TEXT || kind == MQ_PICKLE_BYTES || kind == KIND_CLASS ||
                    kind == KIND_DTYPE || kind == KIND_TIMEZONE;
    if (m->streaming && kind == MQ_PICKLE_TEXT && (*top)->size <= MQ_STRMAP_KEY_MAX) {
        if ((st = put_text(m, top, &code)) != MQ_OK)
            return st;
    } else if (m->streaming && constant) {
        st = pickle_grow(m, &memo->kept, &memo->kept_capacity, memo->kept_count + 1,
                         sizeof(*memo->kept));
        if (st == MQ_OK && !((*top)->state & STATE_KEPT))
            st = keep(m, *top, top);
        if (st != MQ_OK)
            return st;
        code = TAG_KEPT | (uint32_t)memo->kept_count;
        memo->kept[memo->kept_count++] = *top;
    } else {
        st = pickle_grow(m, &memo->locals, &memo->local_capacity, memo->local_count + 1,
                         sizeof(*memo->locals));
        if (st != MQ_OK)
            return st;
        code = TAG_LOCAL | (uint32_t)memo->local_count;
        memo->locals[memo->local_count++] = (struct pickle_local){*top, number};
    }
    if (memo->kept_count > PLACE_MASK || memo->local_count > PLACE_MASK)
        return pickle_fail(m, MQ_E_RANGE, "more than %u memo entries", PLACE_MASK);
    memo->count += *slot == 0;
    *slot = code;
    return MQ_OK;
}

enum mq_status
pickle_memo_get(struct pickle_machine *m, uint32_t number, struct mq_pickle_value **ret_value)
{
    const struct pickle_memo *memo = m->memo;
    size_t at = number / MEMO_CHUNK;
    const uint32_t *chunk = at < memo->chunk_count ? memo->chunks[at] : NULL;
    uint32_t code = chunk != NULL ? chunk[number % MEMO_CHUNK] : 0;
    uint32_t place = code & PLACE_MASK;
    switch (code & TAG_MASK) {
    case TAG_TEXT:
        *ret_value = memo->text_values[place];
        return MQ_OK;
    case TAG_KEPT:
        *ret_value = memo->kept[place];
        return MQ_OK;
    case TAG_LOCAL:
        if (place < memo->local_count && memo->locals[place].number == number) {
            *ret_value = memo->locals[place].value;
            return MQ_OK;
        }
        return pickle_fail(m, MQ_E_UNSUPPORTED,
                           "reference %u goes back to a container of an earlier entry; such a file "
                           "can only be read as a whole",
                           number);
    default:
        return pickle_fail(m, MQ_E_FORMAT, "reference to memo number %u, which is not set", number);
    }
}
