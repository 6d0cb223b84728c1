/*
 * DeepFM: training speed, prediction speed, and held-out AUC.
 *
 * bench_deepfm train|predict|quality ROWS [key=value …]
 *
 * ROWS is a folder of bench/peers/deepfm_rows.py. Keys: rows, threads, runs, epochs, patience,
 * batch, dim, layers (as 128-64), dropout, rate, l2, seed. Each run prints one JSON line.
 * `train` times one epoch without validation; `quality` trains with early stopping on the
 * validation rows and measures the test rows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "model/binary_metrics.h"
#include "model/deepfm.h"

#define COLUMNS_MAX 64

struct table {
    int64_t count;
    int32_t dense_count, category_count, bag_count, field_count;
    struct mq_deepfm_field fields[MQ_DEEPFM_FIELDS_MAX];
    float *dense, *label;
    uint8_t *split;
    int32_t *ids[COLUMNS_MAX];
    int64_t *bag_offset[COLUMNS_MAX];
    int32_t *bag_ids[COLUMNS_MAX];
    int64_t bags[COLUMNS_MAX];
};

/* Rows of one part of the split, gathered into columns of their own. */
struct part {
    int64_t count;
    float *dense, *label;
    int32_t *ids[COLUMNS_MAX];
    struct mq_deepfm_rows rows;
};

static enum mq_status
read_array(const char *folder, const char *name, int64_t count, size_t size, void *ret_block,
           struct mq_error *err)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return mq_fail(err, MQ_E_IO, "cannot open '%s'", path);
    void *block = NULL;
    enum mq_status st = mq_alloc_array_raw((size_t)count, size, &block, err);
    if (st == MQ_OK && fread(block, size, (size_t)count, file) != (size_t)count)
        st =
            mq_fail(err, MQ_E_FORMAT, "'%s' is shorter than %lld elements", path, (long long)count);
    fclose(file);
    if (st != MQ_OK) {
        mq_free(block);
        return st;
    }
    *(void **)ret_block = block;
    return MQ_OK;
}

static struct mq_deepfm_field *
add_field(struct table *t, const char *name, enum mq_deepfm_kind kind, int32_t size)
{
    struct mq_deepfm_field *field = &t->fields[t->field_count++];
    *field = (struct mq_deepfm_field){.kind = kind, .size = size, .scale = 1};
    snprintf(field->name, sizeof(field->name), "%s", name);
    return field;
}

static enum mq_status
read_line(struct table *t, const char *folder, char *line, struct mq_error *err)
{
    char name[40], file[128];
    long long size, bags, members;
    enum mq_status st = MQ_OK;
    int column = t->category_count + t->bag_count;
    if (column >= COLUMNS_MAX)
        return mq_fail(err, MQ_E_RANGE, "more than %d columns", COLUMNS_MAX);
    if (sscanf(line, "rows %lld", &size) == 1) {
        t->count = size;
    } else if (sscanf(line, "dense %lld", &size) == 1 && size < MQ_DEEPFM_FIELDS_MAX / 2) {
        t->dense_count = (int32_t)size;
        for (int32_t d = 0; d < t->dense_count; d++) {
            snprintf(name, sizeof(name), "dense%d", d);
            add_field(t, name, MQ_DEEPFM_DENSE, 1);
        }
        st = read_array(folder, "dense.f32", t->count * size, sizeof(float), &t->dense, err);
    } else if (sscanf(line, "category %39s %lld", name, &size) == 2) {
        add_field(t, name, MQ_DEEPFM_CATEGORY, (int32_t)size);
        snprintf(file, sizeof(file), "id_%s.i32", name);
        st = read_array(folder, file, t->count, sizeof(int32_t), &t->ids[column], err);
        t->category_count++;
    } else if (sscanf(line, "bag %39s %lld %lld %lld", name, &size, &bags, &members) == 4) {
        add_field(t, name, MQ_DEEPFM_BAG, (int32_t)size);
        t->bags[t->bag_count] = bags;
        snprintf(file, sizeof(file), "bag_%s.i32", name);
        st = read_array(folder, file, t->count, sizeof(int32_t), &t->ids[column], err);
        snprintf(file, sizeof(file), "bag_%s_offset.i64", name);
        if (st == MQ_OK)
            st = read_array(folder, file, bags + 1, sizeof(int64_t), &t->bag_offset[t->bag_count],
                            err);
        snprintf(file, sizeof(file), "bag_%s_ids.i32", name);
        if (st == MQ_OK)
            st = read_array(folder, file, members, sizeof(int32_t), &t->bag_ids[t->bag_count], err);
        t->bag_count++;
    } else {
        return mq_fail(err, MQ_E_FORMAT, "cannot read line '%s' of '%s/rows.txt'", line, folder);
    }
    return st;
}

