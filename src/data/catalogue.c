/*
 * Loading: one walk over item.parquet gives every programme its row (its code, or a new row after
 * them) and lists (row, value) pairs of each property in file order; a counting sort by row then
 * makes the offset arrays.
 */
#include "data/catalogue.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "data/id_map.h"
#include "data/sql.h"

/* A text that need not end in NUL. */
struct span {
    const char *text;
    size_t size;
};

/* Values of one property in file order. */
struct pairs {
    int32_t *row, *value;
    size_t count, row_capacity, value_capacity, spelling_capacity;
};

struct loading {
    struct mq_catalogue *catalogue;
    struct pairs pairs[MQ_PROPERTY_COUNT];
    int32_t capacity; /* of the field arrays */
    int32_t from_file;
};

const char *
mq_property_name(enum mq_property property)
{
    static const char *const names[MQ_PROPERTY_COUNT] = {"category", "director", "actor",
                                                         "language", "level",    "year"};
    return names[property];
}

int32_t
mq_catalogue_find(const struct mq_catalogue *catalogue, const char *item_id)
{
    return mq_strmap_find_text(&catalogue->ids, item_id);
}

void
mq_catalogue_free(struct mq_catalogue *catalogue)
{
    if (catalogue == NULL)
        return;
    mq_strmap_release(&catalogue->ids);
    free(catalogue->present);
    free(catalogue->type);
    free(catalogue->is_new);
    free(catalogue->year);
    free(catalogue->title);
    free(catalogue->description);
    free(catalogue->popularity);
    free(catalogue->ticket_num);
    free(catalogue->score);
    free(catalogue->available_from);
    free(catalogue->available_until);
    free(catalogue->duration_s);
    free(catalogue->territories);
    for (int p = 0; p < MQ_PROPERTY_COUNT; p++) {
        mq_strmap_release(&catalogue->names[p]);
        free(catalogue->spelling[p]);
        free(catalogue->offset[p]);
        free(catalogue->value[p]);
    }
    mq_arena_release(&catalogue->text);
    free(catalogue);
}

bool
mq_property_is_missing(const char *text, size_t size)
{
    static const char *const words[] = {"",     "nan",  "nr",  "na", "n/a",  "#n/a",
                                        "null", "none", "\\n", "''", "\"\"", "0"};
    while (size > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        size--;
    }
    while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t'))
        size--;
    for (size_t i = 0; i < MQ_COUNT(words); i++)
        if (strlen(words[i]) == size && strncasecmp(words[i], text, size) == 0)
            return true;
    return false;
}

static struct span
trim(struct span text)
{
    while (text.size > 0 && strchr(" \t\r\n", *text.text) != NULL) {
        text.text++;
        text.size--;
    }
    while (text.size > 0 && strchr(" \t\r\n", text.text[text.size - 1]) != NULL)
        text.size--;
    return text;
}

