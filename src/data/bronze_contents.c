#include "data/bronze_contents.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/memory.h"
#include "format/gzip_stream.h"

#define READ_BYTES ((size_t)128 << 10)

struct comparing {
    const struct mq_bronze_object *const *texts;
    size_t count, at; /* text being read; count: behind them all */
    bool differs;     /* no text from `at` on is looked at any more */
    int64_t bytes, lines;
    struct mq_sha256 *digest; /* of the text at hand; NULL: none begun */
    struct mq_sha256 *all;
    struct mq_bronze_contents contents;
};

static int64_t
lines_in(const char *bytes, size_t size)
{
    int64_t lines = 0;
    for (const char *p = bytes, *end = bytes + size; p < end; p++) {
        p = memchr(p, '\n', (size_t)(end - p));
        if (p == NULL)
            break;
        lines++;
    }
    return lines;
}

/* The text at hand has all its bytes: are they those that were promised? */
static enum mq_status
end_text(struct comparing *c, struct mq_error *err)
{
    char sha256[MQ_SHA256_HEX_SIZE];
    const struct mq_bronze_object *text = c->texts[c->at];
    enum mq_status st = mq_sha256_hex(c->digest, sha256, err);
    mq_sha256_free(c->digest);
    c->digest = NULL;
    if (st != MQ_OK)
        return st;
    if (c->lines != text->lines || strcmp(sha256, text->sha256) != 0) {
        c->differs = true;
        return MQ_OK;
    }
    c->at++;
    c->bytes = c->lines = 0;
    return MQ_OK;
}

static enum mq_status
compare(struct comparing *c, const char *bytes, size_t size, struct mq_error *err)
{
    enum mq_status st = mq_sha256_add(c->all, bytes, size, err);
    c->contents.bytes += (int64_t)size;
    c->contents.lines += lines_in(bytes, size);
    while (st == MQ_OK && size > 0 && !c->differs) {
        if (c->at == c->count) { /* more than was promised */
            c->differs = true;
            break;
        }
        size_t n = (size_t)MQ_MIN((int64_t)size, c->texts[c->at]->bytes - c->bytes);
        if (c->digest == NULL)
            st = mq_sha256_new(&c->digest, err);
        if (st == MQ_OK)
            st = mq_sha256_add(c->digest, bytes, n, err);
        if (st != MQ_OK)
            break;
        c->lines += lines_in(bytes, n);
        c->bytes += (int64_t)n;
        bytes += n;
        size -= n;
        if (c->bytes == c->texts[c->at]->bytes)
            st = end_text(c, err);
    }
    return st;
}

enum mq_status
mq_bronze_contents_read(struct mq_object_store *store, const char *key,
                        const struct mq_bronze_object *const *texts, size_t count,
                        struct mq_writer *copy_to, struct mq_bronze_contents *ret_contents,
                        struct mq_error *err)
{
    struct comparing c = {.texts = texts, .count = count};
    struct mq_reader *raw = NULL, *text = NULL;
    mq_autofree char *bytes = malloc(READ_BYTES);
    size_t n = 1;
    enum mq_status st = bytes != NULL ? mq_sha256_new(&c.all, err)
                                      : mq_fail(err, MQ_E_NOMEM, "cannot allocate a buffer");
    if (st == MQ_OK)
        st = mq_object_reader(store, key, &raw, err);
    if (st == MQ_OK)
        st = mq_gzip_reader(raw, &text, err);
    while (st == MQ_OK && n > 0) {
        st = mq_reader_some(text, bytes, READ_BYTES, &n, err);
        if (st == MQ_OK)
            st = compare(&c, bytes, n, err);
        if (st == MQ_OK && copy_to != NULL)
            st = mq_writer_put(copy_to, bytes, n, err);
        if (st == MQ_OK)
            st = mq_cancel_check(err);
    }
    mq_reader_close(text);
    if (st == MQ_OK)
        st = mq_sha256_hex(c.all, c.contents.sha256, err);
    mq_sha256_free(c.all);
    mq_sha256_free(c.digest);
    if (st != MQ_OK)
        return st;
    c.contents.agreeing = c.at;
    c.contents.is_whole = c.at == count && !c.differs;
    *ret_contents = c.contents;
    return MQ_OK;
}

void
mq_bronze_contents_differ(const struct mq_bronze_contents *contents,
                          const struct mq_bronze_object *text, char *ret_words, size_t size)
{
    if (contents->lines != text->lines)
        snprintf(ret_words, size, "has %" PRId64 " lines, not %" PRId64, contents->lines,
                 text->lines);
    else if (contents->bytes != text->bytes)
        snprintf(ret_words, size, "has %" PRId64 " bytes of text, not %" PRId64, contents->bytes,
                 text->bytes);
    else
        snprintf(ret_words, size, "does not hold what was written (SHA-256 %.12s…, not %.12s…)",
                 contents->sha256, text->sha256);
}
