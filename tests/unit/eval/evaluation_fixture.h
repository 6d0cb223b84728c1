/** The task of tests/golden/evaluation_golden.py, evaluated. Include check.h first. */
#ifndef MQ_TESTS_EVALUATION_FIXTURE_H
#define MQ_TESTS_EVALUATION_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "eval/evaluation_report.h"
#include "format/json.h"

#define EVALUATION_SYSTEMS 3

struct evaluation_fixture {
    json_t *document;
    int32_t users, items;
    struct mq_rating_matrix *history;
    struct mq_ranking_cases cases;
    int64_t *plays, *genre_offset;
    int32_t *genre, *rating_user;
    uint8_t *offered;
    float *given, *predicted[EVALUATION_SYSTEMS];
    int32_t cuts[MQ_EVAL_CUTS_MAX];
    struct mq_item_genres genres;
    struct mq_ranking_task task;
    struct mq_rating_task ratings;
    struct mq_ranking_result results[EVALUATION_SYSTEMS];
};

static const char *const evaluation_names[EVALUATION_SYSTEMS] = {"popularity", "live", "candidate"};
static const enum mq_system_role evaluation_roles[EVALUATION_SYSTEMS] = {
    MQ_SYSTEM_BASELINE, MQ_SYSTEM_LIVE, MQ_SYSTEM_CANDIDATE};

static double
number_at(const json_t *array, size_t index)
{
    return json_number_value(json_array_get(array, index));
}

/* Lists of whole numbers as offsets and entries. */
static void
flatten(const json_t *lists, int64_t **ret_offset, int32_t **ret_entries)
{
    struct mq_error err = {0};
    size_t count = json_array_size(lists), total = 0;
    for (size_t i = 0; i < count; i++)
        total += json_array_size(json_array_get(lists, i));
    check_ok(mq_alloc_array(count + 1, sizeof(int64_t), ret_offset, &err));
    check_ok(mq_alloc_array(total, sizeof(int32_t), ret_entries, &err));
    total = 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *list = json_array_get(lists, i);
        for (size_t k = 0; k < json_array_size(list); k++)
            (*ret_entries)[total++] = (int32_t)number_at(list, k);
        (*ret_offset)[i + 1] = (int64_t)total;
    }
}

static void
fixture_history(struct evaluation_fixture *f)
{
    struct mq_error err = {0};
    int64_t *offset;
    int32_t *item, *user;
    flatten(json_object_get(f->document, "history"), &offset, &item);
    check_ok(mq_alloc_array((size_t)offset[f->users], sizeof(*user), &user, &err));
    for (int32_t u = 0; u < f->users; u++)
        for (int64_t i = offset[u]; i < offset[u + 1]; i++)
            user[i] = u;
    const struct mq_rating_list list = {.count = offset[f->users], .user = user, .item = item};
    check_ok(mq_rating_matrix_build(&list, f->users, f->items, NULL, NULL, &f->history, &err));
    mq_free(offset);
    mq_free(item);
    mq_free(user);
}

/* Scores of one system by user and item, for the engine. */
static enum mq_status
fixture_score(void *context, int worker, int64_t index, int32_t user, const int32_t *items,
              int32_t count, float *ret_scores, struct mq_error *err)
{
    (void)worker;
    (void)index;
    (void)err;
    const json_t *scores = json_array_get(context, (size_t)user);
    for (int32_t i = 0; i < count; i++)
        ret_scores[i] = (float)number_at(scores, (size_t)(items != NULL ? items[i] : i));
    return MQ_OK;
}

static void
fixture_ratings(struct evaluation_fixture *f)
{
    struct mq_error err = {0};
    const json_t *user = json_object_get(f->document, "rating_user");
    const json_t *given = json_object_get(f->document, "given");
    size_t count = json_array_size(user);
    check_ok(mq_alloc_array(count, sizeof(*f->rating_user), &f->rating_user, &err));
    check_ok(mq_alloc_array(count, sizeof(*f->given), &f->given, &err));
    for (size_t i = 0; i < count; i++) {
        f->rating_user[i] = (int32_t)number_at(user, i);
        f->given[i] = (float)number_at(given, i);
    }
    f->ratings = (struct mq_rating_task){(int64_t)count, f->rating_user, f->given};
    for (int s = 0; s < EVALUATION_SYSTEMS; s++) {
        const json_t *predicted =
            json_object_get(json_object_get(f->document, "predicted"), evaluation_names[s]);
        if (predicted == NULL)
            continue;
        check_ok(mq_alloc_array(count, sizeof(float), &f->predicted[s], &err));
        for (size_t i = 0; i < count; i++)
            f->predicted[s][i] = (float)number_at(predicted, i);
    }
}

