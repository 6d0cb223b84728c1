#include "serve/live_ratings.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strmap.h"
#include "data/actions.h"

#define POLL_MS 200
#define FAILED_MS 500
#define TELL_S 30.0
/* What an entry of a map costs beside its text. */
#define MAP_ENTRY_BYTES 40

struct entry {
    int32_t item;
    float rating;
    int64_t time_ms;
};

struct live_user {
    struct entry *entries; /* by time */
    size_t count, capacity;
};

/* All that is held. */
struct book {
    struct mq_strmap users, items;
    struct live_user *of; /* [users] */
    size_t of_capacity, bytes;
    int64_t entries;
};

struct mq_live_ratings {
    struct mq_live_options options;
    pthread_rwlock_t lock; /* guards the book */
    struct book book;
    pthread_t thread;
    int partitions;
    int64_t *ends; /* [partitions] of the log at the start */
    _Atomic bool stopping, caught_up;
    struct mq_counter *taken, *forgotten;
    struct mq_gauge *held, *bytes;
};

static void
release_book(struct book *book)
{
    for (int32_t u = 0; u < book->users.count; u++)
        free(book->of[u].entries);
    free(book->of);
    mq_strmap_release(&book->users);
    mq_strmap_release(&book->items);
    *book = (struct book){0};
}

/* Code of an id, its memory counted where it is new. */
static enum mq_status
code_of(struct book *book, struct mq_strmap *map, const char *id, size_t size, int32_t *ret_code)
{
    int32_t before = map->count;
    enum mq_status st = mq_strmap_add(map, id, size, ret_code, NULL);
    if (st == MQ_OK && map->count > before)
        book->bytes += size + MAP_ENTRY_BYTES;
    return st;
}

static enum mq_status
user_of(struct book *book, const char *id, size_t size, struct live_user **ret_user)
{
    int32_t code, before = book->users.count;
    size_t capacity = book->of_capacity;
    enum mq_status st = code_of(book, &book->users, id, size, &code);
    if (st == MQ_OK)
        st = mq_grow(&book->of, &book->of_capacity, (size_t)book->users.count, sizeof(*book->of),
                     NULL);
    if (st != MQ_OK)
        return st;
    book->bytes += (book->of_capacity - capacity) * sizeof(*book->of);
    if (code == before)
        book->of[code] = (struct live_user){0};
    *ret_user = &book->of[code];
    return MQ_OK;
}

/* Put an entry in its place in time; an older one of the same film goes. */
static enum mq_status
put_entry(struct book *book, struct live_user *user, struct entry entry)
{
    for (size_t i = 0; i < user->count; i++) {
        if (user->entries[i].item != entry.item)
            continue;
        if (user->entries[i].time_ms > entry.time_ms)
            return MQ_OK;
        /* A play after a rating says nothing new of it. */
        if (entry.rating < 0)
            entry.rating = user->entries[i].rating;
        memmove(&user->entries[i], &user->entries[i + 1],
                (user->count - i - 1) * sizeof(*user->entries));
        user->count--;
        book->entries--;
        break;
    }
    if (user->count == MQ_LIVE_RATINGS_OF_USER_MAX) {
        memmove(user->entries, user->entries + 1, (user->count - 1) * sizeof(*user->entries));
        user->count--;
        book->entries--;
    }
    size_t capacity = user->capacity;
    enum mq_status st =
        mq_grow(&user->entries, &user->capacity, user->count + 1, sizeof(*user->entries), NULL);
    if (st != MQ_OK)
        return st;
    book->bytes += (user->capacity - capacity) * sizeof(*user->entries);
    size_t at = user->count++;
    while (at > 0 && user->entries[at - 1].time_ms > entry.time_ms) {
        user->entries[at] = user->entries[at - 1];
        at--;
    }
    user->entries[at] = entry;
    book->entries++;
    return MQ_OK;
}

/* ---- forgetting ------------------------------------------------------------------------- */

/* Whether an entry stays. */
typedef bool (*keep_fn)(void *context, const struct book *book, int32_t user,
                        const struct entry *entry);

