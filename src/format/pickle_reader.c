/*
 * The stack machine of pickle. A container may be filled only until it is placed inside another
 * one: pickles of acyclic values never need more, and it makes cycles impossible and lets depth and
 * size be known at once.
 */
#include "format/pickle_reader.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "format/number_text.h"
#include "format/pickle_machine.h"
#include "format/pickle_opcodes.h"

#define DEFAULT_MEMORY ((size_t)4 << 30)
#define DEFAULT_TEXT ((size_t)1 << 30)
#define DEFAULT_NODES ((uint64_t)1 << 32)

/* ---- failures and memory ---------------------------------------------------------------- */

enum mq_status
pickle_fail(struct pickle_machine *m, enum mq_status code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    mq_failv(m->err, code, format, args);
    va_end(args);
    return mq_fail_context(m->err, code, "cannot read pickle '%s': byte %lld", m->in->name,
                           (long long)m->op_offset);
}

static enum mq_status
check_memory(struct pickle_machine *m, size_t more)
{
    size_t used = m->table_bytes + m->values->used_bytes;
    if (m->values != &m->kept)
        used += m->kept.used_bytes;
    if (more > m->limits.memory_bytes || used > m->limits.memory_bytes - more)
        return pickle_fail(m, MQ_E_NOMEM, "reading it takes more than the allowed %zu bytes",
                           m->limits.memory_bytes);
    return MQ_OK;
}

enum mq_status
pickle_charge(struct pickle_machine *m, size_t bytes)
{
    enum mq_status st = check_memory(m, bytes);
    if (st == MQ_OK)
        m->table_bytes += bytes;
    return st;
}

enum mq_status
pickle_grow(struct pickle_machine *m, void *block, size_t *capacity, size_t need, size_t size)
{
    if (need <= *capacity)
        return MQ_OK;
    size_t before = *capacity;
    enum mq_status st = check_memory(m, MQ_MAX(need, 2 * before) * size);
    if (st == MQ_OK)
        st = mq_grow(block, capacity, need, size, m->err);
    if (st == MQ_OK)
        m->table_bytes += (*capacity - before) * size;
    return st;
}

static void *
no_memory(struct pickle_machine *m)
{
    pickle_fail(m, MQ_E_NOMEM, "no memory for its values");
    return NULL;
}

void *
pickle_alloc(struct pickle_machine *m, size_t size)
{
    if (check_memory(m, size) != MQ_OK)
        return NULL;
    void *block = mq_arena_alloc(m->values, size);
    return block != NULL ? block : no_memory(m);
}

void *
pickle_alloc_aligned(struct pickle_machine *m, size_t size)
{
    if (check_memory(m, size) != MQ_OK)
        return NULL;
    void *block = mq_arena_array(m->values, size, 1);
    return block != NULL ? block : no_memory(m);
}

struct mq_pickle_value *
pickle_value(struct pickle_machine *m, int kind)
{
    struct mq_pickle_value *value = pickle_alloc(m, sizeof(*value));
    if (value != NULL) {
        value->kind = (uint8_t)kind;
        value->expanded = 1;
    }
    return value;
}

struct mq_pickle_value *
pickle_text_value(struct pickle_machine *m, int kind, size_t size, char **ret_text)
{
    struct mq_pickle_value *value;
    char *text;
    if (kind == MQ_PICKLE_BYTES && size >= MQ_ALIGNMENT) {
        /* May become the data of an array. */
        value = pickle_value(m, kind);
        text = value != NULL ? pickle_alloc_aligned(m, size + 1) : NULL;
        if (text == NULL)
            return NULL;
    } else {
        value = pickle_alloc(m, sizeof(*value) + size + 1);
        if (value == NULL)
            return NULL;
        value->kind = (uint8_t)kind;
        value->expanded = 1;
        text = (char *)(value + 1);
    }
    value->text = text;
    value->size = size;
    *ret_text = text;
    return value;
}

/* ---- containers ------------------------------------------------------------------------- */

