#include "data/simulate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "data/simulated_names.h"

const struct mq_simulated_channel mq_simulated_channels[] = {{"portrait_ub", 1.60},
                                                             {"portrait_category", 1.35},
                                                             {"portrait_director", 1.25},
                                                             {"category", 1.10},
                                                             {"portrait_actor", 1.05},
                                                             {"director", 1.00},
                                                             {"actor", 0.90},
                                                             {"portrait_language", 0.80},
                                                             {"language", 0.70},
                                                             {"year", 0.60},
                                                             {"level", 0.45},
                                                             {NULL, 0}};
#define CHANNEL_COUNT ((uint32_t)MQ_COUNT(mq_simulated_channels) - 1)

enum {
    TASTE_DIMS = 8,
    GENRE_COUNT = 18,
    ITEM_GENRES_MAX = 3,
    FAVOURITES = 3,
    LIST_LENGTH = 10,
    RATING_SHARE = 10, /* one play in so many is rated */
};

static const char *const genres[GENRE_COUNT] = {
    "Action",  "Adventure", "Animation", "Comedy",  "Crime",    "Documentary",
    "Drama",   "Family",    "Fantasy",   "History", "Horror",   "Music",
    "Mystery", "Romance",   "Sci-Fi",    "Sport",   "Thriller", "War"};
static const char *const languages[] = {"English", "English", "English", "Chinese", "Chinese",
                                        "Hindi",   "French",  "Spanish", "Korean",  "Japanese"};
static const char *const levels[] = {"G", "PG", "PG", "PG-13", "PG-13", "R", "18+"};
static const char *const territories[] = {"CN|HK|TW", "US|CA", "FR|DE|ES", "IN"};

/* Draws indices in proportion to weights (Walker's alias method). */
struct alias {
    int64_t count;
    float *keep;
    int32_t *other;
    int32_t *value; /* what index i stands for; NULL: itself */
};

struct simulation {
    struct mq_simulate_options options;
    struct mq_input_stage *stage;
    float centre[GENRE_COUNT][TASTE_DIMS];
    /* programmes */
    float *taste;    /* [items, TASTE_DIMS] */
    float *appeal;   /* [items] */
    float *fame;     /* [items] popularity at release */
    int32_t *day;    /* [items] of arrival, 0: there from the beginning */
    int32_t *length; /* [items] s */
    uint8_t *genre;  /* [items, ITEM_GENRES_MAX], GENRE_COUNT: none */
    /* users */
    float *user_taste;  /* [users, TASTE_DIMS] */
    uint8_t *favourite; /* [users, FAVOURITES] */
    struct alias activity;
    /* of the day at hand: one for each genre, the last for all */
    struct alias shelf[GENRE_COUNT + 1];
    float *weight; /* scratch [max(users, items)] */
    int32_t *small, *large;
    int64_t ratings; /* sent as events */
    struct mq_progress progress;
};

static void
alias_release(struct alias *alias)
{
    free(alias->keep);
    free(alias->other);
    free(alias->value);
}

/* Build from s->weight[0…count-1], of which not all are 0; arrays have room. */
static void
alias_build(struct simulation *s, struct alias *alias, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += s->weight[i];
    int64_t small = 0, large = 0;
    for (int64_t i = 0; i < count; i++) {
        alias->keep[i] = (float)(s->weight[i] * (double)count / sum);
        alias->other[i] = (int32_t)i;
        if (alias->keep[i] < 1.0f)
            s->small[small++] = (int32_t)i;
        else
            s->large[large++] = (int32_t)i;
    }
    while (small > 0 && large > 0) {
        int32_t low = s->small[--small], high = s->large[large - 1];
        alias->other[low] = high;
        alias->keep[high] -= 1.0f - alias->keep[low];
        if (alias->keep[high] < 1.0f) {
            s->small[small++] = high;
            large--;
        }
    }
    alias->count = count;
}