static enum mq_status
read_table(struct table *t, const char *folder, struct mq_error *err)
{
    char path[4096], line[256];
    snprintf(path, sizeof(path), "%s/rows.txt", folder);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return mq_fail(err, MQ_E_IO, "cannot open '%s' (make it with bench/peers/deepfm_rows.py)",
                       path);
    enum mq_status st = MQ_OK;
    while (st == MQ_OK && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        st = read_line(t, folder, line, err);
    }
    fclose(file);
    if (st == MQ_OK)
        st = read_array(folder, "label.f32", t->count, sizeof(float), &t->label, err);
    if (st == MQ_OK)
        st = read_array(folder, "split.u8", t->count, sizeof(uint8_t), &t->split, err);
    return st;
}

static enum mq_status
take_part(const struct table *t, int which, int64_t limit, struct part *part, struct mq_error *err)
{
    size_t columns = (size_t)(t->category_count + t->bag_count), dense = (size_t)t->dense_count;
    enum mq_status st = mq_alloc_array_raw((size_t)t->count, sizeof(float), &part->label, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)t->count * dense, sizeof(float), &part->dense, err);
    for (size_t k = 0; st == MQ_OK && k < columns; k++)
        st = mq_alloc_array_raw((size_t)t->count, sizeof(int32_t), &part->ids[k], err);
    for (int64_t i = 0; st == MQ_OK && i < t->count && part->count < limit; i++) {
        if (t->split[i] != which)
            continue;
        part->label[part->count] = t->label[i];
        if (dense > 0)
            memcpy(part->dense + (size_t)part->count * dense, t->dense + (size_t)i * dense,
                   dense * sizeof(float));
        for (size_t k = 0; k < columns; k++)
            part->ids[k][part->count] = t->ids[k][i];
        part->count++;
    }
    part->rows = (struct mq_deepfm_rows){.count = part->count,
                                         .dense = part->dense,
                                         .ids = (const int32_t *const *)part->ids,
                                         .bag_offset = (const int64_t *const *)t->bag_offset,
                                         .bag_ids = (const int32_t *const *)t->bag_ids,
                                         .bag_count = t->bags,
                                         .label = part->label};
    return st;
}

struct settings {
    struct mq_deepfm_options options;
    int64_t rows;
    int threads, runs;
};

static enum mq_status
read_setting(struct settings *s, const char *text, struct mq_error *err)
{
    const char *value = strchr(text, '=');
    size_t size = value != NULL ? (size_t)(value - text) : 0;
    struct mq_deepfm_options *o = &s->options;
#define KEY(word) (size == strlen(word) && memcmp(text, word, size) == 0)
    if (value == NULL)
        return mq_fail(err, MQ_E_USAGE, "'%s' is no key=value", text);
    value++;
    if (KEY("rows"))
        s->rows = atoll(value);
    else if (KEY("threads"))
        s->threads = atoi(value);
    else if (KEY("runs"))
        s->runs = atoi(value);
    else if (KEY("epochs"))
        o->epochs = atoi(value);
    else if (KEY("patience"))
        o->patience = atoi(value);
    else if (KEY("batch"))
        o->batch = atoi(value);
    else if (KEY("dim"))
        o->dim = atoi(value);
    else if (KEY("dropout"))
        o->dropout = (float)atof(value);
    else if (KEY("rate"))
        o->learning_rate = (float)atof(value);
    else if (KEY("l2"))
        o->l2_features = (float)atof(value);
    else if (KEY("l2_layers"))
        o->l2_layers = (float)atof(value);
    else if (KEY("seed"))
        o->seed = strtoull(value, NULL, 10);
    else if (KEY("layers")) {
        o->layer_count = 0;
        for (const char *at = value; *at != '\0' && o->layer_count < MQ_DEEPFM_LAYERS_MAX;) {
            char *end;
            o->width[o->layer_count++] = (int32_t)strtol(at, &end, 10);
            at = *end == '-' ? end + 1 : end;
            if (end == at && *end != '\0')
                return mq_fail(err, MQ_E_USAGE, "'%s' are no layers", value);
        }
    } else
        return mq_fail(err, MQ_E_USAGE, "'%s' is no setting of bench_deepfm", text);
#undef KEY
    return MQ_OK;
}

static void
print_line(const char *work, int threads, double seconds, int64_t rows, double auc, double log_loss)
{
    printf("{\"peer\": \"marquee-deepfm\", \"work\": \"%s\", \"threads\": %d, \"seconds\": %.6f, "
           "\"rate\": %.6g, \"unit\": \"samples/s\"",
           work, threads, seconds, (double)rows / seconds);
    if (auc > 0)
        printf(", \"quality\": {\"auc\": %.5f, \"log_loss\": %.5f}", auc, log_loss);
    printf(", \"peak_rss_mb\": %.1f}\n", (double)mq_memory_peak_bytes() / 1048576);
    fflush(stdout);
}

