/*
 * What the hybrid model answers: lists, given films in order, films and users alike, one film, and
 * why. Every handler leases the model, makes the user of it and of what came since, and has the
 * answer written (flow/hybrid_answers.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "flow/hybrid_answers.h"
#include "format/json.h"
#include "serve/api_parts.h"

#define JSON_TYPE "application/json"

/* A request at work. */
struct asking {
    struct mq_api *api;
    struct mq_http_request *request;
    const struct mq_http_match *match;
    struct mq_lease lease;
    struct mq_rated_user user;
    struct mq_answer_unknown unknown; /* what was asked with and is not known */
    struct mq_buffer out;
    struct mq_error error;
};

/* ---- beginning and end -------------------------------------------------------------------- */

static enum mq_status
begin(struct asking *a, struct mq_http_request *request, void *context)
{
    *a = (struct asking){.api = context, .request = request, .match = mq_http_parameters(request)};
    if (a->api->model == NULL)
        return mq_fail(&a->error, MQ_E_NOT_FOUND,
                       "this server gives no recommendations "
                       "(serve.recommend is off)");
    return mq_served_model_lease(a->api->model, &a->lease, &a->error);
}

void
mq_api_answer_failure(struct mq_http_request *request, enum mq_status st,
                      const struct mq_error *error)
{
    switch (st) {
    case MQ_E_NOT_FOUND:
        mq_http_answer_error(request, 404, "not-found", "%s", error->message);
        break;
    case MQ_E_USAGE:
    case MQ_E_RANGE:
    case MQ_E_FORMAT:
        mq_http_answer_error(request, 400, "bad-request", "%s", error->message);
        break;
    case MQ_E_UNSUPPORTED:
        mq_http_answer_error(request, 422, "not-in-this-model", "%s", error->message);
        break;
    case MQ_E_CONFLICT:
        mq_http_answer_error(request, 409, "conflict", "%s", error->message);
        break;
    default:
        mq_http_answer_error(request, 503, "unavailable", "%s", error->message);
        break;
    }
}

static void
finish(struct asking *a, enum mq_status st)
{
    bool had_model = a->lease.held != NULL;
    if (had_model)
        mq_served_model_release(a->api->model, &a->lease);
    if (st == MQ_OK)
        st = mq_buffer_append_char(&a->out, '\n', &a->error);
    if (st == MQ_OK) {
        size_t size = a->out.size;
        mq_http_answer(a->request, 200, JSON_TYPE, mq_buffer_take(&a->out), size);
    } else if (!had_model) {
        mq_http_answer_error(a->request, 503, "no-model", "%s", a->error.message);
    } else {
        mq_api_answer_failure(a->request, st, &a->error);
    }
    mq_buffer_release(&a->out);
}

/* ---- users -------------------------------------------------------------------------------- */

/* Films of the model by id; -1: none. */
static int32_t
find_film(const struct asking *a, const char *id, size_t size)
{
    return mq_strmap_find(&a->lease.snapshot->hybrid->hybrid->ratings->items, id, size);
}

/* Room for `count` more ids that may turn out to be unknown. */
static enum mq_status
expect_ids(struct asking *a, int32_t count)
{
    struct mq_answer_unknown *u = &a->unknown;
    const char **ids =
        count > 0 ? mq_arena_array(a->lease.arena, (size_t)u->count + (size_t)count, sizeof(*ids))
                  : u->ids;
    if (count > 0 && ids == NULL)
        return mq_fail(&a->error, MQ_E_NOMEM, "no memory for a list of ids");
    if (ids != u->ids && u->count > 0)
        memcpy(ids, u->ids, (size_t)u->count * sizeof(*ids));
    u->ids = ids;
    return MQ_OK;
}

static void
note_unknown(struct asking *a, const char *id)
{
    a->unknown.ids[a->unknown.count++] = id;
}

