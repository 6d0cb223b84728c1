#include "eval/evaluation_report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "eval/report_parts.h"
#include "format/utf8.h"

/* Seeds of draws that are independent of each other. */
#define SEED_RATINGS UINT64_C(0x9e3779b97f4a7c15)
#define SEED_BANDS UINT64_C(0xbf58476d1ce4e5b9)
#define SEED_BAND_ERRORS UINT64_C(0x94d049bb133111eb)

const char *
mq_system_role_name(enum mq_system_role role)
{
    static const char *const names[] = {"baseline", "channel", "live", "candidate"};
    return names[role];
}

/* ---- columns of a bootstrap, and where their results go ------------------------------------ */

struct columns {
    struct mq_bootstrap_column *column;
    struct mq_interval **value;      /* where the interval goes */
    struct mq_interval **difference; /* and the difference; NULL: nowhere */
    int *minus;                      /* column of the reference */
    int count;
};

static enum mq_status
columns_init(struct columns *columns, size_t room, struct mq_error *err)
{
    enum mq_status st = mq_alloc_array(room, sizeof(*columns->column), &columns->column, err);
    if (st == MQ_OK)
        st = mq_alloc_array(room, sizeof(struct mq_interval *), &columns->value, err);
    if (st == MQ_OK)
        st = mq_alloc_array(room, sizeof(struct mq_interval *), &columns->difference, err);
    if (st == MQ_OK)
        st = mq_alloc_array(room, sizeof(*columns->minus), &columns->minus, err);
    return st;
}

static void
columns_release(struct columns *columns)
{
    mq_free(columns->column);
    mq_free(columns->value);
    mq_free(columns->difference);
    mq_free(columns->minus);
}

/* @return the column's number */
static int
columns_add(struct columns *columns, struct mq_bootstrap_column column, struct mq_interval *value)
{
    columns->column[columns->count] = column;
    columns->value[columns->count] = value;
    return columns->count++;
}

static enum mq_status
columns_run(const struct columns *columns, int64_t count, const struct mq_eval_input *input,
            uint64_t seed, struct mq_pool *pool, struct mq_error *err)
{
    struct mq_bootstrap bootstrap = {0};
    enum mq_status st = mq_bootstrap_run(columns->column, columns->count, count, input->resamples,
                                         seed, pool, &bootstrap, err);
    for (int c = 0; c < columns->count && st == MQ_OK; c++) {
        st = mq_bootstrap_interval(&bootstrap, c, input->level, columns->value[c], err);
        if (st == MQ_OK && columns->difference[c] != NULL)
            st = mq_bootstrap_difference(&bootstrap, c, columns->minus[c], input->level,
                                         columns->difference[c], err);
    }
    mq_bootstrap_release(&bootstrap);
    return st;
}

/* ---- rankings ----------------------------------------------------------------------------- */

static const struct mq_interval no_interval = {NAN, NAN, NAN};

static void
blank_figure(struct mq_eval_figure *figure)
{
    figure->value = no_interval;
    figure->difference = no_interval;
}

void
mq_eval_system_blank(struct mq_eval_system *system)
{
    for (int c = 0; c < MQ_EVAL_CUTS_MAX; c++) {
        for (int f = 0; f < MQ_LIST_FIGURE_COUNT; f++)
            blank_figure(&system->figure[c][f]);
        blank_figure(&system->coverage[c]);
    }
    for (int b = 0; b < MQ_ACTIVITY_BANDS_MAX; b++) {
        struct mq_eval_band *band = &system->band[b];
        for (int f = 0; f < MQ_LIST_FIGURE_COUNT; f++)
            band->figure[f] = no_interval;
        band->rmse = band->mae = band->bias = no_interval;
    }
    blank_figure(&system->rmse);
    blank_figure(&system->mae);
    blank_figure(&system->bias);
}

static void
compare_coverage(struct mq_eval_report *report, const struct mq_eval_input *input)
{
    for (int s = 0; s < report->system_count; s++) {
        const struct mq_ranking_result *ranking = input->entries[s].ranking;
        for (int c = 0; ranking != NULL && c < report->cut_count; c++)
            report->systems[s].coverage[c].value.value = ranking->coverage[c];
    }
    for (int s = 0; s < report->system_count && report->reference >= 0; s++)
        for (int c = 0; s != report->reference && c < report->cut_count; c++) {
            struct mq_eval_figure *figure = &report->systems[s].coverage[c];
            figure->difference.value =
                figure->value.value - report->systems[report->reference].coverage[c].value.value;
        }
}

