#include "base/edit_distance.h"

#include <stdint.h>
#include <string.h>

#include "base/memory.h"

size_t
mq_edit_distance(const char *a, const char *b)
{
    size_t row[MQ_EDIT_DISTANCE_MAX + 1];
    size_t n = strlen(b);
    if (n >= MQ_COUNT(row))
        return SIZE_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t up = row[j];
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            best = MQ_MIN(best, up + 1);
            best = MQ_MIN(best, row[j - 1] + 1);
            row[j] = best;
            diagonal = up;
        }
    }
    return row[n];
}
