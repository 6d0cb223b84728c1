#include "rec/filter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "rec/score_order.h"
#include "rec/two_places.h"

/* recall points that count as much as a probability of 1 */
#define RECALL_SCALE 40.0

struct mq_filter_scratch {
    int32_t count;
    uint32_t stamp;
    uint32_t *listed;       /* [count] stamp where the row is in the list */
    int32_t category_count; /* values of the catalogue's category */
    int32_t *entries_of;    /* [category_count] listed entries of a category; zero between calls */
    int32_t *config_value;  /* [config categories] code, -1 unknown; by the snapshot */
    int32_t *lacking;       /* [config categories + category_count] codes that picks come from */
    struct mq_score_key *keys; /* by candidate: filter score, and which it is */
    size_t keys_capacity;
};

enum mq_status
mq_filter_scratch_new(const struct mq_snapshot *snapshot, struct mq_filter_scratch **ret_scratch,
                      struct mq_error *err)
{
    const struct mq_catalogue *catalogue = snapshot->catalogue;
    const struct mq_strmap *names = &catalogue->names[MQ_PROPERTY_CATEGORY];
    const struct mq_strmap *wanted = &snapshot->filter.category;
    struct mq_filter_scratch *s = NULL;
    enum mq_status st = mq_alloc_array(1, sizeof(*s), &s, err);
    if (st != MQ_OK)
        return st;
    s->count = catalogue->count;
    s->category_count = names->count;
    st = mq_alloc_array((size_t)s->count, sizeof(*s->listed), &s->listed, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)names->count, sizeof(*s->entries_of), &s->entries_of, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)wanted->count, sizeof(*s->config_value), &s->config_value, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)wanted->count + (size_t)names->count + 1, sizeof(*s->lacking),
                            &s->lacking, err);
    if (st != MQ_OK) {
        mq_filter_scratch_free(s);
        return st;
    }
    for (int32_t i = 0; i < wanted->count; i++)
        s->config_value[i] = mq_strmap_find(names, wanted->keys[i], wanted->sizes[i]);
    *ret_scratch = s;
    return MQ_OK;
}

void
mq_filter_scratch_free(struct mq_filter_scratch *s)
{
    if (s == NULL)
        return;
    mq_free(s->listed);
    mq_free(s->entries_of);
    mq_free(s->config_value);
    mq_free(s->lacking);
    free(s->keys);
    mq_free(s);
}

/* Count the categories of a listed row up or down. */
static void
count_categories(const struct mq_catalogue *catalogue, int32_t row, int32_t by,
                 struct mq_filter_scratch *s)
{
    const int64_t *offset = catalogue->offset[MQ_PROPERTY_CATEGORY];
    for (int64_t k = offset[row]; k < offset[row + 1]; k++)
        s->entries_of[catalogue->value[MQ_PROPERTY_CATEGORY][k]] += by;
}

/* Categories that picks come from: those that the list lacks, then the scarcest it has. */
static int32_t
find_lacking(const struct mq_snapshot *snapshot, const struct mq_list_entry *entries, int32_t count,
             struct mq_filter_scratch *s)
{
    int32_t lacking = 0, scarcest = -1, fewest = INT32_MAX;
    for (int32_t i = 0; i < snapshot->filter.category.count; i++) {
        int32_t value = s->config_value[i];
        if (value < 0)
            continue;
        if (s->entries_of[value] == 0)
            s->lacking[lacking++] = value;
        else if (s->entries_of[value] < fewest) {
            fewest = s->entries_of[value];
            scarcest = value;
        }
    }
    /* Categories that the configuration does not name but the list has, as they are met. */
    const struct mq_catalogue *catalogue = snapshot->catalogue;
    const int64_t *offset = catalogue->offset[MQ_PROPERTY_CATEGORY];
    for (int32_t i = 0; i < count; i++) {
        for (int64_t k = offset[entries[i].item]; k < offset[entries[i].item + 1]; k++) {
            int32_t value = catalogue->value[MQ_PROPERTY_CATEGORY][k];
            if (s->entries_of[value] < fewest) {
                fewest = s->entries_of[value];
                scarcest = value;
            }
        }
    }
    if (scarcest >= 0)
        s->lacking[lacking++] = scarcest;
    return lacking;
}

/* A random row of a category that may still be listed, or -1: a random start, then onwards. */
static int32_t
pick(const struct mq_snapshot *snapshot, enum mq_program_type type, int32_t category,
     const struct mq_recall_scratch *played, const struct mq_filter_scratch *s, struct mq_rng *rng)
{
    int64_t count;
    const int32_t *rows =
        mq_inverted_list_rows(&snapshot->offer[type].list[MQ_PROPERTY_CATEGORY], category, &count);
    if (snapshot->diversity_pool > 0)
        count = MQ_MIN(count, (int64_t)snapshot->diversity_pool);
    if (count == 0)
        return -1;
    int64_t start = mq_rng_below(rng, (uint32_t)count);
    for (int64_t i = 0; i < count; i++) {
        int32_t row = rows[(start + i) % count];
        if (s->listed[row] != s->stamp &&
            !(snapshot->filter_seen && mq_recall_was_played(played, row)))
            return row;
    }
    return -1;
}

