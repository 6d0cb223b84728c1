#include "model/content_matrix.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/content_terms.h"

#define YEARS_OF_A_SPAN 5

static const char *const names[MQ_CONTENT_FIELD_COUNT] = {
    "category", "director", "actor", "language", "level", "year", "title", "description"};

static const enum mq_property property_of[] = {MQ_PROPERTY_CATEGORY, MQ_PROPERTY_DIRECTOR,
                                               MQ_PROPERTY_ACTOR, MQ_PROPERTY_LANGUAGE,
                                               MQ_PROPERTY_LEVEL};

const char *
mq_content_field_name(enum mq_content_field field)
{
    return names[field];
}

struct mq_content_options
mq_content_options_default(void)
{
    return (struct mq_content_options){.weight = {[MQ_CONTENT_CATEGORY] = 1.0f,
                                                  [MQ_CONTENT_DIRECTOR] = 0.5f,
                                                  [MQ_CONTENT_ACTOR] = 0.3f,
                                                  [MQ_CONTENT_LANGUAGE] = 0.3f,
                                                  [MQ_CONTENT_LEVEL] = 0.1f,
                                                  [MQ_CONTENT_YEAR] = 1.0f,
                                                  [MQ_CONTENT_TITLE] = 0.3f,
                                                  [MQ_CONTENT_DESCRIPTION] = 0.5f}};
}

/* A term of a film, and how often it has it. */
struct entry {
    int32_t term, count;
};

struct building {
    const struct mq_catalogue *catalogue;
    struct mq_strmap terms; /* a letter for the field, and the text */
    struct entry *entries;
    size_t count, capacity;
    int64_t *offset;             /* [items+1] in entries */
    enum mq_content_field field; /* at hand */
};

static enum mq_content_field
field_of(const struct building *b, int32_t term)
{
    return (enum mq_content_field)(b->terms.keys[term][0] - 'a');
}

static enum mq_status
add_term(void *context, const char *text, size_t size, struct mq_error *err)
{
    struct building *b = context;
    char key[256];
    struct entry entry = {.count = 1};
    size = MQ_MIN(size, sizeof(key) - 1); /* longer values are the same to us */
    key[0] = (char)('a' + b->field);
    memcpy(key + 1, text, size);
    enum mq_status st = mq_strmap_add(&b->terms, key, size + 1, &entry.term, err);
    if (st == MQ_OK)
        st = mq_grow(&b->entries, &b->capacity, b->count + 1, sizeof(*b->entries), err);
    if (st == MQ_OK)
        b->entries[b->count++] = entry;
    return st;
}

static int
compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return (x->term > y->term) - (x->term < y->term);
}

/* Sort a film's entries and count repeats. */
static void
merge_entries(struct building *b, size_t first)
{
    size_t kept = first;
    if (b->count > first)
        qsort(b->entries + first, b->count - first, sizeof(*b->entries), compare_entries);
    for (size_t i = first; i < b->count; i++) {
        if (kept > first && b->entries[kept - 1].term == b->entries[i].term)
            b->entries[kept - 1].count++;
        else
            b->entries[kept++] = b->entries[i];
    }
    b->count = kept;
}

static enum mq_status
add_properties(struct building *b, int32_t film, struct mq_error *err)
{
    const struct mq_catalogue *c = b->catalogue;
    enum mq_status st = MQ_OK;
    for (size_t f = 0; f < MQ_COUNT(property_of); f++) {
        enum mq_property p = property_of[f];
        b->field = (enum mq_content_field)f;
        for (int64_t k = c->offset[p][film]; st == MQ_OK && k < c->offset[p][film + 1]; k++) {
            int32_t value = c->value[p][k];
            st = add_term(b, c->names[p].keys[value], c->names[p].sizes[value], err);
        }
    }
    char text[24];
    b->field = MQ_CONTENT_CATEGORY; /* films and series are two kinds of things */
    int size = snprintf(text, sizeof(text), "\t%d", (int)c->type[film]);
    if (st == MQ_OK)
        st = add_term(b, text, (size_t)size, err);
    b->field = MQ_CONTENT_YEAR;
    for (int span = 0; span < 2 && st == MQ_OK && c->year[film] > 0; span++) {
        size = span == 0 ? snprintf(text, sizeof(text), "%d", c->year[film])
                         : snprintf(text, sizeof(text), "~%d", c->year[film] / YEARS_OF_A_SPAN);
        st = add_term(b, text, (size_t)size, err);
    }
    return st;
}

