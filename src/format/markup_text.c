#include "format/markup_text.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/number_text.h"
#include "format/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd"

static void
put(struct mq_markup *markup, const char *text, size_t size)
{
    if (markup->failure == MQ_OK)
        markup->failure = mq_writer_put(markup->out, text, size, &markup->error);
}

void
mq_markup_raw(struct mq_markup *markup, const char *literal)
{
    put(markup, literal, strlen(literal));
}

void
mq_markup_rawf(struct mq_markup *markup, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0) {
        mq_markup_refuse(markup, MQ_E_NOMEM, "cannot allocate text");
        return;
    }
    put(markup, text, (size_t)length);
    free(text);
}

/* What stands for a character of `size` bytes, 0 for a byte that is no character; NULL: itself. */
static const char *
substitute(const char *text, size_t size)
{
    unsigned char c = (unsigned char)text[0];
    switch (size) {
    case 0:
        return REPLACEMENT;
    case 1:
        return c == '&'                                            ? "&amp;"
               : c == '<'                                          ? "&lt;"
               : c == '>'                                          ? "&gt;"
               : c == '"'                                          ? "&quot;"
               : c == '\''                                         ? "&#39;"
               : (c < 0x20 && c != '\t' && c != '\n') || c == 0x7f ? REPLACEMENT
                                                                   : NULL;
    case 2: /* U+0080 to U+009F: controls */
        return c == 0xc2 && (unsigned char)text[1] < 0xa0 ? REPLACEMENT : NULL;
    case 3:
        return memcmp(text, "\xef\xbf\xbe", 3) == 0 || memcmp(text, "\xef\xbf\xbf", 3) == 0
                   ? REPLACEMENT
                   : NULL;
    default:
        return NULL;
    }
}

void
mq_markup_bytes(struct mq_markup *markup, const char *text, size_t size)
{
    size_t plain = 0, i = 0;
    while (i < size) {
        size_t length = mq_utf8_character(text + i, size - i);
        const char *other = substitute(text + i, length);
        size_t step = length > 0 ? length : 1;
        if (other != NULL) {
            put(markup, text + plain, i - plain);
            mq_markup_raw(markup, other);
            plain = i + step;
        }
        i += step;
    }
    put(markup, text + plain, size - plain);
}

void
mq_markup_text(struct mq_markup *markup, const char *text)
{
    if (text != NULL)
        mq_markup_bytes(markup, text, strlen(text));
}

void
mq_markup_fixed(struct mq_markup *markup, double value, int decimals)
{
    char text[MQ_REAL_TEXT_SIZE];
    if (!isfinite(value)) {
        mq_markup_raw(markup, "\xe2\x80\x93");
        return;
    }
    put(markup, text, mq_fixed_text(value, decimals, text));
}

void
mq_markup_count(struct mq_markup *markup, int64_t value)
{
    char text[MQ_REAL_TEXT_SIZE];
    put(markup, text, mq_count_text(value, text));
}

void
mq_markup_refuse(struct mq_markup *markup, enum mq_status code, const char *format, ...)
{
    if (markup->failure != MQ_OK)
        return;
    va_list args;
    va_start(args, format);
    markup->failure = mq_failv(&markup->error, code, format, args);
    va_end(args);
}

enum mq_status
mq_markup_finish(const struct mq_markup *markup, struct mq_error *err)
{
    if (markup->failure != MQ_OK && err != NULL)
        *err = markup->error;
    return markup->failure;
}
