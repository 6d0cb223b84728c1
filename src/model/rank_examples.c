#include "model/rank_examples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"

/* User vectors computed at a time. */
#define VECTORS 8192
/* Draws for one stand-in before it is given up (a user who played almost everything). */
#define DRAWS 20
#define STREAM_NEGATIVES (UINT64_C(1) << 40)

/* What an action is to training. */
enum verdict { LEFT_OUT_PLAYED = -4, LEFT_OUT_UNRATED, LEFT_OUT_REPEATED, LEFT_OUT, ZERO, ONE };

struct making {
    const struct mq_actions *actions;
    const struct mq_rank_example_options *options;
    const struct mq_user_tower *tower;
    int32_t item_count;
    int32_t *played; /* [item_count] user + 1 who plays it at all */
    int32_t *met;    /* [item_count] user + 1 who has played it by now */
    double *heap;    /* [item_count] cumulated popularity, for draws */
    int64_t begin_s; /* older rows are left out */
    struct mq_rank_examples *examples;
    int64_t capacity;
    uint32_t *time_s;     /* [capacity] of rows */
    int32_t *vector_user; /* by vector: its user … */
    int64_t *vector_end;  /* … and how many of the user's first plays it sees */
    size_t user_capacity, end_capacity;
    int32_t *first; /* first plays of the user at hand */
};

void
mq_rank_examples_free(struct mq_rank_examples *examples)
{
    if (examples == NULL)
        return;
    mq_free(examples->item);
    mq_free(examples->vector_row);
    mq_free(examples->label);
    mq_free(examples->vectors);
    free(examples);
}

static bool
is_play(const struct mq_actions *a, int64_t i)
{
    return a->kind == NULL || a->kind[i] == MQ_ACTION_PLAY;
}

static void
mark_played(struct making *m, int32_t user)
{
    const struct mq_actions *a = m->actions;
    for (int64_t i = a->offset[user]; i < a->offset[user + 1]; i++)
        if (is_play(a, i))
            m->played[a->item[i]] = user + 1;
}

/* Needs mark_played of the user; notes first plays in `met`, so ask in order, once an action. */
static enum verdict
judge(struct making *m, int32_t user, int64_t i)
{
    const struct mq_actions *a = m->actions;
    const struct mq_rank_example_options *o = m->options;
    int32_t item = a->item[i];
    if (!is_play(a, i)) {
        if (o->label == MQ_RANK_LABEL_RATING)
            return LEFT_OUT;
        return m->played[item] == user + 1 ? LEFT_OUT_PLAYED : ZERO;
    }
    if (m->met[item] == user + 1)
        return LEFT_OUT_REPEATED;
    m->met[item] = user + 1;
    if (o->label == MQ_RANK_LABEL_PLAY)
        return ONE;
    float rating = a->rating != NULL ? a->rating[i] : MQ_UNKNOWN;
    if (rating >= o->liked)
        return ONE;
    return rating >= 0 && rating < o->disliked ? ZERO : LEFT_OUT_UNRATED;
}

/* Rows at or after a moment, by label. */
static void
count_rows(struct making *m, int64_t since_s, int64_t *ret_ones, int64_t *ret_zeros)
{
    const struct mq_actions *a = m->actions;
    int64_t ones = 0, zeros = 0;
    memset(m->played, 0, (size_t)m->item_count * sizeof(*m->played));
    memset(m->met, 0, (size_t)m->item_count * sizeof(*m->met));
    for (int32_t user = 0; user < a->user_count; user++) {
        mark_played(m, user);
        for (int64_t i = a->offset[user]; i < a->offset[user + 1]; i++) {
            enum verdict verdict = judge(m, user, i);
            if ((int64_t)a->time_s[i] < since_s)
                continue;
            ones += verdict == ONE;
            zeros += verdict == ZERO;
        }
    }
    *ret_ones = ones;
    *ret_zeros = zeros;
}

