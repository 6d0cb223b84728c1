#include "data/movielens_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "data/movielens.h"
#include "data/sql.h"
#include "format/archive.h"
#include "format/csv_reader.h"

/* Largest film, user and metadata files; ratings are streamed. */
#define FIELDS_MAX 64

void
mq_movielens_release(struct mq_movielens_set *set)
{
    mq_arena_release(&set->text);
    mq_strmap_release(&set->users);
    mq_strmap_release(&set->films);
    free(set->user);
    free(set->film);
    free(set->rating);
    free(set->time_s);
    free(set->films_known);
    free(set->film_order);
    free(set->profiles);
    *set = (struct mq_movielens_set){0};
}

/* ---- pieces ----------------------------------------------------------------------------- */

/* A copy as UTF-8: text that is not is taken as Latin-1. */
static enum mq_status
copy_text(struct mq_movielens_set *set, const char *text, size_t size, const char **ret_text,
          struct mq_error *err)
{
    char *copy;
    if (mq_sql_text_is_valid(text, size)) {
        copy = mq_arena_copy(&set->text, text, size);
    } else {
        copy = mq_arena_alloc(&set->text, 2 * size + 1);
        char *p = copy;
        for (size_t i = 0; i < size && p != NULL; i++) {
            unsigned char c = (unsigned char)text[i];
            if (c == 0)
                continue;
            if (c >= 0x80)
                *p++ = (char)(0xc0 | c >> 6);
            *p++ = (char)(c < 0x80 ? c : 0x80 | (c & 0x3f));
        }
    }
    if (copy == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a text");
    *ret_text = copy;
    return MQ_OK;
}

static enum mq_status
copy_field(struct mq_movielens_set *set, const struct mq_csv_field *field, const char **ret_text,
           struct mq_error *err)
{
    if (field->size == 0 || strcmp(field->text, "\\N") == 0)
        return MQ_OK;
    return copy_text(set, field->text, field->size, ret_text, err);
}

/* The record of a film by its id. */
static enum mq_status
film_of(struct mq_movielens_set *set, const struct mq_csv_field *id,
        struct mq_movielens_film **ret_film, int32_t *ret_row, struct mq_error *err)
{
    int32_t row;
    enum mq_status st = mq_strmap_add(&set->films, id->text, id->size, &row, err);
    if (st == MQ_OK)
        st = mq_grow(&set->films_known, &set->films_capacity, (size_t)row + 1,
                     sizeof(*set->films_known), err);
    if (st != MQ_OK)
        return st;
    for (; set->films_used <= row; set->films_used++)
        set->films_known[set->films_used] = (struct mq_movielens_film){0};
    *ret_film = &set->films_known[row];
    if (ret_row != NULL)
        *ret_row = row;
    return MQ_OK;
}

/* Bring the text title[begin, end) that ends in an article after a comma in order: "Matrix, The".
 * Its length stays one byte less, which the rest of the title is moved up by. */
static void
reorder_article(char *title, size_t begin, size_t end)
{
    static const char *const articles[] = {"The", "A",   "An",  "Le",  "La",  "Les", "L'", "Il",
                                           "Lo",  "I",   "Gli", "El",  "Los", "Las", "Un", "Une",
                                           "Una", "Der", "Die", "Das", "Den", "Det"};
    char *part = title + begin;
    size_t n = end - begin;
    for (size_t i = 0; i < MQ_COUNT(articles); i++) {
        size_t m = strlen(articles[i]);
        if (n <= m + 2 || strncmp(part + n - m, articles[i], m) != 0 ||
            memcmp(part + n - m - 2, ", ", 2) != 0)
            continue;
        size_t gap = articles[i][m - 1] != '\''; /* none after "L'" */
        memmove(part + m + gap, part, n - m - 2);
        memcpy(part, articles[i], m);
        if (gap > 0)
            part[m] = ' ';
        size_t used = n - 2 + gap;
        memmove(part + used, part + n, strlen(part + n) + 1);
        return;
    }
}

/* Take "(1995)" off a title's end and bring "Matrix, The" in order, as well as the other name in
 * brackets: "Postman, The (Postino, Il)". */
static void
tidy_title(char *title, int32_t *ret_year)
{
    size_t n = strlen(title);
    while (n > 0 && title[n - 1] == ' ')
        title[--n] = '\0';
    if (n > 6 && title[n - 1] == ')' && title[n - 6] == '(') {
        int64_t year;
        if (mq_csv_parse_int(title + n - 5, 4, &year) && year >= 1800 && year <= 2200) {
            *ret_year = (int32_t)year;
            n -= 6;
            while (n > 0 && title[n - 1] == ' ')
                n--;
            title[n] = '\0';
        }
    }
    char *bracket = n > 0 && title[n - 1] == ')' ? strrchr(title, '(') : NULL;
    if (bracket != NULL && bracket > title + 1 && bracket[-1] == ' ') {
        reorder_article(title, (size_t)(bracket - title) + 1, n - 1);
        reorder_article(title, 0, (size_t)(bracket - title) - 1);
    } else {
        reorder_article(title, 0, n);
    }
}

static enum mq_status
list_film(struct mq_movielens_set *set, const struct mq_csv_field *id,
          const struct mq_csv_field *title, const char *genres, struct mq_error *err)
{
    struct mq_movielens_film *film;
    int32_t row;
    enum mq_status st = film_of(set, id, &film, &row, err);
    if (st == MQ_OK)
        st = copy_field(set, title, &film->title, err);
    if (st == MQ_OK && !film->listed)
        st = mq_grow(&set->film_order, &set->order_capacity, (size_t)set->listed_count + 1,
                     sizeof(*set->film_order), err);
    if (st != MQ_OK)
        return st;
    if (film->title != NULL)
        tidy_title((char *)(uintptr_t)film->title, &film->year);
    film->genres = genres;
    if (!film->listed)
        set->film_order[set->listed_count++] = row;
    film->listed = true;
    return MQ_OK;
}

/* ---- file by file ----------------------------------------------------------------------- */

/* What a line of each kind of file means. @param row at least as many fields as the form says */
typedef enum mq_status (*line_fn)(struct mq_movielens_set *set, const struct mq_csv_row *row,
                                  struct mq_error *err);

static enum mq_status
add_rating(struct mq_movielens_set *set, const struct mq_csv_row *row, struct mq_error *err)
{
    const struct mq_csv_field *f = row->fields;
    int64_t time_s;
    double rating;
    if (!mq_csv_parse_real(f[2].text, f[2].size, &rating) || rating < 0 || rating > 1000 ||
        !mq_csv_parse_int(f[3].text, f[3].size, &time_s) || time_s < 0 || time_s > UINT32_MAX)
        return mq_fail(err, MQ_E_FORMAT, "line %lld: rating '%.32s' or time '%.32s' is not one",
                       (long long)row->line, f[2].text, f[3].text);
    size_t need = (size_t)set->count + 1;
    enum mq_status st;
    if ((st = mq_grow(&set->user, &set->user_capacity, need, sizeof(int32_t), err)) != MQ_OK ||
        (st = mq_grow(&set->film, &set->film_capacity, need, sizeof(int32_t), err)) != MQ_OK ||
        (st = mq_grow(&set->rating, &set->rating_capacity, need, sizeof(float), err)) != MQ_OK ||
        (st = mq_grow(&set->time_s, &set->time_capacity, need, sizeof(uint32_t), err)) != MQ_OK ||
        (st = mq_strmap_add(&set->users, f[0].text, f[0].size, &set->user[set->count], err)) !=
            MQ_OK ||
        (st = mq_strmap_add(&set->films, f[1].text, f[1].size, &set->film[set->count], err)) !=
            MQ_OK)
        return st;
    set->rating[set->count] = (float)rating;
    set->time_s[set->count] = (uint32_t)time_s;
    set->count++;
    return MQ_OK;
}

static enum mq_status
add_film(struct mq_movielens_set *set, const struct mq_csv_row *row, struct mq_error *err)
{
    const struct mq_csv_field *genres = &row->fields[2];
    const char *copy = NULL;
    enum mq_status st = MQ_OK;
    if (strcmp(genres->text, "(no genres listed)") != 0)
        st = copy_field(set, genres, &copy, err);
    return st == MQ_OK ? list_film(set, &row->fields[0], &row->fields[1], copy, err) : st;
}

static enum mq_status
add_genre_name(struct mq_movielens_set *set, const struct mq_csv_row *row, struct mq_error *err)
{
    int64_t number;
    if (!mq_csv_parse_int(row->fields[1].text, row->fields[1].size, &number) || number < 0 ||
        number >= (int64_t)MQ_COUNT(set->genre_names))
        return MQ_OK;
    return copy_field(set, &row->fields[0], &set->genre_names[number], err);
}

/* ml-100k: id|title|date|video date|address|19 flags. */
static enum mq_status
add_film_100k(struct mq_movielens_set *set, const struct mq_csv_row *row, struct mq_error *err)
{
    static const char *const usual[] = {
        "unknown",     "Action", "Adventure", "Animation", "Children's", "Comedy",  "Crime",
        "Documentary", "Drama",  "Fantasy",   "Film-Noir", "Horror",     "Musical", "Mystery",
        "Romance",     "Sci-Fi", "Thriller",  "War",       "Western"};
    char genres[512] = "";
    for (size_t i = 5; i < row->count && i - 5 < MQ_COUNT(set->genre_names); i++) {
        const char *name = set->genre_names[i - 5] != NULL ? set->genre_names[i - 5]
                           : i - 5 < MQ_COUNT(usual)       ? usual[i - 5]
                                                           : NULL;
        if (name == NULL || strcmp(row->fields[i].text, "1") != 0 || strcmp(name, "unknown") == 0)
            continue;
        size_t used = strlen(genres);
        snprintf(genres + used, sizeof(genres) - used, "%s%s", used > 0 ? "|" : "", name);
    }
    const char *copy = NULL;
    enum mq_status st =
        genres[0] != '\0' ? copy_text(set, genres, strlen(genres), &copy, err) : MQ_OK;
    return st == MQ_OK ? list_film(set, &row->fields[0], &row->fields[1], copy, err) : st;
}

static enum mq_status
add_profile(struct mq_movielens_set *set, const struct mq_csv_field *id,
            const struct mq_csv_field *sex, const struct mq_csv_field *age,
            const struct mq_csv_field *occupation, const struct mq_csv_field *zip,
            struct mq_error *err)
{
    const char *texts[4] = {NULL, NULL, NULL, NULL};
    const struct mq_csv_field *const fields[4] = {id, sex, occupation, zip};
    enum mq_status st = mq_grow(&set->profiles, &set->profile_capacity,
                                (size_t)set->profile_count + 1, sizeof(*set->profiles), err);
    for (int i = 0; i < 4 && st == MQ_OK; i++)
        st = copy_field(set, fields[i], &texts[i], err);
    if (st != MQ_OK)
        return st;
    struct mq_input_user user = {.registered_s = -1};
    struct mq_text *const targets[4] = {&user.id, &user.sex, &user.occupation, &user.zip};
    for (int i = 0; i < 4; i++)
        if (texts[i] != NULL)
            *targets[i] = (struct mq_text){texts[i], strlen(texts[i])};
    int64_t years;
    if (mq_csv_parse_int(age->text, age->size, &years) && years > 0 && years < 150)
        user.age = (int32_t)years;
    set->profiles[set->profile_count++] = user;
    return MQ_OK;
}

/* ml-1m: id::sex::age::occupation::zip. */
static enum mq_status
add_user_1m(struct mq_movielens_set *set, const struct mq_csv_row *row, struct mq_error *err)
{
    const struct mq_csv_field *f = row->fields;
    return add_profile(set, &f[0], &f[1], &f[2], &f[3], &f[4], err);
}

/* ml-100k: id|age|sex|occupation|zip. */
static enum mq_status
add_user_100k(struct mq_movielens_set *set, const struct mq_csv_row *row, struct mq_error *err)
{
    const struct mq_csv_field *f = row->fields;
    return add_profile(set, &f[0], &f[2], &f[1], &f[3], &f[4], err);
}

static enum mq_status
add_director(struct mq_movielens_set *set, const struct mq_csv_row *row, struct mq_error *err)
{
    struct mq_movielens_film *film;
    enum mq_status st = film_of(set, &row->fields[0], &film, NULL, err);
    return st == MQ_OK && film->director == NULL
               ? copy_field(set, &row->fields[2], &film->director, err)
               : st;
}

static enum mq_status
add_country(struct mq_movielens_set *set, const struct mq_csv_row *row, struct mq_error *err)
{
    struct mq_movielens_film *film;
    enum mq_status st = film_of(set, &row->fields[0], &film, NULL, err);
    return st == MQ_OK ? copy_field(set, &row->fields[1], &film->country, err) : st;
}

/* film, actor's id, name, place in the billing: the first few are kept. */
static enum mq_status
add_actor(struct mq_movielens_set *set, const struct mq_csv_row *row, struct mq_error *err)
{
    struct mq_movielens_film *film;
    const char *name = NULL;
    int64_t billing;
    enum mq_status st = film_of(set, &row->fields[0], &film, NULL, err);
    if (st == MQ_OK)
        st = copy_field(set, &row->fields[2], &name, err);
    if (st != MQ_OK || name == NULL ||
        !mq_csv_parse_int(row->fields[3].text, row->fields[3].size, &billing) ||
        billing > INT32_MAX || billing < 0)
        return st;
    int place = 0;
    while (place < MQ_HETREC_ACTORS_MAX && film->actors[place] != NULL &&
           film->billing[place] <= billing)
        place++;
    if (place == MQ_HETREC_ACTORS_MAX)
        return MQ_OK;
    for (int i = MQ_HETREC_ACTORS_MAX - 1; i > place; i--) {
        film->actors[i] = film->actors[i - 1];
        film->billing[i] = film->billing[i - 1];
    }
    film->actors[place] = name;
    film->billing[place] = (int32_t)billing;
    return MQ_OK;
}

/* HetRec's movies.dat: address of the poster is column 4, rtAllCriticsScore column 11. */
static enum mq_status
add_metadata(struct mq_movielens_set *set, const struct mq_csv_row *row, struct mq_error *err)
{
    struct mq_movielens_film *film;
    enum mq_status st = film_of(set, &row->fields[0], &film, NULL, err);
    if (st == MQ_OK)
        st = copy_field(set, &row->fields[11], &film->score, err);
    if (st == MQ_OK && strncmp(row->fields[4].text, "http", 4) == 0)
        st = copy_field(set, &row->fields[4], &film->poster, err);
    return st;
}

/* A kind of file: told by its name and the separator that its first line holds. */
struct form {
    const char *file;
    const char *set; /* of ratings; "hetrec" for metadata; NULL otherwise */
    const char *separator;
    size_t fields_min;
    const char *header; /* first field of the line of names, where the file has one */
    bool quotes;
    line_fn fn;
};

static const struct form forms[] = {
    {"ratings.dat", "ml-1m", "::", 4, "UserID", false, add_rating},
    {"users.dat", NULL, "::", 5, "UserID", false, add_user_1m},
    {"movies.dat", NULL, "::", 3, "MovieID", false, add_film},
    {"u.data", "ml-100k", "\t", 4, "user_id", false, add_rating},
    {"u.genre", NULL, "|", 2, "genre", false, add_genre_name},
    {"u.item", NULL, "|", 5, "movie id", false, add_film_100k},
    {"u.user", NULL, "|", 5, "user id", false, add_user_100k},
    {"ratings.csv", "ml-latest", ",", 4, "userId", true, add_rating},
    {"movies.csv", NULL, ",", 3, "movieId", true, add_film},
    {"movie_directors.dat", "hetrec", "\t", 3, "movieID", false, add_director},
    {"movie_countries.dat", "hetrec", "\t", 2, "movieID", false, add_country},
    {"movie_actors.dat", "hetrec", "\t", 4, "movieID", false, add_actor},
    {"movies.dat", "hetrec", "\t", 12, "id", false, add_metadata},
};

/* @param line the file's beginning, or NULL to go by the name alone */
static const struct form *
find_form(const char *name, const char *line)
{
    const char *slash = strrchr(name, '/');
    const char *file = slash != NULL ? slash + 1 : name;
    for (size_t i = 0; i < MQ_COUNT(forms); i++)
        if (strcmp(file, forms[i].file) == 0 &&
            (line == NULL || strstr(line, forms[i].separator) != NULL))
            return &forms[i];
    return NULL;
}

static enum mq_status
read_lines(struct mq_movielens_set *set, const struct form *form, struct mq_reader *reader,
           struct mq_error *err)
{
    const struct mq_csv_format format = {.separator = form->separator,
                                         .quotes = form->quotes ? MQ_CSV_QUOTES_STRICT
                                                                : MQ_CSV_QUOTES_NONE,
                                         .min_fields = form->fields_min};
    struct mq_csv_reader *csv;
    struct mq_csv_row row;
    enum mq_status st = mq_csv_reader_new(reader, &format, &csv, err);
    if (st != MQ_OK)
        return st;
    for (bool first = true; st == MQ_OK; first = false) {
        st = mq_csv_next(csv, &row, err);
        if (st != MQ_OK || row.count == 0)
            break;
        if (!first || strcasecmp(row.fields[0].text, form->header) != 0)
            st = form->fn(set, &row, err);
    }
    mq_csv_reader_free(csv);
    return st;
}

/* Read one file, whatever it is; an unknown one is passed over. */
static enum mq_status
read_file(struct mq_movielens_set *set, const char *name, struct mq_reader *reader,
          struct mq_error *err)
{
    /* The form shows in the first line, which is looked at without being taken. */
    char line[1024] = "";
    int byte;
    enum mq_status st = mq_reader_peek(reader, &byte, err);
    if (st != MQ_OK)
        return st;
    size_t ready = MQ_MIN(reader->window_end - reader->window_begin, sizeof(line) - 1);
    if (ready > 0)
        memcpy(line, reader->window + reader->window_begin, ready);
    line[strcspn(line, "\n")] = '\0';
    if (line[0] == '\0')
        return mq_fail(err, MQ_E_FORMAT, "'%s' is empty", name);
    const struct form *form = find_form(name, line);
    if (form == NULL)
        return mq_fail(err, MQ_E_FORMAT, "'%s': its first line is not of the expected form", name);
    bool is_metadata = form->set != NULL && strcmp(form->set, "hetrec") == 0;
    if (form->set != NULL && !is_metadata && set->name != NULL)
        return mq_fail(err, MQ_E_INPUT, "two sets of ratings are given: %s and '%s'", set->name,
                       name);
    st = read_lines(set, form, reader, err);
    if (st != MQ_OK)
        return mq_fail_context(err, st, "cannot read '%s'", name);
    set->has_metadata |= is_metadata;
    if (form->set != NULL && !is_metadata)
        set->name = form->set;
    return MQ_OK;
}

static enum mq_status
visit_file(void *context, const char *path, const char *name, bool is_folder, int64_t size_bytes,
           struct mq_error *err)
{
    (void)size_bytes;
    if (is_folder || find_form(name, NULL) == NULL)
        return MQ_OK;
    struct mq_reader *reader;
    enum mq_status st = mq_reader_from_file(path, &reader, err);
    if (st != MQ_OK)
        return st;
    st = read_file(context, path, reader, err);
    mq_reader_close(reader);
    return st;
}

static enum mq_status
read_archive(struct mq_movielens_set *set, const char *path, struct mq_error *err)
{
    struct mq_archive_reader *archive = NULL;
    enum mq_status st = mq_archive_open_file(path, NULL, &archive, err);
    while (st == MQ_OK) {
        struct mq_archive_entry entry;
        bool found = false;
        st = mq_archive_next(archive, &entry, &found, err);
        if (st != MQ_OK || !found)
            break;
        if (find_form(entry.name, NULL) == NULL)
            continue;
        struct mq_reader *reader;
        char name[MQ_ARCHIVE_NAME_MAX + 1];
        snprintf(name, sizeof(name), "%s", entry.name);
        st = mq_archive_entry_reader(archive, &reader, err);
        if (st == MQ_OK) {
            st = read_file(set, name, reader, err);
            mq_reader_close(reader);
        }
    }
    mq_archive_close(archive);
    return st;
}

enum mq_status
mq_movielens_read(struct mq_movielens_set *set, const char *path, struct mq_error *err)
{
    if (!mq_fs_exists(path))
        return mq_fail(err, MQ_E_NOT_FOUND, "cannot read '%s': there is no such file or folder",
                       path);
    if (mq_fs_is_folder(path))
        return mq_fs_list(path, visit_file, set, err);
    size_t n = strlen(path);
    if (n > 4 && strcasecmp(path + n - 4, ".zip") == 0) {
        enum mq_status st = read_archive(set, path, err);
        return st == MQ_OK ? st : mq_fail_context(err, st, "cannot import '%s'", path);
    }
    enum mq_status st =
        mq_fail(err, MQ_E_INPUT, "cannot import '%s': neither a folder nor a .zip file", path);
    mq_error_hint(err, "give the archive as downloaded, or the folder it unpacks to");
    return st;
}
