#include "store/aws_sigv4.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/clock.h"

static void
to_hex(const unsigned char *bytes, size_t size, char *ret_hex)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        ret_hex[2 * i] = digits[bytes[i] >> 4];
        ret_hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret_hex[2 * size] = '\0';
}

void
mq_amz_date_format(int64_t epoch_s, char ret_text[MQ_AMZ_DATE_SIZE])
{
    char instant[MQ_INSTANT_SIZE];
    mq_instant_format(epoch_s, instant);
    size_t n = 0;
    for (const char *p = instant; *p != '\0'; p++)
        if (*p != '-' && *p != ':')
            ret_text[n++] = *p;
    ret_text[n] = '\0';
}

enum mq_status
mq_uri_encode(const char *text, size_t size, bool keep_slash, struct mq_buffer *buffer,
              struct mq_error *err)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '.' || c == '_' || c == '~' || (c == '/' && keep_slash);
        char escaped[3] = {'%', digits[c >> 4], digits[c & 15]};
        enum mq_status st = plain ? mq_buffer_append_char(buffer, (char)c, err)
                                  : mq_buffer_append(buffer, escaped, sizeof(escaped), err);
        if (st != MQ_OK)
            return st;
    }
    return MQ_OK;
}

static int
compare_headers(const void *a, const void *b)
{
    return strcmp(((const struct mq_sigv4_header *)a)->name,
                  ((const struct mq_sigv4_header *)b)->name);
}

static void
hmac(const void *key, size_t key_size, const char *text, unsigned char ret[MQ_SHA256_SIZE])
{
    unsigned int size = MQ_SHA256_SIZE;
    HMAC(EVP_sha256(), key, (int)key_size, (const unsigned char *)text, strlen(text), ret, &size);
}

/* Steps 1 to 4 of the signing process: canonical request, string to sign, key, signature. */
enum mq_status
mq_sigv4_authorization(const struct mq_sigv4_identity *identity,
                       const struct mq_sigv4_request *request, const char *amz_date,
                       struct mq_buffer *ret_value, struct mq_error *err)
{
    struct mq_sigv4_header sorted[MQ_SIGV4_HEADERS_MAX];
    if (request->header_count > MQ_SIGV4_HEADERS_MAX)
        return mq_fail(err, MQ_E_RANGE, "a request with %zu headers cannot be signed (at most %d)",
                       request->header_count, MQ_SIGV4_HEADERS_MAX);
    memcpy(sorted, request->headers, request->header_count * sizeof(*sorted));
    qsort(sorted, request->header_count, sizeof(*sorted), compare_headers);

    struct mq_buffer canonical = {0}, names = {0};
    enum mq_status st = mq_buffer_printf(&canonical, err, "%s\n%s\n%s\n", request->method,
                                         request->path, request->query);
    for (size_t i = 0; st == MQ_OK && i < request->header_count; i++) {
        st = mq_buffer_printf(&canonical, err, "%s:%s\n", sorted[i].name, sorted[i].value);
        if (st == MQ_OK)
            st = mq_buffer_printf(&names, err, "%s%s", i > 0 ? ";" : "", sorted[i].name);
    }
    if (st == MQ_OK)
        st = mq_buffer_printf(&canonical, err, "\n%s\n%s", names.data, request->payload_sha256);
    char day[9] = "";
    memcpy(day, amz_date, 8);
    struct mq_buffer scope = {0}, to_sign = {0};
    if (st == MQ_OK)
        st = mq_buffer_printf(&scope, err, "%s/%s/%s/aws4_request", day, identity->region,
                              identity->service);
    char digest[MQ_SHA256_HEX_SIZE];
    if (st == MQ_OK) {
        mq_sha256_of_bytes(canonical.data, canonical.size, digest);
        st = mq_buffer_printf(&to_sign, err, "AWS4-HMAC-SHA256\n%s\n%s\n%s", amz_date, scope.data,
                              digest);
    }
    struct mq_buffer seed = {0};
    if (st == MQ_OK)
        st = mq_buffer_printf(&seed, err, "AWS4%s", identity->secret_key);
    if (st == MQ_OK) {
        unsigned char key[MQ_SHA256_SIZE], next[MQ_SHA256_SIZE];
        hmac(seed.data, seed.size, day, key);
        hmac(key, sizeof(key), identity->region, next);
        hmac(next, sizeof(next), identity->service, key);
        hmac(key, sizeof(key), "aws4_request", next);
        hmac(next, sizeof(next), to_sign.data, key);
        to_hex(key, sizeof(key), digest);
        st = mq_buffer_printf(ret_value, err,
                              "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
                              identity->access_key, scope.data, names.data, digest);
    }
    mq_buffer_release(&seed);
    mq_buffer_release(&to_sign);
    mq_buffer_release(&scope);
    mq_buffer_release(&names);
    mq_buffer_release(&canonical);
    return st;
}
