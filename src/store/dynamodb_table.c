/*
 * Making a table. Three calls of which any may have been made before: create, wait until it is
 * active, switch expiry on. What is there already is asked for first, so that a caller without the
 * permission to make tables may still say "make sure they are there".
 */
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "store/dynamodb_connection.h"

#define POLL_MS 250

static enum mq_status
ask(struct mq_dynamodb *c, const char *operation, const char *what, const char *name,
    const char *rest, struct mq_dynamodb_answer *answer, struct mq_error *err)
{
    struct mq_buffer body = {0};
    enum mq_status st = mq_buffer_printf(&body, err, "{\"TableName\":\"%s\"%s}", name, rest);
    if (st == MQ_OK)
        st = mq_dynamodb_call(c, operation, what, name, &body, answer, err);
    mq_buffer_release(&body);
    return st;
}

static enum mq_status
check_key(const json_t *table, const char *name, struct mq_error *err)
{
    const json_t *schema = json_object_get(table, "KeySchema");
    const char *key =
        json_string_value(json_object_get(json_array_get(schema, 0), "AttributeName"));
    if (json_array_size(schema) == 1 && key != NULL && strcmp(key, "key") == 0)
        return MQ_OK;
    mq_fail(err, MQ_E_CONFLICT, "table '%s' exists with another key (needed: text 'key' alone)",
            name);
    mq_error_hint(err, "choose another prefix in the URI: dynamodb:PREFIX");
    return MQ_E_CONFLICT;
}

/* Wait until the table is active; MQ_E_NOT_FOUND when there is none. */
static enum mq_status
wait_active(struct mq_dynamodb *c, const char *name, bool just_made, struct mq_error *err)
{
    double deadline_s = mq_clock_monotonic_s() + (double)c->aws.deadline_ms / 1000.0;
    for (;;) {
        struct mq_dynamodb_answer answer = {0};
        enum mq_status st = ask(c, "DescribeTable", "look at", name, "", &answer, err);
        const json_t *table = json_object_get(answer.document, "Table");
        const char *status = json_string_value(json_object_get(table, "TableStatus"));
        bool active = st == MQ_OK && status != NULL &&
                      (strcmp(status, "ACTIVE") == 0 || strcmp(status, "UPDATING") == 0);
        if (active)
            st = check_key(table, name, err);
        mq_dynamodb_answer_release(&answer);
        /* A table that was made a moment ago may not be seen everywhere yet. */
        if (active || (st != MQ_OK && !(just_made && st == MQ_E_NOT_FOUND)))
            return st;
        if (mq_clock_monotonic_s() > deadline_s)
            return mq_fail(err, MQ_E_TIMEOUT, "table '%s' did not become active in %lld s", name,
                           (long long)(c->aws.deadline_ms / 1000));
        struct timespec pause = {0, POLL_MS * 1000000};
        nanosleep(&pause, NULL);
    }
}

static enum mq_status
see_expiry(struct mq_dynamodb *c, const char *name, bool *ret_on, struct mq_error *err)
{
    struct mq_dynamodb_answer answer = {0};
    enum mq_status st = ask(c, "DescribeTimeToLive", "look at", name, "", &answer, err);
    const json_t *description = json_object_get(answer.document, "TimeToLiveDescription");
    const char *status = json_string_value(json_object_get(description, "TimeToLiveStatus"));
    if (st == MQ_OK)
        *ret_on =
            status != NULL && (strcmp(status, "ENABLED") == 0 || strcmp(status, "ENABLING") == 0);
    mq_dynamodb_answer_release(&answer);
    return st;
}

static enum mq_status
switch_expiry_on(struct mq_dynamodb *c, const char *name, struct mq_error *err)
{
    bool on = false;
    enum mq_status st = see_expiry(c, name, &on, err);
    if (st != MQ_OK || on)
        return st;
    struct mq_error local = {0};
    struct mq_dynamodb_answer answer = {0};
    st = ask(c, "UpdateTimeToLive", "switch on expiry of", name,
             ",\"TimeToLiveSpecification\":{\"AttributeName\":\"expires\",\"Enabled\":true}",
             &answer, &local);
    mq_dynamodb_answer_release(&answer);
    /* Twice is refused: a first try whose answer got lost, or another process, was enough. */
    if (st != MQ_OK && see_expiry(c, name, &on, NULL) == MQ_OK && on)
        st = MQ_OK;
    if (st != MQ_OK && err != NULL)
        *err = local;
    return st;
}

enum mq_status
mq_dynamodb_table_create(struct mq_dynamodb *c, const char *table, struct mq_error *err)
{
    char name[MQ_DYNAMODB_TABLE_NAME_MAX + 1];
    enum mq_status st = mq_dynamodb_table_name(c, table, name, err);
    if (st != MQ_OK)
        return st;
    struct mq_error local = {0};
    st = wait_active(c, name, false, &local);
    if (st != MQ_OK && st != MQ_E_NOT_FOUND && err != NULL)
        *err = local;
    if (st == MQ_E_NOT_FOUND) {
        struct mq_dynamodb_answer answer = {0};
        st = ask(c, "CreateTable", "make", name,
                 ",\"AttributeDefinitions\":[{\"AttributeName\":\"key\",\"AttributeType\":\"S\"}],"
                 "\"KeySchema\":[{\"AttributeName\":\"key\",\"KeyType\":\"HASH\"}],"
                 "\"BillingMode\":\"PAY_PER_REQUEST\"",
                 &answer, err);
        mq_dynamodb_answer_release(&answer);
        if (st == MQ_OK || st == MQ_E_EXISTS) /* another made it at the same time */
            st = wait_active(c, name, true, err);
    }
    return st == MQ_OK ? switch_expiry_on(c, name, err) : st;
}

enum mq_status
mq_dynamodb_table_check(struct mq_dynamodb *c, const char *table, struct mq_error *err)
{
    char name[MQ_DYNAMODB_TABLE_NAME_MAX + 1];
    enum mq_status st = mq_dynamodb_table_name(c, table, name, err);
    return st == MQ_OK ? wait_active(c, name, false, err) : st;
}
