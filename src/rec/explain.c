#include "rec/explain.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "math/kernels.h"
#include "rec/reasons.h"
#include "rec/session.h"

static const char *const verdict_names[MQ_VERDICT_COUNT] = {
    "listed", "diversity", "barred", "seen", "not-found", "cut", "filtered"};

const char *
mq_verdict_name(enum mq_verdict verdict)
{
    return verdict_names[verdict];
}

const char *
mq_item_label(const struct mq_catalogue *catalogue, int32_t row, struct mq_arena *arena)
{
    const char *title = catalogue->title[row];
    if (title[0] == '\0')
        return catalogue->ids.keys[row];
    char year[16];
    int size = snprintf(year, sizeof(year), "(%d)", catalogue->year[row]);
    size_t length = strlen(title);
    /* MovieLens titles end in their year already. */
    bool ends = length > (size_t)size && strcmp(title + length - (size_t)size, year) == 0;
    if (catalogue->year[row] == 0 || ends)
        return title;
    return mq_arena_format(arena, "%s %s", title, year);
}

/* A value as people write it: names of people and languages as the catalogue spells them, with
 * capitals where it has none at all. */
const char *
mq_value_label(const struct mq_catalogue *catalogue, enum mq_property p, int32_t value,
               struct mq_arena *arena)
{
    const char *name = catalogue->names[p].keys[value];
    if (p != MQ_PROPERTY_DIRECTOR && p != MQ_PROPERTY_ACTOR && p != MQ_PROPERTY_LANGUAGE)
        return name;
    if (catalogue->spelling[p] != NULL && strcmp(catalogue->spelling[p][value], name) != 0)
        return catalogue->spelling[p][value];
    char *label = mq_arena_copy(arena, name, catalogue->names[p].sizes[value]);
    bool start = true;
    for (char *c = label; c != NULL && *c != '\0'; c++) {
        if (start)
            *c = (char)toupper((unsigned char)*c);
        start = *c == ' ' || *c == '-' || *c == '.';
    }
    return label;
}

static bool
has_value(const struct mq_catalogue *catalogue, enum mq_property p, int32_t row, int32_t value)
{
    for (int64_t k = catalogue->offset[p][row]; k < catalogue->offset[p][row + 1]; k++)
        if (catalogue->value[p][k] == value)
            return true;
    return false;
}

/* The newest play, other than the item itself, that has a value; -1 none. */
static int32_t
newest_with(const struct mq_catalogue *catalogue, const struct mq_user_state *user,
            enum mq_property p, int32_t value, int32_t item)
{
    for (int64_t i = user->play_count - 1; i >= 0; i--) {
        int32_t row = user->items[i];
        if (row >= 0 && row < catalogue->count && row != item &&
            has_value(catalogue, p, row, value))
            return row;
    }
    return -1;
}

/* The play whose vector points most the way of the item's (cosine), newest of equals; -1 none. */
static int32_t
nearest_play(const struct mq_snapshot *snapshot, const struct mq_user_state *user, int32_t item)
{
    if (item >= snapshot->vector_count)
        return -1;
    const struct mq_kernels *k = mq_kernels();
    const float *vector = snapshot->vectors + (size_t)item * MQ_PORTRAIT_DIM;
    int32_t best = -1;
    float best_cosine = 0;
    for (int64_t i = user->play_count - 1; i >= 0; i--) {
        int32_t row = user->items[i];
        if (row < 0 || row >= snapshot->vector_count || row == item)
            continue;
        const float *other = snapshot->vectors + (size_t)row * MQ_PORTRAIT_DIM;
        float norm = sqrtf(k->dot(other, other, MQ_PORTRAIT_DIM));
        float cosine = norm > 0 ? k->dot(vector, other, MQ_PORTRAIT_DIM) / norm : 0;
        if (cosine > best_cosine) {
            best_cosine = cosine;
            best = row;
        }
    }
    return best;
}