static int32_t
alias_draw(const struct alias *alias, struct mq_rng *rng)
{
    uint32_t i = mq_rng_below(rng, (uint32_t)alias->count);
    int32_t drawn = (float)mq_rng_uniform(rng) < alias->keep[i] ? (int32_t)i : alias->other[i];
    return alias->value != NULL ? alias->value[drawn] : drawn;
}

/* ---- the world -------------------------------------------------------------------------- */

static enum mq_status
allocate(struct simulation *s, struct mq_error *err)
{
    size_t items = (size_t)s->options.items, users = (size_t)s->options.users;
    size_t most = MQ_MAX(items, users);
    struct {
        void *block;
        size_t count, size;
    } blocks[] = {
        {&s->taste, items * TASTE_DIMS, sizeof(float)},
        {&s->appeal, items, sizeof(float)},
        {&s->fame, items, sizeof(float)},
        {&s->day, items, sizeof(int32_t)},
        {&s->length, items, sizeof(int32_t)},
        {&s->genre, items * ITEM_GENRES_MAX, 1},
        {&s->user_taste, users * TASTE_DIMS, sizeof(float)},
        {&s->favourite, users * FAVOURITES, 1},
        {&s->activity.keep, users, sizeof(float)},
        {&s->activity.other, users, sizeof(int32_t)},
        {&s->weight, most, sizeof(float)},
        {&s->small, most, sizeof(int32_t)},
        {&s->large, most, sizeof(int32_t)},
    };
    enum mq_status st = MQ_OK;
    for (size_t i = 0; i < MQ_COUNT(blocks) && st == MQ_OK; i++)
        st = mq_alloc_array(blocks[i].count, blocks[i].size, blocks[i].block, err);
    for (int g = 0; g <= GENRE_COUNT && st == MQ_OK; g++) {
        st = mq_alloc_array(items, sizeof(float), &s->shelf[g].keep, err);
        if (st == MQ_OK)
            st = mq_alloc_array(items, sizeof(int32_t), &s->shelf[g].other, err);
        if (st == MQ_OK)
            st = mq_alloc_array(items, sizeof(int32_t), &s->shelf[g].value, err);
    }
    return st;
}

static void
release(struct simulation *s)
{
    mq_input_free(s->stage);
    free(s->taste);
    free(s->appeal);
    free(s->fame);
    free(s->day);
    free(s->length);
    free(s->genre);
    free(s->user_taste);
    free(s->favourite);
    free(s->weight);
    free(s->small);
    free(s->large);
    alias_release(&s->activity);
    for (int g = 0; g <= GENRE_COUNT; g++)
        alias_release(&s->shelf[g]);
}

static struct mq_text
text_of(const char *text)
{
    return (struct mq_text){text, strlen(text)};
}

/* One of n with the first ones likelier: a few people make many films. */
static uint32_t
skewed(struct mq_rng *rng, uint32_t n)
{
    double u = mq_rng_uniform(rng);
    return (uint32_t)(u * u * (double)n);
}

