/*
 * Train a factor model on a file of ratings and write lists or scores, for the scripts beside this.
 *
 *   factor_scores MODEL TRAIN OUT key=value …
 *
 * MODEL   ials, ease or biased-mf
 * TRAIN   "user item rating time" a line, codes from 0
 * OUT     lists=K: int32 [users,K], best first, items of TRAIN left out, -1 where there are fewer;
 *         pairs=FILE ("user item" a line): float32, a score a line. Raw, of this machine's order.
 * keys    users, items (how many codes there are), lists, pairs, threads, seed, and
 *         ials: factors iterations alpha lambda exponent steps   ease: lambda dropout
 *         biased-mf: factors iterations lambda implicit
 *         recency (exponent, 0: none): newer items of a history count for more when scoring
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "model/biased_mf.h"
#include "model/ease.h"
#include "model/factor_lists.h"
#include "model/ials.h"
#include "model/recency.h"

struct pairs {
    int64_t count;
    int32_t *user, *item;
};

struct task {
    int key_count;
    char **keys;
    const struct mq_rating_matrix *matrix;
    const float *recency; /* [count], NULL: none */
    struct pairs pairs;
    int32_t k;
    int32_t *lists; /* [users,k] */
    float *scores;  /* [pairs] */
    struct mq_pool *pool;
};

static const char *
text_of(const struct task *t, const char *key)
{
    size_t size = strlen(key);
    for (int i = 0; i < t->key_count; i++)
        if (strncmp(t->keys[i], key, size) == 0 && t->keys[i][size] == '=')
            return t->keys[i] + size + 1;
    return NULL;
}

static double
number_of(const struct task *t, const char *key, double otherwise)
{
    const char *text = text_of(t, key);
    return text != NULL ? strtod(text, NULL) : otherwise;
}

static enum mq_status
read_ratings(const struct task *t, const char *path, struct mq_rating_matrix **ret_matrix,
             struct mq_error *err)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return mq_fail(err, MQ_E_IO, "cannot open '%s'", path);
    int32_t *user = NULL, *item = NULL;
    float *rating = NULL;
    uint32_t *time_s = NULL;
    size_t room[4] = {0}, count = 0;
    long u, i;
    double r;
    unsigned long when;
    enum mq_status st = MQ_OK;
    while (st == MQ_OK && fscanf(file, "%ld %ld %lf %lu", &u, &i, &r, &when) == 4) {
        st = mq_grow(&user, &room[0], count + 1, sizeof(*user), err);
        if (st == MQ_OK)
            st = mq_grow(&item, &room[1], count + 1, sizeof(*item), err);
        if (st == MQ_OK)
            st = mq_grow(&rating, &room[2], count + 1, sizeof(*rating), err);
        if (st == MQ_OK)
            st = mq_grow(&time_s, &room[3], count + 1, sizeof(*time_s), err);
        if (st != MQ_OK)
            break;
        user[count] = (int32_t)u;
        item[count] = (int32_t)i;
        rating[count] = (float)r;
        time_s[count++] = (uint32_t)when;
    }
    fclose(file);
    if (st == MQ_OK)
        st = mq_rating_matrix_build(
            &(struct mq_rating_list){(int64_t)count, user, item, rating, time_s},
            (int32_t)number_of(t, "users", 0), (int32_t)number_of(t, "items", 0), NULL, NULL,
            ret_matrix, err);
    free(user);
    free(item);
    free(rating);
    free(time_s);
    return st;
}

static enum mq_status
read_pairs(const char *path, struct pairs *pairs, struct mq_error *err)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return mq_fail(err, MQ_E_IO, "cannot open '%s'", path);
    size_t room[2] = {0};
    long u, i;
    enum mq_status st = MQ_OK;
    while (st == MQ_OK && fscanf(file, "%ld %ld", &u, &i) == 2) {
        st = mq_grow(&pairs->user, &room[0], (size_t)pairs->count + 1, sizeof(int32_t), err);
        if (st == MQ_OK)
            st = mq_grow(&pairs->item, &room[1], (size_t)pairs->count + 1, sizeof(int32_t), err);
        if (st == MQ_OK) {
            pairs->user[pairs->count] = (int32_t)u;
            pairs->item[pairs->count++] = (int32_t)i;
        }
    }
    fclose(file);
    return st;
}

