/** cmocka with the headers it needs, and checks for Marquee's status codes. Include first. */
#ifndef MQ_TESTS_CHECK_H
#define MQ_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "marquee/status.h"

/** Assert MQ_OK; on failure print the recorded message. `err` names a struct mq_error. */
#define check_ok(expression)                                                                       \
    do {                                                                                           \
        enum mq_status check_st = (expression);                                                    \
        if (check_st != MQ_OK)                                                                     \
            fail_msg("%s: %s: %s", #expression, mq_status_name(check_st), err.message);            \
    } while (0)

/** Assert a given failure. */
#define check_fails(code, expression)                                                              \
    do {                                                                                           \
        enum mq_status check_st = (expression);                                                    \
        if (check_st != (code))                                                                    \
            fail_msg("%s: %s, expected %s", #expression, mq_status_name(check_st),                 \
                     mq_status_name(code));                                                        \
    } while (0)

/** Assert that the text holds a part. */
#define check_contains(text, part)                                                                 \
    do {                                                                                           \
        if (strstr((text), (part)) == NULL)                                                        \
            fail_msg("'%s' does not hold '%s'", (text), (part));                                   \
    } while (0)

#endif