/* Keep how a new value is spelled. */
static enum mq_status
add_spelling(struct loading *loading, enum mq_property property, int32_t value,
             struct span spelling, struct mq_error *err)
{
    struct mq_catalogue *c = loading->catalogue;
    enum mq_status st = mq_grow(&c->spelling[property], &loading->pairs[property].spelling_capacity,
                                (size_t)value + 1, sizeof(*c->spelling[property]), err);
    if (st != MQ_OK)
        return st;
    const char *copy = mq_arena_copy(&c->text, spelling.text, spelling.size);
    if (copy == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a name");
    c->spelling[property][value] = copy;
    return MQ_OK;
}

/* @param text in lower case @param spelling as in the file; {NULL, 0} where it is not kept */
static enum mq_status
add_value(struct loading *loading, enum mq_property property, int32_t row, struct span text,
          struct span spelling, struct mq_error *err)
{
    text = trim(text);
    if (mq_property_is_missing(text.text, text.size))
        return MQ_OK;
    struct pairs *pairs = &loading->pairs[property];
    struct mq_strmap *names = &loading->catalogue->names[property];
    int32_t value, known = names->count;
    enum mq_status st = mq_strmap_add(names, text.text, text.size, &value, err);
    if (st == MQ_OK && names->count > known && spelling.text != NULL)
        st = add_spelling(loading, property, value, trim(spelling), err);
    if (st != MQ_OK)
        return st;
    for (size_t i = pairs->count; i > 0 && pairs->row[i - 1] == row; i--)
        if (pairs->value[i - 1] == value)
            return MQ_OK; /* named twice */
    size_t need = pairs->count + 1;
    if ((st = mq_grow(&pairs->row, &pairs->row_capacity, need, sizeof(int32_t), err)) != MQ_OK ||
        (st = mq_grow(&pairs->value, &pairs->value_capacity, need, sizeof(int32_t), err)) != MQ_OK)
        return st;
    pairs->row[pairs->count] = row;
    pairs->value[pairs->count++] = value;
    return MQ_OK;
}

/* Take the text before the next '|', or all. */
static struct span
next_part(struct span *list)
{
    const char *bar = list->size > 0 ? memchr(list->text, '|', list->size) : NULL;
    struct span part = {list->text, bar != NULL ? (size_t)(bar - list->text) : list->size};
    size_t taken = bar != NULL ? part.size + 1 : part.size;
    if (list->text != NULL)
        list->text += taken;
    list->size -= taken;
    return part;
}

static enum mq_status
add_values(struct loading *loading, enum mq_property property, int32_t row, struct span text,
           struct span spelling, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    while (st == MQ_OK && text.size > 0) {
        struct span part = next_part(&text), part_spelling = next_part(&spelling);
        st = add_value(loading, property, row, part, part_spelling, err);
    }
    return st;
}

/* Room for `need` rows in all field arrays; new rows are set to what stands for unknown. */
static enum mq_status
grow_fields(struct loading *loading, int32_t need, struct mq_error *err)
{
    if (need <= loading->capacity)
        return MQ_OK;
    struct mq_catalogue *c = loading->catalogue;
    int64_t target = MQ_MAX((int64_t)need, MQ_MIN((int64_t)loading->capacity * 2, INT32_MAX));
    enum mq_status st = MQ_OK;
    struct {
        void *block;
        size_t size;
    } fields[] = {
        {&c->present, sizeof(*c->present)},
        {&c->type, sizeof(*c->type)},
        {&c->is_new, sizeof(*c->is_new)},
        {&c->year, sizeof(*c->year)},
        {&c->title, sizeof(*c->title)},
        {&c->description, sizeof(*c->description)},
        {&c->popularity, sizeof(*c->popularity)},
        {&c->ticket_num, sizeof(*c->ticket_num)},
        {&c->score, sizeof(*c->score)},
        {&c->available_from, sizeof(*c->available_from)},
        {&c->available_until, sizeof(*c->available_until)},
        {&c->duration_s, sizeof(*c->duration_s)},
        {&c->territories, sizeof(*c->territories)},
    };
    for (size_t i = 0; i < MQ_COUNT(fields) && st == MQ_OK; i++) {
        size_t capacity = (size_t)loading->capacity;
        st = mq_grow(fields[i].block, &capacity, (size_t)target, fields[i].size, err);
        if (st == MQ_OK) {
            void *block;
            memcpy(&block, fields[i].block, sizeof(block));
            memset((char *)block + (size_t)loading->capacity * fields[i].size, 0,
                   ((size_t)target - (size_t)loading->capacity) * fields[i].size);
        }
    }
    if (st != MQ_OK)
        return st;
    for (int64_t row = loading->capacity; row < target; row++) {
        c->title[row] = c->description[row] = c->territories[row] = "";
        c->available_from[row] = MQ_TIME_MIN;
        c->available_until[row] = MQ_TIME_MAX;
    }
    loading->capacity = (int32_t)target;
    return MQ_OK;
}

static enum mq_status
copy_text(struct mq_catalogue *catalogue, const struct mq_sql_string *string, const char **ret_text,
          struct mq_error *err)
{
    if (string->size == 0)
        return MQ_OK;
    *ret_text = mq_arena_copy(&catalogue->text, mq_sql_string_bytes(string), string->size);
    return *ret_text != NULL ? MQ_OK : mq_fail(err, MQ_E_NOMEM, "cannot allocate a title");
}

static float
finite_or_zero(double value)
{
    return isfinite(value) ? (float)value : 0.0f;
}

/* Columns of catalogue_items.sql. */
enum column {
    COL_ID = 0,
    COL_TYPE,
    COL_TITLE,
    COL_YEAR,
    COL_PROPERTY, /* category, director, actor, language, level */
    COL_POPULARITY = COL_PROPERTY + 5,
    COL_TICKET_NUM,
    COL_SCORE,
    COL_IS_NEW,
    COL_DESCRIPTION,
    COL_FROM,
    COL_UNTIL,
    COL_TERRITORIES,
    COL_DURATION,
    COL_SPELLING, /* director, actor, language */
};
#define COLUMN_TYPES "tttitttttdddbtlltittt"

static struct span
text_at(const struct mq_sql_result *result, int column, int64_t r)
{
    const struct mq_sql_string *string =
        (const struct mq_sql_string *)mq_sql_column(result, column) + r;
    return (struct span){mq_sql_string_bytes(string), string->size};
}

static enum mq_status
add_item(struct loading *loading, const struct mq_sql_result *result, int64_t r,
         struct mq_error *err)
{
    struct mq_catalogue *c = loading->catalogue;
    const struct mq_sql_string *id =
        (const struct mq_sql_string *)mq_sql_column(result, COL_ID) + r;
    int32_t row;
    enum mq_status st = mq_strmap_add(&c->ids, mq_sql_string_bytes(id), id->size, &row, err);
    if (st == MQ_OK)
        st = grow_fields(loading, row + 1, err);
    if (st != MQ_OK)
        return st;
    if (c->present[row])
        return mq_fail(err, MQ_E_FORMAT, "the catalogue holds programme '%.64s' twice",
                       c->ids.keys[row]);
    const struct mq_sql_string *type =
        (const struct mq_sql_string *)mq_sql_column(result, COL_TYPE) + r;
    int32_t year = ((const int32_t *)mq_sql_column(result, COL_YEAR))[r];
    c->present[row] = 1;
    c->type[row] = type->size == 2 && memcmp(mq_sql_string_bytes(type), "tv", 2) == 0
                       ? MQ_PROGRAM_TV
                       : MQ_PROGRAM_MOVIE;
    c->year[row] = (int16_t)(year > 0 && year <= INT16_MAX ? year : 0);
    c->popularity[row] = finite_or_zero(((const double *)mq_sql_column(result, COL_POPULARITY))[r]);
    c->ticket_num[row] = finite_or_zero(((const double *)mq_sql_column(result, COL_TICKET_NUM))[r]);
    c->score[row] = finite_or_zero(((const double *)mq_sql_column(result, COL_SCORE))[r]);
    c->is_new[row] = ((const bool *)mq_sql_column(result, COL_IS_NEW))[r];
    c->duration_s[row] = ((const int32_t *)mq_sql_column(result, COL_DURATION))[r];
    if (mq_sql_is_valid(mq_sql_valid(result, COL_FROM), r))
        c->available_from[row] = ((const int64_t *)mq_sql_column(result, COL_FROM))[r];
    if (mq_sql_is_valid(mq_sql_valid(result, COL_UNTIL), r))
        c->available_until[row] = ((const int64_t *)mq_sql_column(result, COL_UNTIL))[r];
    const struct mq_sql_string *texts[] = {mq_sql_column(result, COL_TITLE),
                                           mq_sql_column(result, COL_DESCRIPTION),
                                           mq_sql_column(result, COL_TERRITORIES)};
    if ((st = copy_text(c, texts[0] + r, &c->title[row], err)) != MQ_OK ||
        (st = copy_text(c, texts[1] + r, &c->description[row], err)) != MQ_OK ||
        (st = copy_text(c, texts[2] + r, &c->territories[row], err)) != MQ_OK)
        return st;
    for (int p = MQ_PROPERTY_CATEGORY; p <= MQ_PROPERTY_LEVEL && st == MQ_OK; p++) {
        bool is_list = p == MQ_PROPERTY_CATEGORY || p == MQ_PROPERTY_ACTOR;
        bool is_spelled = p >= MQ_PROPERTY_DIRECTOR && p <= MQ_PROPERTY_LANGUAGE;
        struct span spelling = {NULL, 0};
        if (is_spelled)
            spelling = text_at(result, COL_SPELLING + p - MQ_PROPERTY_DIRECTOR, r);
        st = (is_list ? add_values : add_value)(
            loading, (enum mq_property)p, row, text_at(result, COL_PROPERTY + p, r), spelling, err);
    }
    if (st == MQ_OK && c->year[row] > 0) {
        char text[16];
        int n = snprintf(text, sizeof(text), "%d", c->year[row]);
        st = add_value(loading, MQ_PROPERTY_YEAR, row, (struct span){text, (size_t)n},
                       (struct span){NULL, 0}, err);
    }
    loading->from_file++;
    return st;
}

/* Offsets and values by row, from pairs in file order. */
static enum mq_status
index_property(struct mq_catalogue *c, int p, const struct pairs *pairs, struct mq_error *err)
{
    size_t n = (size_t)c->count;
    enum mq_status st = mq_alloc_array(n + 1, sizeof(int64_t), &c->offset[p], err);
    if (st == MQ_OK)
        st = mq_alloc_array(pairs->count, sizeof(int32_t), &c->value[p], err);
    if (st != MQ_OK)
        return st;
    int64_t *offset = c->offset[p];
    for (size_t i = 0; i < pairs->count; i++)
        offset[pairs->row[i] + 1]++;
    for (size_t i = 0; i < n; i++)
        offset[i + 1] += offset[i];
    /* offset[row] runs to its end while filling, then everything moves one place. */
    for (size_t i = 0; i < pairs->count; i++)
        c->value[p][offset[pairs->row[i]]++] = pairs->value[i];
    memmove(offset + 1, offset, n * sizeof(*offset));
    offset[0] = 0;
    return MQ_OK;
}

static bool
is_plain_number(const char *text, size_t size)
{
    if (size == 0 || size > 18 || (text[0] == '0' && size > 1))
        return false;
    for (size_t i = 0; i < size; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return true;
}

static enum mq_status
load_items(struct mq_object_store *store, const char *region, const char *scratch,
           struct loading *loading, struct mq_error *err)
{
    const struct mq_sql_options options = {.threads = 1, .scratch = scratch};
    struct mq_sql *sql = NULL;
    struct mq_sql_result *result = NULL;
    enum mq_status st = mq_sql_open(&options, &sql, err);
    if (st == MQ_OK)
        st = mq_sql_view_of_artifact(sql, "item", store, region, MQ_ARTIFACT_ITEM_PARQUET, err);
    if (st == MQ_OK)
        st = mq_sql_query(sql, "catalogue_items.sql", mq_sql_no_params, COLUMN_TYPES, &result, err);
    for (int64_t rows = 1; st == MQ_OK && rows > 0;) {
        st = mq_sql_next(result, &rows, err);
        for (int64_t r = 0; st == MQ_OK && r < rows; r++)
            st = add_item(loading, result, r, err);
    }
    mq_sql_close(result);
    mq_sql_free(sql);
    return st;
}

enum mq_status
mq_catalogue_load(struct mq_object_store *store, const char *region,
                  struct mq_catalogue **ret_catalogue, struct mq_error *err)
{
    struct mq_catalogue *catalogue = calloc(1, sizeof(*catalogue));
    if (catalogue == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the catalogue");
    struct loading loading = {.catalogue = catalogue};
    mq_autofree char *scratch = NULL;
    enum mq_status st = mq_id_map_load_any(store, region, MQ_ID_ITEM, &catalogue->ids, err);
    catalogue->coded_count = catalogue->ids.count;
    if (st == MQ_OK)
        st = grow_fields(&loading, MQ_MAX(catalogue->ids.count, 1), err);
    if (st == MQ_OK)
        st = mq_fs_scratch(&scratch, err);
    if (st == MQ_OK) {
        st = load_items(store, region, scratch, &loading, err);
        (void)!mq_fs_remove(scratch, NULL);
    }
    catalogue->count = catalogue->ids.count;
    catalogue->ids_numeric = true;
    for (int32_t i = 0; i < catalogue->count && catalogue->ids_numeric; i++)
        catalogue->ids_numeric = is_plain_number(catalogue->ids.keys[i], catalogue->ids.sizes[i]);
    for (int p = 0; p < MQ_PROPERTY_COUNT && st == MQ_OK; p++)
        st = index_property(catalogue, p, &loading.pairs[p], err);
    for (int p = 0; p < MQ_PROPERTY_COUNT; p++) {
        free(loading.pairs[p].row);
        free(loading.pairs[p].value);
    }
    if (st == MQ_OK)
        *ret_catalogue = catalogue;
    else
        mq_catalogue_free(catalogue);
    return st;
}
