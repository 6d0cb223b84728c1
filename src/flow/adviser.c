#include "flow/adviser.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/filesystem.h"
#include "base/memory.h"
#include "data/id_map.h"
#include "data/sql.h"
#include "rec/channel.h"

struct mq_adviser {
    struct mq_object_store *store;
    const char *region;
    const struct mq_config *config;
    struct mq_snapshot *snapshot;
    struct mq_session *session;
    struct mq_strmap users; /* codes of raw_embed_user_mapping */
    char *scratch;
    struct mq_sql *sql; /* with view `action`, if has_actions */
    bool has_actions;
    bool has_users; /* whether the codes of users are there */
};

/* One user's history; arrays owned. */
struct user {
    struct mq_user_state state;
    struct mq_portrait portrait;
    int32_t *items;
    uint32_t *times;
    size_t items_capacity, times_capacity;
};

void
mq_adviser_close(struct mq_adviser *adviser)
{
    if (adviser == NULL)
        return;
    mq_sql_free(adviser->sql);
    if (adviser->scratch != NULL)
        (void)!mq_fs_remove(adviser->scratch, NULL);
    free(adviser->scratch);
    mq_session_free(adviser->session);
    mq_snapshot_free(adviser->snapshot);
    mq_strmap_release(&adviser->users);
    free(adviser);
}

const struct mq_snapshot *
mq_adviser_snapshot(const struct mq_adviser *adviser)
{
    return adviser->snapshot;
}

static enum mq_status
open_actions(struct mq_adviser *adviser, struct mq_error *err)
{
    enum mq_status st =
        mq_artifact_exists(adviser->store, adviser->region, MQ_ARTIFACT_ACTION_PARQUET,
                           MQ_PROGRAM_MOVIE, &adviser->has_actions, err);
    if (st != MQ_OK || !adviser->has_actions)
        return st;
    st = mq_fs_scratch(&adviser->scratch, err);
    if (st != MQ_OK)
        return st;
    struct mq_sql_options options = mq_sql_options_from(adviser->config, adviser->scratch);
    st = mq_sql_open(&options, &adviser->sql, err);
    if (st == MQ_OK)
        st = mq_sql_view_of_artifact(adviser->sql, "action", adviser->store, adviser->region,
                                     MQ_ARTIFACT_ACTION_PARQUET, err);
    return st;
}

