#include "serve/tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/filesystem.h"
#include "base/memory.h"
#include "format/json.h"

#define PREFIX "mqt_"
#define ID_BYTES 8
#define SECRET_BYTES 32
/* Base64 of the secret, without padding. */
#define SECRET_TEXT 43
#define FILE_BYTES_MAX ((size_t)16 << 20)
#define FILE_VERSION 1

static const char *const scope_names[MQ_SCOPE_COUNT] = {"events:write", "recommend:read", "admin"};

const char *
mq_scope_name(uint32_t scope)
{
    for (int i = 0; i < MQ_SCOPE_COUNT; i++)
        if (scope == UINT32_C(1) << i)
            return scope_names[i];
    return NULL;
}

static uint32_t
scope_of(const char *text, size_t size)
{
    for (int i = 0; i < MQ_SCOPE_COUNT; i++)
        if (strlen(scope_names[i]) == size && memcmp(scope_names[i], text, size) == 0)
            return UINT32_C(1) << i;
    return 0;
}

enum mq_status
mq_scopes_parse(const char *text, uint32_t *ret_scopes, struct mq_error *err)
{
    uint32_t scopes = 0;
    for (const char *p = text;; p++) {
        size_t n = strcspn(p, ",");
        uint32_t scope = scope_of(p, n);
        if (scope == 0)
            return mq_fail(err, MQ_E_USAGE,
                           "'%.*s' is no scope (allowed: events:write, recommend:read, admin)",
                           (int)n, p);
        scopes |= scope;
        p += n;
        if (*p == '\0')
            break;
    }
    *ret_scopes = scopes;
    return MQ_OK;
}

/* ---- bytes and text --------------------------------------------------------------------- */

static void
to_hex(const unsigned char *bytes, size_t size, char *ret_text)
{
    for (size_t i = 0; i < size; i++)
        snprintf(ret_text + 2 * i, 3, "%02x", bytes[i]);
}