/* A book of what stays. On failure the old one is left. */
static enum mq_status
copy_book(const struct book *from, keep_fn keep, void *context, struct book *ret_book)
{
    struct book to = {0};
    enum mq_status st = MQ_OK;
    for (int32_t u = 0; st == MQ_OK && u < from->users.count; u++) {
        struct live_user *user = NULL;
        for (size_t i = 0; st == MQ_OK && i < from->of[u].count; i++) {
            struct entry entry = from->of[u].entries[i];
            if (!keep(context, from, u, &entry))
                continue;
            if (user == NULL)
                st = user_of(&to, from->users.keys[u], from->users.sizes[u], &user);
            if (st == MQ_OK)
                st = code_of(&to, &to.items, from->items.keys[entry.item],
                             from->items.sizes[entry.item], &entry.item);
            if (st == MQ_OK)
                st = put_entry(&to, user, entry);
        }
    }
    if (st == MQ_OK)
        *ret_book = to;
    else
        release_book(&to);
    return st;
}

static int
compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t
newest_of(const struct live_user *user)
{
    return user->count > 0 ? user->entries[user->count - 1].time_ms : INT64_MIN;
}

static bool
is_newer(void *context, const struct book *book, int32_t user, const struct entry *entry)
{
    (void)entry;
    return newest_of(&book->of[user]) > *(const int64_t *)context;
}

/* The quarter of the users whose newest event is oldest goes. @return whether that helped */
static bool
make_room(struct mq_live_ratings *live)
{
    struct book *book = &live->book, fresh;
    int64_t *newest = NULL;
    size_t n = (size_t)book->users.count;
    if (n == 0 || mq_alloc_array(n, sizeof(*newest), &newest, NULL) != MQ_OK)
        return false;
    for (size_t u = 0; u < n; u++)
        newest[u] = newest_of(&book->of[u]);
    qsort(newest, n, sizeof(*newest), compare_times);
    int64_t limit = newest[n / 4];
    mq_free(newest);
    if (copy_book(book, is_newer, &limit, &fresh) != MQ_OK)
        return false;
    mq_log_debug("live: memory is full: %d users forgotten", book->users.count - fresh.users.count);
    mq_counter_add(live->forgotten, (uint64_t)(book->entries - fresh.entries));
    release_book(book);
    *book = fresh;
    return true;
}

struct forgetting {
    mq_live_known_fn is_known;
    void *context;
};

static bool
is_unknown(void *context, const struct book *book, int32_t user, const struct entry *entry)
{
    const struct forgetting *f = context;
    return !f->is_known(f->context, book->users.keys[user], book->users.sizes[user],
                        book->items.keys[entry->item], book->items.sizes[entry->item],
                        entry->time_ms);
}

size_t
mq_live_ratings_forget(struct mq_live_ratings *live, mq_live_known_fn is_known, void *context)
{
    struct forgetting forgetting = {is_known, context};
    struct book fresh;
    size_t forgotten = 0;
    pthread_rwlock_wrlock(&live->lock);
    if (copy_book(&live->book, is_unknown, &forgetting, &fresh) == MQ_OK) {
        forgotten = (size_t)(live->book.entries - fresh.entries);
        release_book(&live->book);
        live->book = fresh;
    }
    pthread_rwlock_unlock(&live->lock);
    return forgotten;
}

/* ---- reading the log -------------------------------------------------------------------- */

static void
take_event(struct mq_live_ratings *live, const struct mq_event *event)
{
    struct mq_user_event e;
    struct mq_event_refusal refusal;
    struct mq_event_rules rules = live->options.rules;
    rules.now_ms = event->time_ms;
    if (mq_user_event_parse(event->value, event->value_size, &rules, &e, &refusal) != MQ_OK ||
        (e.kind != MQ_EVENT_RATING && e.kind != MQ_EVENT_PLAY))
        return;
    bool rated = mq_user_event_has(&e, MQ_EVENT_FIELD_rating);
    struct entry entry = {.rating = rated ? (float)e.rating : MQ_UNKNOWN, .time_ms = e.time_ms};
    struct live_user *user;
    struct book *book = &live->book;
    enum mq_status st = user_of(book, e.user_id.bytes, e.user_id.size, &user);
    if (st == MQ_OK)
        st = code_of(book, &book->items, e.movie_id.bytes, e.movie_id.size, &entry.item);
    if (st == MQ_OK)
        st = put_entry(book, user, entry);
    if (st != MQ_OK)
        mq_log_warn("live: no memory for an event");
    mq_counter_add(live->taken, 1);
}

