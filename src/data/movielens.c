#include "data/movielens.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/sha256.h"
#include "data/movielens_files.h"
#include "format/number_text.h"

#define LIKED_FROM 4.0f

/* Rows in order of time, file order within a second: least significant digits first. */
static enum mq_status
order_by_time(const struct mq_movielens_set *set, int64_t **ret_order, struct mq_error *err)
{
    enum { DIGIT_BITS = 11, DIGITS = 3, BUCKETS = 1 << DIGIT_BITS };
    int64_t *order = NULL, *other = NULL;
    enum mq_status st = mq_alloc_array_raw((size_t)set->count, sizeof(*order), &order, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)set->count, sizeof(*other), &other, err);
    if (st != MQ_OK) {
        free(order);
        return st;
    }
    for (int64_t i = 0; i < set->count; i++)
        order[i] = i;
    for (int digit = 0; digit < DIGITS; digit++) {
        int64_t start[BUCKETS + 1] = {0};
        int shift = digit * DIGIT_BITS;
        for (int64_t i = 0; i < set->count; i++)
            start[(set->time_s[i] >> shift & (BUCKETS - 1)) + 1]++;
        for (int b = 0; b < BUCKETS; b++)
            start[b + 1] += start[b];
        for (int64_t i = 0; i < set->count; i++)
            other[start[set->time_s[order[i]] >> shift & (BUCKETS - 1)]++] = order[i];
        int64_t *swapped = order;
        order = other;
        other = swapped;
    }
    free(other);
    *ret_order = order;
    return MQ_OK;
}

static struct mq_text
text_of(const char *text)
{
    return (struct mq_text){text, text != NULL ? strlen(text) : 0};
}

static enum mq_status
stage_films(const struct mq_movielens_set *set, struct mq_input_stage *stage, struct mq_error *err)
{
    mq_autofree int64_t *rated = NULL, *liked = NULL;
    size_t n = (size_t)set->films.count;
    enum mq_status st = mq_alloc_array(n, sizeof(*rated), &rated, err);
    if (st == MQ_OK)
        st = mq_alloc_array(n, sizeof(*liked), &liked, err);
    if (st != MQ_OK)
        return st;
    for (int64_t i = 0; i < set->count; i++) {
        rated[set->film[i]]++;
        liked[set->film[i]] += set->rating[i] >= LIKED_FROM;
    }
    for (int32_t i = 0; i < set->listed_count && st == MQ_OK; i++) {
        int32_t row = set->film_order[i];
        const struct mq_movielens_film *film = &set->films_known[row];
        char actors[1024] = "";
        for (int a = 0; a < MQ_HETREC_ACTORS_MAX && film->actors[a] != NULL; a++) {
            size_t used = strlen(actors);
            if (used + strlen(film->actors[a]) + 2 < sizeof(actors))
                snprintf(actors + used, sizeof(actors) - used, "%s%s", used > 0 ? "|" : "",
                         film->actors[a]);
        }
        double score;
        if (film->score == NULL || !mq_text_to_real(film->score, strlen(film->score), &score))
            score = NAN;
        const struct mq_input_item item = {
            .id = {set->films.keys[row], set->films.sizes[row]},
            .title = text_of(film->title),
            .director = text_of(film->director),
            .actor = text_of(actors),
            .category = text_of(film->genres),
            .language = text_of(film->country),
            .type = MQ_PROGRAM_MOVIE,
            .year = film->year,
            .ticket_num = (double)liked[row],
            .popularity = (double)rated[row],
            .score = score,
            .poster = text_of(film->poster),
            .available_from = MQ_TIME_MIN,
            .available_until = MQ_TIME_MAX,
        };
        st = mq_input_add_item(stage, &item, err);
    }
    return st;
}

