#include "eval/rating_errors.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

/* 97.5 % of the normal distribution. */
#define NORMAL_975 1.959963984540054

enum mq_status
mq_rating_errors_measure(const struct mq_rating_task *task, const float *predicted,
                         struct mq_rating_errors *ret_errors, struct mq_error *err)
{
    double squares = 0, absolutes = 0, differences = 0;
    for (int64_t i = 0; i < task->count; i++) {
        if (!isfinite(predicted[i]))
            return mq_fail(err, MQ_E_RANGE, "the prediction of test rating %" PRId64 " is %g", i,
                           (double)predicted[i]);
        double difference = (double)predicted[i] - (double)task->given[i];
        squares += difference * difference;
        absolutes += fabs(difference);
        differences += difference;
    }
    double n = task->count > 0 ? (double)task->count : 1;
    *ret_errors = (struct mq_rating_errors){.count = task->count,
                                            .rmse = sqrt(squares / n),
                                            .mae = absolutes / n,
                                            .bias = differences / n};
    return MQ_OK;
}

int64_t
mq_rating_task_users(const struct mq_rating_task *task)
{
    int64_t users = 0;
    for (int64_t i = 0; i < task->count; i++)
        users += i == 0 || task->user[i] != task->user[i - 1];
    return users;
}

void
mq_rating_errors_by_user(const struct mq_rating_task *task, const float *predicted,
                         struct mq_user_errors *ret_users)
{
    int64_t users = 0;
    for (int64_t i = 0; i < task->count; i++) {
        if (i == 0 || task->user[i] != task->user[i - 1])
            ret_users[users++] = (struct mq_user_errors){0};
        struct mq_user_errors *user = &ret_users[users - 1];
        double difference = (double)predicted[i] - (double)task->given[i];
        user->squares += difference * difference;
        user->absolutes += fabs(difference);
        user->differences += difference;
        user->count += 1;
    }
}

static int
compare_predicted(const void *left, const void *right, void *argument)
{
    const float *predicted = argument;
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    if (predicted[a] != predicted[b])
        return predicted[a] < predicted[b] ? -1 : 1;
    return (a > b) - (a < b);
}

static struct mq_rating_bin
make_bin(const struct mq_rating_task *task, const float *predicted, const int64_t *order,
         int64_t count)
{
    double sum = 0, given = 0, squares = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += (double)predicted[order[i]];
        given += (double)task->given[order[i]];
    }
    double n = (double)count, mean = given / n;
    for (int64_t i = 0; i < count; i++) {
        double difference = (double)task->given[order[i]] - mean;
        squares += difference * difference;
    }
    double half = count > 1 ? NORMAL_975 * sqrt(squares / (n - 1) / n) : (double)NAN;
    return (struct mq_rating_bin){.predicted = sum / n,
                                  .given = mean,
                                  .low = mean - half,
                                  .high = mean + half,
                                  .count = count};
}

enum mq_status
mq_rating_calibration(const struct mq_rating_task *task, const float *predicted, int bins,
                      struct mq_rating_bin *ret_bins, int *ret_count, struct mq_error *err)
{
    if (bins < 1 || bins > MQ_RATING_BINS_MAX)
        return mq_fail(err, MQ_E_RANGE, "%d bins of predicted ratings (1 to %d)", bins,
                       MQ_RATING_BINS_MAX);
    mq_autofree int64_t *order = NULL;
    enum mq_status st = mq_alloc_array_raw((size_t)task->count, sizeof(*order), &order, err);
    if (st != MQ_OK)
        return st;
    for (int64_t i = 0; i < task->count; i++)
        order[i] = i;
    qsort_r(order, (size_t)task->count, sizeof(*order), compare_predicted,
            (void *)(uintptr_t)predicted);
    int count = 0;
    for (int64_t begin = 0, b = 1; b <= bins && begin < task->count; b++) {
        int64_t end = task->count * b / bins;
        while (end > 0 && end < task->count && predicted[order[end]] == predicted[order[end - 1]])
            end++;
        if (end <= begin)
            continue;
        ret_bins[count++] = make_bin(task, predicted, order + begin, end - begin);
        begin = end;
    }
    *ret_count = count;
    return MQ_OK;
}