enum mq_status
mq_filter(const struct mq_snapshot *snapshot, enum mq_program_type type,
          const struct mq_user_state *user, const struct mq_ranked_candidate *candidates, int32_t n,
          const struct mq_recall_scratch *played, struct mq_filter_scratch *s,
          struct mq_list_entry *ret_entries, int32_t *ret_count, struct mq_filter_counts *counts,
          struct mq_error *err)
{
    const struct mq_catalogue *catalogue = snapshot->catalogue;
    if (++s->stamp == 0) {
        memset(s->listed, 0, sizeof(*s->listed) * (size_t)s->count);
        s->stamp = 1;
    }
    int32_t count = 0;
    enum mq_status st = mq_grow(&s->keys, &s->keys_capacity, (size_t)n + 1, sizeof(*s->keys), err);
    if (st != MQ_OK)
        return st;
    for (int32_t i = 0; i < n; i++) {
        const struct mq_ranked_candidate *c = &candidates[i];
        if (c->item < 0 || c->item >= catalogue->count)
            return mq_fail(err, MQ_E_RANGE, "candidate row %d of user '%.64s' (0 to %d)", c->item,
                           user->id, catalogue->count - 1);
        enum mq_bar bar = (enum mq_bar)snapshot->bar[c->item];
        if (bar == MQ_BAR_NONE && snapshot->filter_seen && mq_recall_was_played(played, c->item))
            bar = MQ_BAR_SEEN;
        if (bar != MQ_BAR_NONE) {
            if (counts != NULL)
                counts->barred[bar]++;
            continue;
        }
        double score =
            fmin(1.0, mq_two_places(c->recall_score) / RECALL_SCALE + mq_two_places(c->prob));
        s->keys[count++] = (struct mq_score_key){mq_two_places(score), i};
    }
    int32_t kept = snapshot->list_max > 0 ? MQ_MIN(count, snapshot->list_max) : count;
    mq_score_select(s->keys, count, kept);
    mq_score_sort(s->keys, kept);
    count = kept;
    for (int32_t i = 0; i < count; i++) {
        const struct mq_ranked_candidate *c = &candidates[s->keys[i].order];
        ret_entries[i] = (struct mq_list_entry){
            .item = c->item,
            .kind = MQ_ENTRY_RECOMMEND,
            .score = s->keys[i].score,
            .channel = c->channel,
            .recall_position = c->recall_position,
            .recall_score = c->recall_score,
            .rank_position = c->rank_position,
            .prob = c->prob,
            .position = i,
            .category = -1,
        };
        s->listed[ret_entries[i].item] = s->stamp;
        count_categories(catalogue, ret_entries[i].item, 1, s);
    }
    int32_t recommended = count, quota = snapshot->filter.category_diversity_count, added = 0;
    if (quota > 0) {
        struct mq_rng rng;
        mq_rng_init(&rng, snapshot->seed + (uint64_t)type,
                    mq_hash_bytes(user->id, strlen(user->id), 0));
        int32_t lacking = find_lacking(snapshot, ret_entries, recommended, s);
        bool found = true;
        while (added < quota && found) {
            found = false;
            for (int32_t i = 0; i < lacking && added < quota; i++) {
                int32_t row = pick(snapshot, type, s->lacking[i], played, s, &rng);
                if (row < 0)
                    continue;
                found = true;
                s->listed[row] = s->stamp;
                ret_entries[count] = (struct mq_list_entry){
                    .item = row,
                    .kind = MQ_ENTRY_DIVERSITY,
                    .channel = -1,
                    .position = count,
                    .category = s->lacking[i],
                };
                count++;
                added++;
            }
        }
        if (counts != NULL)
            counts->picks_missing += quota - added;
    }
    for (int32_t i = 0; i < recommended; i++)
        count_categories(catalogue, ret_entries[i].item, -1, s);
    *ret_count = count;
    return MQ_OK;
}

static char *
append(char *at, const char *text, size_t size)
{
    memcpy(at, text, size);
    return at + size;
}

static char *
append_number(char *at, int32_t number)
{
    char digits[12];
    int count = 0;
    uint32_t n = (uint32_t)number;
    do {
        digits[count++] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    while (count > 0)
        *at++ = digits[--count];
    return at;
}

size_t
mq_trace_format(const struct mq_snapshot *snapshot, const struct mq_list_entry *entry,
                const char *path, char ret_trace[MQ_TRACE_MAX])
{
    size_t path_size = strlen(path);
    char *at = append(ret_trace, path, path_size);
    if (entry->kind == MQ_ENTRY_DIVERSITY) {
        const struct mq_strmap *names = &snapshot->catalogue->names[MQ_PROPERTY_CATEGORY];
        at = append(at, "_diversity_", 11);
        at = append_number(at, entry->position + 1);
        *at++ = '|';
        size_t room = MQ_TRACE_MAX - 1 - (size_t)(at - ret_trace);
        size_t size = MQ_MIN((size_t)names->sizes[entry->category], room);
        /* Never cut a character in two. */
        const char *name = names->keys[entry->category];
        while (size > 0 && size < names->sizes[entry->category] &&
               ((unsigned char)name[size] & 0xc0) == 0x80)
            size--;
        at = append(at, name, size);
    } else {
        const char *method = mq_channel_name((enum mq_channel)entry->channel);
        char number[MQ_TWO_PLACES_MAX];
        *at++ = '_';
        at = append(at, method, strlen(method));
        *at++ = '_';
        at = append_number(at, entry->recall_position);
        *at++ = '|';
        at = append(at, number, MQ_MIN(mq_two_places_format(entry->recall_score, number), 32));
        *at++ = '|';
        at = append(at, path, path_size);
        at = append(at, "_deepfm_", 8);
        at = append_number(at, entry->rank_position);
        *at++ = '|';
        at = append(at, number, MQ_MIN(mq_two_places_format(entry->prob, number), 32));
        *at++ = '|';
        at = append(at, path, path_size);
        at = append(at, "_recommend_", 11);
        at = append_number(at, entry->position);
        *at++ = '|';
        at = append(at, number, MQ_MIN(mq_two_places_format(entry->score, number), 32));
    }
    *at = '\0';
    return (size_t)(at - ret_trace);
}