static enum mq_status
make_item(struct simulation *s, int64_t i, struct mq_error *err)
{
    const struct mq_simulate_options *o = &s->options;
    struct mq_rng rng;
    mq_rng_init(&rng, o->seed, UINT64_C(0x100000000) + (uint64_t)i);
    uint8_t *genre = s->genre + i * ITEM_GENRES_MAX;
    memset(genre, GENRE_COUNT, ITEM_GENRES_MAX);
    /* A director stays with two genres, an actor with one: people tell of taste. */
    uint32_t people = (uint32_t)MQ_MAX(o->items / 6, 1);
    uint32_t director = skewed(&rng, people);
    int count = 1 + (int)mq_rng_below(&rng, ITEM_GENRES_MAX);
    genre[0] = (uint8_t)(director % GENRE_COUNT);
    for (int g = 1; g < count; g++)
        genre[g] = g == 1 && mq_rng_below(&rng, 2) == 0
                       ? (uint8_t)((director / GENRE_COUNT) % GENRE_COUNT)
                       : (uint8_t)mq_rng_below(&rng, GENRE_COUNT);
    char category[128] = "";
    float *taste = s->taste + i * TASTE_DIMS;
    for (int g = 0; g < count; g++) {
        bool again = false;
        for (int h = 0; h < g; h++)
            again |= genre[h] == genre[g];
        if (again) {
            genre[g] = GENRE_COUNT;
            continue;
        }
        size_t used = strlen(category);
        snprintf(category + used, sizeof(category) - used, "%s%s", used > 0 ? "|" : "",
                 genres[genre[g]]);
        for (int d = 0; d < TASTE_DIMS; d++)
            taste[d] += s->centre[genre[g]][d] / (float)count;
    }
    for (int d = 0; d < TASTE_DIMS; d++)
        taste[d] += 0.25f * (float)mq_rng_normal(&rng);
    s->appeal[i] = 0.6f * (float)mq_rng_normal(&rng);
    s->fame[i] = (float)exp(1.2 * mq_rng_normal(&rng) + 0.5 * s->appeal[i]);
    bool arrives = o->days > 1 && mq_rng_below(&rng, 5) == 0 && i > 0;
    s->day[i] = arrives ? 1 + (int32_t)mq_rng_below(&rng, (uint32_t)o->days - 1) : 0;
    bool series = mq_rng_below(&rng, 4) == 0;
    s->length[i] = series ? 1200 + 60 * (int32_t)mq_rng_below(&rng, 30)
                          : 4800 + 60 * (int32_t)mq_rng_below(&rng, 70);

    int64_t begin_s = o->until_s - o->days * MQ_DAY_SECONDS;
    const char *language = languages[mq_rng_below(&rng, (uint32_t)MQ_COUNT(languages))];
    char id[24], title[MQ_SIMULATED_TEXT_SIZE], directed[MQ_SIMULATED_TEXT_SIZE];
    char actors[MQ_SIMULATED_TEXT_SIZE * 4] = "", description[MQ_SIMULATED_TEXT_SIZE];
    snprintf(id, sizeof(id), "%" PRId64, i + 1);
    mq_simulated_title(&rng, strcmp(language, "Chinese") == 0, title);
    mq_simulated_person(o->seed, director, directed);
    uint32_t cast = 1 + mq_rng_below(&rng, 4);
    for (uint32_t a = 0; a < cast; a++) {
        char actor[MQ_SIMULATED_TEXT_SIZE];
        uint32_t place = skewed(&rng, MQ_MAX(people / GENRE_COUNT, 1u));
        mq_simulated_person(o->seed, people + place * GENRE_COUNT + genre[0], actor);
        snprintf(actors + strlen(actors), sizeof(actors) - strlen(actors), "%s%s", a > 0 ? "|" : "",
                 actor);
    }
    mq_simulated_description(&rng, genres[genre[0]], directed, description);
    char released_text[MQ_DATE_SIZE];
    mq_date_format(arrives ? begin_s + s->day[i] * (int64_t)MQ_DAY_SECONDS : begin_s,
                   released_text);
    int32_t this_year = (int32_t)strtol(released_text, NULL, 10);
    bool limited = mq_rng_below(&rng, 20) == 0, local = mq_rng_below(&rng, 20) == 0;
    double tickets = floor(1000.0 * s->fame[i] * (0.5 + mq_rng_uniform(&rng)));
    int64_t fresh_days = MQ_MAX(MQ_MIN((int64_t)14, o->days / 4), 1);
    const struct mq_input_item item = {
        .id = text_of(id),
        .title = text_of(title),
        .director = text_of(directed),
        .actor = text_of(actors),
        .category = text_of(category),
        .language = text_of(language),
        .level = text_of(levels[mq_rng_below(&rng, (uint32_t)MQ_COUNT(levels))]),
        .type = series ? MQ_PROGRAM_TV : MQ_PROGRAM_MOVIE,
        .year = arrives ? this_year : this_year - (int32_t)skewed(&rng, 60),
        .ticket_num = tickets,
        .popularity = floor(10.0 * s->fame[i] * (0.5 + mq_rng_uniform(&rng))),
        .score = floor(10.0 * (5.5 + 3.0 * tanh(s->appeal[i]))) / 10.0,
        .is_new = s->day[i] > 0 && s->day[i] >= o->days - fresh_days,
        .description = text_of(description),
        .territories = local ? text_of(territories[mq_rng_below(&rng, 4)]) : (struct mq_text){0},
        .available_from = arrives ? begin_s + s->day[i] * (int64_t)MQ_DAY_SECONDS : MQ_TIME_MIN,
        .available_until = limited
                               ? o->until_s + (int64_t)(mq_rng_below(&rng, 60) + 1) * MQ_DAY_SECONDS
                               : MQ_TIME_MAX,
        .duration_s = s->length[i],
    };
    return mq_input_add_item(s->stage, &item, err);
}