/* Ids parted by commas. @param ret_ids in the arena, cut apart */
static enum mq_status
split_ids(struct asking *a, const char *text, const char ***ret_ids, int32_t *ret_count)
{
    size_t most = 1;
    for (const char *at = text; *at != '\0'; at++)
        most += *at == ',';
    char *copy = mq_arena_copy(a->lease.arena, text, strlen(text));
    const char **ids = mq_arena_array(a->lease.arena, most, sizeof(*ids));
    int32_t count = 0;
    if (copy == NULL || ids == NULL)
        return mq_fail(&a->error, MQ_E_NOMEM, "no memory for a list of ids");
    for (char *at = copy, *comma; at != NULL; at = comma) {
        comma = strchr(at, ',');
        if (comma != NULL)
            *comma++ = '\0';
        if (*at != '\0')
            ids[count++] = at;
    }
    *ret_ids = ids;
    *ret_count = count;
    return MQ_OK;
}

/**
 * The user of the model, with what came since by the event log, and what the request says.
 * @param said [said_count] by the request itself
 */
static enum mq_status
make_user(struct asking *a, const char *id, const struct mq_rated_item *said, int32_t said_count)
{
    const struct mq_live_rating *live = NULL;
    size_t live_count = 0;
    enum mq_status st = MQ_OK;
    if (a->api->live != NULL && *id != '\0')
        st = mq_live_ratings_of(a->api->live, id, strlen(id), a->lease.arena, &live, &live_count,
                                &a->error);
    struct mq_rated_item *since =
        mq_arena_array(a->lease.arena, live_count + (size_t)said_count + 1, sizeof(*since));
    int32_t count = 0;
    if (st == MQ_OK && since == NULL)
        st = mq_fail(&a->error, MQ_E_NOMEM, "no memory for a user");
    for (size_t i = 0; st == MQ_OK && i < live_count; i++) {
        int32_t item = find_film(a, live[i].item, strlen(live[i].item));
        int64_t time_s = MQ_MAX(0, MQ_MIN(live[i].time_ms / 1000, (int64_t)UINT32_MAX));
        if (item >= 0)
            since[count++] = (struct mq_rated_item){item, live[i].rating, (uint32_t)time_s};
    }
    for (int32_t i = 0; st == MQ_OK && i < said_count; i++)
        since[count++] = said[i];
    return st == MQ_OK ? mq_rated_user_make(a->lease.snapshot->hybrid->hybrid, id, since, count,
                                            a->lease.arena, &a->user, &a->error)
                       : st;
}

/* The user of the path or the query, with the seed_items of the query as if just played. */
static enum mq_status
user_of_parameters(struct asking *a, const char *name, bool seeds)
{
    const char *text = seeds ? mq_http_match_text(a->match, "seed_items", NULL) : NULL;
    const char **ids = NULL;
    int32_t count = 0, known = 0;
    enum mq_status st = text != NULL ? split_ids(a, text, &ids, &count) : MQ_OK;
    struct mq_rated_item *said = mq_arena_array(a->lease.arena, (size_t)count + 1, sizeof(*said));
    if (st == MQ_OK && said == NULL)
        st = mq_fail(&a->error, MQ_E_NOMEM, "no memory for seed items");
    if (st == MQ_OK)
        st = expect_ids(a, count);
    for (int32_t i = 0; st == MQ_OK && i < count; i++) {
        int32_t item = find_film(a, ids[i], strlen(ids[i]));
        if (item >= 0)
            said[known++] = (struct mq_rated_item){item, -1, UINT32_MAX};
        else
            note_unknown(a, ids[i]);
    }
    return st == MQ_OK ? make_user(a, mq_http_match_text(a->match, name, NULL), said, known) : st;
}

static enum mq_method
method_of(const struct asking *a)
{
    return (enum mq_method)mq_http_match_choice(a->match, "method");
}

static enum mq_language
language_of(const struct asking *a)
{
    return mq_http_match_choice(a->match, "lang") == 1 ? MQ_LANGUAGE_CHINESE : MQ_LANGUAGE_ENGLISH;
}

/* A method that the model was not trained with is refused, whoever asks. */
static enum mq_status
need_method(struct asking *a, enum mq_method method)
{
    const struct mq_hybrid *h = a->lease.snapshot->hybrid->hybrid;
    return mq_hybrid_has(h, method) ? MQ_OK : mq_hybrid_lacks(h, method, &a->error);
}

