/**
 * Access tokens: who may do what over HTTP.
 *
 * A token is "mqt_<id>_<secret>": 64 random bits name it, 256 random bits prove it. The file keeps
 * for each the id, a name, scopes, a random salt and SHA-256 of salt and secret, never the token
 * itself. Why a fast hash is right here: docs/decisions/tokens.md. The file has mode 0600; one that
 * others can read or write is refused.
 *
 * Threads: a loaded set is read by any; files are changed under a lock, by several processes too.
 */
#ifndef MQ_SERVE_TOKENS_H
#define MQ_SERVE_TOKENS_H

#include <stdint.h>

#include "marquee/status.h"

/** What a token allows, as bits. */
enum mq_scope {
    MQ_SCOPE_EVENTS_WRITE = 1,   /**< "events:write" */
    MQ_SCOPE_RECOMMEND_READ = 2, /**< "recommend:read" */
    MQ_SCOPE_ADMIN = 4,          /**< "admin": everything */
};

#define MQ_SCOPE_COUNT 3
/** Room for a token, and for an id, with NUL. */
#define MQ_TOKEN_SIZE 80
#define MQ_TOKEN_ID_SIZE 17
/** Longest name of a token, and most tokens of a file. */
#define MQ_TOKEN_NAME_MAX 64
#define MQ_TOKENS_MAX 10000

/** Name of the scope of a single bit, or NULL. */
const char *mq_scope_name(uint32_t scope);

/** A list like "events:write,recommend:read" to bits. @return MQ_OK | MQ_E_USAGE */
enum mq_status mq_scopes_parse(const char *text, uint32_t *ret_scopes, struct mq_error *err);

/** One row of the file. */
struct mq_token_row {
    char id[MQ_TOKEN_ID_SIZE];
    char name[MQ_TOKEN_NAME_MAX + 1];
    char created[32]; /**< ISO 8601 */
    uint32_t scopes;
    unsigned char salt[16], hash[32];
};

struct mq_tokens {
    struct mq_token_row *rows;
    int count;
};

/**
 * Read a file.
 * @return MQ_OK | MQ_E_NOT_FOUND | MQ_E_CONFIG (others may read it) | MQ_E_FORMAT | MQ_E_IO
 */
enum mq_status mq_tokens_load(const char *path, struct mq_tokens **ret_tokens,
                              struct mq_error *err);
/** NULL allowed. */
void mq_tokens_free(struct mq_tokens *tokens);

/**
 * Whether an Authorization header lets a request pass.
 * @param header NULL: none   @return 200 | 401 (no valid token) | 403 (its scopes do not hold it)
 * Cost: one SHA-256 of 59 bytes; the comparison takes the same time for any secret.
 */
int mq_tokens_check(const struct mq_tokens *tokens, const char *header, uint32_t scope);

/**
 * Make a token and add it to the file, which is made where it is missing.
 * @param ret_token the only time that it is ever seen   @param ret_id may be NULL
 */
enum mq_status mq_token_create(const char *path, const char *name, uint32_t scopes,
                               char ret_token[MQ_TOKEN_SIZE], char ret_id[MQ_TOKEN_ID_SIZE],
                               struct mq_error *err);

/** Remove a token by its id, or by its name where one alone has it. @return … | MQ_E_NOT_FOUND */
enum mq_status mq_token_revoke(const char *path, const char *id_or_name, struct mq_error *err);

#endif
