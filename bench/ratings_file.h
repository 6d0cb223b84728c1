/** Ratings as bench/peers/ratings.py writes them, and the end of a program that cannot go on. */
#ifndef MQ_BENCH_RATINGS_FILE_H
#define MQ_BENCH_RATINGS_FILE_H

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "data/rating_matrix.h"

static struct mq_error bench_err;

static inline void
bench_require(enum mq_status st)
{
    if (st == MQ_OK)
        return;
    fprintf(stderr, "bench: %s\n", bench_err.message);
    exit(1);
}

struct bench_ratings {
    int64_t count;
    int32_t user_count, item_count;
    int32_t *user, *item;
    float *rating;
    uint32_t *place; /* of the line: users in order, oldest first */
    uint32_t *folds; /* bit s: held out with seed s */
};

static inline void
bench_ratings_load(const char *path, struct bench_ratings *r)
{
    FILE *file = fopen(path, "r");
    size_t capacity[5] = {0};
    long line[4];
    if (file == NULL) {
        fprintf(stderr, "bench: cannot open '%s'\n", path);
        exit(1);
    }
    while (fscanf(file, "%ld %ld %ld %ld", line, line + 1, line + 2, line + 3) == 4) {
        size_t need = (size_t)r->count + 1;
        bench_require(mq_grow(&r->user, &capacity[0], need, sizeof(*r->user), &bench_err));
        bench_require(mq_grow(&r->item, &capacity[1], need, sizeof(*r->item), &bench_err));
        bench_require(mq_grow(&r->rating, &capacity[2], need, sizeof(*r->rating), &bench_err));
        bench_require(mq_grow(&r->place, &capacity[3], need, sizeof(*r->place), &bench_err));
        bench_require(mq_grow(&r->folds, &capacity[4], need, sizeof(*r->folds), &bench_err));
        r->user[r->count] = (int32_t)line[0];
        r->item[r->count] = (int32_t)line[1];
        r->rating[r->count] = (float)line[2];
        r->place[r->count] = (uint32_t)r->count;
        r->folds[r->count++] = (uint32_t)line[3];
        r->user_count = MQ_MAX(r->user_count, (int32_t)line[0] + 1);
        r->item_count = MQ_MAX(r->item_count, (int32_t)line[1] + 1);
    }
    fclose(file);
}

static inline void
bench_ratings_release(struct bench_ratings *r)
{
    free(r->user);
    free(r->item);
    free(r->rating);
    free(r->place);
    free(r->folds);
}

/** Of all ratings, or of those not marked. @param held uint8 [count] by line, or NULL */
static inline struct mq_rating_matrix *
bench_ratings_matrix(const struct bench_ratings *r, const uint8_t *held)
{
    size_t room = (size_t)r->count;
    mq_autofree int32_t *user = NULL;
    mq_autofree int32_t *item = NULL;
    mq_autofree float *rating = NULL;
    mq_autofree uint32_t *place = NULL;
    bench_require(mq_alloc_array_raw(room, sizeof(*user), &user, &bench_err));
    bench_require(mq_alloc_array_raw(room, sizeof(*item), &item, &bench_err));
    bench_require(mq_alloc_array_raw(room, sizeof(*rating), &rating, &bench_err));
    bench_require(mq_alloc_array_raw(room, sizeof(*place), &place, &bench_err));
    struct mq_rating_list list = {0, user, item, rating, place};
    for (int64_t i = 0; i < r->count; i++) {
        if (held != NULL && held[i])
            continue;
        user[list.count] = r->user[i];
        item[list.count] = r->item[i];
        rating[list.count] = r->rating[i];
        place[list.count++] = r->place[i];
    }
    struct mq_rating_matrix *matrix;
    bench_require(mq_rating_matrix_build(&list, r->user_count, r->item_count, NULL, NULL, &matrix,
                                         &bench_err));
    return matrix;
}

#endif
