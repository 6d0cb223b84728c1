#include "base/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"

#define BAR_CELLS 24
#define TERMINAL_INTERVAL_MS 100
#define PLAIN_INTERVAL_MS 5000

static bool enabled = true;
static _Atomic bool bar_visible;

void
mq_progress_enable(bool on)
{
    enabled = on;
}

static int64_t
elapsed_ms(const struct mq_progress *progress)
{
    return (int64_t)((mq_clock_monotonic_s() - progress->started_s) * 1000.0);
}

static void
put(const char *text, int n)
{
    ssize_t written = write(STDERR_FILENO, text, (size_t)n);
    (void)written;
}

void
mq_progress_clear_line(void)
{
    if (atomic_exchange(&bar_visible, false))
        put("\r\033[K", 4);
}

void
mq_progress_begin(struct mq_progress *progress, const char *what, const char *unit, int64_t total)
{
    progress->what = what;
    progress->unit = unit;
    progress->total = total;
    progress->started_s = mq_clock_monotonic_s();
    atomic_store(&progress->done, 0);
    atomic_store(&progress->next_report_ms,
                 isatty(STDERR_FILENO) ? TERMINAL_INTERVAL_MS : PLAIN_INTERVAL_MS);
}

static void
report(const struct mq_progress *progress, int64_t done, int64_t now_ms)
{
    double seconds = (double)now_ms / 1000.0;
    double rate = seconds > 0 ? (double)done / seconds : 0;
    char tail[96] = "";
    if (progress->total > 0 && rate > 0) {
        int64_t left = (int64_t)((double)(progress->total - done) / rate);
        snprintf(tail, sizeof(tail), ", %" PRId64 ":%02" PRId64 " left", left / 60, left % 60);
    }
    char line[256];
    int n;
    if (progress->total <= 0) { /* nobody knows how much there is: neither bar nor share */
        bool terminal = isatty(STDERR_FILENO);
        n = snprintf(line, sizeof(line), "%s%-*.40s %" PRId64 " %s, %.0f/s%s",
                     terminal ? "\r\033[K" : "", terminal ? 16 : 0, progress->what, done,
                     progress->unit, rate, terminal ? "" : "\n");
        if (terminal)
            atomic_store(&bar_visible, true);
    } else if (isatty(STDERR_FILENO)) {
        char bar[BAR_CELLS * 3 + 1] = "";
        int full = (int)(BAR_CELLS * MQ_MIN(done, progress->total) / progress->total);
        for (int i = 0; i < BAR_CELLS; i++)
            strcat(bar, i < full ? "█" : "░");
        n = snprintf(line, sizeof(line), "\r\033[K%-16.40s %s %" PRId64 " %s, %.0f/s%s",
                     progress->what, bar, done, progress->unit, rate, tail);
        atomic_store(&bar_visible, true);
    } else {
        n = snprintf(line, sizeof(line), "%s: %" PRId64 " of %" PRId64 " %s, %.0f/s%s\n",
                     progress->what, done, progress->total, progress->unit, rate, tail);
    }
    put(line, MQ_MIN(n, (int)sizeof(line) - 1));
}

void
mq_progress_add(struct mq_progress *progress, int64_t n)
{
    if (progress == NULL)
        return;
    int64_t done = atomic_fetch_add(&progress->done, n) + n;
    if (!enabled)
        return;
    int64_t now = elapsed_ms(progress);
    int64_t due = atomic_load(&progress->next_report_ms);
    if (now < due)
        return;
    int64_t interval = isatty(STDERR_FILENO) ? TERMINAL_INTERVAL_MS : PLAIN_INTERVAL_MS;
    /* One thread wins the right to print this interval. */
    if (atomic_compare_exchange_strong(&progress->next_report_ms, &due, now + interval))
        report(progress, done, now);
}

void
mq_progress_end(struct mq_progress *progress)
{
    if (progress != NULL)
        mq_progress_clear_line();
}
