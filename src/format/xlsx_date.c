/*
 * Dates in workbooks are numbers of days with a date format. Day 1 of the 1900 system is
 * 1900-01-01; it counts a 29 February 1900 that never was (day 60), so from March on the numbers
 * are one ahead. Day 0 of the 1904 system is 1904-01-01.
 */
#include <math.h>
#include <string.h>
#include <strings.h>

#include "format/xlsx_package.h"

#define DAY_MS 86400000.0
/* Days from day 0 of each system to 1970-01-01. */
#define DAYS_1900 25569
#define DAYS_1904 24107
#define DAY_LAST 2958466 /* the first one past 9999-12-31 */

bool
mq_xlsx_serial_to_epoch(double serial, bool date_1904, int64_t *ret_epoch_ms)
{
    if (!(serial >= 0 && serial < DAY_LAST - (date_1904 ? DAYS_1900 - DAYS_1904 : 0)))
        return false;
    double days = serial - (date_1904 ? DAYS_1904 : DAYS_1900);
    if (!date_1904 && serial < 60)
        days += 1;
    *ret_epoch_ms = llround(days * DAY_MS);
    return true;
}

double
mq_xlsx_epoch_to_serial(int64_t epoch_ms)
{
    return (double)epoch_ms / DAY_MS + DAYS_1900;
}

bool
mq_xlsx_builtin_is_date(int64_t f)
{
    return (f >= 14 && f <= 22) || (f >= 27 && f <= 36) || f == 45 || f == 47 ||
           (f >= 50 && f <= 58);
}

bool
mq_xlsx_format_is_date(const char *format)
{
    /* The first of up to four sections is for ordinary numbers. */
    bool date = false;
    for (const char *p = format; *p != '\0' && *p != ';'; p++) {
        if (*p == '"') {
            const char *close = strchr(p + 1, '"');
            if (close == NULL)
                return date;
            p = close;
        } else if (*p == '[') {
            if (strchr("hHmMsS", p[1]) != NULL && p[1] != '\0')
                return false; /* [h]:mm is a length of time */
            const char *close = strchr(p, ']');
            if (close == NULL)
                return date;
            p = close;
        } else if ((*p == '\\' || *p == '_' || *p == '*') && p[1] != '\0') {
            p++;
        } else if (strncasecmp(p, "general", 7) == 0) {
            return false;
        } else if (strchr("yYmMdDhHsS", *p) != NULL) {
            date = true;
        }
    }
    return date;
}
