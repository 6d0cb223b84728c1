#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Days since 1970-01-01 of a proleptic Gregorian date (Howard Hinnant, "chrono-compatible
 * low-level date algorithms"). */
static int64_t
days_of_date(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    unsigned yoe = (unsigned)(year - era * 400);
    unsigned doy = (153 * (month + (month > 2 ? -3U : 9U)) + 2) / 5 + day - 1;
    unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + (int64_t)doe - 719468;
}

static void
date_of_days(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned doe = (unsigned)(days - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;
    *ret_day = doy - (153 * mp + 2) / 5 + 1;
    *ret_month = mp < 10 ? mp + 3 : mp - 9;
    *ret_year = (int64_t)yoe + era * 400 + (*ret_month <= 2);
}

/* Floor division: instants before 1970 belong to the day they are in. */
static int64_t
floor_day(int64_t epoch_s)
{
    int64_t day = epoch_s / MQ_DAY_SECONDS;
    return day - (epoch_s % MQ_DAY_SECONDS < 0);
}

static bool
fixed_now(int64_t *ret_epoch_s)
{
    const char *text = getenv("MARQUEE_NOW");
    if (text == NULL || *text == '\0')
        return false;
    char *end;
    long long value = strtoll(text, &end, 10);
    if (*end == '\0') {
        *ret_epoch_s = value;
        return true;
    }
    return mq_instant_parse(text, strlen(text), ret_epoch_s, NULL) == MQ_OK;
}

int64_t
mq_clock_now_s(void)
{
    int64_t now;
    return fixed_now(&now) ? now : (int64_t)time(NULL);
}

int64_t
mq_clock_now_ms(void)
{
    int64_t now;
    if (fixed_now(&now))
        return now * 1000;
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

double
mq_clock_monotonic_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

void
mq_date_format(int64_t epoch_s, char ret_text[MQ_DATE_SIZE])
{
    int64_t year;
    unsigned month, day;
    date_of_days(floor_day(epoch_s), &year, &month, &day);
    if (year < 1 || year > 9999)
        year = month = day = 0;
    char text[64];
    snprintf(text, sizeof(text), "%04u-%02u-%02u", (unsigned)year, month, day);
    memcpy(ret_text, text, MQ_DATE_SIZE);
}

void
mq_instant_format(int64_t epoch_s, char ret_text[MQ_INSTANT_SIZE])
{
    char date[MQ_DATE_SIZE];
    mq_date_format(epoch_s, date);
    unsigned second = (unsigned)(epoch_s - floor_day(epoch_s) * MQ_DAY_SECONDS);
    char text[64];
    snprintf(text, sizeof(text), "%sT%02u:%02u:%02uZ", date, second / 3600, second / 60 % 60,
             second % 60);
    memcpy(ret_text, text, MQ_INSTANT_SIZE);
}

/* Exactly `digits` decimal digits at *p; advances. */
static bool
take_number(const char **p, const char *end, int digits, unsigned *ret_value)
{
    unsigned value = 0;
    for (int i = 0; i < digits; i++, (*p)++) {
        if (*p == end || **p < '0' || **p > '9')
            return false;
        value = value * 10 + (unsigned)(**p - '0');
    }
    *ret_value = value;
    return true;
}

static bool
take_char(const char **p, const char *end, char c)
{
    if (*p == end || **p != c)
        return false;
    (*p)++;
    return true;
}

static unsigned
month_days(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

enum mq_status
mq_instant_parse(const char *text, size_t size, int64_t *ret_epoch_s, struct mq_error *err)
{
    const char *p = text, *end = text + size;
    unsigned year, month, day, hour = 0, minute = 0, second = 0, offset_h = 0, offset_m = 0;
    int sign = 1;
    if (!take_number(&p, end, 4, &year) || !take_char(&p, end, '-') ||
        !take_number(&p, end, 2, &month) || !take_char(&p, end, '-') ||
        !take_number(&p, end, 2, &day))
        goto malformed;
    if (p != end) {
        if (!take_char(&p, end, 'T') && !take_char(&p, end, ' '))
            goto malformed;
        if (!take_number(&p, end, 2, &hour) || !take_char(&p, end, ':') ||
            !take_number(&p, end, 2, &minute))
            goto malformed;
        if (take_char(&p, end, ':')) {
            if (!take_number(&p, end, 2, &second))
                goto malformed;
            if (take_char(&p, end, '.'))
                while (p != end && *p >= '0' && *p <= '9')
                    p++;
        }
        if (p != end && (*p == '+' || *p == '-')) {
            sign = *p++ == '-' ? -1 : 1;
            if (!take_number(&p, end, 2, &offset_h))
                goto malformed;
            if (p != end) {
                take_char(&p, end, ':');
                if (!take_number(&p, end, 2, &offset_m))
                    goto malformed;
            }
        } else if (p != end && !take_char(&p, end, 'Z')) {
            goto malformed;
        }
        if (p != end)
            goto malformed;
    }
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > month_days(year, month) ||
        hour > 23 || minute > 59 || second > 60 || offset_h > 18 || offset_m > 59)
        return mq_fail(err, MQ_E_RANGE, "no such date or time: '%.*s'",
                       (int)(size < 64 ? size : 64), text);
    *ret_epoch_s = days_of_date(year, month, day) * MQ_DAY_SECONDS + (int64_t)hour * 3600 +
                   minute * 60 + second - sign * (int64_t)(offset_h * 3600 + offset_m * 60);
    return MQ_OK;
malformed:
    return mq_fail(err, MQ_E_FORMAT,
                   "not a date: '%.*s' (expected YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ)",
                   (int)(size < 64 ? size : 64), text);
}

bool
mq_date_valid(const char *text)
{
    int64_t ignored;
    size_t size = strlen(text);
    return size == MQ_DATE_SIZE - 1 && mq_instant_parse(text, size, &ignored, NULL) == MQ_OK;
}
