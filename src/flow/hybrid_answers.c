#include "flow/hybrid_answers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "format/json_text.h"
#include "math/kernels.h"
#include "math/topk.h"

static const char *
version_of(const struct mq_snapshot *snapshot)
{
    return snapshot->hybrid->hybrid->version;
}

static void
put_film(struct mq_json_text *t, const struct mq_catalogue *c, int32_t row)
{
    mq_json_put_string(t, "item", c->ids.keys[row]);
    mq_json_put_string(t, "title", c->title[row]);
    if (c->year[row] > 0)
        mq_json_put_int(t, "year", c->year[row]);
}

static void
put_because(struct mq_json_text *t, const struct mq_catalogue *c,
            const struct mq_hybrid_reason *reason)
{
    mq_json_put_string(t, "reason", reason->text);
    mq_json_key(t, "because");
    mq_json_open(t, '{');
    mq_json_put_string(t, "method", mq_method_name(reason->method));
    if (reason->seed_row >= 0) {
        mq_json_put_string(t, "item", c->ids.keys[reason->seed_row]);
        mq_json_put_string(t, "title", c->title[reason->seed_row]);
        mq_json_put_decimal(t, "likeness", (double)reason->likeness, 6);
        if (reason->seed_rating >= 0)
            mq_json_put_decimal(t, "rating", (double)reason->seed_rating, 2);
    }
    if (reason->people > 0) {
        mq_json_put_int(t, "people", reason->people);
        if (reason->agreed > 0)
            mq_json_put_int(t, "films_agreed", reason->agreed);
        mq_json_put_decimal(t, "people_rating", (double)reason->people_rating, 2);
    }
    mq_json_close(t, '}');
}

static void
put_parts(struct mq_json_text *t, const struct mq_hybrid_reason *reason)
{
    mq_json_key(t, "parts");
    mq_json_open(t, '{');
    for (int m = 0; m < MQ_METHOD_COUNT; m++)
        if (reason->part[m] != 0)
            mq_json_put_decimal(t, mq_method_name((enum mq_method)m), (double)reason->part[m], 5);
    mq_json_close(t, '}');
}

/* What the request named and nobody knows. */
static void
put_unknown(struct mq_json_text *t, const struct mq_answer_unknown *unknown)
{
    for (int32_t i = 0; unknown != NULL && i < unknown->count; i++)
        mq_json_string(t, unknown->ids[i]);
}

/* ---- a user's list ------------------------------------------------------------------------ */

static enum mq_status
put_entry(struct mq_json_text *t, struct mq_hybrid_session *session,
          const struct mq_hybrid_recommendations *list, const struct mq_hybrid_request *request,
          const struct mq_hybrid_recommendation *entry, const struct mq_answer_options *options,
          struct mq_arena *arena, struct mq_error *err)
{
    const struct mq_snapshot *snapshot = mq_hybrid_session_snapshot(session);
    mq_json_open(t, '{');
    put_film(t, snapshot->catalogue, entry->row);
    mq_json_put_string(t, "kind", entry->kind == MQ_ENTRY_DIVERSITY ? "diversity" : "recommend");
    mq_json_put_decimal(t, "score", (double)entry->score, 5);
    mq_json_put_int(t, "position", entry->position);
    enum mq_status st = MQ_OK;
    if (options->explain) {
        struct mq_hybrid_reason reason;
        char trace[MQ_TRACE_MAX];
        st = mq_hybrid_reason(session, list, request->user, entry, options->language, arena,
                              &reason, err);
        if (st != MQ_OK)
            return st;
        if (entry->kind == MQ_ENTRY_RECOMMEND) {
            mq_json_put_decimal(t, "recall", (double)entry->recall, 5);
            mq_json_put_decimal(t, "quality", (double)entry->quality, 5);
            mq_json_put_int(t, "place", entry->place);
        }
        if (entry->item >= 0)
            mq_json_put_decimal(
                t, "predicted_rating",
                (double)mq_predict_rating(mq_hybrid_session_predictor(session), entry->item, NULL),
                2);
        put_because(t, snapshot->catalogue, &reason);
        if (list->method == MQ_METHOD_HYBRID && entry->kind == MQ_ENTRY_RECOMMEND)
            put_parts(t, &reason);
        mq_hybrid_trace(snapshot, entry, list->method, options->path, trace);
        mq_json_put_string(t, "trace", trace);
    }
    mq_json_close(t, '}');
    return st;
}