static void
take_events(struct mq_live_ratings *live, const struct mq_event *events, size_t count)
{
    pthread_rwlock_wrlock(&live->lock);
    for (size_t i = 0; i < count; i++)
        take_event(live, &events[i]);
    while (live->book.bytes > live->options.memory_bytes && make_room(live)) {
    }
    mq_gauge_set(live->held, (double)live->book.entries);
    mq_gauge_set(live->bytes, (double)live->book.bytes);
    pthread_rwlock_unlock(&live->lock);
}

static void
rest_ms(int64_t ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* A failure of the log: told now and then, and tried again. */
static void
note_failure(const struct mq_error *error, double *told_s)
{
    double now = mq_clock_monotonic_s();
    if (now - *told_s >= TELL_S)
        mq_log_warn("live: will be tried again: %s", error->message);
    if (now - *told_s >= TELL_S)
        *told_s = now;
    rest_ms(FAILED_MS);
}

/* Go to the beginning of what is to be read. @param left what is still to be gone to */
static enum mq_status
seek(struct mq_live_ratings *live, struct mq_consumer *consumer, int64_t *from,
     struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    for (int p = 0; st == MQ_OK && p < live->partitions; p++) {
        if (from[p] < 0)
            continue;
        st = mq_consumer_seek(consumer, (struct mq_position){p, from[p]}, err);
        if (st == MQ_OK)
            from[p] = -1;
    }
    return st;
}

/* Whether a position lies behind what the log held at the start. */
static void
note_progress(struct mq_live_ratings *live, const struct mq_event *events, size_t count,
              int64_t *next)
{
    bool all = true;
    for (size_t i = 0; i < count; i++)
        if (events[i].partition < live->partitions)
            next[events[i].partition] = events[i].offset + 1;
    for (int p = 0; p < live->partitions; p++)
        all = all && next[p] >= live->ends[p];
    if (all)
        atomic_store(&live->caught_up, true);
}

static void
read_log(struct mq_live_ratings *live, struct mq_consumer *consumer, int64_t *from, int64_t *next)
{
    double told_s = -TELL_S;
    bool sought = false;
    while (!atomic_load(&live->stopping)) {
        const struct mq_event *events;
        struct mq_error error = {0};
        size_t count = 0;
        enum mq_status st = sought ? MQ_OK : seek(live, consumer, from, &error);
        sought = sought || st == MQ_OK;
        if (st == MQ_OK)
            st = mq_consumer_poll(consumer, MQ_EVENTS_BATCH_MAX, POLL_MS, &events, &count, &error);
        if (st != MQ_OK) {
            note_failure(&error, &told_s);
            continue;
        }
        if (count > 0)
            take_events(live, events, count);
        if (!atomic_load(&live->caught_up))
            note_progress(live, events, count, next);
    }
}

/* Where to begin in each partition, and where the log ends now. */
static enum mq_status
find_bounds(struct mq_live_ratings *live, int64_t *from, int64_t *next, struct mq_error *err)
{
    const struct mq_live_options *o = &live->options;
    enum mq_status st = MQ_OK;
    for (int p = 0; st == MQ_OK && p < live->partitions; p++) {
        int64_t first;
        st = mq_event_log_bounds(o->log, o->topic, p, &first, &live->ends[p], err);
        if (st == MQ_OK)
            st = mq_event_log_offset_at(o->log, o->topic, p, o->since_ms, &from[p], err);
        next[p] = from[p];
    }
    return st;
}

static void *
follow(void *context)
{
    struct mq_live_ratings *live = context;
    const struct mq_live_options *o = &live->options;
    const struct mq_consumer_options member = {.topic = o->topic, .from_latest = true};
    int64_t from[MQ_PARTITIONS_MAX], next[MQ_PARTITIONS_MAX];
    struct mq_consumer *consumer = NULL;
    double told_s = -TELL_S;
    while (consumer == NULL && !atomic_load(&live->stopping)) {
        struct mq_error error = {0};
        enum mq_status st = find_bounds(live, from, next, &error);
        if (st == MQ_OK)
            st = mq_consumer_new(o->log, &member, &consumer, &error);
        if (st != MQ_OK)
            note_failure(&error, &told_s);
    }
    if (consumer != NULL)
        read_log(live, consumer, from, next);
    mq_consumer_close(consumer);
    return NULL;
}

/* ---- outside ---------------------------------------------------------------------------- */

enum mq_status
mq_live_ratings_start(const struct mq_live_options *options, struct mq_live_ratings **ret_live,
                      struct mq_error *err)
{
    struct mq_live_ratings *live = calloc(1, sizeof(*live));
    if (live == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate live ratings");
    live->options = *options;
    pthread_rwlock_init(&live->lock, NULL);
    live->taken = mq_metrics_counter(options->metrics, "marquee_live_events_total",
                                     "Events read from the log for live answers.", NULL);
    live->forgotten =
        mq_metrics_counter(options->metrics, "marquee_live_forgotten_total",
                           "Live ratings and plays forgotten because memory was full.", NULL);
    live->held = mq_metrics_gauge(options->metrics, "marquee_live_ratings",
                                  "Ratings and plays held that no model knows.", NULL);
    live->bytes =
        mq_metrics_gauge(options->metrics, "marquee_live_bytes", "Memory of live ratings.", NULL);
    enum mq_status st =
        mq_event_log_partitions(options->log, options->topic, &live->partitions, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)live->partitions, sizeof(*live->ends), &live->ends, err);
    if (st == MQ_OK) {
        int code = pthread_create(&live->thread, NULL, follow, live);
        if (code != 0)
            st = mq_fail_errno(err, code, "cannot start a thread");
    }
    if (st != MQ_OK) {
        pthread_rwlock_destroy(&live->lock);
        mq_free(live->ends);
        free(live);
        return st;
    }
    *ret_live = live;
    return MQ_OK;
}

void
mq_live_ratings_free(struct mq_live_ratings *live)
{
    if (live == NULL)
        return;
    atomic_store(&live->stopping, true);
    pthread_join(live->thread, NULL);
    release_book(&live->book);
    pthread_rwlock_destroy(&live->lock);
    mq_free(live->ends);
    free(live);
}

bool
mq_live_ratings_caught_up(struct mq_live_ratings *live)
{
    return atomic_load(&live->caught_up);
}

enum mq_status
mq_live_ratings_of(struct mq_live_ratings *live, const char *user, size_t user_size,
                   struct mq_arena *arena, const struct mq_live_rating **ret_ratings,
                   size_t *ret_count, struct mq_error *err)
{
    struct mq_live_rating *list = NULL;
    size_t count = 0;
    bool memory = true;
    pthread_rwlock_rdlock(&live->lock);
    const struct book *book = &live->book;
    int32_t code = mq_strmap_find(&book->users, user, user_size);
    if (code >= 0 && book->of[code].count > 0) {
        count = book->of[code].count;
        list = mq_arena_array(arena, count, sizeof(*list));
        memory = list != NULL;
        for (size_t i = 0; memory && i < count; i++) {
            const struct entry *entry = &book->of[code].entries[i];
            list[i] =
                (struct mq_live_rating){.item = mq_arena_copy(arena, book->items.keys[entry->item],
                                                              book->items.sizes[entry->item]),
                                        .rating = entry->rating,
                                        .time_ms = entry->time_ms};
            memory = list[i].item != NULL;
        }
    }
    pthread_rwlock_unlock(&live->lock);
    if (!memory)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a user's live ratings");
    *ret_ratings = list;
    *ret_count = count;
    return MQ_OK;
}