/* The moment from which on there are at most max_rows rows: a search by halves over time. */
static void
find_begin(struct making *m, int64_t rows_a_play)
{
    int64_t ones, zeros, limit = m->options->max_rows;
    count_rows(m, 0, &ones, &zeros);
    int64_t all = ones * rows_a_play + zeros;
    m->capacity = all;
    m->begin_s = 0;
    int64_t low = 0, high = (int64_t)UINT32_MAX + 1; /* too many rows since low; few since high */
    while (all > limit && high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        count_rows(m, middle, &ones, &zeros);
        if (ones * rows_a_play + zeros > limit)
            low = middle;
        else
            high = middle;
        m->begin_s = high;
    }
    if (m->begin_s > 0) {
        count_rows(m, m->begin_s, &ones, &zeros);
        m->capacity = ones * rows_a_play + zeros;
    }
    m->examples->older = all - m->capacity;
}

static void
cumulate_popularity(struct making *m)
{
    const struct mq_actions *a = m->actions;
    memset(m->heap, 0, (size_t)m->item_count * sizeof(*m->heap));
    for (int64_t i = 0; i < a->count; i++)
        if (is_play(a, i))
            m->heap[a->item[i]]++;
    double sum = 0;
    for (int32_t i = 0; i < m->item_count; i++) {
        if (m->heap[i] > 0)
            sum += pow(m->heap[i], m->options->negative_power);
        m->heap[i] = sum;
    }
}