enum mq_status
mq_answer_list(struct mq_hybrid_session *session, const struct mq_hybrid_request *request,
               const struct mq_answer_options *options, const struct mq_answer_unknown *unknown,
               struct mq_arena *arena, struct mq_buffer *out, struct mq_error *err)
{
    const struct mq_snapshot *snapshot = mq_hybrid_session_snapshot(session);
    struct mq_hybrid_recommendations list;
    struct mq_json_text t;
    enum mq_status st = mq_hybrid_recommend(session, request, &list, err);
    if (st == MQ_OK && options->explain)
        st = mq_predictor_take(mq_hybrid_session_predictor(session), request->user, err);
    if (st != MQ_OK)
        return st;
    mq_json_text_begin(&t, out, err);
    mq_json_open(&t, '{');
    mq_json_put_string(&t, "user", request->user->id);
    mq_json_put_string(&t, "type", mq_program_type_name(request->type));
    mq_json_put_string(&t, "method", mq_method_name(request->method));
    mq_json_put_string(&t, "model", version_of(snapshot));
    mq_json_put_bool(&t, "known", request->user->code >= 0 || request->user->count > 0);
    mq_json_put_bool(&t, "cold_start", list.cold_start);
    mq_json_put_int(&t, "ratings", request->user->count);
    mq_json_put_int(&t, "offset", options->offset);
    mq_json_put_int(&t, "total", list.count);
    mq_json_key(&t, "items");
    mq_json_open(&t, '[');
    int64_t end = MQ_MIN((int64_t)list.count, (int64_t)options->offset + options->n);
    for (int64_t i = options->offset; st == MQ_OK && i < end; i++)
        st = put_entry(&t, session, &list, request, &list.entries[i], options, arena, err);
    mq_json_close(&t, ']');
    mq_json_key(&t, "unknown");
    mq_json_open(&t, '[');
    put_unknown(&t, unknown);
    mq_json_close(&t, ']');
    mq_json_close(&t, '}');
    return st == MQ_OK ? mq_json_text_end(&t) : st;
}

/* ---- given films -------------------------------------------------------------------------- */

static bool
was_rated(const struct mq_rated_user *user, int32_t item)
{
    for (int32_t k = 0; k < user->count; k++)
        if (user->items[k] == item)
            return true;
    return false;
}

enum mq_status
mq_answer_rank(struct mq_hybrid_session *session, const struct mq_rated_user *user,
               enum mq_method method, const char *const *ids, int32_t count,
               const struct mq_answer_unknown *unknown, struct mq_arena *arena,
               struct mq_buffer *out, struct mq_error *err)
{
    const struct mq_snapshot *snapshot = mq_hybrid_session_snapshot(session);
    const struct mq_strmap *films = &snapshot->hybrid->hybrid->ratings->items;
    struct mq_predictor *predictor = mq_hybrid_session_predictor(session);
    int32_t *items = mq_arena_array(arena, (size_t)count + 1, sizeof(*items)), n = 0;
    float *scores = mq_arena_array(arena, (size_t)count + 1, sizeof(*scores));
    struct mq_scored *order = mq_arena_array(arena, (size_t)count + 1, sizeof(*order));
    struct mq_json_text t;
    bool known = false;
    if (items == NULL || scores == NULL || order == NULL)
        return mq_fail(err, MQ_E_NOMEM, "no memory to rank %d films", count);
    for (int32_t i = 0; i < count; i++) {
        items[n] = mq_strmap_find_text(films, ids[i]);
        n += items[n] >= 0;
    }
    enum mq_status st =
        mq_hybrid_rank_given(mq_hybrid_session_ranker(session), user, method,
                             snapshot->quality_weight, items, n, scores, &known, err);
    if (st == MQ_OK)
        st = mq_predictor_take(predictor, user, err);
    if (st != MQ_OK)
        return st;
    for (int32_t i = 0; i < n; i++)
        order[i] = (struct mq_scored){scores[i], i};
    mq_scored_sort(order, (size_t)n);
    mq_json_text_begin(&t, out, err);
    mq_json_open(&t, '{');
    mq_json_put_string(&t, "user", user->id);
    mq_json_put_string(&t, "method", mq_method_name(method));
    mq_json_put_string(&t, "model", version_of(snapshot));
    mq_json_put_bool(&t, "known", user->code >= 0 || user->count > 0);
    mq_json_put_bool(&t, "cold_start", !known);
    mq_json_key(&t, "items");
    mq_json_open(&t, '[');
    for (int32_t i = 0; i < n; i++) {
        int32_t item = items[order[i].id], row = snapshot->hybrid->row_of[item];
        mq_json_open(&t, '{');
        mq_json_put_string(&t, "item", films->keys[item]);
        if (row >= 0)
            mq_json_put_string(&t, "title", snapshot->catalogue->title[row]);
        mq_json_put_decimal(&t, "score", (double)order[i].score, 5);
        mq_json_key(&t, "method_score");
        if (known)
            mq_json_decimal(
                &t, (double)mq_hybrid_ranker_raw(mq_hybrid_session_ranker(session), item), 7);
        else
            mq_json_null(&t);
        mq_json_put_decimal(&t, "predicted_rating",
                            (double)mq_predict_rating(predictor, item, NULL), 2);
        mq_json_put_bool(&t, "seen", was_rated(user, item));
        mq_json_close(&t, '}');
    }
    mq_json_close(&t, ']');
    mq_json_key(&t, "unknown");
    mq_json_open(&t, '[');
    for (int32_t i = 0; i < count; i++)
        if (mq_strmap_find_text(films, ids[i]) < 0)
            mq_json_string(&t, ids[i]);
    put_unknown(&t, unknown);
    mq_json_close(&t, ']');
    mq_json_close(&t, '}');
    return mq_json_text_end(&t);
}