static enum mq_status
compare_rankings(struct mq_eval_report *report, const struct mq_eval_input *input,
                 struct mq_pool *pool, struct mq_error *err)
{
    struct columns columns = {0};
    int place[MQ_EVAL_CUTS_MAX][MQ_LIST_FIGURE_COUNT]; /* of the reference's columns */
    size_t room = (size_t)report->system_count * MQ_EVAL_CUTS_MAX * MQ_LIST_FIGURE_COUNT;
    enum mq_status st = columns_init(&columns, room, err);
    /* The reference first, so that the others know its columns. */
    for (int turn = -1; turn < report->system_count && st == MQ_OK; turn++) {
        int s = turn < 0 ? report->reference : turn;
        bool is_reference = s == report->reference;
        if (s < 0 || (turn >= 0 && is_reference) || input->entries[s].ranking == NULL)
            continue;
        const struct mq_ranking_result *reference =
            report->reference >= 0 ? input->entries[report->reference].ranking : NULL;
        for (int c = 0; c < report->cut_count; c++)
            for (int f = 0; f < MQ_LIST_FIGURE_COUNT; f++) {
                const enum mq_list_figure kind = (enum mq_list_figure)f;
                struct mq_bootstrap_column column =
                    mq_ranking_column(input->entries[s].ranking, kind, c);
                struct mq_eval_figure *figure = &report->systems[s].figure[c][f];
                if (column.sum == NULL)
                    continue;
                int number = columns_add(&columns, column, &figure->value);
                if (is_reference) {
                    place[c][f] = number;
                } else if (reference != NULL && reference->figure[f] != NULL) {
                    columns.difference[number] = &figure->difference;
                    columns.minus[number] = place[c][f];
                }
            }
    }
    if (st == MQ_OK)
        st = columns_run(&columns, report->cases, input, input->seed, pool, err);
    columns_release(&columns);
    compare_coverage(report, input);
    return st;
}

/* ---- bands of activity -------------------------------------------------------------------- */

static enum mq_status
cut_bands(struct mq_eval_report *report, const struct mq_eval_input *input, int32_t **ret_band,
          struct mq_error *err)
{
    const struct mq_ranking_task *task = input->task;
    mq_autofree int64_t *length = NULL;
    enum mq_status st = mq_alloc_array((size_t)report->cases, sizeof(*length), &length, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)report->cases, sizeof(**ret_band), ret_band, err);
    if (st != MQ_OK)
        return st;
    for (int64_t i = 0; i < report->cases; i++) {
        int32_t user = task->cases->user[i];
        length[i] = task->history->user_offset[user + 1] - task->history->user_offset[user];
    }
    return mq_activity_bands(length, report->cases, input->bands, report->bands,
                             &report->band_count, *ret_band, err);
}

/* Rows of a band alone, in order. @return where the next column goes */
static double *
gather_band(const double *values, const int32_t *band, int64_t count, int32_t wanted,
            double *ret_values)
{
    for (int64_t i = 0; i < count; i++)
        if (band[i] == wanted)
            *ret_values++ = values[i];
    return ret_values;
}

/* Users are drawn within the band, whose size is given. */
static enum mq_status
measure_band(struct mq_eval_report *report, const struct mq_eval_input *input, const int32_t *band,
             int32_t number, struct mq_pool *pool, struct mq_error *err)
{
    struct columns columns = {0};
    size_t room = (size_t)report->system_count * MQ_LIST_FIGURE_COUNT;
    int64_t count = report->bands[number].count;
    mq_autofree double *values = NULL;
    enum mq_status st = columns_init(&columns, room, err);
    if (st == MQ_OK) /* sums and weights */
        st = mq_alloc_array_raw(2 * room * (size_t)count, sizeof(*values), &values, err);
    double *next = values;
    for (int s = 0; s < report->system_count && st == MQ_OK; s++) {
        const struct mq_ranking_result *ranking = input->entries[s].ranking;
        for (int f = 0; ranking != NULL && f < MQ_LIST_FIGURE_COUNT; f++) {
            struct mq_bootstrap_column all =
                mq_ranking_column(ranking, (enum mq_list_figure)f, report->main_cut);
            struct mq_bootstrap_column own = {.sum = next};
            if (all.sum == NULL)
                continue;
            next = gather_band(all.sum, band, report->cases, number, next);
            if (all.weight != NULL) {
                own.weight = next;
                next = gather_band(all.weight, band, report->cases, number, next);
            }
            columns_add(&columns, own, &report->systems[s].band[number].figure[f]);
        }
    }
    if (st == MQ_OK)
        st = columns_run(&columns, count, input, (input->seed ^ SEED_BANDS) + (uint64_t)number,
                         pool, err);
    columns_release(&columns);
    return st;
}

