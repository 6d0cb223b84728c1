#include "store/dynamodb_connection.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/memory.h"
#include "format/json.h"
#include "store/uri_parameters.h"

#define DEFAULT_TRANSFERS 8
#define PREFIX_MAX (MQ_DYNAMODB_TABLE_NAME_MAX - MQ_TABLE_NAME_MAX)
#define API_VERSION "DynamoDB_20120810"

/* ---- the URI ---------------------------------------------------------------------------- */

struct uri_work {
    struct mq_dynamodb *connection;
    struct mq_aws_settings settings;
};

static enum mq_status
take_parameter(void *context, const char *name, const char *value, struct mq_error *err)
{
    struct uri_work *work = context;
    bool known;
    int64_t number;
    enum mq_status st = mq_aws_settings_take(&work->settings, name, value, &known, err);
    if (st != MQ_OK || known)
        return st;
    if (strcmp(name, "transfers") == 0) {
        st = mq_uri_whole_number(name, value, 1, 64, &number, err);
        if (st == MQ_OK)
            work->connection->transfers = (int)number;
        return st;
    }
    return mq_fail(err, MQ_E_CONFIG,
                   "unknown parameter '%s' (allowed: region, endpoint, profile, transfers, "
                   "deadline-s, stall-s, anonymous)",
                   name);
}

