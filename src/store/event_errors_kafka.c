/*
 * What librdkafka's error codes mean here, and why the cluster cannot be reached.
 *
 * Failures that pass are listed: the client goes on by itself, and the reason is told once in a
 * while. A code that nobody thought of is none of them: it ends what was tried, with its name.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/event_log_kafka.h"

/* What lasts is told once in so many seconds. */
#define TELL_S 10.0
/* A reason is worth no more after so long. */
#define TROUBLE_LIFE_S 30.0
/* What may be a wrong setting, or a broker that comes up, is the former after so long. */
#define SURE_AFTER_S 1.5
#define PAGE "(docs/howto/stores.md, Kafka)"

#define ALLOW "allow what docs/howto/stores.md lists under Kafka"
#define CREDENTIALS "see sasl.mechanism, sasl.username, sasl.password and security.protocol " PAGE
#define BOUNDS                                                                                     \
    "consume.session_s (session.timeout.ms) lies outside of the broker's bounds: see its "         \
    "group.min.session.timeout.ms and group.max.session.timeout.ms, 6 s and 30 min by default"

static const struct meaning {
    rd_kafka_resp_err_t code;
    enum mq_status status;
    const char *hint; /* NULL: none */
} meanings[] = {
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, MQ_E_NOT_FOUND, NULL},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, MQ_E_NOT_FOUND, NULL},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, MQ_E_NOT_FOUND, NULL},
    {RD_KAFKA_RESP_ERR__TIMED_OUT, MQ_E_TIMEOUT, NULL},
    {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, MQ_E_TIMEOUT, NULL},
    {RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, MQ_E_TIMEOUT, NULL},
    {RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, MQ_E_TIMEOUT, NULL}, /* its fate is not known */
    /* permissions */
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, MQ_E_DENIED, CREDENTIALS},
    {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, MQ_E_DENIED, CREDENTIALS},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM, MQ_E_DENIED, CREDENTIALS},
    {RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE, MQ_E_DENIED, CREDENTIALS},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, MQ_E_DENIED, ALLOW},
    {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, MQ_E_DENIED, ALLOW ": Read on the group"},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, MQ_E_DENIED, ALLOW},
    {RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, MQ_E_DENIED, ALLOW},
    {RD_KAFKA_RESP_ERR_DELEGATION_TOKEN_AUTHORIZATION_FAILED, MQ_E_DENIED, CREDENTIALS},
    {RD_KAFKA_RESP_ERR_DELEGATION_TOKEN_EXPIRED, MQ_E_DENIED, CREDENTIALS},
    {RD_KAFKA_RESP_ERR_SECURITY_DISABLED, MQ_E_CONFIG, NULL},
    /* events */
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, MQ_E_RANGE, NULL},
    {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, MQ_E_RANGE, NULL},
    {RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, MQ_E_RANGE, NULL},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, MQ_E_RANGE, NULL},
    {RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, MQ_E_RANGE, NULL},
    {RD_KAFKA_RESP_ERR__INVALID_ARG, MQ_E_RANGE, NULL},
    /* settings */
    {RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT, MQ_E_CONFIG, BOUNDS},
    {RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL, MQ_E_CONFIG,
     "other members of the group have another partition.assignment.strategy: make them agree"},
    {RD_KAFKA_RESP_ERR_INVALID_GROUP_ID, MQ_E_CONFIG, "use another events.group"},
    {RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, MQ_E_CONFIG,
     "another member has the same group.instance.id: each needs its own"},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, MQ_E_UNSUPPORTED, "the broker is too old for this"},
    {RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, MQ_E_UNSUPPORTED, "the broker is too old for this"},
    {RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED, MQ_E_UNSUPPORTED, NULL},
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, MQ_E_CONFIG, NULL},
    {RD_KAFKA_RESP_ERR_INVALID_PARTITIONS, MQ_E_CONFIG, NULL},
    {RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR, MQ_E_CONFIG, NULL},
    {RD_KAFKA_RESP_ERR_INVALID_CONFIG, MQ_E_CONFIG, NULL},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, MQ_E_CONFIG, NULL},
    {RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS, MQ_E_CONFIG, NULL},
    {RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, MQ_E_CONFIG,
     "auto.offset.reset is 'error', and the group has committed nothing that the log still holds"},
    /* partitions that pass to another */
    {RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, MQ_E_CONFLICT, NULL},
    {RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, MQ_E_CONFLICT, NULL},
    {RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, MQ_E_CONFLICT, NULL},
    {RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST, MQ_E_CONFLICT, NULL},
    {RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED, MQ_E_CONFLICT, NULL},
    {RD_KAFKA_RESP_ERR__STATE, MQ_E_CONFLICT, NULL}, /* a commit after it was taken away */
};

