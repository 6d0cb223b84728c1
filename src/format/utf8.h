/** UTF-8 checks on outside bytes. Threads: reentrant. */
#ifndef MQ_FORMAT_UTF8_H
#define MQ_FORMAT_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/** Bytes of the well-formed character at text (shortest form, no surrogates, up to U+10FFFF), or 0
 * when there is none. @param size at least 1 */
size_t mq_utf8_character(const char *text, size_t size);

/** Whether all of a text is well formed. Cost: 8 bytes a step over ASCII. */
bool mq_utf8_valid(const char *text, size_t size);

/** Write a code point (not a surrogate, at most 0x10FFFF). @return bytes written, 1…4 */
size_t mq_utf8_encode(unsigned code_point, char ret_text[4]);

#endif