static int32_t
number_of(const struct asking *a, const char *name)
{
    int64_t value = 0;
    mq_http_match_int(a->match, name, &value);
    return (int32_t)value;
}

/* ---- lists -------------------------------------------------------------------------------- */

static enum mq_status
excluded_of(struct asking *a, const char *const *ids, int32_t count,
            struct mq_hybrid_request *request)
{
    int32_t *rows = mq_arena_array(a->lease.arena, (size_t)count + 1, sizeof(*rows));
    if (rows == NULL)
        return mq_fail(&a->error, MQ_E_NOMEM, "no memory for excluded films");
    enum mq_status st = expect_ids(a, count);
    if (st != MQ_OK)
        return st;
    for (int32_t i = 0; i < count; i++) {
        rows[i] = mq_catalogue_find(a->lease.snapshot->catalogue, ids[i]);
        if (rows[i] < 0)
            note_unknown(a, ids[i]);
    }
    request->excluded = rows;
    request->excluded_count = count;
    return MQ_OK;
}

void
mq_api_recommend(struct mq_http_request *http, void *context)
{
    struct asking a;
    enum mq_status st = begin(&a, http, context);
    struct mq_hybrid_request request = {.user = &a.user, .method = method_of(&a)};
    const char *exclude = mq_http_match_text(a.match, "exclude", NULL);
    const char **ids = NULL;
    int32_t count = 0;
    request.type = mq_http_match_choice(a.match, "type") == 1 ? MQ_PROGRAM_TV : MQ_PROGRAM_MOVIE;
    const struct mq_answer_options options = {.n = number_of(&a, "n"),
                                              .offset = number_of(&a, "offset"),
                                              .explain = mq_http_match_flag(a.match, "explain"),
                                              .language = language_of(&a),
                                              .path = "online"};
    if (st == MQ_OK)
        st = need_method(&a, request.method);
    if (st == MQ_OK)
        st = user_of_parameters(&a, "id", true);
    if (st == MQ_OK && exclude != NULL)
        st = split_ids(&a, exclude, &ids, &count);
    if (st == MQ_OK)
        st = excluded_of(&a, ids, count, &request);
    if (st == MQ_OK)
        st = mq_answer_list(a.lease.session, &request, &options, &a.unknown, a.lease.arena, &a.out,
                            &a.error);
    finish(&a, st);
}

void
mq_api_explain(struct mq_http_request *http, void *context)
{
    struct asking a;
    enum mq_status st = begin(&a, http, context);
    struct mq_hybrid_request request = {.user = &a.user, .method = method_of(&a)};
    const char *item = mq_http_match_text(a.match, "item", NULL);
    if (st == MQ_OK)
        st = need_method(&a, request.method);
    if (st == MQ_OK) {
        const struct mq_catalogue *c = a.lease.snapshot->catalogue;
        int32_t row = mq_catalogue_find(c, item);
        request.type = row >= 0 ? (enum mq_program_type)c->type[row] : MQ_PROGRAM_MOVIE;
        st = user_of_parameters(&a, "user", false);
    }
    if (st == MQ_OK)
        st = mq_answer_explain(a.lease.session, &request, item, language_of(&a), a.lease.arena,
                               &a.out, &a.error);
    finish(&a, st);
}

/* ---- alike -------------------------------------------------------------------------------- */

void
mq_api_similar(struct mq_http_request *http, void *context)
{
    struct asking a;
    size_t size = 0;
    enum mq_status st = begin(&a, http, context);
    /* Its choices are not those of lists. */
    const char *method = mq_http_match_text(a.match, "method", &size);
    if (st == MQ_OK)
        st = mq_answer_similar(a.lease.snapshot, mq_http_match_text(a.match, "id", NULL),
                               (enum mq_method)mq_method_find(method, size), number_of(&a, "n"),
                               a.lease.arena, &a.out, &a.error);
    finish(&a, st);
}