enum mq_status
pickle_place(struct pickle_machine *m, struct mq_pickle_value *parent,
             struct mq_pickle_value *child)
{
    if (child->kind >= MQ_PICKLE_KIND_COUNT || (child->state & STATE_TAINTED)) {
        if (child->kind == KIND_OUTER)
            return pickle_fail(m, MQ_E_UNSUPPORTED, "the outermost value holds itself");
        if (parent->kind != MQ_PICKLE_TUPLE)
            return pickle_fail(m, MQ_E_UNSUPPORTED, "%s '%s' is not a plain value",
                               child->kind == KIND_CLASS ? "class" : "object",
                               child->kind >= MQ_PICKLE_KIND_COUNT ? pickle_class_name(child)
                                                                   : "tuple with a class");
        parent->state |= STATE_TAINTED;
    }
    uint16_t depth = (uint16_t)(child->depth + 1);
    if (child->kind >= MQ_PICKLE_LIST && child->kind <= MQ_PICKLE_DICT) {
        child->state |= STATE_PLACED;
        if (depth >= MQ_PICKLE_DEPTH_MAX)
            return pickle_fail(m, MQ_E_RANGE, "containers nest deeper than %d levels",
                               MQ_PICKLE_DEPTH_MAX);
        parent->depth = MQ_MAX(parent->depth, depth);
    }
    parent->expanded += child->expanded;
    if (parent->expanded > m->limits.nodes)
        return pickle_fail(m, MQ_E_RANGE,
                           "walking its shared values would meet more than %llu nodes",
                           (unsigned long long)m->limits.nodes);
    return MQ_OK;
}

/* Append `count` values (pairs: 2 * count) to a container. */
static enum mq_status
extend(struct pickle_machine *m, struct mq_pickle_value *target, struct mq_pickle_value **items,
       size_t count)
{
    size_t width = target->kind == MQ_PICKLE_DICT ? 2 : 1;
    if (target->state & STATE_PLACED)
        return pickle_fail(m, MQ_E_UNSUPPORTED,
                           "a %s is changed after it was put inside another value (a cycle?)",
                           mq_pickle_kind_name(target));
    if (count == 0)
        return MQ_OK; /* no places yet to point into */
    size_t need = target->size + count;
    if (need > MQ_PICKLE_ITEMS_MAX)
        return pickle_fail(m, MQ_E_RANGE, "a %s of more than %zu elements",
                           mq_pickle_kind_name(target), MQ_PICKLE_ITEMS_MAX);
    if (need > target->capacity) {
        size_t grown = target->size == 0
                           ? MQ_MAX(need, (size_t)4)
                           : MQ_MAX(need, MQ_MIN(2 * target->size, MQ_PICKLE_ITEMS_MAX));
        struct mq_pickle_value **fresh = pickle_alloc(m, grown * width * sizeof(*fresh));
        if (fresh == NULL)
            return MQ_E_NOMEM;
        if (target->size > 0)
            memcpy(fresh, target->items, target->size * width * sizeof(*fresh));
        target->items = fresh;
        target->capacity = (uint32_t)grown;
    }
    struct mq_pickle_value **out = target->items + target->size * width;
    for (size_t i = 0; i < count * width; i++) {
        /* An element may be the target itself: then it is placed, and cannot be a pair's home. */
        if (items[i] == target)
            return pickle_fail(m, MQ_E_UNSUPPORTED, "a %s holds itself",
                               mq_pickle_kind_name(target));
        enum mq_status st = pickle_place(m, target, items[i]);
        if (st != MQ_OK)
            return st;
        out[i] = items[i];
    }
    target->size = need;
    return MQ_OK;
}

static enum mq_status
push(struct pickle_machine *m, struct mq_pickle_value *value)
{
    if (m->depth == m->stack_capacity) {
        enum mq_status st =
            pickle_grow(m, &m->stack, &m->stack_capacity, m->depth + 1, sizeof(*m->stack));
        if (st != MQ_OK)
            return st;
    }
    m->stack[m->depth++] = value;
    return MQ_OK;
}

static enum mq_status
push_mark(struct pickle_machine *m)
{
    enum mq_status st =
        pickle_grow(m, &m->marks, &m->mark_capacity, m->mark_count + 1, sizeof(*m->marks));
    if (st == MQ_OK)
        m->marks[m->mark_count++] = m->depth;
    return st;
}

