/**
 * Numbers as text, the same in every locale: shortest decimal of a double, and strict parsing.
 * Threads: reentrant.
 */
#ifndef MQ_FORMAT_NUMBER_TEXT_H
#define MQ_FORMAT_NUMBER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Room for any result of mq_real_text, NUL included. */
#define MQ_REAL_TEXT_SIZE 32

/**
 * Fewest significant digits that read back as the same double: "0.1", "3.0" (always with a point
 * or an exponent), "1e+300", "nan", "inf", "-inf".
 * @return length without the NUL
 */
size_t mq_real_text(double value, char ret_text[MQ_REAL_TEXT_SIZE]);

/** A value rounded to so many decimals, 0 to 12, without "-0": "0.250", "-3"; from 1e15 on as
 * mq_real_text. @return length without the NUL */
size_t mq_fixed_text(double value, int decimals, char ret_text[MQ_REAL_TEXT_SIZE]);

/** A whole number with commas: "-1,000,209". @return length without the NUL */
size_t mq_count_text(int64_t value, char ret_text[MQ_REAL_TEXT_SIZE]);

/** Whole text as an int64 with optional sign; false when empty, trailed by anything or too large.
 */
bool mq_text_to_int(const char *text, size_t size, int64_t *ret_int);

/** Whole text as a finite double (digits, '.', exponent; no blanks, hexadecimal, nan or inf). */
bool mq_text_to_real(const char *text, size_t size, double *ret_real);

#endif
