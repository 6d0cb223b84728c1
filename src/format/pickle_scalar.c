/* Numbers and strings of all protocols: from an opcode's argument to a value. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "format/number_text.h"
#include "format/pickle_machine.h"
#include "format/pickle_opcodes.h"
#include "format/utf8.h"

#define INT_DIGITS_MAX (MQ_PICKLE_INT_BYTES_MAX * 5 / 2)
/* A declared size is believed up to here; beyond, the bytes must arrive first. */
#define TRUSTED_BYTES ((size_t)1 << 20)

const unsigned char *
pickle_slow_bytes(struct pickle_machine *m, size_t size, enum mq_status *ret_status)
{
    enum mq_status st = mq_reader_exact(m->in, m->scratch, size, m->err);
    if (st == MQ_OK)
        return m->scratch;
    *ret_status = st;
    return NULL;
}

enum mq_status
pickle_int(struct pickle_machine *m, int64_t value, struct mq_pickle_value **ret)
{
    bool small = value >= 0 && value < 256;
    if (small && m->small_ints[value] != NULL) {
        *ret = m->small_ints[value];
        return MQ_OK;
    }
    struct mq_pickle_value *fresh = pickle_value(m, MQ_PICKLE_INT);
    if (fresh == NULL)
        return MQ_E_NOMEM;
    fresh->integer = value;
    /* Shared for as long as the arena is not reset. */
    if (small)
        m->small_ints[value] = fresh;
    *ret = fresh;
    return MQ_OK;
}

enum mq_status
pickle_bool(struct pickle_machine *m, bool value, struct mq_pickle_value **ret)
{
    struct mq_pickle_value *fresh = pickle_value(m, MQ_PICKLE_BOOL);
    if (fresh == NULL)
        return MQ_E_NOMEM;
    fresh->truth = value;
    *ret = fresh;
    return MQ_OK;
}

static enum mq_status
check_size(struct pickle_machine *m, uint64_t size)
{
    if (size > m->limits.text_bytes)
        return pickle_fail(m, MQ_E_RANGE, "a value of %llu bytes (allowed: %zu)",
                           (unsigned long long)size, m->limits.text_bytes);
    if (m->in->size_bytes >= 0 && size > (uint64_t)(m->in->size_bytes - m->in->offset))
        return pickle_fail(m, MQ_E_FORMAT,
                           "a value of %llu bytes is cut off by the end of the file",
                           (unsigned long long)size);
    return MQ_OK;
}

/* A TEXT or BYTES value of the next `size` bytes. */
static enum mq_status
read_block(struct pickle_machine *m, int kind, size_t size, struct mq_pickle_value **ret)
{
    char *text;
    struct mq_pickle_value *value;
    if (size <= TRUSTED_BYTES || m->in->size_bytes >= 0) {
        value = pickle_text_value(m, kind, size, &text);
        if (value == NULL)
            return MQ_E_NOMEM;
        enum mq_status st = mq_reader_exact(m->in, text, size, m->err);
        if (st == MQ_OK)
            *ret = value;
        return st;
    }
    struct mq_buffer buffer;
    mq_buffer_init(&buffer, size + TRUSTED_BYTES);
    enum mq_status st = MQ_OK;
    while (st == MQ_OK && buffer.size < size) {
        size_t step = MQ_MIN(TRUSTED_BYTES, size - buffer.size);
        st = mq_buffer_reserve(&buffer, step, m->err);
        if (st == MQ_OK)
            st = mq_reader_exact(m->in, buffer.data + buffer.size, step, m->err);
        buffer.size += step;
    }
    if (st == MQ_OK) {
        value = pickle_text_value(m, kind, size, &text);
        if (value != NULL) {
            memcpy(text, buffer.data, size);
            *ret = value;
        } else {
            st = MQ_E_NOMEM;
        }
    }
    mq_buffer_release(&buffer);
    return st;
}

enum mq_status
pickle_read_text(struct pickle_machine *m, int op, struct mq_pickle_value **ret)
{
    size_t prefix;
    int kind = MQ_PICKLE_BYTES;
    switch (op) {
    case OP_SHORT_BINUNICODE:
        kind = MQ_PICKLE_TEXT;
        prefix = 1;
        break;
    case OP_SHORT_BINBYTES:
    case OP_SHORT_BINSTRING:
        prefix = 1;
        break;
    case OP_BINUNICODE:
        kind = MQ_PICKLE_TEXT;
        prefix = 4;
        break;
    case OP_BINBYTES:
    case OP_BINSTRING:
        prefix = 4;
        break;
    case OP_BINUNICODE8:
        kind = MQ_PICKLE_TEXT;
        prefix = 8;
        break;
    default:
        prefix = 8;
        break;
    }
    enum mq_status st = MQ_OK;
    const unsigned char *p = pickle_bytes(m, prefix, &st);
    if (p == NULL)
        return st;
    uint64_t size = 0;
    memcpy(&size, p, prefix);
    struct mq_pickle_value *value;
    if ((st = check_size(m, size)) != MQ_OK ||
        (st = read_block(m, kind, (size_t)size, &value)) != MQ_OK)
        return st;
    bool valid = (kind != MQ_PICKLE_TEXT && op != OP_SHORT_BINSTRING && op != OP_BINSTRING) ||
                 mq_utf8_valid(value->text, value->size);
    if (kind == MQ_PICKLE_TEXT && !valid)
        return pickle_fail(m, MQ_E_FORMAT, "a str that is not UTF-8");
    if (valid && (op == OP_SHORT_BINSTRING || op == OP_BINSTRING))
        value->kind = MQ_PICKLE_TEXT; /* str of Python 2 */
    *ret = value;
    return MQ_OK;
}