/* Values above the last mark: at least `count` must be there. */
static enum mq_status
need(struct pickle_machine *m, size_t count)
{
    size_t floor = m->mark_count > 0 ? m->marks[m->mark_count - 1] : 0;
    if (m->depth - floor < count)
        return pickle_fail(m, MQ_E_FORMAT, "the stack is too short for the opcode");
    return MQ_OK;
}

static enum mq_status
pop_mark(struct pickle_machine *m, size_t *ret_begin)
{
    if (m->mark_count == 0)
        return pickle_fail(m, MQ_E_FORMAT, "no mark is set for the opcode");
    *ret_begin = m->marks[--m->mark_count];
    return MQ_OK;
}

/* A fresh container of `count` elements from the stack's top, which it replaces. */
static enum mq_status
collect(struct pickle_machine *m, int kind, size_t begin)
{
    size_t count = m->depth - begin;
    if (kind == MQ_PICKLE_DICT && count % 2 != 0)
        return pickle_fail(m, MQ_E_FORMAT, "a dict with a key without a value");
    struct mq_pickle_value *value = pickle_value(m, kind);
    if (value == NULL)
        return MQ_E_NOMEM;
    if (count > 0) {
        size_t pairs = kind == MQ_PICKLE_DICT ? count / 2 : count;
        enum mq_status st = extend(m, value, m->stack + begin, pairs);
        if (st != MQ_OK)
            return st;
    }
    m->depth = begin;
    return push(m, value);
}

/* ---- streaming -------------------------------------------------------------------------- */

static enum mq_status
emit(struct pickle_machine *m, const struct mq_pickle_value *target, struct mq_pickle_value **items,
     size_t count)
{
    bool pairs = target->kind == MQ_PICKLE_DICT;
    /* The checks of placing, against a stand-in, so that the outer container's size is free. */
    for (size_t i = 0; i < count; i++) {
        struct mq_pickle_value outer = {.kind = target->kind};
        for (size_t k = 0; k < (pairs ? 2 : 1); k++) {
            struct mq_pickle_value *item = items[pairs ? 2 * i + k : i];
            if (item == target)
                return pickle_fail(m, MQ_E_UNSUPPORTED, "a %s holds itself",
                                   mq_pickle_kind_name(target));
            enum mq_status st = pickle_place(m, &outer, item);
            if (st != MQ_OK)
                return st;
        }
        enum mq_status st =
            m->fn(m->context, pairs ? items[2 * i] : NULL, items[pairs ? 2 * i + 1 : i], m->err);
        if (st != MQ_OK)
            return st;
        m->entries++;
    }
    return MQ_OK;
}

/* Give the entries of a batch to the caller and forget everything that is not memoised. */
static enum mq_status
emit_batch(struct pickle_machine *m, size_t begin, size_t count)
{
    struct mq_pickle_value *outer = m->stack[0];
    enum mq_status st = MQ_OK;
    if (outer->state & STATE_PLACED)
        return pickle_fail(m, MQ_E_UNSUPPORTED, "the outermost value holds itself");
    if (!(outer->state & STATE_KEPT)) {
        struct mq_arena *batch = m->values;
        m->table_bytes += batch->used_bytes;
        m->values = &m->kept;
        struct mq_pickle_value *kept = pickle_value(m, outer->kind);
        m->values = batch;
        m->table_bytes -= batch->used_bytes;
        if (kept == NULL)
            return MQ_E_NOMEM;
        /* What it was made with (OrderedDict of pairs) comes first. */
        st = emit(m, outer, outer->items, outer->size);
        kept->state = STATE_KEPT;
        m->stack[0] = kept;
        /* The memo may still know the old place, until the reset below. */
        outer->kind = KIND_OUTER;
        outer = kept;
    }
    if (st == MQ_OK)
        st = emit(m, outer, m->stack + begin, count);
    m->depth = begin;
    mq_arena_reset(m->values);
    memset(m->small_ints, 0, sizeof(m->small_ints));
    m->none = m->yes = m->no = NULL;
    m->memo->local_count = 0;
    return st;
}

