#include "eval/item_genres.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum mq_status
mq_item_genres_check(const struct mq_item_genres *genres, struct mq_error *err)
{
    for (int32_t item = 0; item < genres->item_count; item++) {
        int64_t begin = genres->offset[item], end = genres->offset[item + 1];
        if (begin < 0 || begin > end)
            return mq_fail(err, MQ_E_RANGE, "genres of item %d: offsets descend", item);
        for (int64_t i = begin; i < end; i++)
            if (genres->genre[i] < 0 || genres->genre[i] >= genres->genre_count ||
                (i > begin && genres->genre[i] <= genres->genre[i - 1]))
                return mq_fail(err, MQ_E_RANGE,
                               "genres of item %d: genre %d (0 to %d, ascending, none twice)", item,
                               genres->genre[i], genres->genre_count - 1);
    }
    return MQ_OK;
}

static int
compare_codes(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

enum mq_status
mq_item_genres_of_catalogue(const struct mq_catalogue *c, int32_t item_count,
                            struct mq_item_genres *ret_genres, int64_t **ret_offset,
                            int32_t **ret_genre, struct mq_error *err)
{
    const int64_t *from = c->offset[MQ_PROPERTY_CATEGORY];
    int64_t *offset = NULL, count = 0;
    int32_t *genre = NULL;
    enum mq_status st = mq_alloc_array((size_t)item_count + 1, sizeof(*offset), ret_offset, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)from[c->count], sizeof(*genre), ret_genre, err);
    if (st != MQ_OK)
        return st;
    offset = *ret_offset;
    genre = *ret_genre;
    for (int32_t i = 0; i < item_count; i++) {
        int64_t first = count, kept = count;
        for (int64_t k = i < c->count ? from[i] : 0; i < c->count && k < from[i + 1]; k++)
            genre[count++] = c->value[MQ_PROPERTY_CATEGORY][k];
        qsort(genre + first, (size_t)(count - first), sizeof(*genre), compare_codes);
        for (int64_t k = first; k < count; k++)
            if (k == first || genre[k] != genre[kept - 1])
                genre[kept++] = genre[k];
        offset[i + 1] = count = kept;
    }
    *ret_genres = (struct mq_item_genres){.item_count = item_count,
                                          .genre_count = c->names[MQ_PROPERTY_CATEGORY].count,
                                          .offset = offset,
                                          .genre = genre};
    return MQ_OK;
}

double
mq_genre_similarity(const void *context, int32_t a, int32_t b)
{
    const struct mq_item_genres *genres = context;
    int64_t i = genres->offset[a], i_end = genres->offset[a + 1];
    int64_t j = genres->offset[b], j_end = genres->offset[b + 1];
    double sizes = (double)(i_end - i) * (double)(j_end - j);
    int64_t common = 0;
    while (i < i_end && j < j_end) {
        int32_t left = genres->genre[i], right = genres->genre[j];
        common += left == right;
        i += left <= right;
        j += right <= left;
    }
    return sizes > 0 ? (double)common / sqrt(sizes) : 0;
}

int64_t
mq_genre_mix(const struct mq_item_genres *genres, const int32_t *items, int64_t count,
             double *ret_mix)
{
    int64_t described = 0;
    memset(ret_mix, 0, (size_t)genres->genre_count * sizeof(*ret_mix));
    for (int64_t i = 0; i < count; i++) {
        int64_t begin = genres->offset[items[i]], end = genres->offset[items[i] + 1];
        described += end > begin;
        for (int64_t k = begin; k < end; k++)
            ret_mix[genres->genre[k]] += 1.0 / (double)(end - begin);
    }
    for (int32_t g = 0; g < genres->genre_count && described > 0; g++)
        ret_mix[g] /= (double)described;
    return described;
}

double
mq_miscalibration(const double *history, const double *list, int32_t genre_count)
{
    double sum = 0;
    for (int32_t g = 0; g < genre_count; g++) {
        double p = history[g];
        if (p > 0)
            sum += p * log(p / ((1 - MQ_CALIBRATION_ALPHA) * list[g] + MQ_CALIBRATION_ALPHA * p));
    }
    return sum > 0 ? sum : 0; /* rounding may leave -1e-17 */
}