static bool
from_hex(const char *text, unsigned char *ret_bytes, size_t size)
{
    if (strlen(text) != 2 * size || strspn(text, "0123456789abcdef") != 2 * size)
        return false;
    for (size_t i = 0; i < size; i++) {
        char pair[3] = {text[2 * i], text[2 * i + 1], '\0'};
        ret_bytes[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
    return true;
}

/* URL-safe base64 of a secret. */
static void
secret_text(const unsigned char bytes[SECRET_BYTES], char ret_text[SECRET_TEXT + 1])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned window = 0;
    int bits = 0, n = 0;
    for (int i = 0; i < SECRET_BYTES; i++) {
        window = window << 8 | bytes[i];
        for (bits += 8; bits >= 6; bits -= 6)
            ret_text[n++] = digits[window >> (bits - 6) & 63];
    }
    ret_text[n++] = digits[window << (6 - bits) & 63];
    ret_text[n] = '\0';
}

static bool
hash_secret(const unsigned char salt[16], const char secret[SECRET_TEXT],
            unsigned char ret_hash[32])
{
    unsigned char both[16 + SECRET_TEXT];
    memcpy(both, salt, 16);
    memcpy(both + 16, secret, SECRET_TEXT);
    bool done = EVP_Digest(both, sizeof(both), ret_hash, NULL, EVP_sha256(), NULL) == 1;
    OPENSSL_cleanse(both, sizeof(both));
    return done;
}

/* ---- the file --------------------------------------------------------------------------- */

static enum mq_status
read_row(const json_t *object, struct mq_token_row *row, struct mq_error *err)
{
    const struct {
        const char *key;
        const char *text;
    } parts[] = {{"id", NULL}, {"name", NULL}, {"created", NULL}, {"salt", NULL}, {"hash", NULL}};
    const char *texts[MQ_COUNT(parts)];
    for (size_t i = 0; i < MQ_COUNT(parts); i++) {
        enum mq_status st = mq_json_need_text(object, parts[i].key, &texts[i], err);
        if (st != MQ_OK)
            return st;
    }
    *row = (struct mq_token_row){0};
    snprintf(row->id, sizeof(row->id), "%s", texts[0]);
    snprintf(row->name, sizeof(row->name), "%s", texts[1]);
    snprintf(row->created, sizeof(row->created), "%s", texts[2]);
    if (strlen(texts[0]) != MQ_TOKEN_ID_SIZE - 1 || !from_hex(texts[3], row->salt, 16) ||
        !from_hex(texts[4], row->hash, 32))
        return mq_fail(err, MQ_E_FORMAT, "token '%s' has a malformed id, salt or hash", row->name);
    size_t i;
    json_t *scope;
    json_array_foreach(json_object_get(object, "scopes"), i, scope)
    {
        const char *text = json_is_string(scope) ? json_string_value(scope) : "";
        uint32_t bit = scope_of(text, strlen(text));
        if (bit == 0)
            return mq_fail(err, MQ_E_FORMAT, "token '%s' has an unknown scope '%s'", row->name,
                           text);
        row->scopes |= bit;
    }
    return MQ_OK;
}

static enum mq_status
read_rows(const json_t *root, struct mq_tokens *tokens, struct mq_error *err)
{
    int64_t version;
    enum mq_status st = mq_json_need_int(root, "version", &version, err);
    const json_t *list = json_object_get(root, "tokens");
    if (st == MQ_OK && version != FILE_VERSION)
        st = mq_fail(err, MQ_E_UNSUPPORTED, "version %lld (read here: %d)", (long long)version,
                     FILE_VERSION);
    if (st == MQ_OK && (!json_is_array(list) || json_array_size(list) > MQ_TOKENS_MAX))
        st = mq_fail(err, MQ_E_FORMAT, "expected at most %d tokens in an array 'tokens'",
                     MQ_TOKENS_MAX);
    size_t count = st == MQ_OK ? json_array_size(list) : 0;
    if (st == MQ_OK)
        st = mq_alloc_array(count + 1, sizeof(*tokens->rows), &tokens->rows, err); /* one to add */
    for (size_t i = 0; st == MQ_OK && i < count; i++) {
        st = read_row(json_array_get(list, i), &tokens->rows[i], err);
        tokens->count = (int)i + 1;
    }
    return st;
}

static enum mq_status
check_mode(const char *path, struct mq_error *err)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return mq_fail_errno(err, errno, "cannot read the tokens '%s'", path);
    if ((info.st_mode & 077) == 0)
        return MQ_OK;
    mq_fail(err, MQ_E_CONFIG, "cannot use the tokens '%s': others may read or write it (mode %03o)",
            path, (unsigned)(info.st_mode & 0777));
    mq_error_hint(err, "chmod 600 %s", path);
    return MQ_E_CONFIG;
}

enum mq_status
mq_tokens_load(const char *path, struct mq_tokens **ret_tokens, struct mq_error *err)
{
    if (!mq_fs_exists(path)) {
        mq_fail(err, MQ_E_NOT_FOUND, "no tokens: there is no file '%s'", path);
        mq_error_hint(err, "make one: marquee token create NAME --scope events:write");
        return MQ_E_NOT_FOUND;
    }
    mq_autojson json_t *root = NULL;
    struct mq_reader *reader;
    enum mq_status st = check_mode(path, err);
    if (st == MQ_OK)
        st = mq_reader_from_file(path, &reader, err);
    if (st != MQ_OK)
        return st;
    st = mq_json_read(reader, FILE_BYTES_MAX, &root, err);
    mq_reader_close(reader);
    if (st != MQ_OK)
        return st;
    struct mq_tokens *tokens = calloc(1, sizeof(*tokens));
    if (tokens == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the tokens");
    st = read_rows(root, tokens, err);
    if (st != MQ_OK) {
        mq_tokens_free(tokens);
        return mq_fail_context(err, st, "cannot use the tokens '%s'", path);
    }
    *ret_tokens = tokens;
    return MQ_OK;
}

void
mq_tokens_free(struct mq_tokens *tokens)
{
    if (tokens == NULL)
        return;
    mq_free(tokens->rows);
    free(tokens);
}

static json_t *
row_value(const struct mq_token_row *row)
{
    char salt[33], hash[65];
    to_hex(row->salt, 16, salt);
    to_hex(row->hash, 32, hash);
    json_t *scopes = json_array();
    for (int i = 0; i < MQ_SCOPE_COUNT; i++)
        if (row->scopes >> i & 1)
            json_array_append_new(scopes, json_string(scope_names[i]));
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s}", "id", row->id, "name", row->name, "created",
                     row->created, "scopes", scopes, "salt", salt, "hash", hash);
}

