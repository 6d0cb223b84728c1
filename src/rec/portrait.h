/**
 * Portrait: what a user likes, from the plays alone: a score for each value of four properties, the
 * values of the day, and the user tower's vector.
 *
 * Each play adds 1 to every value of the item. Scores halve every `half_life_days`, counted in
 * whole UTC days between plays, so that a sitting of many plays does not wear itself out (the
 * original design multiplied by 0.8 at each click, whatever the time between). `recent` holds the
 * `recent_max` best values, best first, of equals the one played last; `threshold` is the score of
 * its last one while it is full, else 0: what a value must reach to get in. Both follow from the
 * scores, so the list neither grows without bound nor keeps what the user left behind.
 *
 * A portrait is a fold over plays, oldest first: built whole, or continued from `updated_s`, it is
 * the same to the last bit. Values are kept in order of their last play, oldest first; when there
 * are more than `values_max` of a property, the weakest quarter is forgotten.
 *
 * Threads: a portrait belongs to one thread at a time; reads are reentrant.
 */
#ifndef MQ_REC_PORTRAIT_H
#define MQ_REC_PORTRAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "config/options.h"
#include "data/catalogue.h"
#include "marquee/status.h"

/** Category, director, actor, language: the first of enum mq_property. */
#define MQ_PORTRAIT_PROPERTIES 4
/** Most values in `recent`. */
#define MQ_PORTRAIT_RECENT_MAX 64
/** Most values of a property. */
#define MQ_PORTRAIT_VALUES_MAX 4096
/** Length of the user vector. */
#define MQ_PORTRAIT_DIM 32

struct mq_portrait_options {
    double half_life_days; /**< above 0 */
    int32_t recent_max;    /**< 1…MQ_PORTRAIT_RECENT_MAX */
    int32_t values_max;    /**< 4…MQ_PORTRAIT_VALUES_MAX */
};

/** From portrait.* settings. */
void mq_portrait_options_read(const struct mq_config *config,
                              struct mq_portrait_options *ret_options);

struct mq_portrait_value {
    int32_t value;    /**< code of catalogue names[property] */
    uint32_t touched; /**< ascends with the play that touched it last */
    double score;     /**< as of the day of updated_s */
};

struct mq_portrait_property {
    int32_t count;
    size_t capacity;
    struct mq_portrait_value *values; /**< [count]; by `touched` after mq_portrait_finish */
    int32_t *codes; /**< [count] of values[i].value alone: what a play looks through */
    size_t codes_capacity;
    int32_t recent_count;
    int32_t recent[MQ_PORTRAIT_RECENT_MAX]; /**< codes, best first */
    double threshold;
};

/** Zero-initialise; then mq_portrait_release. */
struct mq_portrait {
    struct mq_portrait_property property[MQ_PORTRAIT_PROPERTIES];
    int64_t updated_s; /**< time of the newest play; 0: none yet */
    uint32_t clock;    /**< touches so far */
    uint32_t newest;   /**< first touch of the newest play: values from it on are marked */
    bool has_vector;   /**< false: no tower, or no play */
    float vector[MQ_PORTRAIT_DIM]; /**< the tower's vector; zeros without */
};

void mq_portrait_release(struct mq_portrait *portrait);

/** Forget everything, keep the memory: for the next user. */
void mq_portrait_reset(struct mq_portrait *portrait);

/**
 * Count one play. Plays must come oldest first; one that is older than updated_s counts as if it
 * had happened then. An item without properties changes only the time.
 * @param row catalogue row, in [0, count)
 * @return MQ_OK | MQ_E_NOMEM
 */
enum mq_status mq_portrait_play(struct mq_portrait *portrait, const struct mq_catalogue *catalogue,
                                int32_t row, int64_t time_s,
                                const struct mq_portrait_options *options, struct mq_error *err);

/** Append a value that the property does not hold yet: for decoders. */
enum mq_status mq_portrait_add(struct mq_portrait_property *property, int32_t value,
                               uint32_t touched, double score, struct mq_error *err);

/** Order the values, and derive `recent` and `threshold`. Call after the last play. */
void mq_portrait_finish(struct mq_portrait *portrait, const struct mq_portrait_options *options);

/**
 * Build from a whole history, or continue: plays not newer than updated_s are passed over when
 * `resume` is set. Ends with mq_portrait_finish. The vector is left alone.
 * @param items,times [n], oldest first
 */
enum mq_status mq_portrait_fold(struct mq_portrait *portrait, const struct mq_catalogue *catalogue,
                                const int32_t *items, const uint32_t *times, int64_t n, bool resume,
                                const struct mq_portrait_options *options, struct mq_error *err);

/** Whether a value was touched by the newest play (mark '1'). */
static inline bool
mq_portrait_is_marked(const struct mq_portrait *portrait, const struct mq_portrait_value *value)
{
    return portrait->clock > 0 && value->touched >= portrait->newest;
}

#endif