/* ---- films like one ----------------------------------------------------------------------- */

static void
lists_to_scores(const struct mq_neighbours *lists, int32_t item, float *scores)
{
    struct mq_neighbour_list list = mq_neighbours_of(lists, item);
    for (int32_t k = 0; k < list.count; k++)
        scores[list.ids[k]] = list.scores[k];
}

static void
cosines(const float *vectors, int32_t count, int32_t width, int32_t item, float *scores)
{
    const struct mq_kernels *kernels = mq_kernels();
    size_t w = (size_t)width;
    const float *own = vectors + (size_t)item * w;
    float length = sqrtf(kernels->dot(own, own, w));
    for (int32_t i = 0; i < count; i++) {
        const float *other = vectors + (size_t)i * w;
        float lengths = length * sqrtf(kernels->dot(other, other, w));
        scores[i] = lengths > 0 ? kernels->dot(own, other, w) / lengths : NAN;
    }
}

static bool
compares_films(enum mq_method method)
{
    return method != MQ_METHOD_USER_BASED && method != MQ_METHOD_POPULAR &&
           method < MQ_METHOD_COUNT;
}

/* By a method that the model has, and that compares films. */
static void
compare(const struct mq_hybrid *h, enum mq_method method, int32_t item, float *scores)
{
    size_t count = (size_t)h->ratings->item_count;
    if (method == MQ_METHOD_ITEM_BASED)
        lists_to_scores(&h->items, item, scores);
    else if (method == MQ_METHOD_CONTENT)
        lists_to_scores(&h->content, item, scores);
    else if (method == MQ_METHOD_MF)
        cosines(h->ials->item, h->ials->item_count, h->ials->factors, item, scores);
    else if (method == MQ_METHOD_DEEP)
        cosines(h->tower->item, h->tower->item_count, MQ_TOWER_DIM, item, scores);
    else if (method == MQ_METHOD_EASE)
        memcpy(scores, h->ease->weight + (size_t)item * count, count * sizeof(*scores));
    else if (h->slit != NULL)
        memcpy(scores, h->slit->weights + (size_t)item * count, count * sizeof(*scores));
    else
        lists_to_scores(&h->following, item, scores);
}

static int32_t
shared_users(const struct mq_hybrid *h, enum mq_method method, int32_t item, int32_t other)
{
    if (method != MQ_METHOD_ITEM_BASED)
        return 0;
    struct mq_neighbour_list list = mq_neighbours_of(&h->items, item);
    for (int32_t k = 0; k < list.count; k++)
        if (list.ids[k] == other)
            return list.shared != NULL ? list.shared[k] : 0;
    return 0;
}

