#include "base/metrics.h"

#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/memory.h"

enum kind { COUNTER, GAUGE, GAUGE_OF, HISTOGRAM };

static const char *const kind_names[] = {"counter", "gauge", "gauge", "histogram"};

struct series {
    struct series *next; /* in order of making */
    const char *name, *help;
    char *labels; /* `a="b",c="d"`, or "" */
    enum kind kind;
    union {
        struct mq_counter counter;
        struct mq_gauge gauge;
        struct mq_histogram histogram;
    } value;
    double (*fn)(void *context);
    void *context;
};

struct mq_metrics {
    pthread_mutex_t lock; /* of the list; values are atomic */
    struct series *first, *last;
    int count;
};

/* What is counted when nothing can be made; never shown. */
static struct series nowhere;

enum mq_status
mq_metrics_new(struct mq_metrics **ret_metrics, struct mq_error *err)
{
    struct mq_metrics *metrics = calloc(1, sizeof(*metrics));
    if (metrics == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate metrics");
    pthread_mutex_init(&metrics->lock, NULL);
    *ret_metrics = metrics;
    return MQ_OK;
}

void
mq_metrics_free(struct mq_metrics *metrics)
{
    if (metrics == NULL)
        return;
    for (struct series *s = metrics->first; s != NULL;) {
        struct series *next = s->next;
        free(s->labels);
        free(s);
        s = next;
    }
    pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}

/* Label values may hold anything; backslash, quote and line end are escaped. */
static enum mq_status
write_labels(struct mq_buffer *buffer, const char *const *labels)
{
    enum mq_status st = mq_buffer_append_text(buffer, "", NULL);
    for (int i = 0; st == MQ_OK && labels != NULL && labels[i] != NULL; i += 2) {
        st = mq_buffer_printf(buffer, NULL, "%s%s=\"", i > 0 ? "," : "", labels[i]);
        for (const char *p = labels[i + 1]; st == MQ_OK && *p != '\0'; p++) {
            if (*p == '\\' || *p == '"')
                st = mq_buffer_append_char(buffer, '\\', NULL);
            if (st == MQ_OK)
                st = *p == '\n' ? mq_buffer_append_text(buffer, "\\n", NULL)
                                : mq_buffer_append_char(buffer, *p, NULL);
        }
        if (st == MQ_OK)
            st = mq_buffer_append_char(buffer, '"', NULL);
    }
    return st;
}

static struct series *
find_or_make(struct mq_metrics *metrics, enum kind kind, const char *name, const char *labels)
{
    for (struct series *s = metrics->first; s != NULL; s = s->next)
        if (strcmp(s->name, name) == 0 && strcmp(s->labels, labels) == 0)
            return s->kind == kind ? s : &nowhere;
    void *block = NULL;
    if (metrics->count == MQ_METRICS_MAX ||
        posix_memalign(&block, _Alignof(struct series), sizeof(struct series)) != 0)
        return &nowhere;
    struct series *s = memset(block, 0, sizeof(*s));
    s->labels = mq_strdup(labels);
    if (s->labels == NULL) {
        free(s);
        return &nowhere;
    }
    s->kind = kind;
    s->name = name;
    if (metrics->last != NULL)
        metrics->last->next = s;
    else
        metrics->first = s;
    metrics->last = s;
    metrics->count++;
    return s;
}

static const double latency_bounds[] = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
                                        0.2,   0.5,   1,     2,    5,    10};

static struct series *
series_of(struct mq_metrics *metrics, enum kind kind, const char *name, const char *help,
          const char *const *labels, const double *bounds, int bound_count,
          double (*fn)(void *context), void *context)
{
    struct mq_buffer text = {0};
    struct series *s = &nowhere;
    pthread_mutex_lock(&metrics->lock);
    if (write_labels(&text, labels) == MQ_OK)
        s = find_or_make(metrics, kind, name, text.data);
    if (s->help == NULL && s != &nowhere) { /* new */
        s->help = help;
        s->fn = fn;
        s->context = context;
        if (kind == HISTOGRAM) {
            if (bounds == NULL)
                bounds = latency_bounds, bound_count = (int)MQ_COUNT(latency_bounds);
            struct mq_histogram *h = &s->value.histogram;
            h->bound_count = MQ_MIN(bound_count, MQ_METRIC_BUCKETS_MAX);
            memcpy(h->bounds, bounds, (size_t)h->bound_count * sizeof(double));
        }
    }
    pthread_mutex_unlock(&metrics->lock);
    mq_buffer_release(&text);
    return s;
}

struct mq_counter *
mq_metrics_counter(struct mq_metrics *metrics, const char *name, const char *help,
                   const char *const *labels)
{
    return &series_of(metrics, COUNTER, name, help, labels, NULL, 0, NULL, NULL)->value.counter;
}

struct mq_gauge *
mq_metrics_gauge(struct mq_metrics *metrics, const char *name, const char *help,
                 const char *const *labels)
{
    return &series_of(metrics, GAUGE, name, help, labels, NULL, 0, NULL, NULL)->value.gauge;
}

struct mq_histogram *
mq_metrics_histogram(struct mq_metrics *metrics, const char *name, const char *help,
                     const char *const *labels, const double *bounds, int bound_count)
{
    return &series_of(metrics, HISTOGRAM, name, help, labels, bounds, bound_count, NULL, NULL)
                ->value.histogram;
}

void
mq_metrics_gauge_of(struct mq_metrics *metrics, const char *name, const char *help,
                    const char *const *labels, double (*fn)(void *context), void *context)
{
    series_of(metrics, GAUGE_OF, name, help, labels, NULL, 0, fn, context);
}

