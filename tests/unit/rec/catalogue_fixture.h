/** Catalogues made by hand for tests of the recommendation core. */
#ifndef MQ_TESTS_CATALOGUE_FIXTURE_H
#define MQ_TESTS_CATALOGUE_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "base/memory.h"
#include "data/catalogue.h"

/** One programme; fields left out are unknown. Property values are "a|b". */
struct fixture_item {
    const char *id;
    const char *title;
    enum mq_program_type type;
    bool absent, is_new;
    int year;
    double popularity, ticket_num, score;
    const char *property[MQ_PROPERTY_COUNT];
    int64_t available_from, available_until; /**< 0: none */
    const char *territories;
};

static inline void
fixture_add_values(struct mq_catalogue *c, int p, const char *text, int64_t *used)
{
    while (text != NULL && *text != '\0') {
        size_t size = strcspn(text, "|");
        int32_t code;
        assert_int_equal(mq_strmap_add(&c->names[p], text, size, &code, NULL), MQ_OK);
        c->value[p] = realloc(c->value[p], sizeof(int32_t) * (size_t)(*used + 1));
        c->value[p][(*used)++] = code;
        text += size + (text[size] == '|');
    }
}

/** A catalogue of n items, all of them coded. */
static inline struct mq_catalogue *
fixture_catalogue(const struct fixture_item *items, int32_t n)
{
    struct mq_catalogue *c = calloc(1, sizeof(*c));
    size_t count = (size_t)n + 1;
    c->count = c->coded_count = n;
    c->ids_numeric = true;
    c->present = calloc(count, sizeof(*c->present));
    c->type = calloc(count, sizeof(*c->type));
    c->is_new = calloc(count, sizeof(*c->is_new));
    c->year = calloc(count, sizeof(*c->year));
    c->title = calloc(count, sizeof(*c->title));
    c->description = calloc(count, sizeof(*c->description));
    c->popularity = calloc(count, sizeof(*c->popularity));
    c->ticket_num = calloc(count, sizeof(*c->ticket_num));
    c->score = calloc(count, sizeof(*c->score));
    c->available_from = calloc(count, sizeof(*c->available_from));
    c->available_until = calloc(count, sizeof(*c->available_until));
    c->duration_s = calloc(count, sizeof(*c->duration_s));
    c->territories = calloc(count, sizeof(*c->territories));
    int64_t used[MQ_PROPERTY_COUNT] = {0};
    for (int p = 0; p < MQ_PROPERTY_COUNT; p++) {
        c->offset[p] = calloc(count, sizeof(**c->offset));
        c->value[p] = calloc(1, sizeof(**c->value));
    }
    for (int32_t i = 0; i < n; i++) {
        const struct fixture_item *item = &items[i];
        int32_t code;
        assert_int_equal(mq_strmap_add_text(&c->ids, item->id, &code, NULL), MQ_OK);
        assert_int_equal(code, i);
        c->ids_numeric = c->ids_numeric && strspn(item->id, "0123456789") == strlen(item->id);
        c->present[i] = !item->absent;
        c->type[i] = (uint8_t)item->type;
        c->is_new[i] = item->is_new;
        c->year[i] = (int16_t)item->year;
        c->title[i] = mq_arena_format(&c->text, "%s", item->title != NULL ? item->title : "");
        c->description[i] = "";
        c->popularity[i] = (float)item->popularity;
        c->ticket_num[i] = (float)item->ticket_num;
        c->score[i] = (float)item->score;
        c->available_from[i] = item->available_from != 0 ? item->available_from : MQ_TIME_MIN;
        c->available_until[i] = item->available_until != 0 ? item->available_until : MQ_TIME_MAX;
        c->territories[i] =
            mq_arena_format(&c->text, "%s", item->territories != NULL ? item->territories : "");
        for (int p = 0; p < MQ_PROPERTY_COUNT; p++) {
            fixture_add_values(c, p, item->property[p], &used[p]);
            c->offset[p][i + 1] = used[p];
        }
    }
    return c;
}

/** Code of a value, which must exist. */
static inline int32_t
fixture_value(const struct mq_catalogue *c, enum mq_property p, const char *name)
{
    int32_t code = mq_strmap_find_text(&c->names[p], name);
    assert_true(code >= 0);
    return code;
}

#endif
