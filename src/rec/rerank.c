#include "rec/rerank.h"

#include <math.h>

#include "base/memory.h"

void
mq_quality_compute(int32_t n, const float *popularity, const float *average, float low, float high,
                   float *ret_quality)
{
    double most = 0;
    for (int32_t i = 0; i < n; i++)
        most = fmax(most, (double)popularity[i]);
    double scale = most > 0 ? 1.0 / log1p(most) : 0;
    for (int32_t i = 0; i < n; i++) {
        double popular = log1p(fmax((double)popularity[i], 0)) * scale;
        double place = ((double)average[i] - (double)low) / ((double)high - (double)low);
        ret_quality[i] =
            (float)(MQ_QUALITY_POPULARITY * popular + MQ_QUALITY_AVERAGE * fmin(fmax(place, 0), 1));
    }
}

void
mq_recall_scale(float *scores, int32_t n)
{
    float least = INFINITY, most = -INFINITY;
    for (int32_t i = 0; i < n; i++) {
        least = MQ_MIN(least, scores[i]);
        most = MQ_MAX(most, scores[i]);
    }
    float scale = most > least ? 1 / (most - least) : 0;
    for (int32_t i = 0; i < n; i++)
        scores[i] = scale > 0 ? (scores[i] - least) * scale : 1;
}
