/**
 * YoutubeDNN's loss, said as plainly as C can say it and in double precision: the oracle of
 * gradients. Each sample is computed on its own; nothing is shared between samples.
 */
#ifndef MQ_TESTS_YOUTUBEDNN_ORACLE_H
#define MQ_TESTS_YOUTUBEDNN_ORACLE_H

#include <math.h>
#include <stdlib.h>

#include "model/youtubednn_shard.h"

/** Every parameter in double. */
struct oracle {
    int heads, user_rows, item_rows;
    double *user, *item, *position, *kernel[3], *bias[3];
    const float *scale; /* [51, H]; NULL: mean */
};

static double *
oracle_copy(const float *values, size_t n)
{
    double *copy = malloc(sizeof(double) * (n + 1));
    for (size_t i = 0; i < n; i++)
        copy[i] = (double)values[i];
    return copy;
}

static void
oracle_init(struct oracle *o, const struct mq_user_tower *tower,
            const struct mq_tower_position *position)
{
    o->heads = tower->heads;
    o->user_rows = tower->user_count + 1;
    o->item_rows = tower->item_count;
    o->user = oracle_copy(tower->user, (size_t)o->user_rows * 16);
    o->item = oracle_copy(tower->item, (size_t)o->item_rows * 32);
    o->position = position != NULL ? oracle_copy(position->weight, (size_t)o->heads * 50) : NULL;
    o->scale = position != NULL ? position->scale : NULL;
    for (int i = 0; i < 3; i++) {
        const struct mq_tower_layer *layer = &tower->layer[i];
        o->kernel[i] = oracle_copy(layer->kernel, (size_t)layer->inputs * (size_t)layer->outputs);
        o->bias[i] = oracle_copy(layer->bias, (size_t)layer->outputs);
    }
}

static void
oracle_release(struct oracle *o)
{
    free(o->user);
    free(o->item);
    free(o->position);
    for (int i = 0; i < 3; i++) {
        free(o->kernel[i]);
        free(o->bias[i]);
    }
}

static void
oracle_layer(const double *kernel, const double *bias, int inputs, int outputs, bool relu,
             const double *x, double *y)
{
    for (int o = 0; o < outputs; o++) {
        double sum = bias[o];
        for (int i = 0; i < inputs; i++)
            sum += x[i] * kernel[i * outputs + o];
        y[o] = relu && sum < 0 ? 0 : sum;
    }
}

/** The vector of one user after plays item[0…n), oldest first. */
static void
oracle_vector(const struct oracle *o, int user, const int32_t *item, int64_t n, double *ret_vector)
{
    double input[16 + 32 * MQ_TOWER_HEADS_MAX] = {0}, first[128], second[64];
    int length = n < 50 ? (int)n : 50;
    for (int d = 0; d < 16; d++)
        input[d] = o->user[user * 16 + d];
    for (int h = 0; h < o->heads; h++)
        for (int k = 0; k < length; k++) {
            double weight = o->scale == NULL
                                ? 1.0 / length
                                : o->position[h * 50 + k] * (double)o->scale[length * o->heads + h];
            for (int d = 0; d < 32; d++)
                input[16 + h * 32 + d] += weight * o->item[item[n - 1 - k] * 32 + d];
        }
    oracle_layer(o->kernel[0], o->bias[0], 16 + 32 * o->heads, 128, true, input, first);
    oracle_layer(o->kernel[1], o->bias[1], 128, 64, true, first, second);
    oracle_layer(o->kernel[2], o->bias[2], 64, 32, false, second, ret_vector);
}

/** Weighted loss of some runs: one sample after the other. */
static double
oracle_loss(const struct oracle *o, const struct mq_tower_batch *batch,
            const struct mq_tower_run *runs, int run_count)
{
    double loss = 0;
    for (int r = 0; r < run_count; r++)
        for (int j = 0; j < runs[r].count; j++) {
            int64_t at = runs[r].first + j, before = runs[r].before + j;
            int target = batch->item[at];
            double vector[32], own = -(double)batch->log_expected[target], others = 0;
            oracle_vector(o, runs[r].user, batch->item + at - before, before, vector);
            for (int d = 0; d < 32; d++)
                own += vector[d] * o->item[target * 32 + d];
            for (int i = 0; i < batch->negative_count; i++) {
                if (batch->negative[i] == target)
                    continue;
                double score = (double)batch->negative_correction[i];
                for (int d = 0; d < 32; d++)
                    score += vector[d] * o->item[batch->negative[i] * 32 + d];
                others += exp(score - own);
            }
            double weight = batch->weight != NULL ? (double)batch->weight[at] : 1.0;
            loss += (double)batch->weight_factor * weight * log1p(others);
        }
    return loss;
}

#endif