/* Sentence of a channel's place. */
static const char *
channel_reason(const struct mq_snapshot *snapshot, const struct mq_user_state *user, int32_t item,
               enum mq_channel channel, int32_t value, enum mq_language language,
               struct mq_arena *arena, int32_t *ret_seed)
{
    const struct mq_catalogue *catalogue = snapshot->catalogue;
    enum mq_reason reason = (enum mq_reason)(MQ_REASON_CATEGORY + (int)channel);
    int32_t seed = -1;
    const char *shared = NULL;
    if (mq_channel_is_property(channel) || mq_channel_is_portrait(channel)) {
        enum mq_property p = mq_channel_property(channel);
        if (value >= 0) {
            seed = newest_with(catalogue, user, p, value, item);
            shared = mq_value_label(catalogue, p, value, arena);
        }
        if (seed < 0)
            reason = MQ_REASON_TASTE;
    } else if (channel == MQ_CHANNEL_PORTRAIT_UB) {
        seed = nearest_play(snapshot, user, item);
        if (seed < 0)
            reason = MQ_REASON_TASTE;
    }
    if (ret_seed != NULL)
        *ret_seed = seed;
    const char *title = seed >= 0 ? mq_item_label(catalogue, seed, arena) : NULL;
    return mq_reason_text(reason, language, title, shared, arena);
}

/* The candidate of a row in the last list, or NULL. */
static const struct mq_candidate *
find_candidate(const struct mq_session *s, int32_t row, int32_t *ret_place)
{
    for (int32_t i = 0; i < s->candidate_count; i++) {
        if (s->candidates[i].item == row) {
            *ret_place = i;
            return &s->candidates[i];
        }
    }
    return NULL;
}

static void find_places(const struct mq_session *s, const struct mq_user_state *user, int32_t item,
                        struct mq_explanation *e);

/*
 * An item that many watch may be near to the user besides: then the sentence names what it has to
 * do with this user, by the shortest list that took it (a director says more than a language).
 */
static const struct mq_channel_place *
personal_place(const struct mq_explanation *e)
{
    const struct mq_channel_place *best = NULL;
    for (int32_t i = 0; i < e->place_count; i++) {
        const struct mq_channel_place *place = &e->places[i];
        if (place->position < place->topn && place->channel != MQ_CHANNEL_HEAT &&
            place->channel != MQ_CHANNEL_NEW && (best == NULL || place->length < best->length))
            best = place;
    }
    return best;
}

const char *
mq_explain_entry(struct mq_session *s, const struct mq_user_state *user,
                 const struct mq_list_entry *entry, enum mq_language language,
                 struct mq_arena *arena, int32_t *ret_seed)
{
    if (entry->kind == MQ_ENTRY_DIVERSITY) {
        if (ret_seed != NULL)
            *ret_seed = -1;
        return mq_reason_text(
            MQ_REASON_DIVERSITY, language, NULL,
            mq_value_label(s->snapshot->catalogue, MQ_PROPERTY_CATEGORY, entry->category, arena),
            arena);
    }
    int32_t at;
    const struct mq_candidate *candidate = find_candidate(s, entry->item, &at);
    enum mq_channel channel = (enum mq_channel)entry->channel;
    int32_t value = candidate != NULL ? candidate->value : -1;
    if (channel == MQ_CHANNEL_HEAT || channel == MQ_CHANNEL_NEW) {
        struct mq_explanation e = {.item = entry->item};
        find_places(s, user, entry->item, &e);
        const struct mq_channel_place *place = personal_place(&e);
        if (place != NULL) {
            channel = place->channel;
            value = place->value;
        }
    }
    return channel_reason(s->snapshot, user, entry->item, channel, value, language, arena,
                          ret_seed);
}

/* Place of an item among the unplayed rows of a list, or -1; *ret_length counts those rows. */
static int32_t
place_in(const struct mq_recall_scratch *played, const int32_t *rows, int64_t count, int32_t item,
         int32_t *ret_length)
{
    int32_t place = -1, length = 0;
    for (int64_t i = 0; i < count; i++) {
        if (rows[i] == item)
            place = length;
        else if (mq_recall_was_played(played, rows[i]))
            continue;
        length++;
    }
    *ret_length = length;
    return place;
}

static void
add_place(struct mq_explanation *e, enum mq_channel channel, int32_t value, int32_t position,
          int32_t length, int32_t topn, double list_score)
{
    if (position < 0 || e->place_count == MQ_PLACES_MAX)
        return;
    e->places[e->place_count++] = (struct mq_channel_place){.channel = channel,
                                                            .value = value,
                                                            .position = position,
                                                            .length = length,
                                                            .topn = topn,
                                                            .list_score = list_score};
}