enum mq_status
mq_answer_similar(const struct mq_snapshot *snapshot, const char *id, enum mq_method method,
                  int32_t n, struct mq_arena *arena, struct mq_buffer *out, struct mq_error *err)
{
    const struct mq_catalogue *c = snapshot->catalogue;
    const struct mq_hybrid *h = snapshot->hybrid->hybrid;
    int32_t row = mq_catalogue_find(c, id), item = row >= 0 ? snapshot->hybrid->item_of[row] : -1;
    size_t count = (size_t)h->ratings->item_count, found = 0, most = MQ_MIN((size_t)n, count);
    if (row < 0)
        return mq_fail(err, MQ_E_NOT_FOUND, "no film has the id '%.64s'", id);
    float *scores = mq_arena_array(arena, count, sizeof(*scores));
    struct mq_scored *best = mq_arena_array(arena, most + 1, sizeof(*best));
    if (scores == NULL || best == NULL)
        return mq_fail(err, MQ_E_NOMEM, "no memory for films like '%.64s'", id);
    for (size_t i = 0; i < count; i++)
        scores[i] = NAN;
    if (!compares_films(method))
        return mq_fail(err, MQ_E_UNSUPPORTED, "films are not compared by '%s' (but by %s)",
                       mq_method_name(method), MQ_SIMILAR_CHOICES);
    if (!mq_hybrid_has(h, method))
        return mq_hybrid_lacks(h, method, err);
    if (item >= 0)
        compare(h, method, item, scores);
    for (int type = 0; item >= 0 && type < MQ_PROGRAM_TYPE_COUNT; type++)
        if (c->type[row] == type)
            mq_kernels()->add(snapshot->hybrid->offered[type], scores, count);
    if (item >= 0)
        scores[item] = NAN;
    enum mq_status st = mq_topk_row(scores, count, most, NULL, 0, best, &found, err);
    if (st != MQ_OK)
        return st;
    struct mq_json_text t;
    mq_json_text_begin(&t, out, err);
    mq_json_open(&t, '{');
    put_film(&t, c, row);
    mq_json_put_string(&t, "method", mq_method_name(method));
    mq_json_put_string(&t, "model", version_of(snapshot));
    mq_json_key(&t, "items");
    mq_json_open(&t, '[');
    for (size_t i = 0; i < found && best[i].score > 0; i++) {
        int32_t shared = shared_users(h, method, item, best[i].id);
        mq_json_open(&t, '{');
        put_film(&t, c, snapshot->hybrid->row_of[best[i].id]);
        mq_json_put_decimal(&t, "similarity", (double)best[i].score, 6);
        if (shared > 0)
            mq_json_put_int(&t, "shared_users", shared);
        mq_json_close(&t, '}');
    }
    mq_json_close(&t, ']');
    mq_json_close(&t, '}');
    return mq_json_text_end(&t);
}

/* ---- users alike -------------------------------------------------------------------------- */

enum mq_status
mq_answer_neighbours(struct mq_hybrid_session *session, const struct mq_rated_user *user, int32_t n,
                     struct mq_buffer *out, struct mq_error *err)
{
    const struct mq_snapshot *snapshot = mq_hybrid_session_snapshot(session);
    const struct mq_hybrid *h = snapshot->hybrid->hybrid;
    struct mq_neighbour_list alike = {0};
    struct mq_json_text t;
    enum mq_status st = MQ_OK;
    if (h->rating_users.ids == NULL && h->users.ids == NULL)
        return mq_fail(err, MQ_E_UNSUPPORTED, "the model %s compares no users", h->version);
    if (h->rating_users.ids != NULL) {
        st = mq_predictor_take(mq_hybrid_session_predictor(session), user, err);
        alike = mq_predictor_alike(mq_hybrid_session_predictor(session));
    } else {
        st = mq_method_alike(mq_hybrid_ranker_methods(mq_hybrid_session_ranker(session)), user,
                             &alike, err);
    }
    if (st != MQ_OK)
        return st;
    mq_json_text_begin(&t, out, err);
    mq_json_open(&t, '{');
    mq_json_put_string(&t, "user", user->id);
    mq_json_put_string(&t, "model", h->version);
    mq_json_put_bool(&t, "known", user->count > 0);
    mq_json_key(&t, "neighbours");
    mq_json_open(&t, '[');
    for (int32_t k = 0; k < MQ_MIN(n, alike.count); k++) {
        mq_json_open(&t, '{');
        mq_json_put_string(&t, "user", h->ratings->users.keys[alike.ids[k]]);
        mq_json_put_decimal(&t, "likeness", (double)alike.scores[k], 6);
        if (alike.shared != NULL)
            mq_json_put_int(&t, "films_in_common", alike.shared[k]);
        mq_json_close(&t, '}');
    }
    mq_json_close(&t, ']');
    mq_json_close(&t, '}');
    return mq_json_text_end(&t);
}