static enum mq_status
measure_bands(struct mq_eval_report *report, const struct mq_eval_input *input,
              struct mq_pool *pool, struct mq_error *err)
{
    int32_t *band = NULL;
    enum mq_status st = cut_bands(report, input, &band, err);
    for (int32_t b = 0; b < report->band_count && st == MQ_OK; b++)
        st = measure_band(report, input, band, b, pool, err);
    mq_free(band);
    return st;
}

/* ---- ratings ------------------------------------------------------------------------------ */

/* One user's sums, each figure by itself. */
struct user_sums {
    double *squares, *absolutes, *differences;
};

static enum mq_status
sum_by_user(const struct mq_rating_task *task, const float *predicted, int64_t users,
            struct mq_user_errors *scratch, struct user_sums *ret_sums, double *ret_counts,
            struct mq_error *err)
{
    enum mq_status st = mq_alloc_array((size_t)users, sizeof(double), &ret_sums->squares, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)users, sizeof(double), &ret_sums->absolutes, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)users, sizeof(double), &ret_sums->differences, err);
    if (st != MQ_OK)
        return st;
    mq_rating_errors_by_user(task, predicted, scratch);
    for (int64_t u = 0; u < users; u++) {
        ret_sums->squares[u] = scratch[u].squares;
        ret_sums->absolutes[u] = scratch[u].absolutes;
        ret_sums->differences[u] = scratch[u].differences;
        ret_counts[u] = scratch[u].count;
    }
    return MQ_OK;
}

static void
add_error_columns(struct columns *columns, const struct user_sums *sums, const double *counts,
                  struct mq_eval_system *system)
{
    const struct mq_bootstrap_column kinds[] = {
        {.sum = sums->squares, .weight = counts, .root = true},
        {.sum = sums->absolutes, .weight = counts},
        {.sum = sums->differences, .weight = counts},
    };
    struct mq_eval_figure *figures[] = {&system->rmse, &system->mae, &system->bias};
    for (size_t k = 0; k < MQ_COUNT(kinds); k++) {
        int number = columns_add(columns, kinds[k], &figures[k]->value);
        columns->difference[number] = &figures[k]->difference;
    }
}

/* Each system's three columns stand where `first` says; those of a system without a reference to be
 * compared with lose their differences. */
static void
pair_error_columns(struct columns *columns, const int *first, int system_count, int reference)
{
    for (int s = 0; s < system_count; s++)
        for (int k = 0; first[s] >= 0 && k < 3; k++) {
            if (reference < 0 || s == reference || first[reference] < 0)
                columns->difference[first[s] + k] = NULL;
            else
                columns->minus[first[s] + k] = first[reference] + k;
        }
}

/* The band of each user of the ratings, by what lies in the history: the last that begins at or
 * below its length. */
static void
bands_of_raters(const struct mq_eval_report *report, const struct mq_eval_input *input,
                int32_t *ret_band)
{
    const struct mq_rating_task *ratings = input->ratings;
    const int64_t *offset = input->task->history->user_offset;
    int64_t users = 0;
    for (int64_t i = 0; i < ratings->count; i++) {
        int32_t user = ratings->user[i], band = 0;
        if (i > 0 && ratings->user[i - 1] == user)
            continue;
        while (band + 1 < report->band_count &&
               report->bands[band + 1].from <= offset[user + 1] - offset[user])
            band++;
        ret_band[users++] = band;
    }
}

