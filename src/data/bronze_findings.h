/**
 * What is wrong with a bronze layer, in words: a list that verify, compact and replay fill.
 * Threads: adding is safe from several threads at once; all else from one.
 */
#ifndef MQ_DATA_BRONZE_FINDINGS_H
#define MQ_DATA_BRONZE_FINDINGS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

/** Most that are kept in words; all are counted. */
#define MQ_BRONZE_FINDINGS_MAX 1000

struct mq_bronze_findings {
    int64_t count;
    char **texts; /**< [kept] "gap: …", owned; a command in it stands as "`marquee …`" */
    size_t kept, capacity;
    pthread_mutex_t lock;
};

void mq_bronze_findings_init(struct mq_bronze_findings *findings);
void mq_bronze_findings_release(struct mq_bronze_findings *findings);

/** Add one. Without memory it is counted alone. */
void mq_bronze_find(struct mq_bronze_findings *findings, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