static enum mq_status
make_user(struct simulation *s, int64_t u, struct mq_error *err)
{
    struct mq_rng rng;
    mq_rng_init(&rng, s->options.seed, UINT64_C(0x200000000) + (uint64_t)u);
    static const float shares[FAVOURITES] = {0.6f, 0.3f, 0.2f};
    float *taste = s->user_taste + u * TASTE_DIMS;
    for (int f = 0; f < FAVOURITES; f++) {
        uint8_t genre = (uint8_t)mq_rng_below(&rng, GENRE_COUNT);
        s->favourite[u * FAVOURITES + f] = genre;
        for (int d = 0; d < TASTE_DIMS; d++)
            taste[d] += shares[f] * s->centre[genre][d];
    }
    for (int d = 0; d < TASTE_DIMS; d++)
        taste[d] += 0.2f * (float)mq_rng_normal(&rng);
    s->weight[u] = (float)exp(1.0 * mq_rng_normal(&rng));
    char id[24], name[MQ_SIMULATED_TEXT_SIZE];
    snprintf(id, sizeof(id), "u%" PRId64, u + 1);
    mq_simulated_person(s->options.seed + 1, (uint32_t)u, name);
    int64_t begin_s = s->options.until_s - s->options.days * MQ_DAY_SECONDS;
    const struct mq_input_user user = {
        .id = text_of(id),
        .sex = text_of(mq_rng_below(&rng, 2) == 0 ? "F" : "M"),
        .name = text_of(name),
        .age = 15 + (int32_t)skewed(&rng, 60),
        .registered_s = begin_s - (int64_t)mq_rng_below(&rng, 1000) * MQ_DAY_SECONDS,
    };
    return mq_input_add_user(s->stage, &user, err);
}

/* How sought-after a programme is on a day: new ones draw, then fade to a floor; one in eight has
 * a second life. */
static float
popularity(const struct simulation *s, int64_t i, int64_t day)
{
    if (day < s->day[i])
        return 0;
    double age = (double)(day - s->day[i]) + (s->day[i] == 0 ? 15.0 : 0.0);
    double now = s->fame[i] * (0.25 + 1.5 * exp(-age / 10.0));
    if (i % 8 == 3) {
        double peak = (double)((i * 37) % MQ_MAX(s->options.days, 1));
        double far = ((double)day - peak) / 3.0;
        now *= 1.0 + 3.0 * exp(-far * far);
    }
    return (float)now;
}

/* What each shelf offers on a day. */
static void
fill_shelves(struct simulation *s, int64_t day)
{
    for (int g = 0; g <= GENRE_COUNT; g++) {
        struct alias *shelf = &s->shelf[g];
        int64_t count = 0;
        for (int64_t i = 0; i < s->options.items; i++) {
            const uint8_t *genre = s->genre + i * ITEM_GENRES_MAX;
            bool here = g == GENRE_COUNT || genre[0] == g || genre[1] == g || genre[2] == g;
            float weight = here ? popularity(s, i, day) : 0;
            if (weight > 0) {
                s->weight[count] = weight;
                shelf->value[count++] = (int32_t)i;
            }
        }
        if (count > 0)
            alias_build(s, shelf, count);
        shelf->count = count;
    }
}

/* ---- visits ----------------------------------------------------------------------------- */

