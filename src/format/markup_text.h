/**
 * Text into HTML, XML and SVG: escaped, onto a writer whose first failure is kept, so that a page
 * is written without a test after every word.
 *
 * In escaped text & < > " ' become references; bytes that are not UTF-8, and characters that XML or
 * HTML cannot hold (controls but tab and line feed, U+FFFE, U+FFFF), become U+FFFD. Numbers look
 * the same in every locale. Threads: one markup, one thread at a time.
 */
#ifndef MQ_FORMAT_MARKUP_TEXT_H
#define MQ_FORMAT_MARKUP_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/stream.h"

/** Zero but for `out`, which is borrowed. */
struct mq_markup {
    struct mq_writer *out;
    enum mq_status failure; /**< the first; nothing is written after it */
    struct mq_error error;
};

/** As it is: markup that the program itself holds. */
void mq_markup_raw(struct mq_markup *markup, const char *literal);

/** printf as it is: for whole numbers and literals; texts from outside go through mq_markup_text.
 */
void mq_markup_rawf(struct mq_markup *markup, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Escaped. @param text NULL: nothing */
void mq_markup_text(struct mq_markup *markup, const char *text);

/** Escaped, with a size; may hold NUL bytes. */
void mq_markup_bytes(struct mq_markup *markup, const char *text, size_t size);

/** mq_fixed_text; a dash where the value is not finite. */
void mq_markup_fixed(struct mq_markup *markup, double value, int decimals);

/** mq_count_text. */
void mq_markup_count(struct mq_markup *markup, int64_t value);

/** Keep a failure of the caller's own, unless one is kept. */
void mq_markup_refuse(struct mq_markup *markup, enum mq_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Report the first failure. Does not commit `out`. */
enum mq_status mq_markup_finish(const struct mq_markup *markup, struct mq_error *err);

#endif