void
mq_api_neighbours(struct mq_http_request *http, void *context)
{
    struct asking a;
    enum mq_status st = begin(&a, http, context);
    if (st == MQ_OK)
        st = user_of_parameters(&a, "id", false);
    if (st == MQ_OK)
        st = mq_answer_neighbours(a.lease.session, &a.user, number_of(&a, "n"), &a.out, &a.error);
    finish(&a, st);
}

void
mq_api_item(struct mq_http_request *http, void *context)
{
    struct asking a;
    enum mq_status st = begin(&a, http, context);
    if (st == MQ_OK)
        st = mq_answer_item(a.lease.snapshot, mq_http_match_text(a.match, "id", NULL),
                            a.lease.arena, &a.out, &a.error);
    finish(&a, st);
}

/* ---- bodies ------------------------------------------------------------------------------- */

/* Is it one of the names parted by ", "? */
static bool
is_listed(const char *name, const char *names)
{
    size_t size = strlen(name);
    for (const char *at = names; *at != '\0';) {
        size_t length = strcspn(at, ",");
        if (length == size && memcmp(at, name, size) == 0)
            return true;
        at += length;
        at += strspn(at, ", ");
    }
    return false;
}

/**
 * A field that nobody knows is refused: one misspelt would be passed over, and the answer be
 * another's.
 * @param known names parted by ", "  @param where "the body", or a place in it
 */
static enum mq_status
check_members(struct asking *a, const json_t *object, const char *known, const char *where)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value) if (!is_listed(name, known)) return mq_fail(
        &a->error, MQ_E_FORMAT, "%s has the unknown field '%.40s' (known: %s)", where, name, known);
    return MQ_OK;
}

static enum mq_status
read_body(struct asking *a, const char *known, json_t **ret_body)
{
    size_t size = 0;
    char *text = mq_http_body(a->request, &size);
    enum mq_status st = mq_json_parse(text != NULL ? text : "", size, "body", ret_body, &a->error);
    if (st == MQ_OK && !json_is_object(*ret_body))
        st = mq_fail(&a->error, MQ_E_FORMAT, "the body is no JSON object");
    return st == MQ_OK ? check_members(a, *ret_body, known, "the body") : st;
}

/* A member that is a text, or missing. */
static enum mq_status
text_member(struct asking *a, const json_t *body, const char *key, const char *otherwise,
            const char **ret_text)
{
    const json_t *value = json_object_get(body, key);
    *ret_text = otherwise;
    if (value == NULL)
        return MQ_OK;
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
        return mq_fail(&a->error, MQ_E_FORMAT, "'%s' is no text", key);
    *ret_text = json_string_value(value);
    return MQ_OK;
}

static enum mq_status
int_member(struct asking *a, const json_t *body, const char *key, int64_t otherwise, int64_t least,
           int64_t most, int32_t *ret_value)
{
    const json_t *value = json_object_get(body, key);
    int64_t number = value == NULL ? otherwise : json_integer_value(value);
    *ret_value = (int32_t)number;
    if ((value != NULL && !json_is_integer(value)) || number < least || number > most)
        return mq_fail(&a->error, MQ_E_FORMAT, "'%s' is no whole number from %lld to %lld", key,
                       (long long)least, (long long)most);
    return MQ_OK;
}

/* Ids of an array of texts. */
static enum mq_status
ids_member(struct asking *a, const json_t *body, const char *key, bool required, size_t most,
           const char ***ret_ids, int32_t *ret_count)
{
    const json_t *list = json_object_get(body, key);
    *ret_count = 0;
    *ret_ids = NULL;
    if (list == NULL && !required)
        return MQ_OK;
    if (!json_is_array(list) || json_array_size(list) > most ||
        (required && json_array_size(list) == 0))
        return mq_fail(&a->error, MQ_E_FORMAT, "'%s' is no array of %d to %zu ids", key,
                       required ? 1 : 0, most);
    const char **ids = mq_arena_array(a->lease.arena, json_array_size(list) + 1, sizeof(*ids));
    if (ids == NULL)
        return mq_fail(&a->error, MQ_E_NOMEM, "no memory for '%s'", key);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *id = json_array_get(list, i);
        if (!json_is_string(id) || json_string_length(id) == 0 ||
            strlen(json_string_value(id)) != json_string_length(id))
            return mq_fail(&a->error, MQ_E_FORMAT, "'%s', place %zu: no id (a text)", key, i);
        ids[(*ret_count)++] = json_string_value(id);
    }
    *ret_ids = ids;
    return MQ_OK;
}

