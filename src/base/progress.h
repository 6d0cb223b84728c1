/**
 * Progress of long work: a bar with rate and time left on a terminal, otherwise a plain line every
 * few seconds, on standard error. Colours only on a terminal and not under NO_COLOR.
 *
 * Threads: mq_progress_add may be called from any worker; begin and end from one thread.
 */
#ifndef MQ_BASE_PROGRESS_H
#define MQ_BASE_PROGRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct mq_progress {
    const char *what; /**< borrowed: "recall", "epoch 3 of 12" */
    const char *unit; /**< borrowed: "users", "rows", "bytes" */
    int64_t total;    /**< 0 when unknown */
    _Atomic int64_t done;
    _Atomic int64_t next_report_ms;
    double started_s;
};

/** Silence all progress (--quiet). Default: shown when standard error is a terminal or a log. */
void mq_progress_enable(bool enabled);

void mq_progress_begin(struct mq_progress *progress, const char *what, const char *unit,
                       int64_t total);
/** Count `n` more units done; cheap enough for every few hundred units. NULL allowed. */
void mq_progress_add(struct mq_progress *progress, int64_t n);
/** Remove the bar. NULL allowed. */
void mq_progress_end(struct mq_progress *progress);

/** Take a visible bar off the line, before something else is printed there. */
void mq_progress_clear_line(void);

#endif
