/* AUC by ranks: a radix sort of the probabilities' bits (non-negative floats order as integers),
 * then the Mann-Whitney sum with ties counted half. */
#include "model/binary_metrics.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

#define CLAMP 1e-7

/* Key: the float's bits; the label rides in the low half. Three passes of 11, 11 and 10 bits. */
static enum mq_status
sorted_pairs(const float *prob, const float *label, int64_t n, uint64_t **ret_pairs,
             struct mq_error *err)
{
    uint64_t *pairs = NULL, *other = NULL;
    enum mq_status st = mq_alloc_array_raw((size_t)n, sizeof(*pairs), &pairs, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)n, sizeof(*other), &other, err);
    if (st != MQ_OK) {
        mq_free(pairs);
        return st;
    }
    for (int64_t i = 0; i < n; i++) {
        float p = prob[i] + 0.0f; /* -0 becomes +0 */
        uint32_t bits;
        memcpy(&bits, &p, sizeof(bits));
        pairs[i] = ((uint64_t)bits << 32) | (label[i] > 0.5f);
    }
    for (int shift = 32; shift < 64; shift += 11) {
        int64_t start[2049] = {0};
        for (int64_t i = 0; i < n; i++)
            start[((pairs[i] >> shift) & 2047) + 1]++;
        for (int b = 0; b < 2048; b++)
            start[b + 1] += start[b];
        for (int64_t i = 0; i < n; i++)
            other[start[(pairs[i] >> shift) & 2047]++] = pairs[i];
        uint64_t *swap = pairs;
        pairs = other;
        other = swap;
    }
    mq_free(other);
    *ret_pairs = pairs;
    return MQ_OK;
}

enum mq_status
mq_binary_metrics(const float *prob, const float *label, int64_t n,
                  struct mq_binary_metrics *ret_metrics, struct mq_error *err)
{
    if (n < 1)
        return mq_fail(err, MQ_E_RANGE, "cannot measure predictions: there are no rows");
    struct mq_binary_metrics m = {.rows = n};
    double loss = 0, prediction = 0;
    for (int64_t i = 0; i < n; i++) {
        double p = (double)prob[i];
        if (!(p >= 0 && p <= 1))
            return mq_fail(
                err, MQ_E_RANGE,
                "cannot measure predictions: row %lld has probability %g, outside [0, 1]",
                (long long)i, p);
        bool positive = label[i] > 0.5f;
        double kept = MQ_MIN(MQ_MAX(p, CLAMP), 1 - CLAMP);
        loss -= positive ? log(kept) : log1p(-kept);
        prediction += p;
        m.positives += positive;
        int bin = MQ_MIN((int)(p * MQ_CALIBRATION_BINS), MQ_CALIBRATION_BINS - 1);
        m.bin_rows[bin]++;
        m.bin_prediction[bin] += p;
        m.bin_positives[bin] += positive;
    }
    m.log_loss = loss / (double)n;
    m.calibration = m.positives > 0 ? prediction / (double)m.positives : NAN;
    for (int b = 0; b < MQ_CALIBRATION_BINS; b++) {
        if (m.bin_rows[b] == 0)
            continue;
        m.bin_prediction[b] /= (double)m.bin_rows[b];
        m.bin_positives[b] /= (double)m.bin_rows[b];
        m.calibration_error +=
            (double)m.bin_rows[b] / (double)n * fabs(m.bin_prediction[b] - m.bin_positives[b]);
    }
    m.auc = NAN;
    if (m.positives > 0 && m.positives < n) {
        uint64_t *pairs = NULL;
        enum mq_status st = sorted_pairs(prob, label, n, &pairs, err);
        if (st != MQ_OK)
            return st;
        double wins = 0; /* pairs (positive, negative) in the right order, ties half */
        int64_t negatives_below = 0;
        for (int64_t i = 0; i < n;) {
            int64_t positives = 0, negatives = 0, j = i;
            for (; j < n && pairs[j] >> 32 == pairs[i] >> 32; j++) {
                if (pairs[j] & 1)
                    positives++;
                else
                    negatives++;
            }
            wins += (double)positives * ((double)negatives_below + 0.5 * (double)negatives);
            negatives_below += negatives;
            i = j;
        }
        m.auc = wins / ((double)m.positives * (double)(n - m.positives));
        mq_free(pairs);
    }
    *ret_metrics = m;
    return MQ_OK;
}
