#include "rec/two_places.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * x·100 is off by at most half a unit in the last place, so its nearest integer is the right one
 * unless it lies within that of a half; only then the exact decimal expansion decides.
 */
static int
hundredths(double x, double *ret_integer)
{
    double scaled = fabs(x) * 100.0;
    if (!(scaled < 1e14))
        return 0;
    double down = (double)(int64_t)scaled, rest = scaled - down;
    if (fabs(rest - 0.5) <= scaled * 0x1p-50 + 1e-300)
        return 0;
    *ret_integer = rest > 0.5 ? down + 1 : down;
    return 1;
}

double
mq_two_places(double x)
{
    double integer;
    if (hundredths(x, &integer))
        return copysign(integer / 100.0, x);
    if (!isfinite(x) || fabs(x) >= 1e12)
        return x;
    char text[MQ_TWO_PLACES_MAX];
    snprintf(text, sizeof(text), "%.2f", x);
    return strtod(text, NULL);
}

size_t
mq_two_places_format(double x, char *ret_text)
{
    double integer;
    if (!hundredths(x, &integer) || integer >= 1e15)
        return (size_t)snprintf(ret_text, MQ_TWO_PLACES_MAX, "%.2f", x);
    char digits[24];
    size_t count = 0;
    uint64_t large = (uint64_t)integer;
    for (; large > UINT32_MAX; large /= 10)
        digits[count++] = (char)('0' + large % 10);
    uint32_t n = (uint32_t)large; /* divides several times as fast */
    while (n > 0 || count < 3) {
        digits[count++] = (char)('0' + n % 10);
        n /= 10;
    }
    size_t used = 0;
    if (signbit(x))
        ret_text[used++] = '-';
    while (count > 0) {
        if (count == 2)
            ret_text[used++] = '.';
        ret_text[used++] = digits[--count];
    }
    ret_text[used] = '\0';
    return used;
}
