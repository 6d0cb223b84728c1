#include "eval/activity_bands.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static int
compare_lengths(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

enum mq_status
mq_activity_bands(const int64_t *length, int64_t count, int bands,
                  struct mq_activity_band *ret_bands, int *ret_count, int32_t *ret_band,
                  struct mq_error *err)
{
    if (bands < 1 || bands > MQ_ACTIVITY_BANDS_MAX)
        return mq_fail(err, MQ_E_RANGE, "%d bands of activity (1 to %d)", bands,
                       MQ_ACTIVITY_BANDS_MAX);
    mq_autofree int64_t *sorted = NULL;
    enum mq_status st = mq_alloc_array_raw((size_t)count, sizeof(*sorted), &sorted, err);
    if (st != MQ_OK)
        return st;
    memcpy(sorted, length, (size_t)count * sizeof(*sorted));
    qsort(sorted, (size_t)count, sizeof(*sorted), compare_lengths);
    int made = 0;
    for (int64_t begin = 0, b = 1; b <= bands && begin < count; b++) {
        int64_t end = count * b / bands;
        while (end > 0 && end < count && sorted[end] == sorted[end - 1])
            end++;
        if (end <= begin)
            continue;
        ret_bands[made++] = (struct mq_activity_band){
            .from = sorted[begin], .to = sorted[end - 1], .count = end - begin};
        begin = end;
    }
    for (int64_t i = 0; i < count; i++) {
        int32_t band = 0;
        while (length[i] > ret_bands[band].to)
            band++;
        ret_band[i] = band;
    }
    *ret_count = made;
    return MQ_OK;
}