static enum mq_status
save(const char *path, const struct mq_tokens *tokens, struct mq_error *err)
{
    mq_autojson json_t *root = json_pack("{s:i, s:[]}", "version", FILE_VERSION, "tokens");
    for (int i = 0; root != NULL && i < tokens->count; i++)
        json_array_append_new(json_object_get(root, "tokens"), row_value(&tokens->rows[i]));
    struct mq_buffer text = {0};
    int fd = -1;
    char *partial = NULL;
    enum mq_status st = mq_json_dump(root, MQ_JSON_INDENTED, &text, err);
    if (st == MQ_OK)
        st = mq_buffer_append_char(&text, '\n', err);
    if (st == MQ_OK)
        st = mq_fs_create_partial(path, &fd, &partial, err);
    if (st == MQ_OK && fchmod(fd, 0600) != 0) /* before the first byte */
        st = mq_fail_errno(err, errno, "cannot protect the tokens '%s'", path);
    if (st == MQ_OK)
        st = mq_fs_write(fd, text.data, text.size, path, err);
    if (st == MQ_OK)
        st = mq_fs_publish(fd, partial, path, err);
    if (st != MQ_OK && partial != NULL)
        (void)!mq_fs_remove(partial, NULL);
    if (fd >= 0)
        close(fd);
    free(partial);
    mq_buffer_release(&text);
    return st;
}