/* ---- lines of protocol 0 ------------------------------------------------------------------ */

enum mq_status
pickle_read_line(struct pickle_machine *m, char *room, size_t room_size, size_t *ret_size)
{
    enum mq_status st = MQ_OK;
    for (size_t n = 0; n < room_size; n++) {
        const unsigned char *p = pickle_bytes(m, 1, &st);
        if (p == NULL)
            return st;
        if (*p == '\n') {
            room[n] = '\0';
            *ret_size = n;
            return MQ_OK;
        }
        room[n] = (char)*p;
    }
    return pickle_fail(m, MQ_E_RANGE, "a line of %zu bytes or more", room_size);
}

/* raw-unicode-escape: Latin-1, and \uXXXX and \UXXXXXXXX for the rest. */
static bool
decode_raw_unicode(const char *from, size_t size, char *to, size_t *ret_size)
{
    size_t at = 0;
    for (size_t i = 0; i < size;) {
        unsigned point = (unsigned char)from[i];
        size_t digits = 0;
        if (from[i] == '\\' && i + 1 < size)
            digits = from[i + 1] == 'u' ? 4 : from[i + 1] == 'U' ? 8 : 0;
        i++;
        if (digits > 0) {
            if (size - i < digits + 1)
                return false;
            point = 0;
            for (size_t k = 1; k <= digits; k++) {
                char c = from[i + k];
                unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                                 : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                 : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                                        : 99;
                if (digit == 99 || point >> 28)
                    return false;
                point = point << 4 | digit;
            }
            i += digits + 1;
        }
        if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
            return false;
        at += mq_utf8_encode(point, to + at);
    }
    *ret_size = at;
    return true;
}

enum mq_status
pickle_read_unicode_line(struct pickle_machine *m, struct mq_pickle_value **ret)
{
    struct mq_buffer line;
    mq_buffer_init(&line, MQ_MIN(m->limits.text_bytes, MQ_BUFFER_DEFAULT_LIMIT));
    enum mq_status st = MQ_OK;
    for (;;) {
        const unsigned char *p = pickle_bytes(m, 1, &st);
        if (p == NULL || *p == '\n')
            break;
        if ((st = mq_buffer_append_char(&line, (char)*p, m->err)) != MQ_OK)
            break;
    }
    if (st == MQ_OK) {
        /* A Latin-1 byte takes two in UTF-8, an escape fewer than it has. */
        char *text;
        struct mq_pickle_value *value =
            pickle_text_value(m, MQ_PICKLE_TEXT, 2 * line.size + 4, &text);
        if (value == NULL)
            st = MQ_E_NOMEM;
        else if (!decode_raw_unicode(line.data, line.size, text, &value->size))
            st = pickle_fail(m, MQ_E_FORMAT, "a str with a malformed escape");
        if (st == MQ_OK) {
            text[value->size] = '\0';
            *ret = value;
        }
    }
    mq_buffer_release(&line);
    return st;
}

static enum mq_status
big_int(struct pickle_machine *m, const char *digits, size_t size, struct mq_pickle_value **ret)
{
    char *text;
    struct mq_pickle_value *value = pickle_text_value(m, MQ_PICKLE_BIG_INT, size, &text);
    if (value == NULL)
        return MQ_E_NOMEM;
    memcpy(text, digits, size);
    *ret = value;
    return MQ_OK;
}

enum mq_status
pickle_read_int_line(struct pickle_machine *m, int op, struct mq_pickle_value **ret)
{
    char line[INT_DIGITS_MAX + 4];
    size_t size;
    enum mq_status st = pickle_read_line(m, line, sizeof(line), &size);
    if (st != MQ_OK)
        return st;
    if (op == OP_INT && size == 2 && line[0] == '0' && (line[1] == '0' || line[1] == '1'))
        return pickle_bool(m, line[1] == '1', ret);
    if (op == OP_LONG && size > 0 && line[size - 1] == 'L')
        size--;
    int64_t value;
    if (mq_text_to_int(line, size, &value))
        return pickle_int(m, value, ret);
    size_t begin = size > 0 && line[0] == '-';
    bool digits = size > begin;
    for (size_t i = begin; i < size; i++)
        digits = digits && line[i] >= '0' && line[i] <= '9';
    if (!digits)
        return pickle_fail(m, MQ_E_FORMAT, "a malformed integer");
    return big_int(m, line, size, ret);
}

