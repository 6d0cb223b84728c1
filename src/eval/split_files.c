#include "eval/split_files.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "data/table_source.h"
#include "format/csv_reader.h"
#include "format/gzip_stream.h"

/* A first line must end within so many bytes. */
#define FIRST_LINE_MAX ((size_t)256 << 10)

enum { COLUMN_USER = 0, COLUMN_ITEM, COLUMN_RATING, COLUMN_TIME, COLUMNS };

static const struct mq_table_column columns[COLUMNS] = {
    {"user_id", "user|userid|uid", true},
    {"item_id", "item|itemid|iid|movie_id|movieid|program_id", true},
    {"rating", "score|stars", false},
    {"timestamp", "time|ts|unix_timestamp", false},
};

/* What has been read. */
struct intake {
    struct mq_strmap users, items;
    int32_t *user, *item;
    float *rating;
    uint32_t *time_s;
    uint8_t *part;
    size_t count;
    size_t user_room, item_room, rating_room, time_room, part_room;
    int32_t *list_user, *list_target, *list_item;
    int64_t *list_offset;
    size_t list_count, list_item_count;
    size_t list_user_room, list_target_room, list_item_room, list_offset_room;
    int64_t strange_lists;
};

static void
release(struct intake *in)
{
    mq_strmap_release(&in->users);
    mq_strmap_release(&in->items);
    free(in->user);
    free(in->item);
    free(in->rating);
    free(in->time_s);
    free(in->part);
    free(in->list_user);
    free(in->list_target);
    free(in->list_item);
    free(in->list_offset);
}

/* ---- a file as records -------------------------------------------------------------------- */

struct source {
    struct mq_reader *reader;
    struct mq_csv_reader *csv;
};

static void
source_close(struct source *source)
{
    mq_csv_reader_free(source->csv);
    mq_reader_close(source->reader);
}

static enum mq_status
open_bytes(const char *path, struct mq_reader **ret_reader, struct mq_error *err)
{
    struct mq_reader *reader;
    size_t size = strlen(path);
    enum mq_status st = mq_reader_from_file(path, &reader, err);
    if (st != MQ_OK)
        return st;
    if (size > 3 && strcasecmp(path + size - 3, ".gz") == 0)
        return mq_gzip_reader(reader, ret_reader, err);
    *ret_reader = reader;
    return MQ_OK;
}

static const char *
separator_of(const char *line)
{
    static const char *const separators[] = {"::", "\t", ",", ";", "|", " "};
    const char *pair_end = line[0] == '(' ? strchr(line, ')') : NULL;
    for (size_t i = 0; i < MQ_COUNT(separators); i++)
        if (strstr(pair_end != NULL ? pair_end : line, separators[i]) != NULL)
            return separators[i];
    return "\t";
}

/* The separator of a file, by its first line. */
static enum mq_status
find_separator(const char *path, const char **ret_separator, struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st = open_bytes(path, &reader, err);
    if (st != MQ_OK)
        return st;
    mq_autofree char *line = malloc(FIRST_LINE_MAX + 1);
    size_t size = 0;
    if (line == NULL)
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a line");
    else
        st = mq_reader_some(reader, line, FIRST_LINE_MAX, &size, err);
    mq_reader_close(reader);
    if (st != MQ_OK)
        return st;
    line[size] = '\0';
    char *start = line + strspn(line, "\xef\xbb\xbf\r\n");
    start[strcspn(start, "\r\n")] = '\0';
    *ret_separator = separator_of(start);
    return MQ_OK;
}

static enum mq_status
source_open(const char *path, size_t min_fields, struct source *ret_source, struct mq_error *err)
{
    struct source source = {0};
    const char *separator;
    enum mq_status st = find_separator(path, &separator, err);
    if (st == MQ_OK)
        st = open_bytes(path, &source.reader, err);
    if (st != MQ_OK)
        return st;
    const struct mq_csv_format format = {.separator = separator,
                                         .quotes = MQ_CSV_QUOTES_LENIENT,
                                         .trim = true,
                                         .min_fields = min_fields};
    st = mq_csv_reader_new(source.reader, &format, &source.csv, err);
    if (st != MQ_OK) {
        source_close(&source);
        return st;
    }
    *ret_source = source;
    return MQ_OK;
}

static enum mq_status
refuse_line(const struct source *source, const struct mq_csv_row *row, const char *what,
            const struct mq_csv_field *field, const char *allowed, struct mq_error *err)
{
    return mq_fail(err, MQ_E_FORMAT, "cannot read '%s': line %" PRId64 ": %s '%.*s' (%s)",
                   source->reader->name, row->line, what, (int)MQ_MIN(field->size, (size_t)80),
                   field->text, allowed);
}