/* Sessions crowd in the evening: the share of a day that has passed when x of them have begun. */
static double
hour_of(double x)
{
    return x - 0.12 * sin(6.283185307179586 * x) / 6.283185307179586 * 5.0;
}

static void
put_trace(char *text, size_t size, const char *channel, int place, double match, int position)
{
    double recall = (double)(LIST_LENGTH - 1 - place) * 0.5 + 0.2;
    double rank = floor(match * 20.0) / 20.0;
    double final = fmin(1.0, recall / 40.0 + rank);
    snprintf(text, size, "batch_%s_%d|%.2f|batch_deepfm_%d|%.2f|batch_recommend_%d|%.2f", channel,
             place, recall, position, rank, position, final);
}

struct visit {
    int64_t user, time_s;
    char user_id[24];
};

/* A rating event alone: nobody says where the film was found, or how long it was watched. */
static enum mq_status
rate(struct simulation *s, struct mq_rng *rng, const struct mq_input_action *play, double match,
     struct mq_error *err)
{
    double stars = 1.0 + 4.0 * match + 0.7 * mq_rng_normal(rng);
    const struct mq_input_action rating = {.user = play->user,
                                           .item = play->item,
                                           .time_s = play->time_s,
                                           .watch_s = -1,
                                           .length_s = -1,
                                           .rating = fmin(5.0, fmax(0.5, round(2.0 * stars) / 2.0)),
                                           .position = -1};
    s->ratings++;
    return mq_event_sink_add(s->options.ratings, MQ_EVENT_RATING, &rating, err);
}

static enum mq_status
show_and_play(struct simulation *s, struct mq_rng *rng, const struct visit *visit, int position,
              int32_t item, bool browsing, const char *shelf, struct mq_error *err)
{
    static const double looked_at[LIST_LENGTH] = {1.0,   0.660, 0.517, 0.435, 0.381,
                                                  0.341, 0.311, 0.287, 0.268, 0.251};
    const float *a = s->user_taste + visit->user * TASTE_DIMS;
    const float *b = s->taste + (int64_t)item * TASTE_DIMS;
    float dot = 0;
    for (int d = 0; d < TASTE_DIMS; d++)
        dot += a[d] * b[d];
    double match = 1.0 / (1.0 + exp(-(2.0 * dot + s->appeal[item] - 2.4)));
    const struct mq_simulated_channel *channel =
        &mq_simulated_channels[mq_rng_below(rng, CHANNEL_COUNT)];
    char id[24], trace[128] = "";
    int n = snprintf(id, sizeof(id), "%d", item + 1);
    if (!browsing)
        put_trace(trace, sizeof(trace), channel->name, (int)mq_rng_below(rng, LIST_LENGTH), match,
                  position);
    struct mq_input_action action = {
        .user = text_of(visit->user_id),
        .item = {id, (size_t)n},
        .time_s = visit->time_s,
        .watch_s = -1,
        .length_s = s->length[item],
        .rating = -1,
        .position = position,
        .source = text_of(browsing ? shelf : "recommend"),
        .trace = text_of(trace),
    };
    enum mq_status st = MQ_OK;
    if (s->options.ratings == NULL)
        st = mq_input_add_action(s->stage, MQ_ACTION_EXPOSURE, &action, err);
    double chance = looked_at[position] * (browsing ? 0.9 : channel->quality) * match;
    if (st != MQ_OK || mq_rng_uniform(rng) >= chance)
        return st;
    /* Played within minutes, on the same day. */
    int64_t day_end = (visit->time_s / MQ_DAY_SECONDS + 1) * MQ_DAY_SECONDS - 1;
    action.time_s = MQ_MIN(visit->time_s + 5 + position * 7 + mq_rng_below(rng, 5), day_end);
    if (s->options.ratings != NULL)
        return rate(s, rng, &action, match, err);
    double share = fmin(1.0, fmax(0.02, match + 0.35 * mq_rng_normal(rng) + 0.15));
    action.watch_s = floor(share * s->length[item]);
    if (mq_rng_below(rng, RATING_SHARE) == 0)
        action.rating = 1.0 + floor(fmin(4.0, fmax(0.0, 5.0 * match + mq_rng_normal(rng))));
    return mq_input_add_action(s->stage, MQ_ACTION_PLAY, &action, err);
}