/* Put the values from `begin` on into the container below them. */
static enum mq_status
add_items(struct pickle_machine *m, size_t begin, int kind)
{
    if (begin == 0 || (m->mark_count > 0 && m->marks[m->mark_count - 1] >= begin))
        return pickle_fail(m, MQ_E_FORMAT, "no container lies below the items");
    struct mq_pickle_value *target = m->stack[begin - 1];
    size_t count = m->depth - begin;
    if (target->kind != kind)
        return pickle_fail(m, MQ_E_FORMAT, "items are added to a %s", mq_pickle_kind_name(target));
    if (kind == MQ_PICKLE_DICT) {
        if (count % 2 != 0)
            return pickle_fail(m, MQ_E_FORMAT, "a dict with a key without a value");
        count /= 2;
    }
    if (m->streaming && begin == 1 && m->mark_count == 0 && kind != MQ_PICKLE_SET)
        return emit_batch(m, begin, count);
    enum mq_status st = extend(m, target, m->stack + begin, count);
    if (st == MQ_OK)
        m->depth = begin;
    return st;
}

/* ---- opcodes ---------------------------------------------------------------------------- */

static enum mq_status
memo_number(struct pickle_machine *m, int op, uint32_t *ret_number)
{
    enum mq_status st = MQ_OK;
    if (op == OP_PUT || op == OP_GET) {
        char line[24];
        size_t size;
        int64_t number;
        if ((st = pickle_read_line(m, line, sizeof(line), &size)) != MQ_OK)
            return st;
        if (!mq_text_to_int(line, size, &number) || number < 0 || number > UINT32_MAX)
            return pickle_fail(m, MQ_E_FORMAT, "a malformed memo number");
        *ret_number = (uint32_t)number;
        return MQ_OK;
    }
    size_t size = op == OP_BINPUT || op == OP_BINGET ? 1 : 4;
    const unsigned char *p = pickle_bytes(m, size, &st);
    if (p == NULL)
        return st;
    *ret_number = 0;
    memcpy(ret_number, p, size);
    return MQ_OK;
}

static enum mq_status
read_memo(struct pickle_machine *m, int op)
{
    uint32_t number;
    struct mq_pickle_value *value;
    enum mq_status st = memo_number(m, op, &number);
    if (st == MQ_OK)
        st = pickle_memo_get(m, number, &value);
    return st != MQ_OK ? st : push(m, value);
}

static enum mq_status
write_memo(struct pickle_machine *m, int op)
{
    uint32_t number = m->memo->count;
    enum mq_status st = op == OP_MEMOIZE ? MQ_OK : memo_number(m, op, &number);
    if (st == MQ_OK)
        st = need(m, 1);
    return st != MQ_OK ? st : pickle_memo_put(m, number, &m->stack[m->depth - 1]);
}

static enum mq_status
push_class(struct pickle_machine *m, int op)
{
    struct mq_pickle_value *value;
    enum mq_status st;
    if (op == OP_STACK_GLOBAL) {
        if ((st = need(m, 2)) != MQ_OK)
            return st;
        const struct mq_pickle_value *module = m->stack[m->depth - 2],
                                     *name = m->stack[m->depth - 1];
        if (module->kind != MQ_PICKLE_TEXT || name->kind != MQ_PICKLE_TEXT)
            return pickle_fail(m, MQ_E_FORMAT, "a class name that is not a str");
        st = pickle_find_class(m, module->text, module->size, name->text, name->size, &value);
        m->depth -= 2;
        return st != MQ_OK ? st : push(m, value);
    }
    char module[MQ_PICKLE_NAME_MAX], name[MQ_PICKLE_NAME_MAX];
    size_t module_size, name_size;
    if ((st = pickle_read_line(m, module, sizeof(module), &module_size)) != MQ_OK ||
        (st = pickle_read_line(m, name, sizeof(name), &name_size)) != MQ_OK ||
        (st = pickle_find_class(m, module, module_size, name, name_size, &value)) != MQ_OK)
        return st;
    if (op == OP_INST)
        return pickle_fail(m, MQ_E_UNSUPPORTED, "an instance of class '%s.%s' is not read here",
                           module, name);
    return push(m, value);
}

static enum mq_status
reduce(struct pickle_machine *m)
{
    struct mq_pickle_value *value;
    enum mq_status st = need(m, 2);
    if (st == MQ_OK)
        st = pickle_reduce(m, m->stack[m->depth - 2], m->stack[m->depth - 1], &value);
    if (st != MQ_OK)
        return st;
    m->depth--;
    m->stack[m->depth - 1] = value;
    return MQ_OK;
}