static enum mq_status
code_of(const struct source *source, const struct mq_csv_row *row, const char *what,
        const struct mq_csv_field *field, struct mq_strmap *map, int32_t *ret_code,
        struct mq_error *err)
{
    if (field->size == 0)
        return refuse_line(source, row, what, field, "an id is due", err);
    return mq_strmap_add(map, field->text, field->size, ret_code, err);
}

/* ---- ratings ------------------------------------------------------------------------------ */

/* Places of the columns: by the first line's names, or in order. @param ret_named whether the line
 * is a header */
static enum mq_status
find_columns(const struct source *source, const struct mq_csv_row *first, int ret_place[COLUMNS],
             bool *ret_named, struct mq_error *err)
{
    const char *names[MQ_HEADER_COLUMNS_MAX];
    struct mq_table_header header = {.names = names};
    for (size_t i = 0; i < first->count && i < MQ_HEADER_COLUMNS_MAX; i++)
        names[header.column_count++] = first->fields[i].text;
    *ret_named = mq_table_header_find(&header, &columns[COLUMN_USER]) >= 0 ||
                 mq_table_header_find(&header, &columns[COLUMN_ITEM]) >= 0;
    if (*ret_named)
        return mq_table_header_match(&header, source->reader->name, columns, COLUMNS, ret_place,
                                     err);
    for (int c = 0; c < COLUMNS; c++)
        ret_place[c] = c < header.column_count ? c : -1;
    return MQ_OK;
}

static enum mq_status
reserve_rating(struct intake *in, struct mq_error *err)
{
    size_t need = in->count + 1;
    enum mq_status st = mq_grow(&in->user, &in->user_room, need, sizeof(*in->user), err);
    if (st == MQ_OK)
        st = mq_grow(&in->item, &in->item_room, need, sizeof(*in->item), err);
    if (st == MQ_OK)
        st = mq_grow(&in->rating, &in->rating_room, need, sizeof(*in->rating), err);
    if (st == MQ_OK)
        st = mq_grow(&in->time_s, &in->time_room, need, sizeof(*in->time_s), err);
    return st != MQ_OK ? st : mq_grow(&in->part, &in->part_room, need, sizeof(*in->part), err);
}

static enum mq_status
read_rating(struct intake *in, const struct source *source, const struct mq_csv_row *row,
            const int place[COLUMNS], uint8_t part, struct mq_error *err)
{
    enum mq_status st = reserve_rating(in, err);
    for (int c = 0; c < COLUMNS && st == MQ_OK; c++)
        if (place[c] >= (int)row->count)
            st =
                mq_fail(err, MQ_E_FORMAT,
                        "cannot read '%s': line %" PRId64 ": expected %s as field %d, found %zu "
                        "fields",
                        source->reader->name, row->line, columns[c].name, place[c] + 1, row->count);
    if (st != MQ_OK)
        return st;
    const struct mq_csv_field *fields = row->fields;
    size_t at = in->count;
    double rating = 1, time_s = 0;
    if (place[COLUMN_RATING] >= 0) {
        const struct mq_csv_field *field = &fields[place[COLUMN_RATING]];
        if (!mq_csv_parse_real(field->text, field->size, &rating) || !(rating >= -1e30) ||
            rating > 1e30)
            return refuse_line(source, row, "rating", field, "a number is due", err);
    }
    if (place[COLUMN_TIME] >= 0) {
        const struct mq_csv_field *field = &fields[place[COLUMN_TIME]];
        if (!mq_csv_parse_real(field->text, field->size, &time_s) || time_s < 0 ||
            time_s >= 4294967296.0)
            return refuse_line(source, row, "time", field,
                               "seconds since 1970 are due, 0 to 4294967295", err);
    }
    st = code_of(source, row, "user", &fields[place[COLUMN_USER]], &in->users, &in->user[at], err);
    if (st == MQ_OK)
        st = code_of(source, row, "item", &fields[place[COLUMN_ITEM]], &in->items, &in->item[at],
                     err);
    if (st != MQ_OK)
        return st;
    in->rating[at] = (float)rating;
    in->time_s[at] = (uint32_t)time_s;
    in->part[at] = part;
    in->count++;
    return MQ_OK;
}

