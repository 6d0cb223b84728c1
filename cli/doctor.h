/** The parts of `marquee doctor`: findings, and who looks for them. Threads: one thread. */
#ifndef MQ_CLI_DOCTOR_H
#define MQ_CLI_DOCTOR_H

#include <jansson.h>

#include "cli/command.h"

enum mq_health { MQ_HEALTH_OK, MQ_HEALTH_WARN, MQ_HEALTH_BAD };

struct mq_examination {
    struct mq_cli *cli;
    json_t *findings; /**< [{what, health, found, mend}] */
    enum mq_health worst;
};

/** Add a finding. @param mend how to mend it; "" when well */
void mq_doctor_find(struct mq_examination *e, const char *what, enum mq_health health,
                    const char *mend, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/**
 * Try every store of the settings by a round trip (doctor_stores.c).
 * @return MQ_OK | status of the first store that is bad
 */
enum mq_status mq_doctor_stores(struct mq_examination *e, struct mq_error *err);

#endif