/* First item whose cumulated popularity passes `at`. */
static int32_t
pick_item(const struct making *m, double at)
{
    int32_t low = 0, high = m->item_count - 1;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (m->heap[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void
add_row(struct making *m, int32_t item, float label, uint32_t time_s)
{
    struct mq_rank_examples *e = m->examples;
    e->item[e->count] = item;
    e->label[e->count] = label;
    e->vector_row[e->count] = (int32_t)(e->vector_count - 1);
    m->time_s[e->count] = time_s;
    e->positives += label > 0.5f;
    e->without_history += m->vector_end[e->vector_count - 1] == 0;
    e->count++;
}

static void
add_stand_ins(struct making *m, int32_t user, uint32_t time_s, struct mq_rng *rng)
{
    double all = m->heap[m->item_count - 1];
    for (int32_t k = 0; k < m->options->negatives; k++)
        for (int draw = 0; draw < DRAWS; draw++) {
            int32_t item = pick_item(m, mq_rng_uniform(rng) * all);
            if (m->played[item] == user + 1)
                continue;
            add_row(m, item, 0.0f, time_s);
            break;
        }
}

/* A vector that sees `end` first plays; the last one made serves when it sees as many. */
static enum mq_status
need_vector(struct making *m, int32_t user, int64_t end, struct mq_error *err)
{
    struct mq_rank_examples *e = m->examples;
    int64_t last = e->vector_count - 1;
    if (last >= 0 && m->vector_user[last] == user && m->vector_end[last] == end)
        return MQ_OK;
    if (e->vector_count == INT32_MAX)
        return mq_fail(err, MQ_E_RANGE, "the rank model's rows need over %d user vectors",
                       INT32_MAX);
    size_t need = (size_t)e->vector_count + 1;
    enum mq_status st =
        mq_grow(&m->vector_user, &m->user_capacity, need, sizeof(*m->vector_user), err);
    if (st == MQ_OK)
        st = mq_grow(&m->vector_end, &m->end_capacity, need, sizeof(*m->vector_end), err);
    if (st != MQ_OK)
        return st;
    m->vector_user[e->vector_count] = user;
    m->vector_end[e->vector_count++] = end;
    return MQ_OK;
}

static enum mq_status
add_user(struct making *m, int32_t user, struct mq_error *err)
{
    const struct mq_actions *a = m->actions;
    struct mq_rank_examples *e = m->examples;
    struct mq_rng rng;
    mq_rng_init(&rng, m->options->seed, STREAM_NEGATIVES + (uint64_t)user);
    mark_played(m, user);
    int64_t firsts = 0, before = 0; /* first plays up to now, and strictly before this moment */
    uint32_t moment = 0;
    for (int64_t i = a->offset[user]; i < a->offset[user + 1]; i++) {
        if (a->time_s[i] != moment) {
            moment = a->time_s[i];
            before = firsts;
        }
        bool first = is_play(a, i) && m->met[a->item[i]] != user + 1;
        enum verdict verdict = judge(m, user, i);
        firsts += first;
        e->exposures_played += verdict == LEFT_OUT_PLAYED;
        e->plays_repeated += verdict == LEFT_OUT_REPEATED;
        e->unrated += verdict == LEFT_OUT_UNRATED;
        if (verdict < ZERO || (int64_t)moment < m->begin_s)
            continue;
        if (e->drawn && verdict == ZERO)
            continue; /* too few to mean anything beside stand-ins */
        enum mq_status st = need_vector(m, user, before, err);
        if (st != MQ_OK)
            return st;
        add_row(m, a->item[i], verdict == ONE ? 1.0f : 0.0f, moment);
        if (e->drawn)
            add_stand_ins(m, user, moment, &rng);
    }
    return MQ_OK;
}

/* First plays of a user's programmes that the tower knows, oldest first, with the number of first
 * plays (known or not) before each. */
static int64_t
known_firsts(struct making *m, int32_t user, int64_t *ret_before)
{
    const struct mq_actions *a = m->actions;
    int64_t firsts = 0, known = 0;
    for (int64_t i = a->offset[user]; i < a->offset[user + 1]; i++) {
        int32_t item = a->item[i];
        if (!is_play(a, i) || m->met[item] == user + 1)
            continue;
        m->met[item] = user + 1;
        if (item < m->tower->item_count) {
            m->first[known] = item;
            ret_before[known++] = firsts;
        }
        firsts++;
    }
    return known;
}

struct vector_batch {
    int64_t count;
    int32_t *code;   /* [VECTORS] */
    int64_t *offset; /* [VECTORS + 1] */
    int32_t *items;  /* [VECTORS, MQ_TOWER_HISTORY] */
};

static enum mq_status
flush_vectors(struct making *m, struct vector_batch *batch, int64_t end, struct mq_pool *pool,
              struct mq_error *err)
{
    float *out = m->examples->vectors + (end - batch->count) * MQ_RANK_DIM;
    enum mq_status st = mq_user_tower_forward(m->tower, batch->count, batch->code, batch->offset,
                                              batch->items, out, pool, err);
    /* A history of programmes unknown to the tower is still one: only an empty one gives zeros. */
    for (int64_t v = 0; st == MQ_OK && v < batch->count; v++) {
        float values[MQ_RANK_DIM];
        mq_rank_user_values(out + v * MQ_RANK_DIM, m->vector_end[end - batch->count + v], values);
        memcpy(out + v * MQ_RANK_DIM, values, sizeof(values));
    }
    batch->count = 0;
    return st;
}

static enum mq_status
fill_vectors(struct making *m, struct vector_batch *batch, int64_t *before, struct mq_pool *pool,
             struct mq_error *err)
{
    const struct mq_actions *a = m->actions;
    struct mq_rank_examples *e = m->examples;
    enum mq_status st = MQ_OK;
    memset(m->met, 0, (size_t)m->item_count * sizeof(*m->met));
    int32_t user = -1;
    int64_t known = 0, upto = 0;
    for (int64_t v = 0; st == MQ_OK && v < e->vector_count; v++) {
        if (m->vector_user[v] != user) {
            user = m->vector_user[v];
            known = known_firsts(m, user, before);
            upto = 0;
        }
        /* Vectors of a user come in order of time: the end only moves on. */
        while (upto < known && before[upto] < m->vector_end[v])
            upto++;
        int64_t size = MQ_MIN(upto, MQ_TOWER_HISTORY), at = batch->offset[batch->count];
        memcpy(batch->items + at, m->first + (upto - size), (size_t)size * sizeof(int32_t));
        batch->offset[batch->count + 1] = at + size;
        batch->code[batch->count++] = user < a->coded_users ? user : -1;
        if (batch->count == VECTORS || v + 1 == e->vector_count)
            st = flush_vectors(m, batch, v + 1, pool, err);
    }
    return st;
}

static enum mq_status
make_vectors(struct making *m, struct mq_pool *pool, struct mq_error *err)
{
    struct mq_rank_examples *e = m->examples;
    const struct mq_actions *a = m->actions;
    int64_t most = 0;
    for (int32_t user = 0; user < a->user_count; user++)
        most = MQ_MAX(most, a->offset[user + 1] - a->offset[user]);
    struct vector_batch batch = {0};
    int64_t *before = NULL;
    enum mq_status st =
        mq_alloc_array_raw((size_t)e->vector_count * MQ_RANK_DIM, sizeof(float), &e->vectors, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)most, sizeof(*m->first), &m->first, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)most, sizeof(*before), &before, err);
    if (st == MQ_OK)
        st = mq_alloc_array(VECTORS, sizeof(*batch.code), &batch.code, err);
    if (st == MQ_OK)
        st = mq_alloc_array(VECTORS + 1, sizeof(*batch.offset), &batch.offset, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)VECTORS * MQ_TOWER_HISTORY, sizeof(*batch.items), &batch.items,
                            err);
    if (st == MQ_OK)
        st = fill_vectors(m, &batch, before, pool, err);
    mq_free(before);
    mq_free(batch.code);
    mq_free(batch.offset);
    mq_free(batch.items);
    return st;
}