static void
property_places(const struct mq_session *s, const struct mq_user_state *user, int32_t item,
                const struct mq_recall_method *method, struct mq_explanation *e)
{
    const struct mq_catalogue *catalogue = s->snapshot->catalogue;
    enum mq_channel channel = (enum mq_channel)method->channel;
    enum mq_property p = mq_channel_property(channel);
    const struct mq_inverted_list *list = &s->snapshot->offer[s->type].list[p];
    for (int64_t k = catalogue->offset[p][item]; k < catalogue->offset[p][item + 1]; k++) {
        int32_t value = catalogue->value[p][k];
        if (newest_with(catalogue, user, p, value, item) < 0)
            continue;
        int64_t count;
        int32_t length;
        const int32_t *rows = mq_inverted_list_rows(list, value, &count);
        int32_t place = place_in(s->recall, rows, count, item, &length);
        add_place(e, channel, value, place, length, method->topn, 0);
    }
}

static void
portrait_places(const struct mq_session *s, const struct mq_portrait *portrait, int32_t item,
                const struct mq_recall_method *method, struct mq_explanation *e)
{
    enum mq_channel channel = (enum mq_channel)method->channel;
    enum mq_property p = mq_channel_property(channel);
    const struct mq_portrait_property *property = &portrait->property[p];
    for (int32_t i = 0; i < property->recent_count; i++) {
        int32_t value = property->recent[i];
        if (!has_value(s->snapshot->catalogue, p, item, value))
            continue;
        int64_t count;
        int32_t length;
        const int32_t *rows =
            mq_inverted_list_rows(&s->snapshot->offer[s->type].list[p], value, &count);
        int32_t place = place_in(s->recall, rows, count, item, &length);
        add_place(e, channel, value, place, length, method->topn, 0);
    }
}

static void
vector_place(const struct mq_session *s, const struct mq_portrait *portrait, int32_t item,
             const struct mq_recall_method *method, struct mq_explanation *e)
{
    const struct mq_offer *offer = &s->snapshot->offer[s->type];
    if (!portrait->has_vector || offer->vector_position[item] < 0)
        return;
    const struct mq_kernels *k = mq_kernels();
    const float *own = offer->vectors + (size_t)offer->vector_position[item] * MQ_PORTRAIT_DIM;
    float score = k->dot(portrait->vector, own, MQ_PORTRAIT_DIM);
    int32_t place = 0, length = 0;
    for (int32_t i = 0; i < offer->vector_count; i++) {
        if (offer->vector_row[i] != item && mq_recall_was_played(s->recall, offer->vector_row[i]))
            continue;
        length++;
        place += k->dot(portrait->vector, offer->vectors + (size_t)i * MQ_PORTRAIT_DIM,
                        MQ_PORTRAIT_DIM) > score;
    }
    if (isfinite(score))
        add_place(e, MQ_CHANNEL_PORTRAIT_UB, -1, place, length, method->topn, score);
}

/* Nearer to being taken first. */
static int
compare_places(const void *left, const void *right)
{
    const struct mq_channel_place *a = left, *b = right;
    int32_t gap_a = MQ_MAX(a->position - a->topn + 1, 0);
    int32_t gap_b = MQ_MAX(b->position - b->topn + 1, 0);
    if (gap_a != gap_b)
        return gap_a < gap_b ? -1 : 1;
    if (a->position != b->position)
        return a->position < b->position ? -1 : 1;
    if (a->channel != b->channel)
        return a->channel < b->channel ? -1 : 1;
    return (a->value > b->value) - (a->value < b->value);
}

static void
find_places(const struct mq_session *s, const struct mq_user_state *user, int32_t item,
            struct mq_explanation *e)
{
    const struct mq_offer *offer = &s->snapshot->offer[s->type];
    const struct mq_recall_config *config = &s->snapshot->recall;
    for (int32_t i = 0; i < config->order_count; i++) {
        const struct mq_recall_method *method = &config->method[config->order[i]];
        enum mq_channel channel = (enum mq_channel)method->channel;
        int32_t length;
        if (mq_channel_is_property(channel)) {
            property_places(s, user, item, method, e);
        } else if (channel == MQ_CHANNEL_HEAT) {
            int32_t place = place_in(s->recall, offer->hot, offer->count, item, &length);
            add_place(e, channel, -1, place, length, method->topn, 0);
        } else if (channel == MQ_CHANNEL_NEW) {
            int32_t place = place_in(s->recall, offer->fresh, offer->fresh_count, item, &length);
            add_place(e, channel, -1, place, length, method->topn, 0);
        } else if (user->portrait != NULL) {
            if (channel == MQ_CHANNEL_PORTRAIT_UB)
                vector_place(s, user->portrait, item, method, e);
            else
                portrait_places(s, user->portrait, item, method, e);
        }
    }
    qsort(e->places, (size_t)e->place_count, sizeof(*e->places), compare_places);
}