/* ---- a film ------------------------------------------------------------------------------- */

static void
put_values(struct mq_json_text *t, const char *key, const struct mq_catalogue *c, int32_t row,
           enum mq_property property, struct mq_arena *arena)
{
    mq_json_key(t, key);
    mq_json_open(t, '[');
    for (int64_t k = c->offset[property][row]; k < c->offset[property][row + 1]; k++) {
        mq_json_string(t, mq_value_label(c, property, c->value[property][k], arena));
    }
    mq_json_close(t, ']');
}

enum mq_status
mq_answer_item(const struct mq_snapshot *snapshot, const char *id, struct mq_arena *arena,
               struct mq_buffer *out, struct mq_error *err)
{
    const struct mq_catalogue *c = snapshot->catalogue;
    const struct mq_hybrid *h = snapshot->hybrid->hybrid;
    int32_t row = mq_catalogue_find(c, id);
    struct mq_json_text t;
    if (row < 0)
        return mq_fail(err, MQ_E_NOT_FOUND, "no film has the id '%.64s'", id);
    int32_t item = snapshot->hybrid->item_of[row];
    enum mq_bar bar = (enum mq_bar)snapshot->bar[row];
    mq_json_text_begin(&t, out, err);
    mq_json_open(&t, '{');
    put_film(&t, c, row);
    mq_json_put_string(&t, "type", mq_program_type_name((enum mq_program_type)c->type[row]));
    mq_json_put_string(&t, "description", c->description[row]);
    put_values(&t, "categories", c, row, MQ_PROPERTY_CATEGORY, arena);
    put_values(&t, "directors", c, row, MQ_PROPERTY_DIRECTOR, arena);
    put_values(&t, "actors", c, row, MQ_PROPERTY_ACTOR, arena);
    put_values(&t, "languages", c, row, MQ_PROPERTY_LANGUAGE, arena);
    put_values(&t, "levels", c, row, MQ_PROPERTY_LEVEL, arena);
    mq_json_put_bool(&t, "offered", bar == MQ_BAR_NONE);
    if (bar != MQ_BAR_NONE)
        mq_json_put_string(&t, "barred", mq_bar_name(bar));
    mq_json_put_string(&t, "model", h->version);
    if (item >= 0) {
        mq_json_put_int(&t, "ratings",
                        h->ratings->item_offset[item + 1] - h->ratings->item_offset[item]);
        mq_json_put_decimal(&t, "average", (double)h->average[item], 3);
        mq_json_put_decimal(&t, "popularity", (double)h->popularity[item], 3);
        mq_json_put_decimal(&t, "quality", (double)snapshot->hybrid->quality[item], 4);
    }
    mq_json_close(&t, '}');
    return mq_json_text_end(&t);
}

/* ---- one film for one user ---------------------------------------------------------------- */

static const struct mq_hybrid_recommendation *
find_entry(const struct mq_hybrid_recommendations *list, int32_t row)
{
    for (int32_t i = 0; i < list->count; i++)
        if (list->entries[i].row == row)
            return &list->entries[i];
    return NULL;
}