static enum mq_status
build(struct pickle_machine *m)
{
    enum mq_status st = need(m, 2);
    if (st == MQ_OK)
        st = pickle_build(m, m->stack[m->depth - 2], m->stack[m->depth - 1]);
    m->depth -= st == MQ_OK;
    return st;
}

static enum mq_status
push_atom(struct pickle_machine *m, int op)
{
    struct mq_pickle_value **shared =
        op == OP_NONE ? &m->none : (op == OP_NEWTRUE ? &m->yes : &m->no);
    if (*shared == NULL) {
        struct mq_pickle_value *fresh =
            pickle_value(m, op == OP_NONE ? MQ_PICKLE_NONE : MQ_PICKLE_BOOL);
        if (fresh == NULL)
            return MQ_E_NOMEM;
        fresh->truth = op == OP_NEWTRUE;
        *shared = fresh;
    }
    return push(m, *shared);
}

static enum mq_status
push_binary_int(struct pickle_machine *m, int op)
{
    enum mq_status st = MQ_OK;
    size_t size = op == OP_BININT1 ? 1 : op == OP_BININT2 ? 2 : 4;
    const unsigned char *p = pickle_bytes(m, size, &st);
    if (p == NULL)
        return st;
    uint32_t bits = 0;
    memcpy(&bits, p, size);
    struct mq_pickle_value *value;
    st = pickle_int(m, op == OP_BININT ? (int32_t)bits : (int64_t)bits, &value);
    return st != MQ_OK ? st : push(m, value);
}

static enum mq_status
push_scalar(struct pickle_machine *m, int op)
{
    struct mq_pickle_value *value;
    enum mq_status st;
    switch (op) {
    case OP_INT:
    case OP_LONG:
        st = pickle_read_int_line(m, op, &value);
        break;
    case OP_LONG1:
    case OP_LONG4:
        st = pickle_read_long(m, op, &value);
        break;
    case OP_FLOAT:
    case OP_BINFLOAT:
        st = pickle_read_float(m, op, &value);
        break;
    case OP_UNICODE:
        st = pickle_read_unicode_line(m, &value);
        break;
    default:
        st = pickle_read_text(m, op, &value);
        break;
    }
    return st != MQ_OK ? st : push(m, value);
}

static enum mq_status
push_container(struct pickle_machine *m, int kind)
{
    struct mq_pickle_value *value = pickle_value(m, kind);
    return value == NULL ? MQ_E_NOMEM : push(m, value);
}

static enum mq_status
header_op(struct pickle_machine *m, int op)
{
    enum mq_status st = MQ_OK;
    const unsigned char *p = pickle_bytes(m, op == OP_PROTO ? 1 : 8, &st);
    if (p == NULL)
        return st;
    /* A frame is a hint for reading ahead; its size is not needed. */
    if (op == OP_PROTO && *p > 5)
        return pickle_fail(m, MQ_E_UNSUPPORTED, "protocol %d (known: 0 to 5)", *p);
    return MQ_OK;
}

static enum mq_status
refuse_op(struct pickle_machine *m, int op)
{
    switch (op) {
    case OP_NEWOBJ:
    case OP_NEWOBJ_EX:
    case OP_OBJ:
        for (size_t i = m->depth; i-- > 0;)
            if (m->stack[i]->kind == KIND_CLASS)
                return pickle_fail(m, MQ_E_UNSUPPORTED,
                                   "an instance of class '%s' is not read here",
                                   pickle_class_name(m->stack[i]));
        return pickle_fail(m, MQ_E_UNSUPPORTED, "an instance of a class is not read here");
    case OP_PERSID:
    case OP_BINPERSID:
    case OP_EXT1:
    case OP_EXT2:
    case OP_EXT4:
    case OP_NEXT_BUFFER:
    case OP_READONLY_BUFFER:
        return pickle_fail(m, MQ_E_UNSUPPORTED,
                           "opcode 0x%02x refers to something outside the file", (unsigned)op);
    case OP_STRING:
        return pickle_fail(m, MQ_E_UNSUPPORTED, "a str of Python 2's text protocol");
    default:
        return pickle_fail(m, MQ_E_FORMAT, "0x%02x is no opcode; is this a pickle?", (unsigned)op);
    }
}