static const char *
place_text(const struct mq_catalogue *catalogue, const struct mq_channel_place *place,
           struct mq_arena *arena)
{
    const char *value =
        place->value >= 0
            ? mq_value_label(catalogue, mq_channel_property(place->channel), place->value, arena)
            : NULL;
    return mq_arena_format(arena, "%s%s%s%s place %d of %d, which takes %d",
                           mq_channel_name(place->channel), value != NULL ? " (" : "",
                           value != NULL ? value : "", value != NULL ? ")" : "",
                           place->position + 1, place->length, place->topn);
}

/* What a barred item's sentence names. */
static const char *
bar_value(const struct mq_catalogue *catalogue, int32_t item, enum mq_bar bar,
          struct mq_arena *arena)
{
    char instant[MQ_INSTANT_SIZE];
    switch (bar) {
    case MQ_BAR_NOT_YET:
        mq_instant_format(catalogue->available_from[item], instant);
        return mq_arena_format(arena, "%s", instant);
    case MQ_BAR_EXPIRED:
        mq_instant_format(catalogue->available_until[item], instant);
        return mq_arena_format(arena, "%s", instant);
    case MQ_BAR_TERRITORY:
        return catalogue->territories[item];
    case MQ_BAR_LEVEL: {
        const int64_t *offset = catalogue->offset[MQ_PROPERTY_LEVEL];
        if (offset[item] == offset[item + 1])
            return "?";
        int32_t value = catalogue->value[MQ_PROPERTY_LEVEL][offset[item]];
        return catalogue->names[MQ_PROPERTY_LEVEL].keys[value];
    }
    default:
        return NULL;
    }
}

/* Verdict and sentence of an item that is not in the list. */
static void
explain_missing(struct mq_session *s, const struct mq_user_state *user, int32_t item,
                enum mq_language language, struct mq_arena *arena, struct mq_explanation *e)
{
    const struct mq_snapshot *snapshot = s->snapshot;
    const struct mq_catalogue *catalogue = snapshot->catalogue;
    enum mq_bar bar = (enum mq_bar)snapshot->bar[item];
    if (bar != MQ_BAR_NONE) {
        e->verdict = MQ_VERDICT_BARRED;
        e->bar = bar;
        e->reason = mq_reason_text((enum mq_reason)(MQ_REASON_ABSENT + (int)bar - MQ_BAR_ABSENT),
                                   language, NULL, bar_value(catalogue, item, bar, arena), arena);
        return;
    }
    if (catalogue->type[item] != (uint8_t)s->type) {
        e->verdict = MQ_VERDICT_BARRED;
        e->reason = mq_reason_text(
            MQ_REASON_TYPE, language, NULL,
            mq_program_type_name((enum mq_program_type)catalogue->type[item]), arena);
        return;
    }
    if (mq_recall_was_played(s->recall, item)) {
        e->verdict = MQ_VERDICT_SEEN;
        e->bar = MQ_BAR_SEEN;
        e->reason = mq_reason_text(MQ_REASON_SEEN, language, NULL, NULL, arena);
        return;
    }
    find_places(s, user, item, e);
    int32_t place;
    double score;
    const struct mq_candidate *candidate = find_candidate(s, item, &place);
    if (candidate != NULL) {
        const struct mq_ranked_candidate *ranked = &s->ranked[place];
        e->verdict = MQ_VERDICT_FILTERED;
        e->recall_score = candidate->score;
        e->hits = candidate->hits;
        e->entry.channel = candidate->channel;
        e->entry.recall_position = candidate->position;
        e->entry.recall_score = candidate->score;
        e->entry.rank_position = ranked->rank_position;
        e->entry.prob = ranked->prob;
        e->reason = mq_reason_text(
            MQ_REASON_BEYOND_LIST, language, NULL,
            mq_arena_format(arena, "recall %.2f, probability %.2f, the list holds %d",
                            candidate->score, ranked->prob, snapshot->list_max),
            arena);
    } else if (mq_recall_merged(s->recall, item, &score, &e->hits)) {
        e->verdict = MQ_VERDICT_CUT;
        e->recall_score = score;
        e->cut_score = s->candidate_count > 0 ? s->candidates[s->candidate_count - 1].score : 0;
        e->reason =
            mq_reason_text(MQ_REASON_CUT, language, NULL,
                           mq_arena_format(arena, "its score is %.2f, the last of %d kept has %.2f",
                                           score, s->candidate_count, e->cut_score),
                           arena);
    } else {
        e->verdict = MQ_VERDICT_NOT_FOUND;
        e->reason = e->place_count > 0
                        ? mq_reason_text(MQ_REASON_NO_CHANNEL, language, NULL,
                                         place_text(catalogue, &e->places[0], arena), arena)
                        : mq_reason_text(MQ_REASON_NO_CHANNEL_AT_ALL, language, NULL, NULL, arena);
    }
}

