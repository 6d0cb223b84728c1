/*
 * write_factors OUT DATA: train iALS, EASE and a biased matrix factorisation on the small matrix of
 * factors_golden.py and write what they are made of, for it to compare with NumPy. DATA is not
 * used.
 */
#include <stdio.h>

#include "base/memory.h"
#include "base/progress.h"
#include "format/npy.h"
#include "model/biased_mf.h"
#include "model/ease.h"
#include "model/ials.h"

enum { USERS = 7, ITEMS = 9, FACTORS = 6 };

static enum mq_status
put(const char *folder, const char *name, int64_t rows, int64_t columns, const float *values,
    struct mq_error *err)
{
    mq_autofree char *path = mq_strfmt("%s/%s.npy", folder, name);
    struct mq_writer *writer = NULL;
    enum mq_status st = mq_writer_to_file(path, &writer, err);
    if (st == MQ_OK)
        st = mq_npy_write(writer, MQ_NPY_F4, columns > 0 ? 2 : 1, (const int64_t[]){rows, columns},
                          values, err);
    if (st == MQ_OK)
        st = mq_writer_commit(writer, err);
    mq_writer_close(writer);
    return st;
}

static enum mq_status
make_matrix(struct mq_rating_matrix **ret_matrix, struct mq_error *err)
{
    int32_t user[USERS * ITEMS], item[USERS * ITEMS], count = 0;
    float rating[USERS * ITEMS];
    for (int32_t u = 0; u < USERS - 1; u++)
        for (int32_t i = 0; i < ITEMS - 1; i++)
            if ((u * 5 + i * 3 + u * i) % 4 != 0) {
                user[count] = u;
                item[count] = i;
                rating[count++] = (float)(1 + u % 3 + i % 3);
            }
    return mq_rating_matrix_build(&(struct mq_rating_list){count, user, item, rating, NULL}, USERS,
                                  ITEMS, NULL, NULL, ret_matrix, err);
}

static enum mq_status
write_ials(const struct mq_rating_matrix *matrix, const char *folder, struct mq_error *err)
{
    struct mq_ials_options options = mq_ials_options_default();
    struct mq_ials *model = NULL;
    struct mq_ials_report report;
    float confidence[USERS * ITEMS];
    options.factors = FACTORS;
    options.iterations = 200;
    options.regularization = 0.05f;
    options.regularization_exponent = 0.7f;
    options.solver = MQ_IALS_CONJUGATE_GRADIENT;
    for (int64_t i = 0; i < matrix->count; i++)
        confidence[i] = 1 + (float)(i % 3) / 2;
    enum mq_status st = mq_ials_train(matrix, confidence, &options, 1, NULL, &model, &report, err);
    if (st != MQ_OK)
        return st;
    float objective = (float)report.final_objective;
    st = put(folder, "ials-user", USERS, FACTORS, model->user, err);
    if (st == MQ_OK)
        st = put(folder, "ials-item", ITEMS, FACTORS, model->item, err);
    if (st == MQ_OK)
        st = put(folder, "ials-objective", 1, 0, &objective, err);
    mq_ials_free(model);
    return st;
}

static enum mq_status
write_ease(const struct mq_rating_matrix *matrix, const char *folder, struct mq_error *err)
{
    struct mq_ease_options options = mq_ease_options_default();
    struct mq_ease *model = NULL;
    options.regularization = 0.7f;
    options.dropout = 0.4f;
    enum mq_status st = mq_ease_train(matrix, NULL, &options, NULL, &model, err);
    if (st == MQ_OK)
        st = put(folder, "ease", ITEMS, ITEMS, model->weight, err);
    mq_ease_free(model);
    return st;
}

static enum mq_status
write_biased_mf(const struct mq_rating_matrix *matrix, const char *folder, struct mq_error *err)
{
    struct mq_biased_mf_options options = mq_biased_mf_options_default();
    struct mq_biased_mf *m = NULL;
    int32_t user[USERS * ITEMS], item[USERS * ITEMS];
    float predicted[USERS * ITEMS];
    options.factors = FACTORS;
    enum mq_status st = mq_biased_mf_train(matrix, &options, 1, NULL, &m, NULL, err);
    if (st != MQ_OK)
        return st;
    for (int32_t k = 0; k < USERS * ITEMS; k++) {
        user[k] = k / ITEMS;
        item[k] = k % ITEMS;
    }
    const float numbers[] = {m->mean, m->scale, m->low, m->high, m->noise};
    st = mq_biased_mf_predict(m, user, item, USERS * ITEMS, predicted, err);
    if (st == MQ_OK)
        st = put(folder, "mf-predicted", USERS, ITEMS, predicted, err);
    if (st == MQ_OK)
        st = put(folder, "mf-numbers", 5, 0, numbers, err);
    if (st == MQ_OK)
        st = put(folder, "mf-user", USERS, FACTORS + 1, m->user, err);
    if (st == MQ_OK)
        st = put(folder, "mf-item", ITEMS, FACTORS + 1, m->item, err);
    if (st == MQ_OK)
        st = put(folder, "mf-precision", FACTORS + 1, 0, m->precision, err);
    if (st == MQ_OK)
        st = put(folder, "mf-implicit", ITEMS, FACTORS + 1, m->implicit, err);
    if (st == MQ_OK)
        st = put(folder, "mf-moments", ITEMS, MQ_BIASED_MF_MOMENTS(FACTORS), m->moments, err);
    mq_biased_mf_free(m);
    return st;
}

int
main(int count, char **values)
{
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = NULL;
    if (count < 2) {
        fprintf(stderr, "usage: write_factors OUT DATA\n");
        return 2;
    }
    mq_progress_enable(false);
    enum mq_status st = make_matrix(&matrix, &err);
    if (st == MQ_OK)
        st = write_ials(matrix, values[1], &err);
    if (st == MQ_OK)
        st = write_ease(matrix, values[1], &err);
    if (st == MQ_OK)
        st = write_biased_mf(matrix, values[1], &err);
    mq_rating_matrix_free(matrix);
    if (st != MQ_OK)
        fprintf(stderr, "write_factors: %s\n", err.message);
    return mq_status_exit_code(st);
}