/* @param path NULL: nothing */
static enum mq_status
read_ratings(struct intake *in, const char *path, uint8_t part, struct mq_error *err)
{
    struct source source;
    struct mq_csv_row row;
    int place[COLUMNS];
    bool named = false;
    if (path == NULL)
        return MQ_OK;
    enum mq_status st = source_open(path, 2, &source, err);
    if (st != MQ_OK)
        return st;
    st = mq_csv_next(source.csv, &row, err);
    if (st == MQ_OK && row.count > 0)
        st = find_columns(&source, &row, place, &named, err);
    if (st == MQ_OK && named)
        st = mq_csv_next(source.csv, &row, err);
    while (st == MQ_OK && row.count > 0) {
        st = read_rating(in, &source, &row, place, part, err);
        if (st == MQ_OK)
            st = mq_csv_next(source.csv, &row, err);
    }
    source_close(&source);
    return st;
}

/* ---- candidates --------------------------------------------------------------------------- */

/* What a line is about, and the number of its first candidate. */
struct list_head {
    struct mq_csv_field user, target; /* target.text NULL: none */
    size_t first;
};

static struct mq_csv_field
trimmed(const char *text, size_t size)
{
    while (size > 0 && text[0] == ' ') {
        text++;
        size--;
    }
    while (size > 0 && text[size - 1] == ' ')
        size--;
    return (struct mq_csv_field){.text = text, .size = size};
}

/* "(user,item)" may be one field, or two where the separator is the comma or follows it. */
static bool
parse_head(const struct mq_csv_row *row, struct list_head *ret_head)
{
    const struct mq_csv_field *first = &row->fields[0], *second = &row->fields[1];
    if (first->size == 0 || first->text[0] != '(') {
        *ret_head = (struct list_head){.user = *first, .first = 1};
        return true;
    }
    const char *comma = memchr(first->text, ',', first->size);
    const char *text = first->text + 1;
    if (comma != NULL && first->text[first->size - 1] == ')') {
        *ret_head = (struct list_head){
            .user = trimmed(text, (size_t)(comma - text)),
            .target = trimmed(comma + 1, (size_t)(first->text + first->size - comma) - 2),
            .first = 1};
        return true;
    }
    size_t size = first->size - 1;
    if (comma != NULL && comma == text + size - 1)
        size--;
    else if (comma != NULL)
        return false;
    if (second->size == 0 || second->text[second->size - 1] != ')')
        return false;
    *ret_head = (struct list_head){
        .user = trimmed(text, size), .target = trimmed(second->text, second->size - 1), .first = 2};
    return true;
}

static enum mq_status
reserve_list(struct intake *in, size_t candidates, struct mq_error *err)
{
    size_t lists = in->list_count + 1, items = in->list_item_count + candidates;
    enum mq_status st =
        mq_grow(&in->list_user, &in->list_user_room, lists, sizeof(*in->list_user), err);
    if (st == MQ_OK)
        st = mq_grow(&in->list_target, &in->list_target_room, lists, sizeof(*in->list_target), err);
    if (st == MQ_OK)
        st = mq_grow(&in->list_offset, &in->list_offset_room, lists + 1, sizeof(*in->list_offset),
                     err);
    return st != MQ_OK
               ? st
               : mq_grow(&in->list_item, &in->list_item_room, items, sizeof(*in->list_item), err);
}

static enum mq_status
read_list(struct intake *in, const struct source *source, const struct mq_csv_row *row,
          struct mq_error *err)
{
    struct list_head head;
    if (!parse_head(row, &head))
        return refuse_line(source, row, "pair", &row->fields[0], "(user,item) is due", err);
    int32_t user = mq_strmap_find(&in->users, head.user.text, head.user.size), target = -1;
    if (user < 0) {
        in->strange_lists++;
        return MQ_OK;
    }
    enum mq_status st = reserve_list(in, row->count, err);
    if (st == MQ_OK && head.target.text != NULL)
        st = code_of(source, row, "item", &head.target, &in->items, &target, err);
    if (st == MQ_OK && in->list_count == 0)
        in->list_offset[0] = 0;
    for (size_t i = head.first; i < row->count && st == MQ_OK; i++)
        if (row->fields[i].size > 0) /* a separator at the line's end */
            st = code_of(source, row, "item", &row->fields[i], &in->items,
                         &in->list_item[in->list_item_count++], err);
    if (st != MQ_OK)
        return st;
    in->list_user[in->list_count] = user;
    in->list_target[in->list_count++] = target;
    in->list_offset[in->list_count] = (int64_t)in->list_item_count;
    return MQ_OK;
}

static enum mq_status
read_lists(struct intake *in, const char *path, struct mq_error *err)
{
    struct source source;
    struct mq_csv_row row;
    if (path == NULL)
        return MQ_OK;
    enum mq_status st = source_open(path, 2, &source, err);
    if (st != MQ_OK)
        return st;
    while ((st = mq_csv_next(source.csv, &row, err)) == MQ_OK && row.count > 0)
        if ((st = read_list(in, &source, &row, err)) != MQ_OK)
            break;
    source_close(&source);
    return st;
}

