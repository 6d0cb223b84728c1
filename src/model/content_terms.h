/**
 * The words of a title or description, for comparing films by what is written about them.
 *
 * Letters and digits make words, lower-cased (ASCII; other letters as they are); words of one ASCII
 * letter are left out, and so are the commonest English function words. Han, Hiragana, Katakana and
 * Hangul are written without blanks between words: there each pair of neighbouring characters is a
 * term (a lone character is one by itself). Bytes that are not UTF-8 part words.
 *
 * Threads: reentrant. Cost: O(bytes).
 */
#ifndef MQ_MODEL_CONTENT_TERMS_H
#define MQ_MODEL_CONTENT_TERMS_H

#include <stddef.h>

#include "marquee/status.h"

/** Longest term in bytes; a longer word is cut there. */
#define MQ_CONTENT_TERM_MAX 64

/** @return not MQ_OK stops */
typedef enum mq_status (*mq_content_term_fn)(void *context, const char *term, size_t size,
                                             struct mq_error *err);

/** Visit the terms of a text in order, repeats included. */
enum mq_status mq_content_terms(const char *text, size_t size, mq_content_term_fn fn, void *context,
                                struct mq_error *err);

#endif