/* Decimal digits of a two's complement little-endian integer, by repeated division by 10^9. */
static size_t
to_decimal(const unsigned char *bytes, size_t size, char *digits)
{
    uint32_t words[MQ_PICKLE_INT_BYTES_MAX / 4 + 1] = {0}, parts[MQ_PICKLE_INT_BYTES_MAX];
    bool negative = bytes[size - 1] & 0x80;
    size_t count = (size + 3) / 4, part_count = 0;
    memset(words, negative ? 0xff : 0, count * 4);
    memcpy(words, bytes, size);
    if (negative) {
        uint64_t carry = 1;
        for (size_t i = 0; i < count; i++) {
            carry += (uint32_t)~words[i];
            words[i] = (uint32_t)carry;
            carry >>= 32;
        }
    }
    while (count > 0) {
        uint64_t rest = 0;
        for (size_t i = count; i-- > 0;) {
            rest = rest << 32 | words[i];
            words[i] = (uint32_t)(rest / 1000000000);
            rest %= 1000000000;
        }
        parts[part_count++] = (uint32_t)rest;
        while (count > 0 && words[count - 1] == 0)
            count--;
    }
    size_t n = 0;
    if (negative)
        digits[n++] = '-';
    for (size_t i = part_count; i-- > 0;) {
        char part[9];
        uint32_t value = parts[i];
        for (int k = 8; k >= 0; k--, value /= 10)
            part[k] = (char)('0' + value % 10);
        size_t skip = 0;
        if (i == part_count - 1)
            while (skip < 8 && part[skip] == '0')
                skip++;
        memcpy(digits + n, part + skip, 9 - skip);
        n += 9 - skip;
    }
    return n;
}

enum mq_status
pickle_read_long(struct pickle_machine *m, int op, struct mq_pickle_value **ret)
{
    enum mq_status st = MQ_OK;
    size_t prefix = op == OP_LONG1 ? 1 : 4;
    const unsigned char *p = pickle_bytes(m, prefix, &st);
    if (p == NULL)
        return st;
    uint32_t size = 0;
    memcpy(&size, p, prefix);
    if (size > MQ_PICKLE_INT_BYTES_MAX)
        return pickle_fail(m, MQ_E_RANGE, "an int of %u bytes (allowed: %d)", size,
                           MQ_PICKLE_INT_BYTES_MAX);
    unsigned char bytes[MQ_PICKLE_INT_BYTES_MAX];
    if ((st = mq_reader_exact(m->in, bytes, size, m->err)) != MQ_OK)
        return st;
    while (size > 1 && ((bytes[size - 1] == 0 && !(bytes[size - 2] & 0x80)) ||
                        (bytes[size - 1] == 0xff && (bytes[size - 2] & 0x80))))
        size--;
    if (size <= 8) {
        uint64_t value = size > 0 && (bytes[size - 1] & 0x80) ? UINT64_MAX : 0;
        memcpy(&value, bytes, size);
        return pickle_int(m, (int64_t)value, ret);
    }
    char digits[INT_DIGITS_MAX + 16];
    return big_int(m, digits, to_decimal(bytes, size, digits), ret);
}

enum mq_status
pickle_read_float(struct pickle_machine *m, int op, struct mq_pickle_value **ret)
{
    enum mq_status st = MQ_OK;
    double real;
    if (op == OP_BINFLOAT) {
        const unsigned char *p = pickle_bytes(m, 8, &st);
        if (p == NULL)
            return st;
        uint64_t bits;
        memcpy(&bits, p, 8);
        bits = __builtin_bswap64(bits);
        memcpy(&real, &bits, 8);
    } else {
        char line[64];
        size_t size;
        if ((st = pickle_read_line(m, line, sizeof(line), &size)) != MQ_OK)
            return st;
        if (strcmp(line, "nan") == 0)
            real = (double)NAN;
        else if (strcmp(line, "inf") == 0 || strcmp(line, "-inf") == 0)
            real = line[0] == '-' ? -(double)INFINITY : (double)INFINITY;
        else if (!mq_text_to_real(line, size, &real))
            return pickle_fail(m, MQ_E_FORMAT, "a malformed float");
    }
    struct mq_pickle_value *value = pickle_value(m, MQ_PICKLE_REAL);
    if (value == NULL)
        return MQ_E_NOMEM;
    value->real = real;
    *ret = value;
    return MQ_OK;
}