static void
fixture_task(struct evaluation_fixture *f)
{
    struct mq_error err = {0};
    const json_t *plays = json_object_get(f->document, "plays");
    const json_t *offered = json_object_get(f->document, "offered");
    const json_t *cuts = json_object_get(f->document, "cuts");
    check_ok(mq_alloc_array((size_t)f->items, sizeof(*f->plays), &f->plays, &err));
    check_ok(mq_alloc_array((size_t)f->items, sizeof(*f->offered), &f->offered, &err));
    for (size_t i = 0; i < (size_t)f->items; i++) {
        f->plays[i] = (int64_t)number_at(plays, i);
        f->offered[i] = (uint8_t)number_at(offered, i);
    }
    for (size_t c = 0; c < json_array_size(cuts); c++)
        f->cuts[c] = (int32_t)number_at(cuts, c);
    flatten(json_object_get(f->document, "genres"), &f->genre_offset, &f->genre);
    f->genres = (struct mq_item_genres){
        f->items, (int32_t)json_integer_value(json_object_get(f->document, "genre_count")),
        f->genre_offset, f->genre};
    flatten(json_object_get(f->document, "relevant"), &f->cases.relevant_offset,
            &f->cases.relevant);
    check_ok(mq_alloc_array((size_t)f->users, sizeof(int32_t), &f->cases.user, &err));
    for (int32_t u = 0; u < f->users; u++)
        f->cases.user[u] = u;
    f->cases.count = f->cases.eligible = f->users;
    f->task = (struct mq_ranking_task){
        .cases = &f->cases,
        .item_count = f->items,
        .cut_count = (int)json_array_size(cuts),
        .cuts = f->cuts,
        .history = f->history,
        .offered = f->offered,
        .plays = f->plays,
        .head = (int32_t)json_integer_value(json_object_get(f->document, "head")),
        .genres = &f->genres};
}

/* Read DIR/evaluation_golden.json and rank with its systems. */
static void
fixture_make(const char *folder, struct mq_pool *pool, struct evaluation_fixture *f)
{
    struct mq_error err = {0};
    char path[4200];
    *f = (struct evaluation_fixture){0};
    snprintf(path, sizeof(path), "%s/evaluation_golden.json", folder);
    check_ok(mq_json_read_file(path, &f->document, &err));
    f->users = (int32_t)json_array_size(json_object_get(f->document, "history"));
    f->items = (int32_t)json_array_size(json_object_get(f->document, "plays"));
    fixture_history(f);
    fixture_task(f);
    fixture_ratings(f);
    for (int s = 0; s < EVALUATION_SYSTEMS; s++) {
        const struct mq_ranking_system system = {
            .name = evaluation_names[s],
            .score = fixture_score,
            .context =
                json_object_get(json_object_get(f->document, "systems"), evaluation_names[s])};
        check_ok(mq_ranking_evaluate(&f->task, &system, pool, NULL, &f->results[s], &err));
    }
}

static void
fixture_release(struct evaluation_fixture *f)
{
    for (int s = 0; s < EVALUATION_SYSTEMS; s++) {
        mq_ranking_result_release(&f->results[s]);
        mq_free(f->predicted[s]);
    }
    mq_rating_matrix_free(f->history);
    mq_ranking_cases_release(&f->cases);
    mq_free(f->plays);
    mq_free(f->genre_offset);
    mq_free(f->genre);
    mq_free(f->rating_user);
    mq_free(f->offered);
    mq_free(f->given);
    json_decref(f->document);
}

/* The input of a report of all systems. @param entries [EVALUATION_SYSTEMS], filled */
static struct mq_eval_input
fixture_input(const struct evaluation_fixture *f, int resamples, struct mq_eval_entry *entries)
{
    for (int s = 0; s < EVALUATION_SYSTEMS; s++)
        entries[s] = (struct mq_eval_entry){evaluation_names[s], evaluation_roles[s],
                                            &f->results[s], f->predicted[s]};
    return (struct mq_eval_input){
        .data = "golden",
        .protocol = "A random task.",
        .task = &f->task,
        .ratings = &f->ratings,
        .entries = entries,
        .entry_count = EVALUATION_SYSTEMS,
        .main_cut = 1,
        .bands = (int)json_integer_value(json_object_get(f->document, "bands")),
        .bins = (int)json_integer_value(json_object_get(f->document, "bins")),
        .resamples = resamples,
        .level = 0.95,
        .seed = 3};
}

#endif