static enum mq_status
run_ials(struct task *t, struct mq_error *err)
{
    struct mq_ials_options o = mq_ials_options_default();
    const struct mq_rating_matrix *matrix = t->matrix;
    struct mq_ials *model = NULL;
    struct mq_factor_panels panels = {0};
    mq_autofree float *folded = NULL;
    o.factors = (int32_t)number_of(t, "factors", o.factors);
    o.iterations = (int32_t)number_of(t, "iterations", o.iterations);
    o.unobserved_weight = (float)number_of(t, "alpha", (double)o.unobserved_weight);
    o.regularization = (float)number_of(t, "lambda", (double)o.regularization);
    o.regularization_exponent = (float)number_of(t, "exponent", (double)o.regularization_exponent);
    o.steps = (int32_t)number_of(t, "steps", o.steps);
    enum mq_status st = mq_ials_train(matrix, NULL, &o, (uint64_t)number_of(t, "seed", 1), t->pool,
                                      &model, NULL, err);
    size_t f = (size_t)o.factors;
    const float *user = st == MQ_OK ? model->user : NULL;
    if (st == MQ_OK && t->recency != NULL) {
        st = mq_alloc_array_raw((size_t)matrix->user_count * f, sizeof(float), &folded, err);
        if (st == MQ_OK)
            st = mq_ials_fold_in_all(model, matrix, t->recency, t->pool, folded, err);
        user = folded;
    }
    if (st == MQ_OK && t->k > 0)
        st = mq_factor_panels_build(model->item, model->item_count, o.factors, &panels, err);
    const struct mq_factor_queries queries = {.count = matrix->user_count,
                                              .vector = user,
                                              .offset = matrix->user_offset,
                                              .item = matrix->user_item};
    if (st == MQ_OK && t->k > 0)
        st = mq_factor_lists(&panels, &queries, t->k, t->pool, t->lists, NULL, err);
    for (int64_t p = 0; st == MQ_OK && p < t->pairs.count; p++) {
        const float *x = user + (size_t)t->pairs.user[p] * f;
        const float *y = model->item + (size_t)t->pairs.item[p] * f;
        t->scores[p] = 0;
        for (size_t j = 0; j < f; j++)
            t->scores[p] += x[j] * y[j];
    }
    mq_factor_panels_release(&panels);
    mq_ials_free(model);
    return st;
}

static enum mq_status
run_ease(struct task *t, struct mq_error *err)
{
    struct mq_ease_options o = mq_ease_options_default();
    const struct mq_rating_matrix *matrix = t->matrix;
    struct mq_ease *model = NULL;
    o.regularization = (float)number_of(t, "lambda", (double)o.regularization);
    o.dropout = (float)number_of(t, "dropout", (double)o.dropout);
    enum mq_status st = mq_ease_train(matrix, NULL, &o, t->pool, &model, err);
    if (st == MQ_OK && t->k > 0)
        st = mq_ease_lists(model, matrix, t->recency, t->k, t->pool, t->lists, NULL, err);
    for (int64_t p = 0; st == MQ_OK && p < t->pairs.count; p++) {
        int64_t first = matrix->user_offset[t->pairs.user[p]];
        int64_t count = matrix->user_offset[t->pairs.user[p] + 1] - first;
        st = mq_ease_score_items(model, matrix->user_item + first,
                                 t->recency != NULL ? t->recency + first : NULL, count,
                                 &t->pairs.item[p], 1, &t->scores[p], err);
    }
    mq_ease_free(model);
    return st;
}