/* The stages with their figures, a line each. */
static const char *
stages_text(const struct mq_session *s, const struct mq_explanation *e, struct mq_arena *arena)
{
    char text[4096];
    int used = 0;
    int room = (int)sizeof(text);
#define LINE(...)                                                                                  \
    do {                                                                                           \
        int wrote = snprintf(text + used, (size_t)(room - used), __VA_ARGS__);                     \
        used = wrote < 0 ? used : MQ_MIN(used + wrote, room - 1);                                  \
    } while (0)
    for (int32_t i = 0; i < e->place_count && i < 8; i++) {
        const char *place = place_text(s->snapshot->catalogue, &e->places[i], arena);
        LINE("%schannel: %s", used > 0 ? "\n" : "", place != NULL ? place : "");
    }
    if (e->verdict == MQ_VERDICT_LISTED || e->verdict == MQ_VERDICT_FILTERED) {
        LINE("%srecall:  %s, score %.2f, named by %d lists", used > 0 ? "\n" : "",
             mq_channel_name((enum mq_channel)e->entry.channel), e->recall_score, e->hits);
        LINE("\nrank:    probability %.2f, place %d of %d", e->entry.prob,
             e->entry.rank_position + 1, s->candidate_count);
    } else if (e->verdict == MQ_VERDICT_CUT) {
        LINE("%srecall:  score %.2f, named by %d lists, cut at %.2f", used > 0 ? "\n" : "",
             e->recall_score, e->hits, e->cut_score);
    }
    if (e->verdict == MQ_VERDICT_LISTED || e->verdict == MQ_VERDICT_DIVERSITY)
        LINE("%sfilter:  score %.2f, place %d of %d", used > 0 ? "\n" : "", e->entry.score,
             e->entry.position + 1, s->entry_count);
#undef LINE
    return mq_arena_copy(arena, text, (size_t)used);
}

enum mq_status
mq_explain(struct mq_session *s, enum mq_program_type type, const struct mq_user_state *user,
           int32_t item, enum mq_language language, struct mq_arena *arena,
           struct mq_explanation *ret_explanation, struct mq_error *err)
{
    const struct mq_catalogue *catalogue = s->snapshot->catalogue;
    if (item < 0 || item >= catalogue->count)
        return mq_fail(err, MQ_E_RANGE, "cannot explain row %d (0 to %d)", item,
                       catalogue->count - 1);
    struct mq_recommendation_list list;
    enum mq_status st = mq_recommend(s, type, user, &list, err);
    if (st != MQ_OK)
        return st;
    struct mq_explanation e = {.item = item, .seed_item = -1};
    const struct mq_list_entry *entry = NULL;
    for (int32_t i = 0; i < list.count && entry == NULL; i++)
        if (list.entries[i].item == item)
            entry = &list.entries[i];
    if (entry != NULL) {
        int32_t place;
        const struct mq_candidate *candidate = find_candidate(s, item, &place);
        e.verdict = entry->kind == MQ_ENTRY_RECOMMEND ? MQ_VERDICT_LISTED : MQ_VERDICT_DIVERSITY;
        e.entry = *entry;
        e.hits = candidate != NULL ? candidate->hits : 0;
        e.recall_score = candidate != NULL ? candidate->score : 0;
        find_places(s, user, item, &e);
        e.reason = mq_explain_entry(s, user, entry, language, arena, &e.seed_item);
    } else {
        explain_missing(s, user, item, language, arena, &e);
    }
    e.detail = stages_text(s, &e, arena);
    if (e.reason == NULL || e.detail == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate memory for an explanation");
    *ret_explanation = e;
    return MQ_OK;
}
