#include "base/sha256.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>

#include "base/cancel.h"
#include "base/memory.h"

#define CHUNK_BYTES ((size_t)256 << 10)

struct mq_sha256 {
    EVP_MD_CTX *context;
};

enum mq_status
mq_sha256_new(struct mq_sha256 **ret_digest, struct mq_error *err)
{
    struct mq_sha256 *digest = calloc(1, sizeof(*digest));
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (digest == NULL || context == NULL || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(context);
        free(digest);
        return mq_fail(err, MQ_E_NOMEM, "cannot start a SHA-256 digest");
    }
    digest->context = context;
    *ret_digest = digest;
    return MQ_OK;
}

void
mq_sha256_free(struct mq_sha256 *digest)
{
    if (digest == NULL)
        return;
    EVP_MD_CTX_free(digest->context);
    free(digest);
}

enum mq_status
mq_sha256_add(struct mq_sha256 *digest, const void *bytes, size_t size, struct mq_error *err)
{
    if (EVP_DigestUpdate(digest->context, bytes, size) != 1)
        return mq_fail(err, MQ_E_INTERNAL, "SHA-256 refused %zu bytes", size);
    return MQ_OK;
}

static void
to_hex(const unsigned char bytes[MQ_SHA256_SIZE], char ret_hex[MQ_SHA256_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < MQ_SHA256_SIZE; i++) {
        ret_hex[2 * i] = digits[bytes[i] >> 4];
        ret_hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret_hex[MQ_SHA256_HEX_SIZE - 1] = '\0';
}

void
mq_sha256_of_bytes(const void *bytes, size_t size, char ret_hex[MQ_SHA256_HEX_SIZE])
{
    unsigned char digest[MQ_SHA256_SIZE];
    SHA256(bytes, size, digest);
    to_hex(digest, ret_hex);
}

enum mq_status
mq_sha256_hex(struct mq_sha256 *digest, char ret_hex[MQ_SHA256_HEX_SIZE], struct mq_error *err)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_DigestFinal_ex(digest->context, bytes, &size) != 1 || size != MQ_SHA256_SIZE)
        return mq_fail(err, MQ_E_INTERNAL, "SHA-256 could not be finished");
    to_hex(bytes, ret_hex);
    return MQ_OK;
}

enum mq_status
mq_sha256_of_reader(struct mq_reader *reader, char ret_hex[MQ_SHA256_HEX_SIZE],
                    int64_t *ret_size_bytes, struct mq_error *err)
{
    struct mq_sha256 *digest;
    enum mq_status st = mq_sha256_new(&digest, err);
    if (st != MQ_OK)
        return st;
    unsigned char *chunk = NULL;
    st = mq_alloc_array_raw(CHUNK_BYTES, 1, &chunk, err);
    int64_t total = 0;
    size_t got = 1;
    while (st == MQ_OK && got > 0) {
        st = mq_cancel_check(err);
        if (st == MQ_OK)
            st = mq_reader_some(reader, chunk, CHUNK_BYTES, &got, err);
        if (st == MQ_OK && got > 0)
            st = mq_sha256_add(digest, chunk, got, err);
        if (st == MQ_OK)
            total += (int64_t)got;
    }
    if (st == MQ_OK)
        st = mq_sha256_hex(digest, ret_hex, err);
    if (st == MQ_OK && ret_size_bytes != NULL)
        *ret_size_bytes = total;
    mq_free(chunk);
    mq_sha256_free(digest);
    return st;
}