/* Load under the lock of changes (an empty set where there is no file). @param ret_lock close() */
static enum mq_status
begin_change(const char *path, int *ret_lock, struct mq_tokens **ret_tokens, struct mq_error *err)
{
    mq_autofree char *lock_path = mq_strfmt("%s.lock", path);
    if (lock_path == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    enum mq_status st = mq_fs_make_parents(path, err);
    if (st != MQ_OK)
        return st;
    int lock = open(lock_path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (lock < 0 || flock(lock, LOCK_EX) != 0) {
        st = mq_fail_errno(err, errno, "cannot lock the tokens '%s'", path);
    } else if (mq_fs_exists(path)) {
        st = mq_tokens_load(path, ret_tokens, err);
    } else {
        struct mq_tokens *tokens = calloc(1, sizeof(*tokens));
        if (tokens == NULL)
            st = mq_fail(err, MQ_E_NOMEM, "cannot allocate the tokens");
        else if ((st = mq_alloc_array(1, sizeof(*tokens->rows), &tokens->rows, err)) == MQ_OK)
            *ret_tokens = tokens;
        else
            free(tokens);
    }
    if (st != MQ_OK && lock >= 0)
        close(lock);
    else
        *ret_lock = lock;
    return st;
}

/* ---- tokens ----------------------------------------------------------------------------- */

static const struct mq_token_row *
find_id(const struct mq_tokens *tokens, const char *id)
{
    for (int i = 0; i < tokens->count; i++)
        if (memcmp(tokens->rows[i].id, id, MQ_TOKEN_ID_SIZE - 1) == 0)
            return &tokens->rows[i];
    return NULL;
}

int
mq_tokens_check(const struct mq_tokens *tokens, const char *header, uint32_t scope)
{
    static const size_t size = sizeof(PREFIX) - 1 + MQ_TOKEN_ID_SIZE - 1 + 1 + SECRET_TEXT;
    if (header == NULL || strncasecmp(header, "Bearer ", 7) != 0)
        return 401;
    const char *token = header + 7;
    token += strspn(token, " ");
    if (strlen(token) != size || memcmp(token, PREFIX, sizeof(PREFIX) - 1) != 0)
        return 401;
    const char *id = token + sizeof(PREFIX) - 1, *secret = id + MQ_TOKEN_ID_SIZE;
    const struct mq_token_row *row = find_id(tokens, id);
    unsigned char hash[32];
    if (row == NULL || secret[-1] != '_' || !hash_secret(row->salt, secret, hash) ||
        CRYPTO_memcmp(hash, row->hash, sizeof(hash)) != 0)
        return 401;
    return row->scopes & (scope | MQ_SCOPE_ADMIN) ? 200 : 403;
}

static enum mq_status
fill_row(struct mq_token_row *row, const char *name, uint32_t scopes, char ret_token[MQ_TOKEN_SIZE],
         struct mq_error *err)
{
    unsigned char id[ID_BYTES], secret[SECRET_BYTES];
    char text[SECRET_TEXT + 1];
    *row = (struct mq_token_row){.scopes = scopes};
    if (RAND_bytes(id, sizeof(id)) != 1 || RAND_bytes(row->salt, sizeof(row->salt)) != 1 ||
        RAND_priv_bytes(secret, sizeof(secret)) != 1)
        return mq_fail(err, MQ_E_IO, "cannot make a token: no random numbers");
    to_hex(id, sizeof(id), row->id);
    secret_text(secret, text);
    if (!hash_secret(row->salt, text, row->hash))
        return mq_fail(err, MQ_E_NOMEM, "cannot make a token: no SHA-256");
    snprintf(row->name, sizeof(row->name), "%s", name);
    mq_instant_format(mq_clock_now_s(), row->created);
    snprintf(ret_token, MQ_TOKEN_SIZE, PREFIX "%s_%s", row->id, text);
    OPENSSL_cleanse(secret, sizeof(secret));
    OPENSSL_cleanse(text, sizeof(text));
    return MQ_OK;
}

enum mq_status
mq_token_create(const char *path, const char *name, uint32_t scopes, char ret_token[MQ_TOKEN_SIZE],
                char ret_id[MQ_TOKEN_ID_SIZE], struct mq_error *err)
{
    size_t n = strlen(name);
    bool usable = n >= 1 && n <= MQ_TOKEN_NAME_MAX;
    for (size_t i = 0; usable && i < n; i++)
        usable = name[i] > ' ' && name[i] < 0x7f && name[i] != '"' && name[i] != '\\';
    if (!usable)
        return mq_fail(err, MQ_E_USAGE,
                       "'%s' is no name for a token (allowed: 1 to %d ASCII characters without "
                       "blanks, quotes and backslashes)",
                       name, MQ_TOKEN_NAME_MAX);
    int lock;
    struct mq_tokens *tokens;
    char token[MQ_TOKEN_SIZE];
    enum mq_status st = begin_change(path, &lock, &tokens, err);
    if (st != MQ_OK)
        return st;
    if (tokens->count == MQ_TOKENS_MAX)
        st = mq_fail(err, MQ_E_RANGE, "'%s' holds %d tokens already", path, MQ_TOKENS_MAX);
    struct mq_token_row *row =
        &tokens->rows[tokens->count]; /* the file was read with room for one */
    if (st == MQ_OK)
        st = fill_row(row, name, scopes, token, err);
    if (st == MQ_OK) {
        tokens->count++;
        st = save(path, tokens, err);
    }
    if (st == MQ_OK) {
        memcpy(ret_token, token, sizeof(token));
        if (ret_id != NULL)
            memcpy(ret_id, row->id, sizeof(row->id));
    }
    OPENSSL_cleanse(token, sizeof(token));
    mq_tokens_free(tokens);
    close(lock);
    return st;
}

enum mq_status
mq_token_revoke(const char *path, const char *id_or_name, struct mq_error *err)
{
    int lock, found = -1, count = 0;
    struct mq_tokens *tokens;
    enum mq_status st = begin_change(path, &lock, &tokens, err);
    if (st != MQ_OK)
        return st;
    for (int i = 0; i < tokens->count; i++) {
        bool by_id = strcmp(tokens->rows[i].id, id_or_name) == 0;
        if (!by_id && strcmp(tokens->rows[i].name, id_or_name) != 0)
            continue;
        found = i;
        count = by_id ? 1 : count + 1;
        if (by_id)
            break;
    }
    if (count == 0) {
        st = mq_fail(err, MQ_E_NOT_FOUND, "no token '%s' in '%s'", id_or_name, path);
        mq_error_hint(err, "see: marquee token list");
    } else if (count > 1) {
        st = mq_fail(err, MQ_E_CONFLICT, "%d tokens have the name '%s'", count, id_or_name);
        mq_error_hint(err, "revoke by id; see: marquee token list");
    } else {
        memmove(&tokens->rows[found], &tokens->rows[found + 1],
                (size_t)(tokens->count - found - 1) * sizeof(*tokens->rows));
        tokens->count--;
        st = save(path, tokens, err);
    }
    mq_tokens_free(tokens);
    close(lock);
    return st;
}