static int
by_time(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Rows of the newest moments to the end, order kept within both parts. */
static enum mq_status
hold_out(struct making *m, struct mq_error *err)
{
    struct mq_rank_examples *e = m->examples;
    e->train_count = e->count;
    e->cut_s = (int64_t)UINT32_MAX + 1;
    int64_t keep = e->count - (int64_t)((double)e->count * m->options->holdout);
    if (keep >= e->count || e->count == 0)
        return MQ_OK;
    mq_autofree uint32_t *times = NULL;
    mq_autofree int32_t *item = NULL, *vector_row = NULL;
    mq_autofree float *label = NULL;
    size_t n = (size_t)e->count;
    enum mq_status st = mq_alloc_array_raw(n, sizeof(*times), &times, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(n, sizeof(*item), &item, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(n, sizeof(*vector_row), &vector_row, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(n, sizeof(*label), &label, err);
    if (st != MQ_OK)
        return st;
    memcpy(times, m->time_s, n * sizeof(*times));
    qsort(times, n, sizeof(*times), by_time);
    e->cut_s = times[keep];
    int64_t train = 0, at;
    for (size_t i = 0; i < n; i++)
        train += (int64_t)m->time_s[i] < e->cut_s;
    if (train == 0) { /* one moment only: time splits nothing */
        e->cut_s = (int64_t)UINT32_MAX + 1;
        return MQ_OK;
    }
    int64_t next[2] = {0, train};
    for (size_t i = 0; i < n; i++) {
        at = next[(int64_t)m->time_s[i] >= e->cut_s]++;
        item[at] = e->item[i];
        vector_row[at] = e->vector_row[i];
        label[at] = e->label[i];
    }
    e->train_count = train;
    memcpy(e->item, item, n * sizeof(*item));
    memcpy(e->vector_row, vector_row, n * sizeof(*vector_row));
    memcpy(e->label, label, n * sizeof(*label));
    return MQ_OK;
}

static enum mq_status
make_examples(struct making *m, struct mq_pool *pool, struct mq_error *err)
{
    struct mq_rank_examples *e = m->examples;
    const struct mq_rank_example_options *o = m->options;
    size_t items = (size_t)m->item_count;
    enum mq_status st = mq_alloc_array(items, sizeof(*m->played), &m->played, err);
    if (st == MQ_OK)
        st = mq_alloc_array(items, sizeof(*m->met), &m->met, err);
    if (st == MQ_OK)
        st = mq_alloc_array(items, sizeof(*m->heap), &m->heap, err);
    if (st != MQ_OK)
        return st;
    int64_t ones, zeros;
    count_rows(m, 0, &ones, &zeros);
    e->drawn = o->label == MQ_RANK_LABEL_PLAY && (double)zeros < o->exposure_share * (double)ones;
    find_begin(m, e->drawn ? 1 + (int64_t)o->negatives : 1);
    size_t rows = (size_t)m->capacity;
    st = mq_alloc_array_raw(rows, sizeof(*e->item), &e->item, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(rows, sizeof(*e->vector_row), &e->vector_row, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(rows, sizeof(*e->label), &e->label, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(rows, sizeof(*m->time_s), &m->time_s, err);
    if (st != MQ_OK)
        return st;
    if (e->drawn)
        cumulate_popularity(m);
    memset(m->played, 0, items * sizeof(*m->played));
    memset(m->met, 0, items * sizeof(*m->met));
    for (int32_t user = 0; st == MQ_OK && user < m->actions->user_count; user++)
        st = add_user(m, user, err);
    if (st == MQ_OK)
        st = make_vectors(m, pool, err);
    if (st == MQ_OK)
        st = hold_out(m, err);
    return st;
}

enum mq_status
mq_rank_examples_make(const struct mq_actions *actions, int32_t catalogue_count,
                      const struct mq_user_tower *tower,
                      const struct mq_rank_example_options *options, struct mq_pool *pool,
                      struct mq_rank_examples **ret_examples, struct mq_error *err)
{
    if (options->negatives < 1 || options->negatives > 100)
        return mq_fail(err, MQ_E_RANGE, "cannot draw %d stand-ins a play (allowed: 1 to 100)",
                       options->negatives);
    if (!(options->negative_power >= 0 && options->negative_power <= 1) ||
        !(options->holdout >= 0 && options->holdout <= 0.5) || options->max_rows < 1)
        return mq_fail(err, MQ_E_RANGE,
                       "cannot make rank examples with power %g (0 to 1), holdout %g (0 to 0.5), "
                       "%lld rows (1 or more)",
                       options->negative_power, options->holdout, (long long)options->max_rows);
    struct making m = {
        .actions = actions, .options = options, .tower = tower, .item_count = catalogue_count};
    m.examples = calloc(1, sizeof(*m.examples));
    if (m.examples == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate rank examples");
    enum mq_status st = make_examples(&m, pool, err);
    mq_free(m.played);
    mq_free(m.met);
    mq_free(m.heap);
    mq_free(m.time_s);
    mq_free(m.first);
    free(m.vector_user);
    free(m.vector_end);
    if (st != MQ_OK) {
        mq_rank_examples_free(m.examples);
        return st;
    }
    *ret_examples = m.examples;
    return MQ_OK;
}

void
mq_rank_examples_standardise(const struct mq_rank_examples *examples,
                             struct mq_deepfm_field *fields)
{
    double sum[MQ_RANK_DIM] = {0}, square[MQ_RANK_DIM] = {0};
    int64_t count = 0;
    for (int64_t i = 0; i < examples->train_count; i++) {
        const float *x = examples->vectors + (int64_t)examples->vector_row[i] * MQ_RANK_DIM;
        bool known = false;
        for (int d = 0; d < MQ_RANK_DIM; d++)
            known |= x[d] != 0;
        if (!known)
            continue;
        count++;
        for (int d = 0; d < MQ_RANK_DIM; d++) {
            sum[d] += (double)x[d];
            square[d] += (double)x[d] * (double)x[d];
        }
    }
    for (int d = 0; d < MQ_RANK_DIM; d++) {
        double mean = count > 0 ? sum[d] / (double)count : 0;
        double variance = count > 0 ? square[d] / (double)count - mean * mean : 0;
        fields[d].mean = (float)mean;
        fields[d].scale = variance > 1e-12 ? (float)(1 / sqrt(variance)) : 1.0f;
    }
}