static enum mq_status
from_mark(struct pickle_machine *m, int op)
{
    size_t begin = 0;
    enum mq_status st = pop_mark(m, &begin);
    if (st != MQ_OK)
        return st;
    switch (op) {
    case OP_LIST:
        return collect(m, MQ_PICKLE_LIST, begin);
    case OP_TUPLE:
        return collect(m, MQ_PICKLE_TUPLE, begin);
    case OP_DICT:
        return collect(m, MQ_PICKLE_DICT, begin);
    case OP_FROZENSET:
        return collect(m, MQ_PICKLE_SET, begin);
    case OP_APPENDS:
        return add_items(m, begin, MQ_PICKLE_LIST);
    case OP_SETITEMS:
        return add_items(m, begin, MQ_PICKLE_DICT);
    case OP_ADDITEMS:
        return add_items(m, begin, MQ_PICKLE_SET);
    default:
        m->depth = begin;
        return MQ_OK;
    }
}

static enum mq_status
from_top(struct pickle_machine *m, int op)
{
    size_t count = op == OP_APPEND || op == OP_TUPLE1 || op == OP_POP || op == OP_DUP ? 1
                   : op == OP_TUPLE3                                                  ? 3
                                                                                      : 2;
    /* POP at a mark takes the mark. */
    if (op == OP_POP && m->mark_count > 0 && m->marks[m->mark_count - 1] == m->depth) {
        m->mark_count--;
        return MQ_OK;
    }
    enum mq_status st = need(m, count);
    if (st != MQ_OK)
        return st;
    switch (op) {
    case OP_APPEND:
        return add_items(m, m->depth - 1, MQ_PICKLE_LIST);
    case OP_SETITEM:
        return add_items(m, m->depth - 2, MQ_PICKLE_DICT);
    case OP_POP:
        m->depth--;
        return MQ_OK;
    case OP_DUP:
        return push(m, m->stack[m->depth - 1]);
    default:
        return collect(m, MQ_PICKLE_TUPLE, m->depth - count);
    }
}

static enum mq_status
step(struct pickle_machine *m, int op)
{
    switch (op) {
    case OP_BINGET:
    case OP_LONG_BINGET:
    case OP_GET:
        return read_memo(m, op);
    case OP_BINPUT:
    case OP_LONG_BINPUT:
    case OP_PUT:
    case OP_MEMOIZE:
        return write_memo(m, op);
    case OP_BININT:
    case OP_BININT1:
    case OP_BININT2:
        return push_binary_int(m, op);
    case OP_BINFLOAT:
    case OP_FLOAT:
    case OP_INT:
    case OP_LONG:
    case OP_LONG1:
    case OP_LONG4:
    case OP_UNICODE:
    case OP_BINUNICODE:
    case OP_SHORT_BINUNICODE:
    case OP_BINUNICODE8:
    case OP_BINBYTES:
    case OP_SHORT_BINBYTES:
    case OP_BINBYTES8:
    case OP_BYTEARRAY8:
    case OP_BINSTRING:
    case OP_SHORT_BINSTRING:
        return push_scalar(m, op);
    case OP_NONE:
    case OP_NEWTRUE:
    case OP_NEWFALSE:
        return push_atom(m, op);
    case OP_EMPTY_LIST:
        return push_container(m, MQ_PICKLE_LIST);
    case OP_EMPTY_DICT:
        return push_container(m, MQ_PICKLE_DICT);
    case OP_EMPTY_TUPLE:
        return push_container(m, MQ_PICKLE_TUPLE);
    case OP_EMPTY_SET:
        return push_container(m, MQ_PICKLE_SET);
    case OP_MARK:
        return push_mark(m);
    case OP_APPENDS:
    case OP_SETITEMS:
    case OP_ADDITEMS:
    case OP_LIST:
    case OP_TUPLE:
    case OP_DICT:
    case OP_FROZENSET:
    case OP_POP_MARK:
        return from_mark(m, op);
    case OP_APPEND:
    case OP_SETITEM:
    case OP_TUPLE1:
    case OP_TUPLE2:
    case OP_TUPLE3:
    case OP_POP:
    case OP_DUP:
        return from_top(m, op);
    case OP_GLOBAL:
    case OP_STACK_GLOBAL:
    case OP_INST:
        return push_class(m, op);
    case OP_REDUCE:
        return reduce(m);
    case OP_BUILD:
        return build(m);
    case OP_PROTO:
    case OP_FRAME:
        return header_op(m, op);
    default:
        return refuse_op(m, op);
    }
}