/* A broker that is away, goes down, comes up, or hands its work to another; MQ_E_UNREACHABLE. */
static const rd_kafka_resp_err_t passing[] = {
    RD_KAFKA_RESP_ERR__BAD_MSG,
    RD_KAFKA_RESP_ERR__DESTROY,
    RD_KAFKA_RESP_ERR__TRANSPORT,
    RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE,
    RD_KAFKA_RESP_ERR__RESOLVE,
    RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
    RD_KAFKA_RESP_ERR__QUEUE_FULL,
    RD_KAFKA_RESP_ERR__ISR_INSUFF,
    RD_KAFKA_RESP_ERR__NODE_UPDATE,
    RD_KAFKA_RESP_ERR__SSL,
    RD_KAFKA_RESP_ERR__WAIT_COORD,
    RD_KAFKA_RESP_ERR__IN_PROGRESS,
    RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS,
    RD_KAFKA_RESP_ERR__NO_OFFSET,
    RD_KAFKA_RESP_ERR__OUTDATED,
    RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE,
    RD_KAFKA_RESP_ERR__WAIT_CACHE,
    RD_KAFKA_RESP_ERR__INTR,
    RD_KAFKA_RESP_ERR__PARTIAL,
    RD_KAFKA_RESP_ERR__UNDERFLOW,
    RD_KAFKA_RESP_ERR__RETRY,
    RD_KAFKA_RESP_ERR__PURGE_QUEUE,
    RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE,
    RD_KAFKA_RESP_ERR_UNKNOWN,
    RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE,
    RD_KAFKA_RESP_ERR_INVALID_MSG,
    RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
    RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_STALE_CTRL_EPOCH,
    RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION,
    RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
    RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
    RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
    RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    RD_KAFKA_RESP_ERR_NOT_CONTROLLER,
    RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
    RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER,
    RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
    RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING,
    RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS,
    RD_KAFKA_RESP_ERR_OPERATION_NOT_ATTEMPTED,
    RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
    RD_KAFKA_RESP_ERR_LOG_DIR_NOT_FOUND,
    RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,
    RD_KAFKA_RESP_ERR_REASSIGNMENT_IN_PROGRESS,
    RD_KAFKA_RESP_ERR_FETCH_SESSION_ID_NOT_FOUND,
    RD_KAFKA_RESP_ERR_INVALID_FETCH_SESSION_EPOCH,
    RD_KAFKA_RESP_ERR_LISTENER_NOT_FOUND,
    RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH,
    RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH,
    RD_KAFKA_RESP_ERR_STALE_BROKER_EPOCH,
    RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_MEMBER_ID_REQUIRED,
    RD_KAFKA_RESP_ERR_PREFERRED_LEADER_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_GROUP_MAX_SIZE_REACHED,
    RD_KAFKA_RESP_ERR_ELIGIBLE_LEADERS_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT,
    RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED,
};

#define UNKNOWN_HINT "Marquee does not know that waiting mends this: the brokers' logs may say more"

static bool
is_passing(rd_kafka_resp_err_t code)
{
    for (size_t i = 0; i < MQ_COUNT(passing); i++)
        if (passing[i] == code)
            return true;
    return false;
}

static const struct meaning *
find(rd_kafka_resp_err_t code)
{
    for (size_t i = 0; i < MQ_COUNT(meanings); i++)
        if (meanings[i].code == code)
            return &meanings[i];
    return NULL;
}

enum mq_status
mq_kafka_status(rd_kafka_resp_err_t code)
{
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return MQ_OK;
    const struct meaning *meaning = find(code);
    if (meaning != NULL)
        return meaning->status;
    return is_passing(code) ? MQ_E_UNREACHABLE : MQ_E_UNSUPPORTED;
}

bool
mq_kafka_passes(rd_kafka_resp_err_t code)
{
    enum mq_status st = mq_kafka_status(code);
    return st == MQ_E_UNREACHABLE || st == MQ_E_TIMEOUT || st == MQ_E_CONFLICT;
}

/* ---- why the cluster cannot be reached -------------------------------------------------- */

/* Whether a reason is about settings; a broker that goes down may look like the latter for a
 * moment. */
static bool
is_setting(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__AUTHENTICATION || code == RD_KAFKA_RESP_ERR__SSL ||
           code == RD_KAFKA_RESP_ERR__RESOLVE;
}

static bool
may_be_setting(const char *reason)
{
    if (strstr(reason, "timed out") != NULL)
        return false; /* it hangs */
    return strstr(reason, "SSL handshake") != NULL || strstr(reason, "SSL_HANDSHAKE") != NULL ||
           strstr(reason, "security.protocol") != NULL || strstr(reason, "SASL") != NULL;
}

/* How much a reason says: one that says less never takes the place of one that says more. */
static int
weight_of(rd_kafka_resp_err_t code, const char *reason)
{
    if (is_setting(code))
        return 4;
    if (may_be_setting(reason))
        return 3;
    return code == RD_KAFKA_RESP_ERR_NO_ERROR            ? 0
           : code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ? 1
                                                         : 2;
}

