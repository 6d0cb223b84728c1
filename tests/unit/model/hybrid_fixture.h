/** A small hybrid model, trained on ratings by chance. */
#ifndef MQ_TESTS_HYBRID_FIXTURE_H
#define MQ_TESTS_HYBRID_FIXTURE_H

#include "../rec/catalogue_fixture.h"

#include <stdio.h>

#include "base/pool.h"
#include "base/rng.h"
#include "model/hybrid_train.h"

enum { USERS = 30, ITEMS = 12, NOW = 1773100800 };

static const struct fixture_item films[ITEMS] = {
    {"1", "Heat", .year = 1995, .property = {"crime"}},
    {"2", "Collateral", .year = 2004, .property = {"crime"}},
    {"3", "Toy Story", .year = 1995, .property = {"family"}},
    {"4", "Toy Story 2", .year = 1999, .property = {"family"}},
    {"5", "Alien", .year = 1979, .property = {"horror"}},
    {"6", "Aliens", .year = 1986, .property = {"horror"}},
    {"7", "Big", .year = 1988, .property = {"comedy"}},
    {"8", "Clue", .year = 1985, .property = {"comedy"}},
    {"9", "Speed", .year = 1994, .property = {"action"}},
    {"10", "Ronin", .year = 1998, .property = {"action"}},
    {"11", "Ran", .year = 1985, .property = {"drama"}},
    {"12", "New", .year = 2025, .property = {"drama"}},
};

/* Ratings by chance of all films but the last, with ids. */
static inline struct mq_rating_matrix *
make_ratings(uint64_t seed)
{
    int32_t user[USERS * 6], item[USERS * 6], code;
    float rating[USERS * 6];
    uint32_t time_s[USERS * 6];
    struct mq_strmap users = {0}, items = {0};
    struct mq_error err = {0};
    struct mq_rng rng;
    mq_rng_init(&rng, seed, 0);
    for (int32_t i = 0; i < ITEMS; i++)
        check_ok(mq_strmap_add_text(&items, films[i].id, &code, &err));
    for (int32_t u = 0; u < USERS; u++) {
        char id[16];
        snprintf(id, sizeof(id), "u%d", (int)u);
        check_ok(mq_strmap_add_text(&users, id, &code, &err));
        for (int k = 0; k < 6; k++) {
            int at = (int)u * 6 + k;
            user[at] = u;
            item[at] = (int32_t)mq_rng_below(&rng, ITEMS - 1);
            rating[at] = (float)(1 + mq_rng_below(&rng, 5));
            time_s[at] = (uint32_t)(NOW - 86400 * 10 + at * 60);
        }
    }
    struct mq_rating_matrix *matrix = NULL;
    check_ok(mq_rating_matrix_build(
        &(struct mq_rating_list){(int64_t)USERS * 6, user, item, rating, time_s}, USERS, ITEMS,
        &users, &items, &matrix, &err));
    return matrix;
}

/* @param form of neighbours, as in the settings */
static inline struct mq_hybrid *
make_hybrid_in_form(struct mq_pool *pool, uint64_t seed, const char *form)
{
    struct mq_error err = {0};
    struct mq_config *config;
    check_ok(mq_config_new(&config, &err));
    const char *const settings[][2] = {
        {"hybrid.methods", "item-based|user-based|content|mf|ease|sequence|popular"},
        {"hybrid.neighbours", "5"},
        {"hybrid.content_neighbours", "4"},
        {"hybrid.factors", "8"},
        {"hybrid.neighbour_form", form},
        {"hybrid.threshold", "0.9"},
    };
    for (size_t i = 0; i < MQ_COUNT(settings); i++)
        check_ok(mq_config_set(config, settings[i][0], settings[i][1], MQ_FROM_FLAG, "test", &err));
    struct mq_hybrid_options options;
    struct mq_hybrid_report report;
    struct mq_hybrid *hybrid = NULL;
    struct mq_catalogue *catalogue = fixture_catalogue(films, ITEMS);
    check_ok(mq_hybrid_options_read(config, &options, &err));
    check_ok(mq_hybrid_train(make_ratings(seed), catalogue, &options, NOW, 7, pool, &hybrid,
                             &report, &err));
    for (int m = 0; m < MQ_METHOD_COUNT; m++)
        hybrid->blend[m] = (float)(m + 1) / 8;
    mq_catalogue_free(catalogue);
    mq_config_free(config);
    return hybrid;
}

static inline struct mq_hybrid *
make_hybrid(struct mq_pool *pool, uint64_t seed)
{
    return make_hybrid_in_form(pool, seed, "tuned");
}

#endif