static void
add_to(_Atomic double *value, double difference)
{
    double before = atomic_load_explicit(value, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(value, &before, before + difference,
                                                  memory_order_relaxed, memory_order_relaxed))
        continue;
}

void
mq_gauge_add(struct mq_gauge *gauge, double difference)
{
    add_to(&gauge->value, difference);
}

void
mq_histogram_observe(struct mq_histogram *histogram, double value)
{
    int i = 0;
    while (i < histogram->bound_count && value > histogram->bounds[i])
        i++;
    atomic_fetch_add_explicit(&histogram->counts[i], 1, memory_order_relaxed);
    add_to(&histogram->sum, value);
}

/* ---- the process ------------------------------------------------------------------------ */

static double started_s;

static double
start_time(void *context)
{
    return started_s;
}

static double
resident_bytes(void *context)
{
    return (double)mq_memory_resident_bytes();
}

static double
peak_bytes(void *context)
{
    return (double)mq_memory_peak_bytes();
}

static double
processor_seconds(void *context)
{
    struct rusage use;
    if (getrusage(RUSAGE_SELF, &use) != 0)
        return 0;
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           1e-6 * (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

static double
open_files(void *context)
{
    int count = -3; /* ".", "..", and the one that looks */
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return 0;
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

void
mq_metrics_add_process(struct mq_metrics *metrics)
{
    if (started_s == 0)
        started_s = (double)mq_clock_now_ms() / 1000;
    mq_metrics_gauge_of(metrics, "process_start_time_seconds", "When the process started.", NULL,
                        start_time, NULL);
    mq_metrics_gauge_of(metrics, "process_resident_memory_bytes", "Resident memory.", NULL,
                        resident_bytes, NULL);
    mq_metrics_gauge_of(metrics, "marquee_peak_memory_bytes", "Most resident memory so far.", NULL,
                        peak_bytes, NULL);
    mq_metrics_gauge_of(metrics, "marquee_processor_seconds",
                        "Processor time used, by the system and itself.", NULL, processor_seconds,
                        NULL);
    mq_metrics_gauge_of(metrics, "process_open_fds", "Open file descriptors.", NULL, open_files,
                        NULL);
}

/* ---- text ------------------------------------------------------------------------------- */

static enum mq_status
write_number(struct mq_buffer *buffer, double value, struct mq_error *err)
{
    if (isnan(value) || isinf(value))
        return mq_buffer_append_text(buffer,
                                     isnan(value) ? "NaN"
                                     : value > 0  ? "+Inf"
                                                  : "-Inf",
                                     err);
    return mq_buffer_printf(buffer, err, "%.15g", value);
}

/* name{labels,more} value */
static enum mq_status
write_sample(struct mq_buffer *buffer, const struct series *s, const char *suffix, const char *more,
             double value, struct mq_error *err)
{
    bool both = s->labels[0] != '\0' && more[0] != '\0',
         any = s->labels[0] != '\0' || more[0] != '\0';
    enum mq_status st =
        mq_buffer_printf(buffer, err, "%s%s%s%s%s%s%s ", s->name, suffix, any ? "{" : "", s->labels,
                         both ? "," : "", more, any ? "}" : "");
    if (st == MQ_OK)
        st = write_number(buffer, value, err);
    return st != MQ_OK ? st : mq_buffer_append_char(buffer, '\n', err);
}

static enum mq_status
write_histogram(struct mq_buffer *buffer, const struct series *s, struct mq_error *err)
{
    const struct mq_histogram *h = &s->value.histogram;
    enum mq_status st = MQ_OK;
    uint64_t total = 0;
    for (int i = 0; st == MQ_OK && i <= h->bound_count; i++) {
        char bound[64] = "le=\"+Inf\"";
        if (i < h->bound_count)
            snprintf(bound, sizeof(bound), "le=\"%.15g\"", h->bounds[i]);
        total += atomic_load_explicit(&h->counts[i], memory_order_relaxed);
        st = write_sample(buffer, s, "_bucket", bound, (double)total, err);
    }
    if (st == MQ_OK)
        st = write_sample(buffer, s, "_sum", "", atomic_load(&h->sum), err);
    return st != MQ_OK ? st : write_sample(buffer, s, "_count", "", (double)total, err);
}

static enum mq_status
write_series(struct mq_buffer *buffer, const struct series *s, struct mq_error *err)
{
    switch (s->kind) {
    case COUNTER:
        return write_sample(buffer, s, "", "", (double)mq_counter_value(&s->value.counter), err);
    case GAUGE:
        return write_sample(buffer, s, "", "", atomic_load(&s->value.gauge.value), err);
    case GAUGE_OF:
        return write_sample(buffer, s, "", "", s->fn(s->context), err);
    case HISTOGRAM:
        break;
    }
    return write_histogram(buffer, s, err);
}

static bool
is_first_of_family(const struct mq_metrics *metrics, const struct series *s)
{
    for (const struct series *t = metrics->first; t != s; t = t->next)
        if (strcmp(t->name, s->name) == 0)
            return false;
    return true;
}

enum mq_status
mq_metrics_text(struct mq_metrics *metrics, struct mq_buffer *buffer, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    pthread_mutex_lock(&metrics->lock);
    for (const struct series *s = metrics->first; st == MQ_OK && s != NULL; s = s->next) {
        if (!is_first_of_family(metrics, s))
            continue;
        st = mq_buffer_printf(buffer, err, "# HELP %s %s\n# TYPE %s %s\n", s->name, s->help,
                              s->name, kind_names[s->kind]);
        for (const struct series *t = s; st == MQ_OK && t != NULL; t = t->next)
            if (strcmp(t->name, s->name) == 0)
                st = write_series(buffer, t, err);
    }
    pthread_mutex_unlock(&metrics->lock);
    return st;
}