/* Errors among the raters of a band. @param counts ratings of each of them all */
static enum mq_status
measure_band_errors(struct mq_eval_report *report, const struct mq_eval_input *input,
                    const struct user_sums *sums, const double *counts, const int32_t *band,
                    int32_t number, struct mq_pool *pool, struct mq_error *err)
{
    struct columns columns = {0};
    int64_t all = report->rating_users, count = 0;
    size_t room = (size_t)report->system_count * 3;
    mq_autofree double *values = NULL;
    for (int64_t u = 0; u < all; u++)
        count += band[u] == number;
    if (count == 0)
        return MQ_OK;
    enum mq_status st = columns_init(&columns, room, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((room + 1) * (size_t)count, sizeof(*values), &values, err);
    double *next = st == MQ_OK ? gather_band(counts, band, all, number, values) : NULL;
    for (int s = 0; s < report->system_count && st == MQ_OK; s++) {
        struct mq_eval_band *own = &report->systems[s].band[number];
        const double *kinds[] = {sums[s].squares, sums[s].absolutes, sums[s].differences};
        struct mq_interval *places[] = {&own->rmse, &own->mae, &own->bias};
        for (int k = 0; sums[s].squares != NULL && k < 3; k++) {
            struct mq_bootstrap_column column = {.sum = next, .weight = values, .root = k == 0};
            next = gather_band(kinds[k], band, all, number, next);
            columns_add(&columns, column, places[k]);
        }
    }
    if (st == MQ_OK)
        st = columns_run(&columns, count, input,
                         (input->seed ^ SEED_BAND_ERRORS) + (uint64_t)number, pool, err);
    columns_release(&columns);
    return st;
}

static enum mq_status
measure_errors_by_band(struct mq_eval_report *report, const struct mq_eval_input *input,
                       const struct user_sums *sums, const double *counts, struct mq_pool *pool,
                       struct mq_error *err)
{
    mq_autofree int32_t *band = NULL;
    enum mq_status st = mq_alloc_array((size_t)report->rating_users, sizeof(*band), &band, err);
    if (st == MQ_OK)
        bands_of_raters(report, input, band);
    for (int32_t b = 0; b < report->band_count && st == MQ_OK; b++)
        st = measure_band_errors(report, input, sums, counts, band, b, pool, err);
    return st;
}

static enum mq_status
measure_ratings(struct mq_eval_report *report, const struct mq_eval_input *input,
                struct mq_pool *pool, struct mq_error *err)
{
    const struct mq_rating_task *task = input->ratings;
    struct columns columns = {0};
    struct user_sums sums[MQ_EVAL_SYSTEMS_MAX] = {0};
    int first[MQ_EVAL_SYSTEMS_MAX];
    int64_t users = report->rating_users;
    mq_autofree struct mq_user_errors *scratch = NULL;
    mq_autofree double *counts = NULL;
    enum mq_status st = mq_alloc_array((size_t)users, sizeof(*scratch), &scratch, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)users, sizeof(*counts), &counts, err);
    if (st == MQ_OK)
        st = columns_init(&columns, (size_t)report->system_count * 3, err);
    for (int s = 0; s < report->system_count && st == MQ_OK; s++) {
        const float *predicted = input->entries[s].predicted;
        struct mq_eval_system *system = &report->systems[s];
        struct mq_rating_errors errors; /* for the check that all is finite */
        first[s] = -1;
        if (predicted == NULL)
            continue;
        st = mq_rating_errors_measure(task, predicted, &errors, err);
        if (st != MQ_OK) {
            mq_fail_context(err, st, "%s", system->name);
            break;
        }
        st = sum_by_user(task, predicted, users, scratch, &sums[s], counts, err);
        if (st == MQ_OK && input->bins > 0)
            st = mq_rating_calibration(task, predicted, input->bins, system->bin,
                                       &system->bin_count, err);
        first[s] = columns.count;
        if (st == MQ_OK)
            add_error_columns(&columns, &sums[s], counts, system);
    }
    if (st == MQ_OK) {
        pair_error_columns(&columns, first, report->system_count, report->reference);
        st = columns_run(&columns, users, input, input->seed ^ SEED_RATINGS, pool, err);
    }
    if (st == MQ_OK && report->band_count > 0)
        st = measure_errors_by_band(report, input, sums, counts, pool, err);
    for (int s = 0; s < report->system_count; s++) {
        mq_free(sums[s].squares);
        mq_free(sums[s].absolutes);
        mq_free(sums[s].differences);
    }
    columns_release(&columns);
    return st;
}

/* ---- together ----------------------------------------------------------------------------- */

static int
system_named(const struct mq_eval_input *input, const char *name)
{
    for (int s = 0; s < input->entry_count; s++)
        if (strcmp(input->entries[s].name, name) == 0)
            return s;
    return -1;
}

