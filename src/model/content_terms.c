#include "model/content_terms.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "format/utf8.h"

static const char *const function_words[] = {
    "the", "and", "of",   "in",   "to",   "an",   "is",   "on",  "at",   "for", "with", "his",
    "her", "by",  "from", "that", "this", "who",  "as",   "are", "be",   "it",  "its",  "their",
    "he",  "she", "they", "when", "but",  "into", "will", "has", "have", "was", "one",  "not"};

/* Code point of a well-formed character of n bytes. */
static uint32_t
code_point(const char *text, size_t n)
{
    uint32_t point = n == 1 ? (unsigned char)text[0] : (unsigned char)text[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++)
        point = point << 6 | ((unsigned char)text[i] & 0x3fu);
    return point;
}

/* Scripts that part no words. */
static bool
is_unspaced(uint32_t point)
{
    return (point >= 0x3041 && point <= 0x30ff) || (point >= 0x3400 && point <= 0x9fff) ||
           (point >= 0xac00 && point <= 0xd7a3) || (point >= 0xf900 && point <= 0xfaff) ||
           (point >= 0x20000 && point <= 0x3ffff);
}

/* Letters and digits; of other scripts all that is not known for punctuation. */
static bool
is_word(uint32_t point)
{
    if (point < 0x80)
        return (point >= 'a' && point <= 'z') || (point >= 'A' && point <= 'Z') ||
               (point >= '0' && point <= '9');
    return point >= 0xc0 && point != 0xd7 && point != 0xf7 &&
           !(point >= 0x2000 && point <= 0x2bff) && !(point >= 0x3000 && point <= 0x3040) &&
           !(point >= 0xff00 && point <= 0xff0f) && !(point >= 0xff1a && point <= 0xff20) &&
           !(point >= 0xfe30 && point <= 0xfe6f);
}

struct words {
    mq_content_term_fn fn;
    void *context;
    char word[MQ_CONTENT_TERM_MAX];
    size_t size;
    char last[4]; /* the unspaced character before */
    size_t last_size;
    bool paired; /* it has been in a pair */
};

static enum mq_status
end_word(struct words *w, struct mq_error *err)
{
    size_t size = w->size;
    w->size = 0;
    if (size == 0 || (size == 1 && !(w->word[0] >= '0' && w->word[0] <= '9')))
        return MQ_OK;
    for (size_t i = 0; i < sizeof(function_words) / sizeof(function_words[0]); i++)
        if (strlen(function_words[i]) == size && memcmp(function_words[i], w->word, size) == 0)
            return MQ_OK;
    return w->fn(w->context, w->word, size, err);
}

static enum mq_status
end_unspaced(struct words *w, struct mq_error *err)
{
    size_t size = w->last_size;
    w->last_size = 0;
    return size > 0 && !w->paired ? w->fn(w->context, w->last, size, err) : MQ_OK;
}

static enum mq_status
add_unspaced(struct words *w, const char *bytes, size_t size, struct mq_error *err)
{
    char pair[8];
    enum mq_status st = MQ_OK;
    w->paired = w->last_size > 0;
    if (w->paired) {
        memcpy(pair, w->last, w->last_size);
        memcpy(pair + w->last_size, bytes, size);
        st = w->fn(w->context, pair, w->last_size + size, err);
    }
    memcpy(w->last, bytes, size);
    w->last_size = size;
    return st;
}

enum mq_status
mq_content_terms(const char *text, size_t size, mq_content_term_fn fn, void *context,
                 struct mq_error *err)
{
    struct words w = {.fn = fn, .context = context};
    enum mq_status st = MQ_OK;
    for (size_t at = 0; st == MQ_OK && at < size;) {
        size_t n = mq_utf8_character(text + at, size - at);
        uint32_t point = n > 0 ? code_point(text + at, n) : 0;
        bool word = n > 0 && is_word(point), unspaced = word && is_unspaced(point);
        if (!word || unspaced)
            st = end_word(&w, err);
        if (st == MQ_OK && !unspaced)
            st = end_unspaced(&w, err);
        if (st == MQ_OK && unspaced)
            st = add_unspaced(&w, text + at, n, err);
        if (word && !unspaced && w.size + n <= MQ_CONTENT_TERM_MAX) {
            memcpy(w.word + w.size, text + at, n);
            if (n == 1 && point >= 'A' && point <= 'Z')
                w.word[w.size] = (char)(point + 'a' - 'A');
            w.size += n;
        }
        at += n > 0 ? n : 1;
    }
    if (st == MQ_OK)
        st = end_word(&w, err);
    return st == MQ_OK ? end_unspaced(&w, err) : st;
}