static enum mq_status
run_biased_mf(struct task *t, struct mq_error *err)
{
    struct mq_biased_mf_options o = mq_biased_mf_options_default();
    struct mq_biased_mf *model = NULL;
    o.factors = (int32_t)number_of(t, "factors", o.factors);
    o.iterations = (int32_t)number_of(t, "iterations", o.iterations);
    o.implicit = number_of(t, "implicit", o.implicit) != 0;
    o.implicit_regularization = (float)number_of(t, "lambda", (double)o.implicit_regularization);
    enum mq_status st = mq_biased_mf_train(t->matrix, &o, (uint64_t)number_of(t, "seed", 1),
                                           t->pool, &model, NULL, err);
    if (st == MQ_OK)
        st = mq_biased_mf_predict(model, t->pairs.user, t->pairs.item, t->pairs.count, t->scores,
                                  err);
    mq_biased_mf_free(model);
    return st;
}

static enum mq_status
write_out(const struct task *t, const char *path, struct mq_error *err)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return mq_fail(err, MQ_E_IO, "cannot write '%s'", path);
    size_t lists = t->k > 0 ? (size_t)t->matrix->user_count * (size_t)t->k : 0;
    size_t scores = (size_t)t->pairs.count;
    bool good = fwrite(t->lists, sizeof(int32_t), lists, file) == lists;
    good = fwrite(t->scores, sizeof(float), scores, file) == scores && good;
    good = fclose(file) == 0 && good;
    return good ? MQ_OK : mq_fail(err, MQ_E_IO, "cannot write '%s'", path);
}

static enum mq_status
run(struct task *t, char **values, struct mq_error *err)
{
    struct mq_rating_matrix *matrix = NULL;
    mq_autofree float *recency = NULL;
    mq_autofree int32_t *lists = NULL;
    mq_autofree float *scores = NULL;
    double exponent = number_of(t, "recency", 0);
    enum mq_status st = mq_pool_new((int)number_of(t, "threads", 2), &t->pool, err);
    if (st == MQ_OK)
        st = read_ratings(t, values[2], &matrix, err);
    if (st == MQ_OK && text_of(t, "pairs") != NULL)
        st = read_pairs(text_of(t, "pairs"), &t->pairs, err);
    t->matrix = matrix;
    t->k = (int32_t)number_of(t, "lists", 0);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)matrix->user_count * (size_t)t->k, sizeof(*lists), &lists, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)t->pairs.count, sizeof(*scores), &scores, err);
    if (st == MQ_OK && exponent > 0)
        st = mq_alloc_array_raw((size_t)matrix->count, sizeof(*recency), &recency, err);
    if (st == MQ_OK && exponent > 0)
        st = mq_recency_weights_all(matrix, exponent, recency, err);
    t->recency = recency;
    t->lists = lists;
    t->scores = scores;
    if (st == MQ_OK)
        st = strcmp(values[1], "ials") == 0   ? run_ials(t, err)
             : strcmp(values[1], "ease") == 0 ? run_ease(t, err)
             : strcmp(values[1], "biased-mf") == 0
                 ? run_biased_mf(t, err)
                 : mq_fail(err, MQ_E_USAGE, "no model '%s'", values[1]);
    if (st == MQ_OK)
        st = write_out(t, values[3], err);
    mq_rating_matrix_free(matrix);
    mq_pool_free(t->pool);
    free(t->pairs.user);
    free(t->pairs.item);
    return st;
}

int
main(int count, char **values)
{
    struct mq_error err = {0};
    struct task task = {.key_count = count - 4, .keys = values + 4};
    if (count < 4) {
        fprintf(stderr, "usage: factor_scores ials|ease|biased-mf TRAIN OUT key=value …\n");
        return 2;
    }
    mq_progress_enable(false);
    enum mq_status st = run(&task, values, &err);
    if (st != MQ_OK)
        fprintf(stderr, "factor_scores: %s\n", err.message);
    return mq_status_exit_code(st);
}