static enum mq_status
check_input(const struct mq_eval_input *input, struct mq_error *err)
{
    const struct mq_ranking_task *task = input->task;
    if (input->entry_count < 1 || input->entry_count > MQ_EVAL_SYSTEMS_MAX)
        return mq_fail(err, MQ_E_RANGE, "a report of %d systems (1 to %d)", input->entry_count,
                       MQ_EVAL_SYSTEMS_MAX);
    if (task != NULL && (input->main_cut < 0 || input->main_cut >= task->cut_count))
        return mq_fail(err, MQ_E_RANGE, "a report whose main cut is number %d (0 to %d)",
                       input->main_cut, task->cut_count - 1);
    for (int64_t i = 0; task != NULL && task->history != NULL && input->bands > 0 &&
                        input->ratings != NULL && i < input->ratings->count;
         i++)
        if (input->ratings->user[i] < 0 || input->ratings->user[i] >= task->history->user_count)
            return mq_fail(err, MQ_E_RANGE, "a rating of user %d, of whom there is no history",
                           input->ratings->user[i]);
    if (!mq_utf8_valid(input->data, strlen(input->data)) ||
        !mq_utf8_valid(input->protocol, strlen(input->protocol)))
        return mq_fail(err, MQ_E_RANGE, "a report whose data or protocol is not UTF-8");
    for (int s = 0; s < input->entry_count; s++) {
        const struct mq_eval_entry *entry = &input->entries[s];
        const struct mq_ranking_result *ranking = entry->ranking;
        if (!mq_utf8_valid(entry->name, strlen(entry->name)))
            return mq_fail(err, MQ_E_RANGE, "a report with a system whose name is not UTF-8");
        if (ranking != NULL &&
            (task == NULL || ranking->count != task->cases->count ||
             ranking->cut_count != task->cut_count ||
             memcmp(ranking->cuts, task->cuts, (size_t)task->cut_count * sizeof(*task->cuts)) != 0))
            return mq_fail(err, MQ_E_RANGE, "the ranking of '%s' is of another task", entry->name);
        if (entry->predicted != NULL && input->ratings == NULL)
            return mq_fail(err, MQ_E_RANGE, "'%s' predicts ratings that were not asked for",
                           entry->name);
    }
    if (input->reference != NULL && system_named(input, input->reference) < 0)
        return mq_fail(err, MQ_E_USAGE, "differences from '%s', which is not in the report",
                       input->reference);
    return MQ_OK;
}

static int
first_of_role(const struct mq_eval_input *input, enum mq_system_role role)
{
    for (int s = 0; s < input->entry_count; s++)
        if (input->entries[s].role == role)
            return s;
    return -1;
}

static int
reference_of(const struct mq_eval_input *input)
{
    if (input->reference != NULL)
        return system_named(input, input->reference);
    int live = first_of_role(input, MQ_SYSTEM_LIVE);
    return live >= 0 ? live : first_of_role(input, MQ_SYSTEM_BASELINE);
}

static enum mq_status
fill_head(struct mq_eval_report *report, const struct mq_eval_input *input, struct mq_error *err)
{
    report->data = mq_strdup(input->data);
    report->protocol = mq_strdup(input->protocol);
    report->seed = input->seed;
    report->resamples = input->resamples;
    report->level = input->level;
    if (input->task != NULL) {
        report->cases = input->task->cases->count;
        report->eligible = input->task->cases->eligible;
        report->one_relevant = report->cases > 0 &&
                               input->task->cases->relevant_offset[report->cases] == report->cases;
        report->item_count = input->task->item_count;
        report->cut_count = input->task->cut_count;
        report->main_cut = input->main_cut;
        memcpy(report->cuts, input->task->cuts, (size_t)report->cut_count * sizeof(*report->cuts));
    }
    if (input->ratings != NULL) {
        report->rating_count = input->ratings->count;
        report->rating_users = mq_rating_task_users(input->ratings);
    }
    report->candidate = first_of_role(input, MQ_SYSTEM_CANDIDATE);
    report->reference = reference_of(input);
    enum mq_status st =
        mq_alloc_array((size_t)input->entry_count, sizeof(*report->systems), &report->systems, err);
    bool named = report->data != NULL && report->protocol != NULL;
    for (int s = 0; s < input->entry_count && st == MQ_OK; s++) {
        struct mq_eval_system *system = &report->systems[report->system_count++];
        mq_eval_system_blank(system);
        system->name = mq_strdup(input->entries[s].name);
        system->role = input->entries[s].role;
        system->has_ranking = input->entries[s].ranking != NULL;
        system->has_ratings = input->entries[s].predicted != NULL;
        named = named && system->name != NULL;
    }
    if (st == MQ_OK && !named)
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate the names of a report");
    return st;
}