/* What each method says of the film, listed or not. */
static void
put_methods(struct mq_json_text *t, struct mq_hybrid_session *session, int32_t item)
{
    const struct mq_hybrid *h = mq_hybrid_session_snapshot(session)->hybrid->hybrid;
    struct mq_hybrid_ranker *ranker = mq_hybrid_session_ranker(session);
    mq_json_key(t, "methods");
    mq_json_open(t, '{');
    for (int m = 0; m < MQ_METHOD_COUNT; m++) {
        if (h->blend[m] == 0)
            continue;
        float part = mq_hybrid_ranker_part(ranker, (enum mq_method)m, item);
        mq_json_key(t, mq_method_name((enum mq_method)m));
        mq_json_open(t, '{');
        mq_json_put_decimal(t, "weight", (double)h->blend[m], 5);
        mq_json_put_decimal(t, "standard_score", (double)(part / h->blend[m]), 5);
        mq_json_put_decimal(t, "part", (double)part, 5);
        mq_json_close(t, '}');
    }
    mq_json_close(t, '}');
}

enum mq_status
mq_answer_explain(struct mq_hybrid_session *session, const struct mq_hybrid_request *request,
                  const char *id, enum mq_language language, struct mq_arena *arena,
                  struct mq_buffer *out, struct mq_error *err)
{
    const struct mq_snapshot *snapshot = mq_hybrid_session_snapshot(session);
    const struct mq_hybrid *h = snapshot->hybrid->hybrid;
    struct mq_predictor *predictor = mq_hybrid_session_predictor(session);
    int32_t row = mq_catalogue_find(snapshot->catalogue, id);
    struct mq_hybrid_recommendations list;
    struct mq_json_text t;
    if (row < 0)
        return mq_fail(err, MQ_E_NOT_FOUND, "no film has the id '%.64s'", id);
    int32_t item = snapshot->hybrid->item_of[row];
    enum mq_status st = mq_hybrid_recommend(session, request, &list, err);
    if (st == MQ_OK)
        st = mq_predictor_take(predictor, request->user, err);
    if (st != MQ_OK)
        return st;
    const struct mq_hybrid_recommendation *entry = find_entry(&list, row);
    bool seen = item >= 0 && was_rated(request->user, item);
    enum mq_bar bar = (enum mq_bar)snapshot->bar[row];
    const char *verdict = entry != NULL
                              ? (entry->kind == MQ_ENTRY_DIVERSITY ? "diversity" : "listed")
                          : bar != MQ_BAR_NONE ? "barred"
                          : seen               ? "seen"
                          : item < 0           ? "not-known"
                                               : "ranked-lower";
    struct mq_hybrid_recommendation own = {
        .row = row, .item = item, .kind = MQ_ENTRY_RECOMMEND, .category = -1};
    struct mq_hybrid_reason reason = {.seed_row = -1};
    if (item >= 0 || entry != NULL)
        st = mq_hybrid_reason(session, &list, request->user, entry != NULL ? entry : &own, language,
                              arena, &reason, err);
    if (st != MQ_OK)
        return st;
    mq_json_text_begin(&t, out, err);
    mq_json_open(&t, '{');
    mq_json_put_string(&t, "user", request->user->id);
    put_film(&t, snapshot->catalogue, row);
    mq_json_put_string(&t, "method", mq_method_name(request->method));
    mq_json_put_string(&t, "model", h->version);
    mq_json_put_bool(&t, "known", request->user->count > 0);
    mq_json_put_bool(&t, "cold_start", list.cold_start);
    mq_json_put_string(&t, "verdict", verdict);
    if (bar != MQ_BAR_NONE)
        mq_json_put_string(&t, "barred", mq_bar_name(bar));
    if (entry != NULL) {
        mq_json_put_int(&t, "position", entry->position);
        mq_json_put_decimal(&t, "score", (double)entry->score, 5);
    }
    if (reason.text != NULL)
        put_because(&t, snapshot->catalogue, &reason);
    if (item >= 0) {
        float parts[MQ_PREDICTOR_COUNT];
        mq_json_put_decimal(&t, "predicted_rating",
                            (double)mq_predict_rating(predictor, item, parts), 2);
        mq_json_key(&t, "predictors");
        mq_json_open(&t, '{');
        for (int k = 0; k < MQ_PREDICTOR_COUNT; k++)
            mq_json_put_decimal(&t, mq_predictor_name((enum mq_rating_predictor)k),
                                (double)parts[k], 3);
        mq_json_close(&t, '}');
        if (list.method == MQ_METHOD_HYBRID)
            put_methods(&t, session, item);
    }
    mq_json_close(&t, '}');
    return mq_json_text_end(&t);
}
