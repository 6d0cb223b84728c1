/**
 * The sentences that explain recommendations, in one table: a row a sentence, a column a language.
 * "{title}", "{value}" and "{people}" are replaced. To add a language, add a column (rec/explain.h
 * names it).
 */
#ifndef MQ_REC_REASONS_H
#define MQ_REC_REASONS_H

#include "base/arena.h"
#include "rec/explain.h"

enum mq_reason {
    /* {title}: what the user watched; {value}: what it shares with the item */
    MQ_REASON_CATEGORY = 0, /* the first rows are in the order of enum mq_channel */
    MQ_REASON_DIRECTOR,
    MQ_REASON_ACTOR,
    MQ_REASON_LANGUAGE,
    MQ_REASON_LEVEL,
    MQ_REASON_YEAR,
    MQ_REASON_PORTRAIT_CATEGORY,
    MQ_REASON_PORTRAIT_DIRECTOR,
    MQ_REASON_PORTRAIT_ACTOR,
    MQ_REASON_PORTRAIT_LANGUAGE,
    MQ_REASON_PORTRAIT_UB,
    MQ_REASON_HEAT,
    MQ_REASON_NEW,
    MQ_REASON_TASTE, /* nearest to the user's taste, no title to name */
    MQ_REASON_DIVERSITY,
    /* of the hybrid model (rec/hybrid_reasons.h) */
    MQ_REASON_LIKED,      /* {title} was liked, and who chose it chose the item */
    MQ_REASON_CHOSEN_TOO, /* {title} was watched, and who chose it chose the item */
    MQ_REASON_NEXT,       /* many who watched {title} went on to the item */
    MQ_REASON_CONTENT,    /* {value}: what it shares with {title} */
    MQ_REASON_ALIKE,      /* what is written about {title} and the item is alike */
    MQ_REASON_AGREE,    /* {people}, {value}: films each agrees on; {title}: the rating they give */
    MQ_REASON_RATED,    /* {people}: who rated it; {title}: the mean rating */
    MQ_REASON_TRENDING, /* {value}: users of late */
    /* why not */
    MQ_REASON_SEEN,
    MQ_REASON_TYPE,
    MQ_REASON_ABSENT, /* in the order of enum mq_bar, from its second */
    MQ_REASON_NOT_YET,
    MQ_REASON_EXPIRED,
    MQ_REASON_TERRITORY,
    MQ_REASON_BAR_LEVEL,
    MQ_REASON_NO_CHANNEL, /* {value}: the nearest place it had */
    MQ_REASON_NO_CHANNEL_AT_ALL,
    MQ_REASON_CUT,         /* {value}: its score against the least kept */
    MQ_REASON_BEYOND_LIST, /* {value}: its place and the list's length */
    MQ_REASON_COUNT
};

/** What a sentence is filled with; NULL: nothing. */
struct mq_reason_words {
    const char *title, *value, *people;
};

/** The sentence in the arena; NULL when memory is exhausted. */
const char *mq_reason_sentence(enum mq_reason reason, enum mq_language language,
                               const struct mq_reason_words *words, struct mq_arena *arena);

/** The same of a sentence without people. @param title,value may be NULL */
const char *mq_reason_text(enum mq_reason reason, enum mq_language language, const char *title,
                           const char *value, struct mq_arena *arena);

#endif