static enum mq_status
measure(const struct mq_deepfm *model, const struct part *part, struct mq_pool *pool,
        struct mq_binary_metrics *ret_metrics, struct mq_error *err)
{
    mq_autofree float *prob = NULL;
    enum mq_status st = mq_alloc_array_raw((size_t)part->count, sizeof(float), &prob, err);
    if (st == MQ_OK)
        st = mq_deepfm_predict(model, &part->rows, pool, prob, err);
    if (st == MQ_OK)
        st = mq_binary_metrics(prob, part->label, part->count, ret_metrics, err);
    return st;
}

static enum mq_status
run_once(const char *mode, const struct table *t, struct part parts[3], const struct settings *s,
         struct mq_pool *pool, struct mq_error *err)
{
    struct mq_deepfm_options options = s->options;
    bool quality = strcmp(mode, "quality") == 0, train = strcmp(mode, "train") == 0;
    struct mq_deepfm *model = NULL;
    struct mq_deepfm_history history;
    struct mq_binary_metrics test = {0};
    if (!quality)
        options.epochs = 1;
    double begin = mq_clock_monotonic_s();
    enum mq_status st =
        mq_deepfm_train(t->fields, t->field_count, &parts[0].rows, quality ? &parts[1].rows : NULL,
                        &options, pool, &model, &history, err);
    double seconds = mq_clock_monotonic_s() - begin;
    if (st != MQ_OK)
        return st;
    if (train || quality) {
        st = measure(model, &parts[2], pool, &test, err);
        if (st == MQ_OK && quality)
            print_line("quality", s->threads, seconds, parts[0].count * history.epochs, test.auc,
                       test.log_loss);
        else if (st == MQ_OK)
            print_line("train", s->threads, (double)parts[0].count / history.rows_per_s,
                       parts[0].count, test.auc, test.log_loss);
    }
    mq_autofree float *prob = NULL;
    if (st == MQ_OK && !train && !quality)
        st = mq_alloc_array((size_t)parts[0].count, sizeof(float), &prob, err);
    if (st == MQ_OK && prob != NULL) {
        begin = mq_clock_monotonic_s();
        st = mq_deepfm_predict(model, &parts[0].rows, pool, prob, err);
        print_line("predict", s->threads, mq_clock_monotonic_s() - begin, parts[0].count, 0, 0);
    }
    mq_deepfm_free(model);
    return st;
}

static void
release(struct table *t, struct part parts[3])
{
    for (int k = 0; k < COLUMNS_MAX; k++) {
        mq_free(t->ids[k]);
        mq_free(t->bag_offset[k]);
        mq_free(t->bag_ids[k]);
        for (int p = 0; p < 3; p++)
            mq_free(parts[p].ids[k]);
    }
    for (int p = 0; p < 3; p++) {
        mq_free(parts[p].dense);
        mq_free(parts[p].label);
    }
    mq_free(t->dense);
    mq_free(t->label);
    mq_free(t->split);
}

int
main(int argc, char **argv)
{
    static struct table table;
    static struct part parts[3];
    struct mq_error err = {0};
    struct settings s = {.rows = 400000, .threads = 2, .runs = 3};
    mq_deepfm_options_default(&s.options);
    if (argc < 3) {
        fprintf(stderr, "usage: bench_deepfm train|predict|quality ROWS [key=value …]\n");
        return 2;
    }
    bool quality = strcmp(argv[1], "quality") == 0;
    if (quality) {
        s.rows = INT64_MAX;
        s.runs = 1;
        s.options.epochs = 20;
    } else {
        mq_log_configure(MQ_LOG_WARN, false);
    }
    enum mq_status st = MQ_OK;
    for (int i = 3; st == MQ_OK && i < argc; i++)
        st = read_setting(&s, argv[i], &err);
    struct mq_pool *pool = NULL;
    if (st == MQ_OK)
        st = mq_pool_new(s.threads, &pool, &err);
    if (st == MQ_OK)
        st = read_table(&table, argv[2], &err);
    for (int p = 0; st == MQ_OK && p < 3; p++)
        st = take_part(&table, p, p == 0 ? s.rows : INT64_MAX, &parts[p], &err);
    for (int run = 0; st == MQ_OK && run < s.runs; run++)
        st = run_once(argv[1], &table, parts, &s, pool, &err);
    if (st != MQ_OK)
        fprintf(stderr, "bench_deepfm: %s\n", err.message);
    mq_pool_free(pool);
    release(&table, parts);
    return mq_status_exit_code(st);
}