/* One of "items": an id, or {"item", "rating", "timestamp"}. */
static enum mq_status
said_item(struct asking *a, const json_t *entry, size_t index, struct mq_rated_item *ret_item)
{
    const struct mq_hybrid *h = a->lease.snapshot->hybrid->hybrid;
    const json_t *id = json_is_object(entry) ? json_object_get(entry, "item") : entry;
    const json_t *rating = json_object_get(entry, "rating");
    const json_t *time_s = json_object_get(entry, "timestamp");
    *ret_item = (struct mq_rated_item){-1, -1, UINT32_MAX - MQ_API_RATED_MAX + (uint32_t)index};
    if (!json_is_string(id) || json_string_length(id) == 0)
        return mq_fail(&a->error, MQ_E_FORMAT,
                       "'items', place %zu: neither an id nor an object with 'item'", index);
    if (json_is_object(entry)) {
        char where[48];
        snprintf(where, sizeof(where), "'items', place %zu:", index);
        enum mq_status st = check_members(a, entry, "item, rating, timestamp", where);
        if (st != MQ_OK)
            return st;
    }
    if (rating != NULL &&
        (!json_is_number(rating) || json_number_value(rating) < (double)h->rating_low ||
         json_number_value(rating) > (double)h->rating_high))
        return mq_fail(&a->error, MQ_E_FORMAT,
                       "'items', place %zu: the rating is not from %g to %g", index,
                       (double)h->rating_low, (double)h->rating_high);
    if (time_s != NULL && (!json_is_integer(time_s) || json_integer_value(time_s) < 0 ||
                           json_integer_value(time_s) > (int64_t)UINT32_MAX))
        return mq_fail(&a->error, MQ_E_FORMAT,
                       "'items', place %zu: the timestamp is not in epoch seconds", index);
    ret_item->item = find_film(a, json_string_value(id), json_string_length(id));
    if (rating != NULL)
        ret_item->rating = (float)json_number_value(rating);
    if (time_s != NULL)
        ret_item->time_s = (uint32_t)json_integer_value(time_s);
    return MQ_OK;
}

/* "user_id" (or nobody) and "items": what was rated or played, oldest first. */
static enum mq_status
user_of_body(struct asking *a, const json_t *body)
{
    const json_t *list = json_object_get(body, "items");
    const char *id = "";
    int32_t count = 0;
    enum mq_status st = text_member(a, body, "user_id", "", &id);
    if (st == MQ_OK && list != NULL &&
        (!json_is_array(list) || json_array_size(list) > MQ_API_RATED_MAX))
        st = mq_fail(&a->error, MQ_E_FORMAT, "'items' is no array of at most %d", MQ_API_RATED_MAX);
    struct mq_rated_item *said =
        mq_arena_array(a->lease.arena, json_array_size(list) + 1, sizeof(*said));
    if (st == MQ_OK && said == NULL)
        st = mq_fail(&a->error, MQ_E_NOMEM, "no memory for 'items'");
    if (st == MQ_OK)
        st = expect_ids(a, (int32_t)json_array_size(list));
    for (size_t i = 0; st == MQ_OK && i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        st = said_item(a, entry, i, &said[count]);
        if (st == MQ_OK && said[count].item < 0)
            note_unknown(a, json_string_value(json_is_object(entry) ? json_object_get(entry, "item")
                                                                    : entry));
        else
            count += st == MQ_OK;
    }
    return st == MQ_OK ? make_user(a, id, said, count) : st;
}

static enum mq_status
method_of_body(struct asking *a, const json_t *body, enum mq_method *ret_method)
{
    const char *name;
    enum mq_status st = text_member(a, body, "method", "hybrid", &name);
    int method = st == MQ_OK ? mq_method_find(name, strlen(name)) : 0;
    if (method < 0)
        return mq_fail(&a->error, MQ_E_FORMAT, "'method' is '%.40s' (allowed: %s)", name,
                       MQ_METHOD_CHOICES);
    *ret_method = (enum mq_method)method;
    return st == MQ_OK ? need_method(a, *ret_method) : st;
}