static enum mq_status
open_uri(struct uri_work *work, const char *rest, struct mq_error *err)
{
    struct mq_dynamodb *c = work->connection;
    mq_autofree char *text = mq_strdup(rest);
    if (text == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a DynamoDB connection");
    char *query = strchr(text, '?');
    if (query != NULL)
        *query++ = '\0';
    bool sound = strlen(text) <= PREFIX_MAX;
    for (const char *p = text; sound && *p != '\0'; p++)
        sound = isalnum((unsigned char)*p) || strchr("-_.", *p) != NULL;
    if (!sound)
        return mq_fail(err, MQ_E_CONFIG,
                       "'%.64s' cannot stand before table names (allowed: up to %d of a-z A-Z 0-9 "
                       "- _ .)",
                       text, PREFIX_MAX);
    enum mq_status st = mq_uri_text(&c->prefix, text, err);
    if (st == MQ_OK)
        st = mq_uri_parameters(query, take_parameter, work, err);
    if (st == MQ_OK)
        st = mq_aws_settings_complete(&work->settings, "AWS_ENDPOINT_URL_DYNAMODB", err);
    if (st != MQ_OK)
        return st;
    const char *region = work->settings.region;
    mq_autofree char *address = work->settings.endpoint != NULL
                                    ? mq_strdup(work->settings.endpoint)
                                    : mq_strfmt("https://dynamodb.%s.amazonaws.com%s", region,
                                                strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
    c->uri = mq_strfmt("dynamodb:%s", c->prefix);
    if (address == NULL || c->uri == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a DynamoDB connection");
    return mq_aws_client_init(&c->aws, "dynamodb", &work->settings, address, c->transfers + 8, err);
}

enum mq_status
mq_dynamodb_new(const char *rest, struct mq_dynamodb **ret_connection, struct mq_error *err)
{
    struct mq_dynamodb *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a DynamoDB connection");
    c->transfers = DEFAULT_TRANSFERS;
    struct uri_work work = {.connection = c};
    enum mq_status st = open_uri(&work, rest, err);
    mq_aws_settings_release(&work.settings);
    if (st != MQ_OK) {
        mq_dynamodb_free(c);
        return st;
    }
    *ret_connection = c;
    return MQ_OK;
}

void
mq_dynamodb_free(struct mq_dynamodb *c)
{
    if (c == NULL)
        return;
    mq_aws_client_release(&c->aws);
    free(c->prefix);
    free(c->uri);
    free(c);
}

enum mq_status
mq_dynamodb_table_name(const struct mq_dynamodb *c, const char *table,
                       char ret_name[MQ_DYNAMODB_TABLE_NAME_MAX + 1], struct mq_error *err)
{
    char name[MQ_DYNAMODB_TABLE_NAME_MAX + 1];
    int size = snprintf(name, sizeof(name), "%s%s", c->prefix, table);
    if (size < 3 || (size_t)size >= sizeof(name))
        return mq_fail(err, MQ_E_RANGE, "'%s%.64s' is no table name of DynamoDB (3 to %d signs)",
                       c->prefix, table, MQ_DYNAMODB_TABLE_NAME_MAX);
    strcpy(ret_name, name);
    return MQ_OK;
}

/* ---- answers ---------------------------------------------------------------------------- */

void
mq_dynamodb_answer_release(struct mq_dynamodb_answer *answer)
{
    json_decref(answer->document);
    *answer = (struct mq_dynamodb_answer){0};
}

struct meaning {
    const char *code;
    enum mq_status status;
    bool retriable, slow;
};

static const struct meaning meanings[] = {
    {"ResourceNotFoundException", MQ_E_NOT_FOUND, false, false},
    {"ConditionalCheckFailedException", MQ_E_CONFLICT, false, false},
    {"ResourceInUseException", MQ_E_EXISTS, false, false},
    {"TransactionInProgressException", MQ_E_CONFLICT, true, false},
    {"TransactionConflictException", MQ_E_CONFLICT, true, false},
    {"ProvisionedThroughputExceededException", MQ_E_UNREACHABLE, true, true},
    {"ThrottlingException", MQ_E_UNREACHABLE, true, true},
    {"Throttling", MQ_E_UNREACHABLE, true, true},
    {"RequestLimitExceeded", MQ_E_UNREACHABLE, true, true},
    {"LimitExceededException", MQ_E_UNREACHABLE, true, true},
    {"SlowDown", MQ_E_UNREACHABLE, true, true},
    {"InternalServerError", MQ_E_UNREACHABLE, true, false},
    {"AccessDeniedException", MQ_E_DENIED, false, false},
    {"UnrecognizedClientException", MQ_E_DENIED, false, false},
    {"InvalidSignatureException", MQ_E_DENIED, false, false},
    {"IncompleteSignatureException", MQ_E_DENIED, false, false},
    {"MissingAuthenticationTokenException", MQ_E_DENIED, false, false},
    {"MissingAuthenticationToken", MQ_E_DENIED, false, false},
    {"ExpiredTokenException", MQ_E_DENIED, false, false},
};

/* A cancelled transaction says why for each of its actions; ours have one. */
static struct meaning
cancellation(const json_t *document)
{
    struct meaning meaning = {"", MQ_E_IO, false, false};
    size_t i;
    json_t *reason;
    json_array_foreach(json_object_get(document, "CancellationReasons"), i, reason)
    {
        const char *code = json_string_value(json_object_get(reason, "Code"));
        if (code == NULL || strcmp(code, "None") == 0)
            continue;
        if (strcmp(code, "ConditionalCheckFailed") == 0)
            return (struct meaning){"", MQ_E_CONFLICT, false, false};
        if (strcmp(code, "TransactionConflict") == 0)
            meaning = (struct meaning){"", MQ_E_CONFLICT, true, false};
        else if (strcmp(code, "ThrottlingError") == 0 ||
                 strcmp(code, "ProvisionedThroughputExceeded") == 0)
            meaning = (struct meaning){"", MQ_E_UNREACHABLE, true, true};
    }
    return meaning;
}

struct verdict {
    const struct mq_dynamodb *connection;
    const char *what, *table;
    struct mq_dynamodb_answer *answer;
};

static void
advise(const struct verdict *verdict, enum mq_status st, const char *code, struct mq_error *err)
{
    if (st == MQ_E_NOT_FOUND)
        mq_error_hint(err, "make it with `marquee stores create`");
    else if (strcmp(code, "InvalidSignatureException") == 0)
        mq_error_hint(err, "the secret key does not belong to the access key, or this machine's "
                           "clock is far off");
    else if (strcmp(code, "UnrecognizedClientException") == 0)
        mq_error_hint(err,
                      "the access key is not known in region %s: see 'Credentials' in "
                      "docs/howto/stores.md",
                      verdict->connection->aws.region);
    else if (st == MQ_E_DENIED)
        mq_error_hint(err, "check the credentials and the permissions listed in "
                           "docs/howto/stores.md");
}

static enum mq_status
judge_refusal(struct verdict *verdict, const struct mq_http_response *response, bool *ret_slow,
              struct mq_error *err)
{
    struct mq_dynamodb_answer *answer = verdict->answer;
    const char *type = json_string_value(json_object_get(answer->document, "__type"));
    const char *text = json_string_value(json_object_get(answer->document, "message"));
    if (text == NULL)
        text = json_string_value(json_object_get(answer->document, "Message"));
    const char *hash = type != NULL ? strrchr(type, '#') : NULL;
    snprintf(answer->code, sizeof(answer->code), "%s",
             hash != NULL ? hash + 1 : (type != NULL ? type : ""));
    int status = response->status;
    struct meaning meaning = {"",
                              status == 404                    ? MQ_E_NOT_FOUND
                              : status == 401 || status == 403 ? MQ_E_DENIED
                              : status >= 500 || status == 429 ? MQ_E_UNREACHABLE
                                                               : MQ_E_IO,
                              (status >= 500 && status != 501) || status == 429 || status == 408,
                              status == 429 || status == 503};
    for (size_t i = 0; i < MQ_COUNT(meanings); i++)
        if (strcmp(meanings[i].code, answer->code) == 0)
            meaning = meanings[i];
    if (strcmp(answer->code, "TransactionCanceledException") == 0)
        meaning = cancellation(answer->document);
    if (strcmp(answer->code, "ValidationException") == 0 && text != NULL &&
        strstr(text, "size") != NULL && strstr(text, "exceeded") != NULL)
        meaning.status = MQ_E_RANGE;
    *ret_slow = meaning.slow;
    enum mq_status st =
        meaning.status == MQ_E_NOT_FOUND
            ? mq_fail(err, meaning.status, "no table '%s' in '%s'", verdict->table,
                      verdict->connection->aws.endpoint)
            : mq_fail(err, meaning.status,
                      "cannot %s table '%s': the server answers %d%s%s%s%.400s", verdict->what,
                      verdict->table, status, answer->code[0] != '\0' ? " " : "", answer->code,
                      text != NULL ? ": " : "", text != NULL ? text : "");
    if (err != NULL)
        err->retriable = meaning.retriable;
    advise(verdict, st, answer->code, err);
    return st;
}

static enum mq_status
judge(void *context, const struct mq_http_response *response, bool *ret_slow, struct mq_error *err)
{
    struct verdict *verdict = context;
    struct mq_dynamodb_answer *answer = verdict->answer;
    mq_dynamodb_answer_release(answer);
    const struct mq_buffer *body = &response->body;
    const char *text = body->data != NULL ? body->data : "";
    const char *checksum = mq_http_header_of(response, "x-amz-crc32");
    enum mq_status st = MQ_OK;
    if (checksum != NULL &&
        strtoull(checksum, NULL, 10) != crc32_z(0, (const unsigned char *)text, body->size)) {
        st = mq_fail(err, MQ_E_IO,
                     "cannot %s table '%s': the answer came damaged (its CRC-32 is not %s)",
                     verdict->what, verdict->table, checksum);
    } else {
        st = mq_json_parse(text, body->size, "the answer", &answer->document, err);
        if (response->status != 200)
            return judge_refusal(verdict, response, ret_slow, err);
        if (st != MQ_OK)
            mq_fail_context(err, st, "cannot %s table '%s'", verdict->what, verdict->table);
    }
    if (st != MQ_OK && err != NULL)
        err->retriable = true; /* it came through something that cut or changed it */
    return st;
}

enum mq_status
mq_dynamodb_call(struct mq_dynamodb *c, const char *operation, const char *what, const char *table,
                 const struct mq_buffer *body, struct mq_dynamodb_answer *ret_answer,
                 struct mq_error *err)
{
    char target[96];
    snprintf(target, sizeof(target), API_VERSION ".%s", operation);
    struct mq_aws_call call = {
        .method = "POST",
        .path = "/",
        .query = "",
        .extra = {{"content-type", "application/x-amz-json-1.0"}, {"x-amz-target", target}},
        .extra_count = 2,
        .body = body->data,
        .body_size = body->size};
    struct mq_http_response response = {.body.limit_bytes = MQ_DYNAMODB_ANSWER_MAX};
    struct verdict verdict = {c, what, table, ret_answer};
    enum mq_status st = mq_aws_perform(&c->aws, &call, judge, &verdict, &response, err);
    mq_http_response_release(&response);
    return st;
}
