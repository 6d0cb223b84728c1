/**
 * Settings for people to see, without the secrets in them: whatever prints a URI or a list of
 * properties (log lines, tables, messages, records) takes it from here.
 *
 * A value is hidden ("***") when its name says that it is secret: when it holds "password",
 * "secret", "token", "credential", "passphrase", "jaas" or "oauthbearer.config", or ends in "key"
 * or "pem", in any case. What stands before the '@' of an address is hidden whatever it is. Paths
 * (bare ones, file:, lmdb:) are shown as they are.
 *
 * Threads: reentrant.
 */
#ifndef MQ_BASE_REDACT_H
#define MQ_BASE_REDACT_H

#include <stddef.h>

/**
 * A URI: "kafka:h:9092?sasl.password=p&acks=all" gives "kafka:h:9092?sasl.password=***&acks=all",
 * and of "http://u:p@h" the user and the password go. Cut at `size`, which is at least 1.
 */
void mq_redact_uri(const char *uri, char *ret_text, size_t size);

/** The same in a text of its own, never cut. @return owned; NULL: no memory */
char *mq_redacted_uri(const char *uri);

/** Properties "name=value" parted by ';', or by line ends where there are any. Cut at `size`. */
void mq_redact_properties(const char *properties, char *ret_text, size_t size);

#endif
