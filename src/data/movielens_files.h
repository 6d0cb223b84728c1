/**
 * Reading MovieLens' and HetRec's files into arrays, before they become an input (movielens.h).
 * Threads: one set, one thread.
 */
#ifndef MQ_DATA_MOVIELENS_FILES_H
#define MQ_DATA_MOVIELENS_FILES_H

#include <stdint.h>

#include "base/arena.h"
#include "base/strmap.h"
#include "data/input_stage.h"

/** What is known of a film. Texts borrowed from the set's arena, NULL where unknown. */
struct mq_movielens_film {
    const char *title, *genres, *director, *country, *score, *poster;
    const char *actors[5]; /**< MQ_HETREC_ACTORS_MAX by billing */
    int32_t billing[5];    /**< of actors, lowest first */
    int32_t year;          /**< 0 unknown */
    bool listed;           /**< in the set's own film file */
};

struct mq_movielens_set {
    const char *name; /**< "ml-1m", "ml-100k", "ml-latest"; NULL: no ratings seen */
    bool has_metadata;
    struct mq_arena text;
    struct mq_strmap users, films; /**< ids by row */
    /* Ratings in file order. */
    int64_t count;
    int32_t *user, *film; /**< [count] rows of users, films */
    float *rating;        /**< [count] */
    uint32_t *time_s;     /**< [count] */
    size_t user_capacity, film_capacity, rating_capacity, time_capacity;
    /* By row of films; grown by mq_movielens_film. */
    struct mq_movielens_film *films_known;
    size_t films_capacity;
    int32_t films_used;
    int32_t *film_order; /**< rows of listed films in file order */
    size_t order_capacity;
    int32_t listed_count;
    /* By row of users; [profile_count] in file order. */
    struct mq_input_user *profiles;
    size_t profile_capacity;
    int64_t profile_count;
    const char *genre_names[32]; /**< of ml-100k's flags */
};

/** Read all known files of a zip or folder. */
enum mq_status mq_movielens_read(struct mq_movielens_set *set, const char *path,
                                 struct mq_error *err);
void mq_movielens_release(struct mq_movielens_set *set);

#endif
