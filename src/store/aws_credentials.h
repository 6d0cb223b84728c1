/**
 * AWS credentials from where AWS tools look for them, in their order: environment, shared profile
 * files, container endpoint, instance metadata (IMDSv2). Renewed before they expire.
 *
 * Threads: one provider may be used from many threads.
 */
#ifndef MQ_STORE_AWS_CREDENTIALS_H
#define MQ_STORE_AWS_CREDENTIALS_H

#include <stdint.h>

#include "marquee/status.h"
#include "store/http_client.h"

#define MQ_AWS_KEY_MAX 256
/** Session tokens, and the token that a container's endpoint wants; ends with a NUL. AWS names no
 * limit; those of long policies and of EKS pods have a few thousand bytes. */
#define MQ_AWS_TOKEN_MAX 16384
/** Temporary credentials are renewed this long before they expire. */
#define MQ_AWS_RENEW_AHEAD_S 300

struct mq_aws_keys {
    char access_key[MQ_AWS_KEY_MAX];
    char secret_key[MQ_AWS_KEY_MAX];
    char token[MQ_AWS_TOKEN_MAX]; /**< "" where none */
    int64_t expires_s;            /**< epoch seconds, 0 never */
    const char *source;           /**< static text: "environment", "profile", … */
};

struct mq_aws_credentials;

/**
 * A provider; nothing is read yet.
 * @param http    borrowed, must outlive the provider
 * @param profile copied; NULL: AWS_PROFILE, else "default"
 */
enum mq_status mq_aws_credentials_new(struct mq_http_client *http, const char *profile,
                                      struct mq_aws_credentials **ret_credentials,
                                      struct mq_error *err);
/** NULL allowed. */
void mq_aws_credentials_free(struct mq_aws_credentials *credentials);

/**
 * Keys that are valid now: from memory, or from the first source that has some. A source that is
 * named but fails (a container's endpoint that refuses, a token that is too long) is told of; those
 * behind it are not asked. Where keys in memory still hold they are given instead.
 *
 * @return MQ_OK | MQ_E_DENIED (no source has any, the message lists what was tried; or an endpoint
 *         refused, or the token's file cannot be read) | MQ_E_RANGE (a key or token above its
 *         limit) | MQ_E_FORMAT (no keys in an endpoint's answer) | MQ_E_UNREACHABLE, MQ_E_TIMEOUT
 *         (an endpoint; retriable) | MQ_E_IO | MQ_E_NOMEM
 */
enum mq_status mq_aws_credentials_get(struct mq_aws_credentials *credentials,
                                      struct mq_aws_keys *ret_keys, struct mq_error *err);

/** Forget the keys in memory, after the service called them expired. */
void mq_aws_credentials_forget(struct mq_aws_credentials *credentials);

/** Region from AWS_REGION, AWS_DEFAULT_REGION or the profile's config, into `ret`; false if none.
 */
bool mq_aws_default_region(const char *profile, char *ret, size_t size);

#endif