static enum mq_status
collect(struct building *b, struct mq_error *err)
{
    const struct mq_catalogue *c = b->catalogue;
    enum mq_status st = mq_alloc_array((size_t)c->count + 1, sizeof(*b->offset), &b->offset, err);
    for (int32_t film = 0; st == MQ_OK && film < c->count; film++) {
        st = add_properties(b, film, err);
        b->field = MQ_CONTENT_TITLE;
        if (st == MQ_OK)
            st = mq_content_terms(c->title[film], strlen(c->title[film]), add_term, b, err);
        b->field = MQ_CONTENT_DESCRIPTION;
        if (st == MQ_OK)
            st = mq_content_terms(c->description[film], strlen(c->description[film]), add_term, b,
                                  err);
        merge_entries(b, (size_t)b->offset[film]);
        b->offset[film + 1] = (int64_t)b->count;
    }
    return st;
}

/* All values, film by film. */
struct values {
    int64_t count;
    int32_t *term, *film; /* [entries] */
    float *value;
};

/* A film's values from its entries. @param films [terms] in how many films a term is */
static void
weigh_film(const struct building *b, int32_t film, const int32_t *films, const float *weights,
           struct values *v)
{
    double square[MQ_CONTENT_FIELD_COUNT] = {0}, scale[MQ_CONTENT_FIELD_COUNT], all = 0;
    int64_t first = v->count;
    for (int64_t i = b->offset[film]; i < b->offset[film + 1]; i++) {
        const struct entry *entry = &b->entries[i];
        enum mq_content_field field = field_of(b, entry->term);
        bool word = field == MQ_CONTENT_TITLE || field == MQ_CONTENT_DESCRIPTION;
        if ((word && films[entry->term] < 2) || !(weights[field] > 0))
            continue;
        double value = log((1.0 + b->catalogue->count) / (1.0 + films[entry->term])) + 1.0;
        if (word)
            value *= 1.0 + log(entry->count);
        square[field] += value * value;
        v->term[v->count] = entry->term;
        v->film[v->count] = film;
        v->value[v->count++] = (float)value;
    }
    for (int f = 0; f < MQ_CONTENT_FIELD_COUNT; f++) {
        scale[f] = square[f] > 0 ? sqrt((double)weights[f] / square[f]) : 0;
        all += square[f] > 0 ? (double)weights[f] : 0;
    }
    for (int64_t i = first; i < v->count; i++)
        v->value[i] *= (float)(scale[field_of(b, v->term[i])] / sqrt(all));
}

static enum mq_status
weigh(const struct building *b, const float *weights, struct values *v, struct mq_error *err)
{
    mq_autofree int32_t *films = NULL;
    enum mq_status st = mq_alloc_array((size_t)b->terms.count, sizeof(*films), &films, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(b->count, sizeof(*v->term), &v->term, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(b->count, sizeof(*v->film), &v->film, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(b->count, sizeof(*v->value), &v->value, err);
    if (st != MQ_OK)
        return st;
    for (size_t i = 0; i < b->count; i++)
        films[b->entries[i].term]++;
    for (int32_t film = 0; film < b->catalogue->count; film++)
        weigh_film(b, film, films, weights, v);
    return MQ_OK;
}

static enum mq_status
check_options(const struct mq_content_options *options, struct mq_error *err)
{
    float sum = 0;
    for (int f = 0; f < MQ_CONTENT_FIELD_COUNT; f++) {
        if (!(options->weight[f] >= 0) || !isfinite(options->weight[f]))
            return mq_fail(err, MQ_E_RANGE, "weight of field '%s' is %g (0 or more)", names[f],
                           (double)options->weight[f]);
        sum += options->weight[f];
    }
    return sum > 0 ? MQ_OK : mq_fail(err, MQ_E_RANGE, "all weights of content fields are 0");
}

enum mq_status
mq_content_matrix_build(const struct mq_catalogue *catalogue,
                        const struct mq_content_options *options,
                        struct mq_rating_matrix **ret_matrix, struct mq_error *err)
{
    struct building b = {.catalogue = catalogue};
    struct values v = {0};
    enum mq_status st = check_options(options, err);
    if (st == MQ_OK)
        st = collect(&b, err);
    if (st == MQ_OK)
        st = weigh(&b, options->weight, &v, err);
    if (st == MQ_OK) {
        const struct mq_rating_list list = {
            .count = v.count, .user = v.term, .item = v.film, .rating = v.value};
        st = mq_rating_matrix_build(&list, b.terms.count, catalogue->count, NULL, NULL, ret_matrix,
                                    err);
    }
    mq_strmap_release(&b.terms);
    free(b.entries);
    mq_free(b.offset);
    mq_free(v.term);
    mq_free(v.film);
    mq_free(v.value);
    return st;
}
