#include "base/sha256.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- streams ---------------------------------------------------------------------------- */

struct digest_writer {
    struct mq_writer base;
    struct mq_writer *inner;
    struct mq_sha256 *digest;
};

static enum mq_status
pass_write(struct mq_writer *base, const void *bytes, size_t size, struct mq_error *err)
{
    struct digest_writer *writer = (struct digest_writer *)base;
    enum mq_status st = mq_sha256_add(writer->digest, bytes, size, err);
    return st == MQ_OK ? mq_writer_put(writer->inner, bytes, size, err) : st;
}

static enum mq_status
pass_commit(struct mq_writer *base, struct mq_error *err)
{
    return mq_writer_commit(((struct digest_writer *)base)->inner, err);
}

static void
close_writer(struct mq_writer *base)
{
    struct digest_writer *writer = (struct digest_writer *)base;
    mq_writer_close(writer->inner);
    mq_sha256_free(writer->digest);
    free(writer);
}

enum mq_status
mq_sha256_writer(struct mq_writer *inner, struct mq_writer **ret_writer, struct mq_error *err)
{
    struct digest_writer *writer = calloc(1, sizeof(*writer));
    enum mq_status st = writer == NULL ? mq_fail(err, MQ_E_NOMEM, "cannot allocate a writer")
                                       : mq_sha256_new(&writer->digest, err);
    if (st != MQ_OK) {
        free(writer);
        mq_writer_close(inner);
        return st;
    }
    writer->inner = inner;
    writer->base = (struct mq_writer){
        .write = pass_write, .commit = pass_commit, .close = close_writer, .name = inner->name};
    *ret_writer = &writer->base;
    return MQ_OK;
}

enum mq_status
mq_sha256_written(struct mq_writer *writer, char ret_hex[MQ_SHA256_HEX_SIZE], struct mq_error *err)
{
    return mq_sha256_hex(((struct digest_writer *)writer)->digest, ret_hex, err);
}

struct digest_reader {
    struct mq_reader base;
    struct mq_reader *inner;
    struct mq_sha256 *digest;
};

static enum mq_status
pass_read(struct mq_reader *base, void *bytes, size_t size, size_t *ret_size, struct mq_error *err)
{
    struct digest_reader *reader = (struct digest_reader *)base;
    size_t got = 0;
    enum mq_status st = reader->inner->read(reader->inner, bytes, size, &got, err);
    if (st == MQ_OK && got > 0)
        st = mq_sha256_add(reader->digest, bytes, got, err);
    if (st == MQ_OK)
        *ret_size = got;
    return st;
}

static void
close_reader(struct mq_reader *base)
{
    struct digest_reader *reader = (struct digest_reader *)base;
    mq_reader_close(reader->inner);
    mq_sha256_free(reader->digest);
    free(reader);
}

enum mq_status
mq_sha256_reader(struct mq_reader *inner, struct mq_reader **ret_reader, struct mq_error *err)
{
    struct digest_reader *reader = calloc(1, sizeof(*reader));
    enum mq_status st = reader == NULL ? mq_fail(err, MQ_E_NOMEM, "cannot allocate a reader")
                                       : mq_sha256_new(&reader->digest, err);
    if (st != MQ_OK) {
        free(reader);
        mq_reader_close(inner);
        return st;
    }
    reader->inner = inner;
    reader->base = (struct mq_reader){.read = pass_read,
                                      .close = close_reader,
                                      .name = inner->name,
                                      .size_bytes = inner->size_bytes};
    *ret_reader = &reader->base;
    return MQ_OK;
}

enum mq_status
mq_sha256_expect(struct mq_reader *reader, int64_t size_bytes, const char *hex,
                 struct mq_error *err)
{
    unsigned char chunk[4096];
    char found[MQ_SHA256_HEX_SIZE];
    size_t got = 1;
    enum mq_status st = MQ_OK;
    while (st == MQ_OK && got > 0)
        st = mq_reader_some(reader, chunk, sizeof(chunk), &got, err);
    if (st == MQ_OK && reader->offset != size_bytes)
        return mq_fail(err, MQ_E_FORMAT, "'%s' has %lld bytes (%lld are due)", reader->name,
                       (long long)reader->offset, (long long)size_bytes);
    if (st == MQ_OK)
        st = mq_sha256_hex(((struct digest_reader *)reader)->digest, found, err);
    if (st == MQ_OK && strcmp(found, hex) != 0)
        st = mq_fail(err, MQ_E_FORMAT, "'%s' is damaged: its SHA-256 is not what it should be",
                     reader->name);
    return st;
}