static struct mq_input_action
action_of(const struct mq_movielens_set *set, int64_t r)
{
    return (struct mq_input_action){
        .user = {set->users.keys[set->user[r]], set->users.sizes[set->user[r]]},
        .item = {set->films.keys[set->film[r]], set->films.sizes[set->film[r]]},
        .time_s = set->time_s[r],
        .watch_s = -1,
        .length_s = -1,
        .rating = set->rating[r],
        .position = -1,
    };
}

static enum mq_status
stage_actions(const struct mq_movielens_set *set, double play_at_least,
              struct mq_input_stage *stage, struct mq_error *err)
{
    mq_autofree int64_t *order = NULL;
    struct mq_progress progress;
    enum mq_status st = order_by_time(set, &order, err);
    if (st != MQ_OK)
        return st;
    mq_progress_begin(&progress, "ratings", "rows", set->count);
    for (int64_t i = 0; i < set->count && st == MQ_OK; i++) {
        int64_t r = order[i];
        const struct mq_input_action action = action_of(set, r);
        st = mq_input_add_action(stage, MQ_ACTION_EXPOSURE, &action, err);
        if (st == MQ_OK && set->rating[r] >= play_at_least)
            st = mq_input_add_action(stage, MQ_ACTION_PLAY, &action, err);
        if (i % 4096 == 4095)
            mq_progress_add(&progress, 4096);
    }
    mq_progress_end(&progress);
    return st;
}

/* ---- as events -------------------------------------------------------------------------- */

struct sending {
    const struct mq_movielens_set *set;
    struct mq_event_sink *sink;
};

/* All that decides the events and their order. */
static enum mq_status
digest_ratings(const struct mq_movielens_set *set, char ret_hex[MQ_SHA256_HEX_SIZE],
               struct mq_error *err)
{
    struct mq_sha256 *digest = NULL;
    const size_t n = (size_t)set->count;
    enum mq_status st = mq_sha256_new(&digest, err);
    if (st == MQ_OK)
        st = mq_sha256_add(digest, set->user, n * sizeof(*set->user), err);
    if (st == MQ_OK)
        st = mq_sha256_add(digest, set->film, n * sizeof(*set->film), err);
    if (st == MQ_OK)
        st = mq_sha256_add(digest, set->rating, n * sizeof(*set->rating), err);
    if (st == MQ_OK)
        st = mq_sha256_add(digest, set->time_s, n * sizeof(*set->time_s), err);
    const struct mq_strmap *const ids[] = {&set->users, &set->films};
    for (size_t m = 0; m < MQ_COUNT(ids); m++)
        for (int32_t i = 0; st == MQ_OK && i < ids[m]->count; i++)
            st = mq_sha256_add(digest, ids[m]->keys[i], ids[m]->sizes[i] + 1, err);
    if (st == MQ_OK)
        st = mq_sha256_hex(digest, ret_hex, err);
    mq_sha256_free(digest);
    return st;
}

/* Would the rules refuse them? Said before anything is written. */
static enum mq_status
screen_ratings(const struct mq_movielens_set *set, const struct mq_movielens_options *options,
               struct mq_error *err)
{
    const struct mq_event_rules *rules = mq_event_sink_rules(options->events);
    struct mq_event_screen screen = {0};
    for (int64_t r = 0; r < set->count; r++) {
        const struct mq_input_action action = action_of(set, r);
        mq_event_screen_take(&screen, rules, MQ_EVENT_RATING, &action);
    }
    return mq_event_screen_judge(&screen, rules, options->max_bad_share, "ratings", err);
}

