#include "format/number_text.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A locale of our own, so that a host program's setlocale cannot turn points into commas. */
static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void
make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static double
parse_c(const char *text, char **ret_end)
{
    pthread_once(&c_locale_once, make_c_locale);
    return c_locale != (locale_t)0 ? strtod_l(text, ret_end, c_locale) : strtod(text, ret_end);
}

/* Any byte outside this set is the locale's decimal point (one byte in practice). */
static void
point_for_comma(char *text, int length)
{
    for (int i = 0; i < length; i++)
        if (strchr("0123456789+-e", text[i]) == NULL)
            text[i] = '.';
}

size_t
mq_real_text(double value, char ret_text[MQ_REAL_TEXT_SIZE])
{
    if (isnan(value)) {
        memcpy(ret_text, "nan", 4);
        return 3;
    }
    if (isinf(value)) {
        const char *text = value < 0 ? "-inf" : "inf";
        memcpy(ret_text, text, strlen(text) + 1);
        return strlen(text);
    }
    int length = 0;
    for (int precision = 15; precision <= 17; precision++) {
        length = snprintf(ret_text, MQ_REAL_TEXT_SIZE, "%.*g", precision, value);
        point_for_comma(ret_text, length);
        if (parse_c(ret_text, NULL) == value)
            break;
    }
    if (strpbrk(ret_text, ".e") == NULL) {
        memcpy(ret_text + length, ".0", 3);
        length += 2;
    }
    return (size_t)length;
}

size_t
mq_fixed_text(double value, int decimals, char ret_text[MQ_REAL_TEXT_SIZE])
{
    if (!(fabs(value) < 1e15))
        return mq_real_text(value, ret_text);
    int places = decimals < 0 ? 0 : decimals > 12 ? 12 : decimals;
    int length = snprintf(ret_text, MQ_REAL_TEXT_SIZE, "%.*f", places, value);
    point_for_comma(ret_text, length);
    if (ret_text[0] == '-' && strpbrk(ret_text, "123456789") == NULL)
        memmove(ret_text, ret_text + 1, (size_t)length--);
    return (size_t)length;
}

size_t
mq_count_text(int64_t value, char ret_text[MQ_REAL_TEXT_SIZE])
{
    char reversed[MQ_REAL_TEXT_SIZE];
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    size_t n = 0, length = 0;
    for (int digits = 0; digits == 0 || rest > 0; digits++, rest /= 10) {
        if (digits > 0 && digits % 3 == 0)
            reversed[n++] = ',';
        reversed[n++] = (char)('0' + rest % 10);
    }
    if (value < 0)
        reversed[n++] = '-';
    while (n > 0)
        ret_text[length++] = reversed[--n];
    ret_text[length] = '\0';
    return length;
}

bool
mq_text_to_int(const char *text, size_t size, int64_t *ret_int)
{
    size_t i = size > 0 && (text[0] == '-' || text[0] == '+');
    if (i == size)
        return false;
    int64_t value = 0;
    for (; i < size; i++) {
        unsigned digit = (unsigned)(text[i] - '0');
        if (digit > 9)
            return false;
        /* Accumulate downwards: the most negative value has no positive twin. */
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, (int64_t)digit, &value))
            return false;
    }
    if (text[0] != '-' && __builtin_sub_overflow((int64_t)0, value, &value))
        return false;
    *ret_int = value;
    return true;
}

bool
mq_text_to_real(const char *text, size_t size, double *ret_real)
{
    static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    size_t i = size > 0 && (text[0] == '-' || text[0] == '+');
    uint64_t mantissa = 0;
    int digits = 0, scale = 0;
    bool point = false;
    for (; i < size; i++) {
        if (text[i] == '.') {
            if (point)
                return false;
            point = true;
            continue;
        }
        unsigned digit = (unsigned)(text[i] - '0');
        if (digit > 9)
            break;
        digits++;
        scale += point;
        if (digits <= 15)
            mantissa = mantissa * 10 + digit;
    }
    if (digits == 0)
        return false;
    /* Both fit a double exactly and the quotient is rounded once: exact (Clinger 1990). */
    if (i == size && digits <= 15) {
        double value = (double)mantissa / power[scale];
        *ret_real = text[0] == '-' ? -value : value;
        return true;
    }
    if (i < size && text[i] != 'e' && text[i] != 'E')
        return false;
    for (size_t k = i + 1; k < size; k++)
        if (strchr("0123456789+-", text[k]) == NULL || text[k] == '\0')
            return false;
    char small[64];
    char *copy = size < sizeof(small) ? small : malloc(size + 1);
    if (copy == NULL)
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    char *end;
    double value = parse_c(copy, &end);
    bool whole = end == copy + size && isfinite(value);
    if (copy != small)
        free(copy);
    if (whole)
        *ret_real = value;
    return whole;
}
