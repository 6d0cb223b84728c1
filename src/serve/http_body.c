#include "serve/http_body.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/memory.h"

/* 16: expect a gzip head, not zlib's. */
#define GZIP_WINDOW (16 + MAX_WBITS)
/* Room at first: what comes beyond has to have been sent, or has to have come out of gzip. */
#define FIRST_BYTES ((size_t)64 << 10)

static enum mq_status
fail_size(size_t limit_bytes, struct mq_error *err)
{
    return mq_fail(err, MQ_E_RANGE, "the body has more than %zu bytes", limit_bytes);
}

enum mq_status
mq_http_body_account(struct mq_http_body *body, struct mq_http_budget *budget, size_t bytes,
                     struct mq_error *err)
{
    /* Added when it fits only: what is taken back again would refuse others in the meantime. */
    int64_t held = atomic_load(&budget->held);
    while (held + (int64_t)bytes + atomic_load(&budget->answers) <= (int64_t)budget->bodies_bytes)
        if (atomic_compare_exchange_weak(&budget->held, &held, held + (int64_t)bytes)) {
            body->accounted += bytes;
            return MQ_OK;
        }
    /* What never fits must not be told to come again. */
    if (body->accounted + bytes > budget->bodies_bytes)
        return fail_size(budget->bodies_bytes, err);
    return mq_fail(err, MQ_E_NOMEM,
                   "requests in flight hold all of the %zu bytes of memory for bodies",
                   budget->bodies_bytes);
}

void
mq_http_answer_charge(struct mq_http_body *body, struct mq_http_budget *budget, size_t bytes)
{
    atomic_fetch_add(&budget->answers, (int64_t)bytes);
    body->answer_bytes += bytes;
}

/* Grow a body's memory, when the budget allows. */
static enum mq_status
grow(struct mq_http_body *body, struct mq_http_budget *budget, size_t capacity,
     struct mq_error *err)
{
    size_t more = capacity - body->capacity;
    enum mq_status st = mq_http_body_account(body, budget, more, err);
    if (st != MQ_OK)
        return st;
    char *bytes = realloc(body->bytes, capacity);
    if (bytes == NULL) {
        atomic_fetch_sub(&budget->held, (int64_t)more);
        body->accounted -= more;
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate %zu bytes for a body", capacity);
    }
    body->bytes = bytes;
    body->capacity = capacity;
    return MQ_OK;
}

enum mq_status
mq_http_body_reserve(struct mq_http_body *body, struct mq_http_budget *budget, size_t extra,
                     size_t expected, struct mq_error *err)
{
    size_t need = body->size + extra;
    if (need > budget->body_bytes || expected > budget->body_bytes)
        return fail_size(budget->body_bytes, err);
    if (need <= body->capacity)
        return MQ_OK;
    size_t most = expected >= need ? expected : budget->body_bytes;
    size_t step = MQ_MAX(body->capacity * 2, FIRST_BYTES);
    return grow(body, budget, MQ_MIN(MQ_MAX(need, step), most), err);
}

void
mq_http_body_release(struct mq_http_body *body, struct mq_http_budget *budget)
{
    free(body->bytes);
    atomic_fetch_sub(&budget->held, (int64_t)body->accounted);
    atomic_fetch_sub(&budget->answers, (int64_t)body->answer_bytes);
    *body = (struct mq_http_body){0};
}

/* ---- gzip ------------------------------------------------------------------------------- */

static enum mq_status
inflate_all(z_stream *stream, struct mq_http_body *into, struct mq_http_budget *budget,
            struct mq_error *err)
{
    for (;;) {
        if (into->size == into->capacity) {
            if (into->capacity > budget->body_bytes)
                return fail_size(budget->body_bytes, err);
            /* One byte above the limit tells a body at the limit from one beyond. */
            size_t capacity = MQ_MIN(into->capacity == 0 ? FIRST_BYTES : into->capacity * 2,
                                     budget->body_bytes + 1);
            enum mq_status st = grow(into, budget, capacity, err);
            if (st != MQ_OK)
                return st;
        }
        stream->next_out = (Bytef *)into->bytes + into->size;
        stream->avail_out = (uInt)MQ_MIN(into->capacity - into->size, (size_t)UINT_MAX);
        uInt room = stream->avail_out;
        int code = inflate(stream, Z_NO_FLUSH);
        into->size += room - stream->avail_out;
        if (code == Z_STREAM_END) {
            if (stream->avail_in == 0)
                break;
            code = inflateReset(stream); /* the next member */
        }
        if (code != Z_OK && !(code == Z_BUF_ERROR && stream->avail_out == 0))
            return mq_fail(err, MQ_E_FORMAT, "the body is not gzip: %s",
                           stream->msg != NULL ? stream->msg : "it ends too early");
    }
    return into->size > budget->body_bytes ? fail_size(budget->body_bytes, err) : MQ_OK;
}

enum mq_status
mq_http_body_expand(struct mq_http_body *body, struct mq_http_budget *budget, struct mq_error *err)
{
    z_stream stream = {0};
    if (body->size > UINT_MAX)
        return fail_size(UINT_MAX, err);
    if (inflateInit2(&stream, GZIP_WINDOW) != Z_OK)
        return mq_fail(err, MQ_E_NOMEM, "cannot start to expand a body");
    stream.next_in = (Bytef *)body->bytes;
    stream.avail_in = (uInt)body->size;
    struct mq_http_body into = {0};
    enum mq_status st = inflate_all(&stream, &into, budget, err);
    inflateEnd(&stream);
    if (st != MQ_OK) {
        mq_http_body_release(&into, budget);
        return st;
    }
    mq_http_body_release(body, budget);
    *body = into;
    return MQ_OK;
}