static enum mq_status
visit_once(struct simulation *s, struct mq_rng *rng, const struct visit *visit,
           struct mq_error *err)
{
    int32_t shown[LIST_LENGTH];
    int count = 0;
    bool browsing = mq_rng_below(rng, 10) < 3;
    const uint8_t *favourite = s->favourite + visit->user * FAVOURITES;
    int home = favourite[mq_rng_below(rng, 6) < 4 ? 0 : 1 + mq_rng_below(rng, FAVOURITES - 1)];
    for (int tries = 0; count < LIST_LENGTH && tries < 3 * LIST_LENGTH; tries++) {
        bool at_home = browsing || mq_rng_below(rng, 10) < 5;
        const struct alias *shelf = &s->shelf[at_home ? home : GENRE_COUNT];
        if (shelf->count == 0)
            shelf = &s->shelf[GENRE_COUNT];
        int32_t item = alias_draw(shelf, rng);
        bool again = false;
        for (int i = 0; i < count; i++)
            again |= shown[i] == item;
        if (!again)
            shown[count++] = item;
    }
    for (int position = 0; position < count; position++) {
        enum mq_status st =
            show_and_play(s, rng, visit, position, shown[position], browsing, genres[home], err);
        if (st != MQ_OK)
            return st;
    }
    return MQ_OK;
}

/* Lines or ratings written so far. */
static int64_t
lines_of(const struct simulation *s)
{
    struct mq_input_summary summary;
    mq_input_staged(s->stage, &summary);
    return summary.plays + summary.exposures + s->ratings;
}

/* Lines written so far are steered towards the wanted number, day by day. */
static enum mq_status
run_days(struct simulation *s, struct mq_error *err)
{
    const struct mq_simulate_options *o = &s->options;
    int64_t begin_s = o->until_s - o->days * MQ_DAY_SECONDS;
    int64_t written = 0, visits = 0;
    for (int64_t day = 0; day < o->days; day++) {
        fill_shelves(s, day);
        struct mq_rng rng;
        mq_rng_init(&rng, o->seed, UINT64_C(0x300000000) + (uint64_t)day);
        int64_t target =
            o->events / o->days * (day + 1) + o->events % o->days * (day + 1) / o->days;
        int64_t due = target - written;
        double each = visits > 0 ? (double)written / (double)visits : LIST_LENGTH * 1.1;
        int64_t planned = MQ_MAX((int64_t)((double)due / each + 0.5), due > 0 ? 1 : 0);
        for (int64_t v = 0; v < planned; v++) {
            struct visit visit;
            double passed = hour_of(((double)v + mq_rng_uniform(&rng)) / (double)planned);
            passed = fmin(fmax(passed, 0.0), 0.999);
            visit.user = alias_draw(&s->activity, &rng);
            visit.time_s =
                begin_s + day * MQ_DAY_SECONDS + (int64_t)(passed * (double)MQ_DAY_SECONDS);
            snprintf(visit.user_id, sizeof(visit.user_id), "u%" PRId64, visit.user + 1);
            int64_t before = lines_of(s);
            enum mq_status st = visit_once(s, &rng, &visit, err);
            if (st == MQ_OK && v % 1024 == 0)
                st = mq_cancel_check(err);
            if (st != MQ_OK)
                return st;
            int64_t lines = lines_of(s) - before;
            written += lines;
            visits++;
            mq_progress_add(&s->progress, lines);
        }
    }
    return MQ_OK;
}