/* ---- together ----------------------------------------------------------------------------- */

static const char *
path_of(const struct mq_split_paths *paths, uint8_t part)
{
    return part == MQ_SPLIT_TRAIN  ? paths->train
           : part == MQ_SPLIT_TEST ? paths->test
                                   : paths->validation;
}

static enum mq_status
mark_ratings(const struct intake *in, const struct mq_split_paths *paths,
             struct mq_split_files *files, struct mq_error *err)
{
    const struct mq_rating_matrix *matrix = files->matrix;
    for (size_t i = 0; i < in->count; i++) {
        int64_t at = mq_rating_matrix_find(matrix, in->user[i], in->item[i]);
        if (files->marks[at] != 0 && files->marks[at] != in->part[i]) {
            mq_fail(err, MQ_E_INPUT, "'%s' and '%s' both hold a rating of item '%s' by user '%s'",
                    path_of(paths, files->marks[at]), path_of(paths, in->part[i]),
                    matrix->items.keys[in->item[i]], matrix->users.keys[in->user[i]]);
            mq_error_hint(err, "what is trained on cannot be tested on: leave it in one file");
            return MQ_E_INPUT;
        }
        files->marks[at] = in->part[i];
    }
    for (size_t i = 0; i < in->list_count; i++) {
        int64_t at = in->list_target[i] < 0
                         ? -1
                         : mq_rating_matrix_find(matrix, in->list_user[i], in->list_target[i]);
        if (at >= 0 && files->marks[at] != MQ_SPLIT_TEST)
            return mq_fail(
                err, MQ_E_INPUT,
                "'%s' wants item '%s' found for user '%s', whose rating of it is in '%s'",
                paths->candidates, matrix->items.keys[in->list_target[i]],
                matrix->users.keys[in->list_user[i]], path_of(paths, files->marks[at]));
    }
    return MQ_OK;
}

static enum mq_status
make_files(struct intake *in, const struct mq_split_paths *paths, struct mq_split_files *files,
           struct mq_error *err)
{
    const struct mq_rating_list list = {.count = (int64_t)in->count,
                                        .user = in->user,
                                        .item = in->item,
                                        .rating = in->rating,
                                        .time_s = in->time_s};
    enum mq_status st = mq_rating_matrix_build(&list, in->users.count, in->items.count, &in->users,
                                               &in->items, &files->matrix, err);
    if (st != MQ_OK)
        return st;
    size_t count = (size_t)files->matrix->count;
    st = mq_alloc_array(count, sizeof(*files->marks), &files->marks, err);
    if (st == MQ_OK)
        st = mark_ratings(in, paths, files, err);
    if (st != MQ_OK)
        return st;
    files->strange_lists = in->strange_lists;
    files->lists = (struct mq_candidate_lists){.count = (int64_t)in->list_count,
                                               .user = in->list_user,
                                               .target = in->list_target,
                                               .offset = in->list_offset,
                                               .item = in->list_item};
    in->list_user = in->list_target = in->list_item = NULL;
    in->list_offset = NULL;
    return MQ_OK;
}

enum mq_status
mq_split_files_read(const struct mq_split_paths *paths, struct mq_split_files *ret_files,
                    struct mq_error *err)
{
    struct intake in = {0};
    struct mq_split_files files = {0};
    enum mq_status st = read_ratings(&in, paths->train, MQ_SPLIT_TRAIN, err);
    if (st == MQ_OK && in.count == 0)
        st = mq_fail(err, MQ_E_INPUT, "'%s' holds no rating to train on", paths->train);
    if (st == MQ_OK)
        st = read_ratings(&in, paths->validation, MQ_SPLIT_VALIDATION, err);
    if (st == MQ_OK)
        st = read_ratings(&in, paths->test, MQ_SPLIT_TEST, err);
    if (st == MQ_OK)
        st = read_lists(&in, paths->candidates, err);
    if (st == MQ_OK)
        st = make_files(&in, paths, &files, err);
    release(&in);
    if (st != MQ_OK) {
        mq_split_files_release(&files);
        return st;
    }
    *ret_files = files;
    return MQ_OK;
}

void
mq_split_files_release(struct mq_split_files *files)
{
    mq_rating_matrix_free(files->matrix);
    mq_free(files->marks);
    mq_candidate_lists_release(&files->lists);
    *files = (struct mq_split_files){0};
}