enum mq_status
mq_adviser_open(struct mq_object_store *store, const char *region, const struct mq_config *config,
                struct mq_pool *pool, struct mq_adviser **ret_adviser, struct mq_error *err)
{
    struct mq_adviser *adviser = calloc(1, sizeof(*adviser));
    if (adviser == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an adviser");
    adviser->store = store;
    adviser->region = region;
    adviser->config = config;
    enum mq_status st = mq_snapshot_load(store, region, MQ_SNAPSHOT_ALL | MQ_SNAPSHOT_OPTIONAL,
                                         config, mq_clock_now_s(), pool, &adviser->snapshot, err);
    if (st == MQ_OK)
        st = mq_session_new(adviser->snapshot, &adviser->session, err);
    if (st == MQ_OK)
        st = mq_artifact_exists(store, region, MQ_ARTIFACT_RAW_EMBED_USER, MQ_PROGRAM_MOVIE,
                                &adviser->has_users, err);
    if (st == MQ_OK && adviser->has_users)
        st = mq_id_map_load(store, region, MQ_ID_USER, &adviser->users, err);
    if (st == MQ_OK)
        st = open_actions(adviser, err);
    if (st != MQ_OK) {
        mq_adviser_close(adviser);
        return mq_artifact_refused(store, region, st, err);
    }
    *ret_adviser = adviser;
    return MQ_OK;
}

/* -- a user -- */

static void
release_user(struct user *user)
{
    mq_portrait_release(&user->portrait);
    free(user->items);
    free(user->times);
}

static enum mq_status
add_play(struct mq_adviser *adviser, struct user *user, const struct mq_sql_string *item,
         int64_t time_s, struct mq_error *err)
{
    int32_t row =
        mq_strmap_find(&adviser->snapshot->catalogue->ids, mq_sql_string_bytes(item), item->size);
    if (row < 0)
        return MQ_OK; /* left the catalogue before it had a code */
    size_t n = (size_t)user->state.play_count;
    enum mq_status st =
        mq_grow(&user->items, &user->items_capacity, n + 1, sizeof(*user->items), err);
    if (st == MQ_OK)
        st = mq_grow(&user->times, &user->times_capacity, n + 1, sizeof(*user->times), err);
    if (st != MQ_OK)
        return st;
    user->items[n] = row;
    user->times[n] = (uint32_t)MQ_MAX(0, MQ_MIN(time_s, (int64_t)UINT32_MAX));
    user->state.play_count++;
    return MQ_OK;
}

static enum mq_status
load_plays(struct mq_adviser *adviser, struct user *user, struct mq_error *err)
{
    struct mq_sql_result *result = NULL;
    enum mq_status st =
        mq_sql_query(adviser->sql, "user_plays.sql",
                     mq_sql_params(mq_sql_text("user", user->state.id)), "tl", &result, err);
    int64_t rows = 1;
    while (st == MQ_OK && rows > 0) {
        st = mq_sql_next(result, &rows, err);
        if (st != MQ_OK || rows == 0)
            break;
        const struct mq_sql_string *items = mq_sql_column(result, 0);
        const int64_t *times = mq_sql_column(result, 1);
        for (int64_t r = 0; st == MQ_OK && r < rows; r++)
            st = add_play(adviser, user, &items[r], times[r], err);
    }
    mq_sql_close(result);
    return st;
}

static enum mq_status
load_user(struct mq_adviser *adviser, const char *id, struct user *user, struct mq_error *err)
{
    memset(user, 0, sizeof(*user));
    user->state.id = id;
    user->state.code = mq_strmap_find_text(&adviser->users, id);
    if (!adviser->has_actions)
        return mq_artifact_refused(adviser->store, adviser->region,
                                   mq_artifact_missing(adviser->store, adviser->region,
                                                       MQ_ARTIFACT_ACTION_PARQUET, MQ_PROGRAM_MOVIE,
                                                       err),
                                   err);
    enum mq_status st = load_plays(adviser, user, err);
    user->state.items = user->items;
    user->state.times = user->times;
    if (st == MQ_OK && user->state.play_count > 0) {
        st = mq_recommend_portrait(adviser->snapshot, &user->state, &user->portrait, err);
        user->state.portrait = &user->portrait;
    }
    if (st != MQ_OK)
        release_user(user);
    return st;
}

/* -- documents -- */

static json_t *
text_json(const char *text)
{
    json_t *value = text != NULL ? json_string(text) : NULL;
    return value != NULL ? value : json_null(); /* not UTF-8 */
}

static json_t *
real_json(double value)
{
    json_t *number = json_real(value);
    return number != NULL ? number : json_null(); /* not finite */
}

/* What answers are made without, and how to mend it. */
static json_t *
missing_json(const struct mq_adviser *adviser)
{
    json_t *list = json_array();
    for (int a = 0; a < MQ_ARTIFACT_COUNT; a++) {
        bool missing = adviser->snapshot->missing[a] ||
                       (a == MQ_ARTIFACT_RAW_EMBED_USER && !adviser->has_users);
        char key[MQ_OBJECT_KEY_MAX];
        enum mq_artifact artifact = (enum mq_artifact)a;
        if (!missing ||
            mq_artifact_key(adviser->region, artifact, MQ_PROGRAM_MOVIE, key, NULL) != MQ_OK)
            continue;
        const char *step = mq_artifact_step(artifact);
        json_t *uri = json_sprintf("%s/%s", mq_object_store_uri(adviser->store), key);
        json_t *command = json_sprintf("marquee step %s", step != NULL ? step : "");
        json_array_append_new(list, json_pack("{s:s, s:o, s:s, s:o}", "artifact",
                                              mq_artifact_info(artifact)->name, "uri", uri, "step",
                                              step != NULL ? step : "", "command", command));
    }
    return list;
}

/* Whether anything is known of the user; true where the store cannot tell. */
static bool
is_registered(const struct mq_adviser *adviser, const struct user *user)
{
    return user->state.code >= 0 || user->state.play_count > 0 || !adviser->has_users;
}

/* Id, title, year of a catalogue row. */
static json_t *
item_json(const struct mq_catalogue *catalogue, int32_t row)
{
    json_t *item = json_object();
    json_object_set_new(item, "item", text_json(catalogue->ids.keys[row]));
    json_object_set_new(item, "title", text_json(catalogue->title[row]));
    json_object_set_new(
        item, "year", catalogue->year[row] != 0 ? json_integer(catalogue->year[row]) : json_null());
    return item;
}

static json_t *
entry_json(struct mq_adviser *adviser, const struct user *user, const struct mq_list_entry *entry,
           bool reasons, enum mq_language language, struct mq_arena *arena)
{
    const struct mq_snapshot *snapshot = adviser->snapshot;
    bool diversity = entry->kind == MQ_ENTRY_DIVERSITY;
    char trace[MQ_TRACE_MAX];
    mq_trace_format(snapshot, entry, "online", trace);
    json_t *item = item_json(snapshot->catalogue, entry->item);
    json_object_set_new(item, "kind", json_string(diversity ? "diversity" : "recommend"));
    json_object_set_new(item, "score", real_json(entry->score));
    json_object_set_new(
        item, "channel",
        json_string(diversity ? "diversity" : mq_channel_name((enum mq_channel)entry->channel)));
    if (!diversity) {
        json_object_set_new(item, "recall_score", real_json(entry->recall_score));
        json_object_set_new(item, "recall_position", json_integer(entry->recall_position));
        json_object_set_new(item, "probability", real_json(entry->prob));
        json_object_set_new(item, "rank_position", json_integer(entry->rank_position));
    }
    json_object_set_new(item, "trace", text_json(trace));
    if (reasons)
        json_object_set_new(item, "reason",
                            text_json(mq_explain_entry(adviser->session, &user->state, entry,
                                                       language, arena, NULL)));
    return item;
}

enum mq_status
mq_adviser_recommend(struct mq_adviser *adviser, const char *user_id, enum mq_program_type type,
                     int n, bool reasons, enum mq_language language, json_t **ret_document,
                     struct mq_error *err)
{
    mq_autofree char *own_user_id = mq_id_trimmed(user_id);
    user_id = own_user_id != NULL ? own_user_id : user_id;
    struct user user;
    enum mq_status st = load_user(adviser, user_id, &user, err);
    if (st != MQ_OK)
        return st;
    struct mq_recommendation_list list;
    st = mq_recommend(adviser->session, type, &user.state, &list, err);
    if (st == MQ_OK) {
        struct mq_arena arena = {0};
        json_t *items = json_array();
        for (int32_t i = 0; i < MQ_MIN(list.count, n); i++)
            json_array_append_new(
                items, entry_json(adviser, &user, &list.entries[i], reasons, language, &arena));
        mq_arena_release(&arena);
        *ret_document =
            json_pack("{s:o, s:s, s:b, s:b, s:I, s:I, s:o, s:o}", "user", text_json(user_id),
                      "type", mq_program_type_name(type), "known", user.state.play_count > 0,
                      "registered", (int)is_registered(adviser, &user), "plays",
                      (json_int_t)user.state.play_count, "list_length", (json_int_t)list.count,
                      "items", items, "missing", missing_json(adviser));
    }
    release_user(&user);
    return st;
}

static enum mq_status
find_item(const struct mq_adviser *adviser, const char *item, int32_t *ret_row,
          struct mq_error *err)
{
    int32_t row = mq_catalogue_find(adviser->snapshot->catalogue, item);
    if (row < 0) {
        mq_fail(err, MQ_E_NOT_FOUND, "no programme '%s' is in the catalogue of '%s/%s'", item,
                mq_object_store_uri(adviser->store), adviser->region);
        mq_error_hint(err, "ids are those of the catalogue: `marquee inspect "
                           "system/item-data/clean/latest/item.csv`");
        return MQ_E_NOT_FOUND;
    }
    *ret_row = row;
    return MQ_OK;
}

static json_t *
lines_json(const char *text)
{
    json_t *lines = json_array();
    for (const char *p = text; p != NULL && *p != '\0';) {
        size_t n = strcspn(p, "\n");
        json_t *line = json_stringn(p, n);
        if (line != NULL && n > 0)
            json_array_append_new(lines, line);
        p += n + (p[n] == '\n');
    }
    return lines;
}

static json_t *
places_json(const struct mq_catalogue *catalogue, const struct mq_explanation *explanation)
{
    json_t *places = json_array();
    for (int32_t p = 0; p < explanation->place_count; p++) {
        const struct mq_channel_place *place = &explanation->places[p];
        json_t *value = json_null();
        bool has_property =
            mq_channel_is_property(place->channel) || mq_channel_is_portrait(place->channel);
        if (place->value >= 0 && has_property)
            value =
                text_json(catalogue->names[mq_channel_property(place->channel)].keys[place->value]);
        json_array_append_new(places, json_pack("{s:s, s:o, s:i, s:i, s:i}", "channel",
                                                mq_channel_name(place->channel), "value", value,
                                                "position", (int)place->position, "length",
                                                (int)place->length, "takes", (int)place->topn));
    }
    return places;
}

enum mq_status
mq_adviser_explain(struct mq_adviser *adviser, const char *user_id, const char *item,
                   enum mq_language language, json_t **ret_document, struct mq_error *err)
{
    mq_autofree char *own_user_id = mq_id_trimmed(user_id);
    user_id = own_user_id != NULL ? own_user_id : user_id;
    mq_autofree char *own_item = mq_id_trimmed(item);
    item = own_item != NULL ? own_item : item;
    const struct mq_catalogue *catalogue = adviser->snapshot->catalogue;
    struct user user;
    int32_t row = -1;
    enum mq_status st = find_item(adviser, item, &row, err);
    if (st == MQ_OK)
        st = load_user(adviser, user_id, &user, err);
    if (st != MQ_OK)
        return st;
    struct mq_arena arena = {0};
    struct mq_explanation *explanation = calloc(1, sizeof(*explanation));
    enum mq_program_type type = (enum mq_program_type)catalogue->type[row];
    if (explanation == NULL)
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate an explanation");
    else
        st = mq_explain(adviser->session, type, &user.state, row, language, &arena, explanation,
                        err);
    if (st == MQ_OK) {
        json_t *document = item_json(catalogue, row);
        json_object_set_new(document, "user", text_json(user_id));
        json_object_set_new(document, "known", json_boolean(user.state.play_count > 0));
        json_object_set_new(document, "registered", json_boolean(is_registered(adviser, &user)));
        json_object_set_new(document, "type", json_string(mq_program_type_name(type)));
        json_object_set_new(document, "verdict",
                            json_string(mq_verdict_name(explanation->verdict)));
        json_object_set_new(document, "reason", text_json(explanation->reason));
        json_object_set_new(document, "detail", lines_json(explanation->detail));
        json_object_set_new(document, "because_of",
                            explanation->seed_item >= 0
                                ? item_json(catalogue, explanation->seed_item)
                                : json_null());
        enum mq_verdict verdict = explanation->verdict;
        if (verdict == MQ_VERDICT_LISTED || verdict == MQ_VERDICT_FILTERED ||
            verdict == MQ_VERDICT_CUT)
            json_object_set_new(document, "recall_score", real_json(explanation->recall_score));
        if (verdict == MQ_VERDICT_CUT)
            json_object_set_new(document, "cut_score", real_json(explanation->cut_score));
        if (verdict == MQ_VERDICT_LISTED || verdict == MQ_VERDICT_FILTERED) {
            json_object_set_new(document, "probability", real_json(explanation->entry.prob));
            json_object_set_new(document, "score", real_json(explanation->entry.score));
            json_object_set_new(document, "position", json_integer(explanation->entry.position));
        }
        json_object_set_new(document, "places", places_json(catalogue, explanation));
        json_object_set_new(document, "missing", missing_json(adviser));
        *ret_document = document;
    }
    free(explanation);
    mq_arena_release(&arena);
    release_user(&user);
    return st;
}

struct neighbour {
    int32_t row;
    float similarity;
};

/* Most similar first; of equals the lower row. */
static int
compare_neighbours(const void *a, const void *b)
{
    const struct neighbour *x = a, *y = b;
    if (x->similarity != y->similarity)
        return x->similarity < y->similarity ? 1 : -1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static double
dot(const float *a, const float *b)
{
    double sum = 0;
    for (int i = 0; i < MQ_PORTRAIT_DIM; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

enum mq_status
mq_adviser_similar(struct mq_adviser *adviser, const char *item, int n, json_t **ret_document,
                   struct mq_error *err)
{
    mq_autofree char *own_item = mq_id_trimmed(item);
    item = own_item != NULL ? own_item : item;
    const struct mq_snapshot *snapshot = adviser->snapshot;
    int32_t row = -1;
    enum mq_status st = find_item(adviser, item, &row, err);
    if (st != MQ_OK)
        return st;
    if (snapshot->missing[MQ_ARTIFACT_ITEM_INDEX])
        return mq_artifact_refused(adviser->store, adviser->region,
                                   mq_artifact_missing(adviser->store, adviser->region,
                                                       MQ_ARTIFACT_ITEM_INDEX, MQ_PROGRAM_MOVIE,
                                                       err),
                                   err);
    if (row >= snapshot->vector_count) {
        mq_fail(err, MQ_E_INPUT, "programme '%s' has no vector yet", item);
        mq_error_hint(err, "`marquee run --change-type CONTENT` trains one");
        return MQ_E_INPUT;
    }
    struct neighbour *all = NULL;
    st = mq_alloc_array((size_t)snapshot->vector_count, sizeof(*all), &all, err);
    if (st != MQ_OK)
        return st;
    const float *vectors = snapshot->vectors;
    const float *query = vectors + (size_t)row * MQ_PORTRAIT_DIM;
    double length = sqrt(dot(query, query));
    int32_t count = 0;
    for (int32_t other = 0; other < snapshot->vector_count; other++) {
        const float *v = vectors + (size_t)other * MQ_PORTRAIT_DIM;
        double product = length * sqrt(dot(v, v));
        if (other == row || snapshot->bar[other] != MQ_BAR_NONE)
            continue;
        all[count++] = (struct neighbour){
            .row = other, .similarity = product > 0 ? (float)(dot(query, v) / product) : 0};
    }
    qsort(all, (size_t)count, sizeof(*all), compare_neighbours);
    json_t *items = json_array();
    for (int32_t i = 0; i < MQ_MIN(count, n); i++) {
        json_t *entry = item_json(snapshot->catalogue, all[i].row);
        json_object_set_new(entry, "similarity", real_json(all[i].similarity));
        json_array_append_new(items, entry);
    }
    json_t *document = item_json(snapshot->catalogue, row);
    json_object_set_new(document, "items", items);
    json_object_set_new(document, "missing", missing_json(adviser));
    *ret_document = document;
    mq_free(all);
    return MQ_OK;
}

static int
compare_values(const void *a, const void *b)
{
    const struct mq_portrait_value *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return x->touched < y->touched ? 1 : -(x->touched > y->touched);
}

static json_t *
property_json(const struct mq_strmap *names, const struct mq_portrait_property *property, int n)
{
    json_t *recent = json_array(), *values = json_array();
    for (int32_t i = 0; i < property->recent_count; i++)
        json_array_append_new(recent, text_json(names->keys[property->recent[i]]));
    struct mq_portrait_value *sorted = NULL;
    if (mq_alloc_array((size_t)property->count, sizeof(*sorted), &sorted, NULL) == MQ_OK) {
        if (property->count > 0)
            memcpy(sorted, property->values, (size_t)property->count * sizeof(*sorted));
        qsort(sorted, (size_t)property->count, sizeof(*sorted), compare_values);
        for (int32_t i = 0; i < MQ_MIN(property->count, n); i++)
            json_array_append_new(values, json_pack("{s:o, s:o}", "value",
                                                    text_json(names->keys[sorted[i].value]),
                                                    "score", real_json(sorted[i].score)));
    }
    mq_free(sorted);
    return json_pack("{s:o, s:o, s:o}", "recent", recent, "threshold",
                     real_json(property->threshold), "values", values);
}

enum mq_status
mq_adviser_portrait(struct mq_adviser *adviser, const char *user_id, int n, json_t **ret_document,
                    struct mq_error *err)
{
    mq_autofree char *own_user_id = mq_id_trimmed(user_id);
    user_id = own_user_id != NULL ? own_user_id : user_id;
    const struct mq_catalogue *catalogue = adviser->snapshot->catalogue;
    struct user user;
    enum mq_status st = load_user(adviser, user_id, &user, err);
    if (st != MQ_OK)
        return st;
    json_t *properties = json_object();
    for (int p = 0; p < MQ_PORTRAIT_PROPERTIES; p++)
        json_object_set_new(properties, mq_property_name((enum mq_property)p),
                            property_json(&catalogue->names[p], &user.portrait.property[p], n));
    json_t *last = json_null();
    if (user.state.play_count > 0) {
        char instant[MQ_INSTANT_SIZE];
        mq_instant_format(user.times[user.state.play_count - 1], instant);
        last = json_string(instant);
    }
    *ret_document = json_pack(
        "{s:o, s:b, s:b, s:I, s:o, s:b, s:o, s:o}", "user", text_json(user_id), "known",
        user.state.play_count > 0, "registered", (int)is_registered(adviser, &user), "plays",
        (json_int_t)user.state.play_count, "last_play", last, "has_vector",
        (int)user.portrait.has_vector, "properties", properties, "missing", missing_json(adviser));
    release_user(&user);
    return MQ_OK;
}