static enum mq_status
simulate(struct simulation *s, struct mq_error *err)
{
    struct mq_rng rng;
    mq_rng_init(&rng, s->options.seed, 0);
    enum mq_status st = allocate(s, err);
    if (st != MQ_OK)
        return st;
    for (int g = 0; g < GENRE_COUNT; g++)
        for (int d = 0; d < TASTE_DIMS; d++)
            s->centre[g][d] = (float)mq_rng_normal(&rng);
    for (int64_t i = 0; i < s->options.items && st == MQ_OK; i++)
        st = make_item(s, i, err);
    for (int64_t u = 0; u < s->options.users && st == MQ_OK; u++)
        st = make_user(s, u, err);
    if (st != MQ_OK)
        return st;
    alias_build(s, &s->activity, s->options.users);
    return MQ_OK;
}

static enum mq_status
simulate_days(struct simulation *s, struct mq_error *err)
{
    mq_progress_begin(&s->progress, "simulating", "lines", s->options.events);
    enum mq_status st = run_days(s, err);
    mq_progress_end(&s->progress);
    return st;
}

/* Ratings go out once catalogue and users are in place. */
static enum mq_status
send_ratings(void *context, struct mq_error *err)
{
    struct simulation *s = context;
    const struct mq_simulate_options *o = &s->options;
    char text[256], digest[MQ_SHA256_HEX_SIZE];
    int n =
        snprintf(text, sizeof(text),
                 "ratings 1 %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRIu64,
                 o->users, o->items, o->events, o->days, o->until_s, o->seed);
    mq_sha256_of_bytes(text, (size_t)n, digest);
    enum mq_status st = mq_event_sink_begin(o->ratings, "simulate", digest, err);
    if (st == MQ_OK)
        st = simulate_days(s, err);
    return st == MQ_OK ? mq_event_sink_finish(o->ratings, err) : st;
}

static enum mq_status
check_range(const char *name, int64_t value, int64_t max, struct mq_error *err)
{
    if (value >= 1 && value <= max)
        return MQ_OK;
    return mq_fail(err, MQ_E_RANGE, "cannot simulate: %s is %" PRId64 ", allowed are 1…%" PRId64,
                   name, value, max);
}

enum mq_status
mq_simulate(const struct mq_simulate_options *options, struct mq_object_store *store,
            const char *region, struct mq_pool *pool, struct mq_input_summary *ret_summary,
            struct mq_error *err)
{
    enum mq_status st = check_range("users", options->users, MQ_SIMULATE_USERS_MAX, err);
    if (st == MQ_OK)
        st = check_range("items", options->items, MQ_SIMULATE_ITEMS_MAX, err);
    if (st == MQ_OK)
        st = check_range("events", options->events, INT64_C(100000000000), err);
    if (st == MQ_OK)
        st = check_range("days", options->days, 3650, err);
    if (st == MQ_OK && (options->until_s % MQ_DAY_SECONDS != 0 ||
                        options->until_s < options->days * MQ_DAY_SECONDS))
        st =
            mq_fail(err, MQ_E_RANGE, "cannot simulate until %" PRId64 ": not a midnight after 1970",
                    options->until_s);
    if (st != MQ_OK)
        return st;
    struct simulation s = {.options = *options};
    char source[64];
    snprintf(source, sizeof(source), "simulate seed %" PRIu64, options->seed);
    const unsigned columns = MQ_LOG_POSITION | MQ_LOG_SOURCE | MQ_LOG_TRACE;
    const struct mq_input_options input = {.source = source,
                                           .exposure_columns = columns,
                                           .play_columns = columns | MQ_LOG_WATCH | MQ_LOG_RATING,
                                           .gzip_level = options->gzip_level,
                                           .replace = options->replace,
                                           .keep = options->ratings != NULL ? MQ_INPUT_LOGS : 0,
                                           .meanwhile =
                                               options->ratings != NULL ? send_ratings : NULL,
                                           .context = &s};
    st = mq_input_begin(store, region, &input, &s.stage, err);
    if (st == MQ_OK)
        st = simulate(&s, err);
    if (st == MQ_OK && options->ratings == NULL)
        st = simulate_days(&s, err);
    if (st == MQ_OK)
        st = mq_input_publish(s.stage, pool, ret_summary, err);
    release(&s);
    return st;
}