static enum mq_status
send_ratings(void *context, struct mq_error *err)
{
    const struct sending *sending = context;
    const struct mq_movielens_set *set = sending->set;
    mq_autofree int64_t *order = NULL;
    char digest[MQ_SHA256_HEX_SIZE];
    struct mq_progress progress;
    enum mq_status st = digest_ratings(set, digest, err);
    if (st == MQ_OK)
        st = mq_event_sink_begin(sending->sink, set->name, digest, err);
    if (st == MQ_OK)
        st = order_by_time(set, &order, err);
    if (st != MQ_OK)
        return st;
    mq_progress_begin(&progress, "events", "rows", set->count);
    for (int64_t i = 0; i < set->count && st == MQ_OK; i++) {
        const struct mq_input_action action = action_of(set, order[i]);
        st = mq_event_sink_add(sending->sink, MQ_EVENT_RATING, &action, err);
        if (i % 4096 == 4095)
            mq_progress_add(&progress, 4096);
    }
    mq_progress_end(&progress);
    return st == MQ_OK ? mq_event_sink_finish(sending->sink, err) : st;
}

/* ---- the whole -------------------------------------------------------------------------- */

static enum mq_status
stage_set(const struct mq_movielens_set *set, const struct mq_movielens_options *options,
          struct mq_input_stage *stage, struct mq_error *err)
{
    enum mq_status st = stage_films(set, stage, err);
    for (int64_t u = 0; u < set->profile_count && st == MQ_OK; u++)
        st = mq_input_add_user(stage, &set->profiles[u], err);
    return st == MQ_OK && options->events == NULL
               ? stage_actions(set, options->play_at_least, stage, err)
               : st;
}

static enum mq_status
check_set(const struct mq_movielens_set *set, const char *path, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    if (set->name == NULL || set->count == 0) {
        st = mq_fail(err, MQ_E_INPUT, "no ratings of MovieLens in '%s'", path);
        mq_error_hint(err, "known are ratings.dat (ml-1m), u.data (ml-100k) and ratings.csv "
                           "(ml-latest, ml-latest-small)");
    } else if (set->listed_count == 0) {
        st = mq_fail(err, MQ_E_INPUT, "no film list beside the ratings in '%s'", path);
    } else if (set->has_metadata && strcmp(set->name, "ml-100k") == 0) {
        st = mq_fail(err, MQ_E_INPUT,
                     "HetRec's metadata does not fit ml-100k, which numbers its "
                     "films otherwise");
        mq_error_hint(err, "leave the metadata out");
    }
    return st;
}

enum mq_status
mq_movielens_import(const char *const *paths, int path_count,
                    const struct mq_movielens_options *options, struct mq_object_store *store,
                    const char *region, struct mq_pool *pool, struct mq_input_summary *ret_summary,
                    struct mq_error *err)
{
    struct mq_movielens_set set = {0};
    struct mq_input_stage *stage = NULL;
    enum mq_status st = MQ_OK;
    for (int i = 0; i < path_count && st == MQ_OK; i++)
        st = mq_movielens_read(&set, paths[i], err);
    if (st == MQ_OK)
        st = check_set(&set, path_count > 0 ? paths[0] : "", err);
    if (st == MQ_OK && options->events != NULL)
        st = screen_ratings(&set, options, err);
    struct sending sending = {&set, options->events};
    if (st == MQ_OK) {
        char source[64];
        snprintf(source, sizeof(source), "movielens %s%s", set.name,
                 set.has_metadata ? " with hetrec" : "");
        const struct mq_input_options input = {
            .source = source,
            .play_columns = MQ_LOG_RATING,
            .exposure_columns = options->play_at_least > 0 ? MQ_LOG_RATING : 0,
            .gzip_level = options->gzip_level,
            .replace = options->replace,
            .keep = options->events != NULL ? MQ_INPUT_LOGS : 0,
            .meanwhile = options->events != NULL ? send_ratings : NULL,
            .context = &sending};
        mq_log_info("import: %s: %lld ratings, %d users, %d films", source, (long long)set.count,
                    set.users.count, set.listed_count);
        st = mq_input_begin(store, region, &input, &stage, err);
    }
    if (st == MQ_OK)
        st = stage_set(&set, options, stage, err);
    if (st == MQ_OK)
        st = mq_input_publish(stage, pool, ret_summary, err);
    mq_input_free(stage);
    mq_movielens_release(&set);
    return st;
}
