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
/* How often the topic is asked whether it has more partitions by now. */
#define GROWN_S 5.0
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
    int partitions;                  /* that are read */
    int64_t ends[MQ_PARTITIONS_MAX]; /* [partitions] of the log at the start */
    int64_t next[MQ_PARTITIONS_MAX]; /* [partitions] what is read next */
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

static int64_t
newest_of(const struct live_user *user)
{
    return user->count > 0 ? user->entries[user->count - 1].time_ms : INT64_MIN;
}

/* A user by the newest event. */
struct age {
    int64_t newest;
    int32_t user;
};

static int
compare_ages(const void *a, const void *b)
{
    const struct age *x = a, *y = b;
    int order = (x->newest > y->newest) - (x->newest < y->newest);
    return order != 0 ? order : (x->user > y->user) - (x->user < y->user);
}

static bool
is_kept(void *context, const struct book *book, int32_t user, const struct entry *entry)
{
    (void)book;
    (void)entry;
    return ((const bool *)context)[user];
}

/* The quarter of the users whose newest event is oldest goes; of the same time, those that came
 * first. @return whether that helped */
static bool
make_room(struct mq_live_ratings *live)
{
    struct book *book = &live->book, fresh;
    mq_autofree struct age *ages = NULL;
    mq_autofree bool *kept = NULL;
    size_t n = (size_t)book->users.count, gone = (n + 3) / 4;
    if (n == 0)
        return false;
    ages = calloc(n, sizeof(*ages));
    kept = calloc(n, sizeof(*kept));
    if (ages == NULL || kept == NULL)
        return false;
    for (size_t u = 0; u < n; u++)
        ages[u] = (struct age){newest_of(&book->of[u]), (int32_t)u};
    qsort(ages, n, sizeof(*ages), compare_ages);
    for (size_t i = gone; i < n; i++)
        kept[ages[i].user] = true;
    if (copy_book(book, is_kept, kept, &fresh) != MQ_OK)
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

/* Go where reading goes on, in partitions from *done on. */
static enum mq_status
seek(struct mq_live_ratings *live, struct mq_consumer *consumer, int *done, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    while (st == MQ_OK && *done < live->partitions) {
        st = mq_consumer_seek(consumer, (struct mq_position){*done, live->next[*done]}, err);
        *done += st == MQ_OK;
    }
    return st;
}

/* How far was read, whether or not the offsets there stand for events. */
static void
note_progress(struct mq_live_ratings *live, struct mq_consumer *consumer)
{
    bool all = true;
    for (int p = 0; p < live->partitions; p++) {
        int64_t position = mq_consumer_position(consumer, p);
        if (position >= 0)
            live->next[p] = position;
        all = all && live->next[p] >= live->ends[p];
    }
    if (all)
        atomic_store(&live->caught_up, true);
}

static bool
has_grown(const struct mq_live_ratings *live)
{
    int partitions = 0;
    return mq_event_log_partitions(live->options.log, live->options.topic, &partitions, NULL) ==
               MQ_OK &&
           partitions > live->partitions;
}

/* Until the end, or until the topic has more partitions. */
static void
read_log(struct mq_live_ratings *live, struct mq_consumer *consumer)
{
    double told_s = -TELL_S, asked_s = mq_clock_monotonic_s();
    int sought = 0;
    while (!atomic_load(&live->stopping)) {
        const struct mq_event *events;
        struct mq_error error = {0};
        size_t count = 0;
        enum mq_status st = seek(live, consumer, &sought, &error);
        if (st == MQ_OK)
            st = mq_consumer_poll(consumer, MQ_EVENTS_BATCH_MAX, POLL_MS, &events, &count, &error);
        if (st != MQ_OK) {
            note_failure(&error, &told_s);
            continue;
        }
        if (count > 0)
            take_events(live, events, count);
        if (!atomic_load(&live->caught_up))
            note_progress(live, consumer);
        double now = mq_clock_monotonic_s();
        if (now - asked_s < GROWN_S)
            continue;
        if (has_grown(live)) {
            note_progress(live, consumer); /* the next consumer goes on from there */
            return;
        }
        asked_s = now;
    }
}

/* Partitions that are new to us: where to begin, and where the log ends if this is the start. */
static enum mq_status
add_partitions(struct mq_live_ratings *live, struct mq_error *err)
{
    const struct mq_live_options *o = &live->options;
    const bool is_start = live->partitions == 0;
    int partitions;
    enum mq_status st = mq_event_log_partitions(o->log, o->topic, &partitions, err);
    if (st != MQ_OK)
        return st;
    for (int p = live->partitions; st == MQ_OK && p < partitions; p++) {
        int64_t first, end = 0;
        st = mq_event_log_bounds(o->log, o->topic, p, &first, &end, err);
        if (st == MQ_OK)
            st = mq_event_log_offset_at(o->log, o->topic, p, o->since_ms, &live->next[p], err);
        live->ends[p] = is_start ? end : 0;
    }
    if (st == MQ_OK)
        live->partitions = partitions;
    return st;
}

static void *
follow(void *context)
{
    struct mq_live_ratings *live = context;
    const struct mq_live_options *o = &live->options;
    const struct mq_consumer_options member = {.topic = o->topic, .from_latest = true};
    double told_s = -TELL_S;
    while (!atomic_load(&live->stopping)) {
        struct mq_consumer *consumer = NULL;
        struct mq_error error = {0};
        enum mq_status st = add_partitions(live, &error);
        if (st == MQ_OK)
            st = mq_consumer_new(o->log, &member, &consumer, &error);
        if (st != MQ_OK) {
            note_failure(&error, &told_s);
            continue;
        }
        read_log(live, consumer);
        mq_consumer_close(consumer);
    }
    return NULL;
}

/* ---- outside ---------------------------------------------------------------------------- */

/* Readers are many and never pause; the one who writes must not wait for a gap between them. */
static void
init_lock(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
#ifdef __GLIBC__
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
#endif
    pthread_rwlock_init(lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
}

enum mq_status
mq_live_ratings_start(const struct mq_live_options *options, struct mq_live_ratings **ret_live,
                      struct mq_error *err)
{
    struct mq_live_ratings *live = calloc(1, sizeof(*live));
    if (live == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate live ratings");
    live->options = *options;
    init_lock(&live->lock);
    live->taken = mq_metrics_counter(options->metrics, "marquee_live_events_total",
                                     "Events read from the log for live answers.", NULL);
    live->forgotten =
        mq_metrics_counter(options->metrics, "marquee_live_forgotten_total",
                           "Live ratings and plays forgotten because memory was full.", NULL);
    live->held = mq_metrics_gauge(options->metrics, "marquee_live_ratings",
                                  "Ratings and plays held that no model knows.", NULL);
    live->bytes =
        mq_metrics_gauge(options->metrics, "marquee_live_bytes", "Memory of live ratings.", NULL);
    int ignored;
    enum mq_status st = mq_event_log_partitions(options->log, options->topic, &ignored, err);
    if (st == MQ_OK) {
        int code = pthread_create(&live->thread, NULL, follow, live);
        if (code != 0)
            st = mq_fail_errno(err, code, "cannot start a thread");
    }
    if (st != MQ_OK) {
        pthread_rwlock_destroy(&live->lock);
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