static enum mq_status
run(struct pickle_machine *m)
{
    for (;;) {
        enum mq_status st = MQ_OK;
        m->op_offset = m->in->offset - m->begin;
        const unsigned char *p = pickle_bytes(m, 1, &st);
        if (p == NULL)
            return st;
        if (*p == OP_STOP)
            break;
        if ((st = step(m, *p)) != MQ_OK)
            return st;
    }
    if (m->depth != 1 || m->mark_count != 0)
        return pickle_fail(m, MQ_E_FORMAT, "the pickle ends with %zu values where 1 is due",
                           m->depth);
    struct mq_pickle_value outer = {.kind = MQ_PICKLE_LIST};
    return pickle_place(m, &outer, m->stack[0]);
}

/* ---- entry points ----------------------------------------------------------------------- */

static enum mq_status
start(struct pickle_machine *m, struct mq_reader *reader, const struct mq_pickle_limits *limits,
      struct mq_error *err)
{
    m->in = reader;
    m->begin = reader->offset;
    m->err = err;
    if (limits != NULL)
        m->limits = *limits;
    if (m->limits.memory_bytes == 0)
        m->limits.memory_bytes = DEFAULT_MEMORY;
    if (m->limits.text_bytes == 0)
        m->limits.text_bytes = DEFAULT_TEXT;
    if (m->limits.nodes == 0)
        m->limits.nodes = DEFAULT_NODES;
    m->memo = calloc(1, sizeof(*m->memo));
    return m->memo != NULL ? MQ_OK : mq_fail(err, MQ_E_NOMEM, "cannot allocate a pickle reader");
}

static void
stop(struct pickle_machine *m)
{
    free(m->stack);
    free(m->marks);
    pickle_memo_free(m->memo);
    mq_arena_release(&m->kept);
}

enum mq_status
mq_pickle_read(struct mq_reader *reader, const struct mq_pickle_limits *limits,
               struct mq_arena *arena, const struct mq_pickle_value **ret_value,
               struct mq_error *err)
{
    struct pickle_machine m = {.values = arena};
    enum mq_status st = start(&m, reader, limits, err);
    if (st == MQ_OK)
        st = run(&m);
    if (st == MQ_OK)
        *ret_value = m.stack[0];
    stop(&m);
    return st;
}

enum mq_status
mq_pickle_read_file(const char *path, const struct mq_pickle_limits *limits, struct mq_arena *arena,
                    const struct mq_pickle_value **ret_value, struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st = mq_reader_from_file(path, &reader, err);
    if (st != MQ_OK)
        return st;
    st = mq_pickle_read(reader, limits, arena, ret_value, err);
    mq_reader_close(reader);
    return st;
}

enum mq_status
mq_pickle_stream(struct mq_reader *reader, const struct mq_pickle_limits *limits,
                 mq_pickle_entry_fn fn, void *context, int64_t *ret_count, struct mq_error *err)
{
    struct mq_arena batch = {0};
    struct pickle_machine m = {.values = &batch, .streaming = true, .fn = fn, .context = context};
    enum mq_status st = start(&m, reader, limits, err);
    if (st == MQ_OK)
        st = run(&m);
    if (st == MQ_OK) {
        const struct mq_pickle_value *outer = m.stack[0];
        if (outer->kind != MQ_PICKLE_DICT && outer->kind != MQ_PICKLE_LIST)
            st = pickle_fail(&m, MQ_E_FORMAT, "the outermost value is a %s, not a dict or list",
                             mq_pickle_kind_name(outer));
        else if (outer->size > 0)
            st = emit(&m, outer, outer->items, outer->size);
    }
    if (st == MQ_OK && ret_count != NULL)
        *ret_count = m.entries;
    stop(&m);
    mq_arena_release(&batch);
    return st;
}