enum mq_status
mq_eval_report_make(const struct mq_eval_input *input, struct mq_pool *pool,
                    struct mq_eval_report **ret_report, struct mq_error *err)
{
    struct mq_eval_report *report = NULL;
    enum mq_status st = check_input(input, err);
    if (st == MQ_OK)
        st = mq_alloc_array(1, sizeof(*report), &report, err);
    if (st != MQ_OK)
        return st;
    st = fill_head(report, input, err);
    if (st == MQ_OK && input->task != NULL)
        st = compare_rankings(report, input, pool, err);
    if (st == MQ_OK && input->task != NULL && input->task->history != NULL && input->bands > 0)
        st = measure_bands(report, input, pool, err);
    if (st == MQ_OK && input->ratings != NULL)
        st = measure_ratings(report, input, pool, err);
    if (st != MQ_OK) {
        mq_eval_report_free(report);
        return st;
    }
    *ret_report = report;
    return MQ_OK;
}

void
mq_eval_report_free(struct mq_eval_report *report)
{
    if (report == NULL)
        return;
    for (int s = 0; s < report->system_count; s++) {
        free(report->systems[s].name);
        free(report->systems[s].recorded);
    }
    mq_free(report->systems);
    free(report->data);
    free(report->protocol);
    mq_free(report);
}

/* ---- figures by name ---------------------------------------------------------------------- */

/* What a key names. */
struct place {
    int cut;    /* place in cuts; -1: an error of predicted ratings */
    int figure; /* of lists, MQ_LIST_FIGURE_COUNT: coverage; of ratings 0: RMSE, 1: MAE */
    int better;
};

static bool
read_key(const char *key, const int32_t *cuts, int cut_count, struct place *ret_place)
{
    const char *end = strrchr(key, '_');
    bool rmse = strcmp(key, "rmse") == 0;
    if (rmse || strcmp(key, "mae") == 0) {
        *ret_place = (struct place){.cut = -1, .figure = rmse ? 0 : 1, .better = -1};
        return true;
    }
    for (int c = 0; c < cut_count && end != NULL; c++) {
        char cut[16];
        snprintf(cut, sizeof(cut), "%d", cuts[c]);
        if (strcmp(end + 1, cut) != 0)
            continue;
        size_t size = (size_t)(end - key);
        if (size == strlen("coverage") && memcmp(key, "coverage", size) == 0) {
            *ret_place = (struct place){.cut = c, .figure = MQ_LIST_FIGURE_COUNT, .better = 1};
            return true;
        }
        for (int f = 0; f < MQ_LIST_FIGURE_COUNT; f++)
            if (strlen(mq_list_figures[f].key) == size &&
                memcmp(mq_list_figures[f].key, key, size) == 0) {
                *ret_place =
                    (struct place){.cut = c, .figure = f, .better = mq_list_figures[f].better};
                return true;
            }
    }
    return false;
}

bool
mq_eval_key_known(const char *key, const int32_t *cuts, int cut_count, bool *ret_of_ratings,
                  int *ret_better)
{
    struct place place;
    if (!read_key(key, cuts, cut_count, &place))
        return false;
    *ret_of_ratings = place.cut < 0;
    *ret_better = place.better;
    return true;
}

const struct mq_eval_figure *
mq_eval_report_find(const struct mq_eval_report *report, int system, const char *key,
                    int *ret_better)
{
    const struct mq_eval_system *s = &report->systems[system];
    struct place place;
    if (!read_key(key, report->cuts, report->cut_count, &place))
        return NULL;
    if (ret_better != NULL)
        *ret_better = place.better;
    if (place.cut < 0)
        return place.figure == 0 ? &s->rmse : &s->mae;
    return place.figure == MQ_LIST_FIGURE_COUNT ? &s->coverage[place.cut]
                                                : &s->figure[place.cut][place.figure];
}