void
mq_kafka_note(struct mq_kafka_log *log, rd_kafka_resp_err_t code, const char *reason, bool tell)
{
    double now = mq_clock_monotonic_s();
    pthread_mutex_lock(&log->lock);
    struct mq_kafka_trouble *trouble = &log->trouble;
    if (weight_of(code, reason) >= weight_of(trouble->code, trouble->reason) ||
        now - trouble->at_s > TROUBLE_LIFE_S) {
        trouble->code = code;
        trouble->at_s = now;
        /* Whether librdkafka says "SSL handshake failed" or gives the state alone is chance. */
        bool unnamed = may_be_setting(reason) && strstr(reason, "SSL_HANDSHAKE") != NULL &&
                       strstr(reason, "SSL handshake") == NULL;
        snprintf(trouble->reason, sizeof(trouble->reason), "%s%s",
                 unnamed ? "SSL handshake failed: " : "", reason);
    }
    tell = tell && now - log->told_s >= TELL_S;
    if (tell)
        log->told_s = now;
    pthread_mutex_unlock(&log->lock);
    if (tell)
        mq_log_warn("events: kafka:%s: %s: %s", log->servers, rd_kafka_err2str(code), reason);
}

void
mq_kafka_answers(struct mq_kafka_log *log)
{
    pthread_mutex_lock(&log->lock);
    log->trouble.code = RD_KAFKA_RESP_ERR_NO_ERROR;
    log->trouble.reason[0] = '\0';
    pthread_mutex_unlock(&log->lock);
}

rd_kafka_resp_err_t
mq_kafka_vain(struct mq_kafka_log *log, double since_s)
{
    pthread_mutex_lock(&log->lock);
    const struct mq_kafka_trouble *trouble = &log->trouble;
    bool long_enough = mq_clock_monotonic_s() - since_s >= SURE_AFTER_S;
    bool vain = trouble->at_s >= since_s &&
                (is_setting(trouble->code) || (long_enough && may_be_setting(trouble->reason)));
    rd_kafka_resp_err_t code = vain ? trouble->code : RD_KAFKA_RESP_ERR_NO_ERROR;
    pthread_mutex_unlock(&log->lock);
    return code;
}

/* What is known of a failure that says no more than that nobody answers. */
static bool
know_better(struct mq_kafka_log *log, rd_kafka_resp_err_t *code, char reason[MQ_KAFKA_REASON_SIZE])
{
    enum mq_status st = mq_kafka_status(*code);
    if (st != MQ_E_UNREACHABLE && st != MQ_E_TIMEOUT && st != MQ_E_DENIED)
        return false;
    pthread_mutex_lock(&log->lock);
    const struct mq_kafka_trouble *trouble = &log->trouble;
    bool known = trouble->code != RD_KAFKA_RESP_ERR_NO_ERROR &&
                 mq_clock_monotonic_s() - trouble->at_s <= TROUBLE_LIFE_S &&
                 (st != MQ_E_DENIED || trouble->code == *code);
    if (known) {
        *code = trouble->code;
        memcpy(reason, trouble->reason, MQ_KAFKA_REASON_SIZE);
    }
    pthread_mutex_unlock(&log->lock);
    return known;
}

static void
give_hint(const struct mq_kafka_log *log, rd_kafka_resp_err_t code, const char *reason,
          struct mq_error *err)
{
    const struct meaning *meaning = find(code);
    enum mq_status st = mq_kafka_status(code);
    if (meaning != NULL && meaning->hint != NULL)
        mq_error_hint(err, "%s", meaning->hint);
    else if (st == MQ_E_NOT_FOUND)
        mq_error_hint(err, "make the topic with `marquee stores create`");
    else if (code == RD_KAFKA_RESP_ERR__SSL || strstr(reason, "SSL handshake") != NULL)
        mq_error_hint(err, "see security.protocol, ssl.ca.location and the certificates " PAGE);
    else if (code == RD_KAFKA_RESP_ERR__RESOLVE)
        mq_error_hint(err, "see the brokers' names in events.log");
    else if (strstr(reason, "isconnected") != NULL)
        mq_error_hint(err, "does the broker want TLS or SASL? see security.protocol " PAGE);
    else if (meaning == NULL && st == MQ_E_UNSUPPORTED)
        mq_error_hint(err, UNKNOWN_HINT);
    else if (st == MQ_E_TIMEOUT || st == MQ_E_UNREACHABLE)
        mq_error_hint(err, "is a broker running at %s?", log->servers);
}

enum mq_status
mq_kafka_fail(struct mq_kafka_log *log, rd_kafka_resp_err_t code, const char *what,
              const char *detail, struct mq_error *err)
{
    char reason[MQ_KAFKA_REASON_SIZE] = "";
    if (detail != NULL)
        snprintf(reason, sizeof(reason), "%s", detail);
    know_better(log, &code, reason);
    enum mq_status st = mq_kafka_status(code);
    mq_fail(err, st, "cannot %s at 'kafka:%s': %s%s%s", what, log->servers, rd_kafka_err2str(code),
            *reason != '\0' ? ": " : "", reason);
    if (err != NULL)
        err->retriable = st == MQ_E_TIMEOUT || st == MQ_E_UNREACHABLE;
    give_hint(log, code, reason, err);
    return st;
}