void
mq_api_rank(struct mq_http_request *http, void *context)
{
    struct asking a;
    mq_autojson json_t *body = NULL;
    const char **ids = NULL;
    int32_t count = 0;
    enum mq_method method = MQ_METHOD_HYBRID;
    enum mq_status st = begin(&a, http, context);
    if (st == MQ_OK)
        st = read_body(&a, "user_id, items, candidates, method", &body);
    if (st == MQ_OK)
        st = method_of_body(&a, body, &method);
    if (st == MQ_OK)
        st = ids_member(&a, body, "candidates", true, MQ_API_CANDIDATES_MAX, &ids, &count);
    if (st == MQ_OK)
        st = user_of_body(&a, body);
    if (st == MQ_OK && *a.user.id == '\0' && json_array_size(json_object_get(body, "items")) == 0)
        st = mq_fail(&a.error, MQ_E_FORMAT,
                     "for whom? 'user_id' is due, or 'items': what somebody watched");
    if (st == MQ_OK)
        st = mq_answer_rank(a.lease.session, &a.user, method, ids, count, &a.unknown, a.lease.arena,
                            &a.out, &a.error);
    finish(&a, st);
}

void
mq_api_recommend_session(struct mq_http_request *http, void *context)
{
    struct asking a;
    mq_autojson json_t *body = NULL;
    const char **ids = NULL, *type = "movie", *lang = "en";
    int32_t count = 0;
    struct mq_answer_options options = {.path = "online"};
    struct mq_hybrid_request request = {.user = &a.user, .method = MQ_METHOD_HYBRID};
    enum mq_status st = begin(&a, http, context);
    if (st == MQ_OK)
        st =
            read_body(&a, "user_id, items, method, type, n, offset, explain, lang, exclude", &body);
    if (st == MQ_OK)
        st = method_of_body(&a, body, &request.method);
    if (st == MQ_OK)
        st = int_member(&a, body, "n", 20, 1, MQ_API_LIST_MAX, &options.n);
    if (st == MQ_OK)
        st = int_member(&a, body, "offset", 0, 0, MQ_API_OFFSET_MAX, &options.offset);
    if (st == MQ_OK)
        st = text_member(&a, body, "type", "movie", &type);
    if (st == MQ_OK && strcmp(type, "movie") != 0 && strcmp(type, "tv") != 0)
        st = mq_fail(&a.error, MQ_E_FORMAT, "'type' is '%.40s' (allowed: movie, tv)", type);
    if (st == MQ_OK)
        st = text_member(&a, body, "lang", "en", &lang);
    if (st == MQ_OK && strcmp(lang, "en") != 0 && strcmp(lang, "zh") != 0)
        st = mq_fail(&a.error, MQ_E_FORMAT, "'lang' is '%.40s' (allowed: en, zh)", lang);
    const json_t *explain = json_object_get(body, "explain");
    if (st == MQ_OK && explain != NULL && !json_is_boolean(explain))
        st = mq_fail(&a.error, MQ_E_FORMAT, "'explain' is neither true nor false");
    options.explain = json_is_true(explain);
    options.language = strcmp(lang, "zh") == 0 ? MQ_LANGUAGE_CHINESE : MQ_LANGUAGE_ENGLISH;
    request.type = strcmp(type, "tv") == 0 ? MQ_PROGRAM_TV : MQ_PROGRAM_MOVIE;
    if (st == MQ_OK)
        st = user_of_body(&a, body);
    if (st == MQ_OK)
        st = ids_member(&a, body, "exclude", false, MQ_API_CANDIDATES_MAX, &ids, &count);
    if (st == MQ_OK)
        st = excluded_of(&a, ids, count, &request);
    if (st == MQ_OK)
        st = mq_answer_list(a.lease.session, &request, &options, &a.unknown, a.lease.arena, &a.out,
                            &a.error);
    finish(&a, st);
}
