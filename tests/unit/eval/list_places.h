/** Lists of the films of hybrid_fixture.h, and the figures of a system that made them, by hand. */
#ifndef MQ_TESTS_LIST_PLACES_H
#define MQ_TESTS_LIST_PLACES_H

#include "../model/hybrid_fixture.h"

#include <math.h>

#include "eval/evaluation_report.h"

enum { CUTS = 3 };
static const int32_t cuts[CUTS] = {1, 3, 5};

/* Places of held-out films, from 1; 0: not in the list. */
struct places {
    int count;
    int at[USERS];
    bool shown[CUTS][ITEMS]; /* in any list, within a cut */
};

static inline void
check_figures(const struct mq_eval_system *system, const struct places *p)
{
    assert_non_null(system);
    assert_true(system->has_ranking);
    for (int c = 0; c < CUTS; c++) {
        double hits = 0, ndcg = 0, mrr = 0, covered = 0;
        for (int i = 0; i < p->count; i++) {
            if (p->at[i] == 0 || p->at[i] > cuts[c])
                continue;
            hits++;
            ndcg += 1 / log2(1 + p->at[i]);
            mrr += 1.0 / p->at[i];
        }
        for (int i = 0; i < ITEMS; i++)
            covered += p->shown[c][i];
        const struct mq_eval_figure *f = system->figure[c];
        double hit_rate = f[MQ_FIGURE_HIT_RATE].value.value;
        if (fabs(hit_rate - hits / p->count) > 1e-9)
            fail_msg("%s: hit rate at %d is %g, by hand %g", system->name, (int)cuts[c], hit_rate,
                     hits / p->count);
        assert_float_equal(f[MQ_FIGURE_RECALL].value.value, hits / p->count, 1e-9);
        assert_float_equal(f[MQ_FIGURE_PRECISION].value.value, hits / p->count / cuts[c], 1e-9);
        assert_float_equal(f[MQ_FIGURE_NDCG].value.value, ndcg / p->count, 1e-9);
        assert_float_equal(f[MQ_FIGURE_MRR].value.value, mrr / p->count, 1e-9);
        assert_float_equal(system->coverage[c].value.value, covered / ITEMS, 1e-9);
    }
}

static inline void
add_list(struct places *p, const int32_t *items, int32_t count, int32_t right)
{
    p->at[p->count] = 0;
    for (int32_t i = 0; i < count; i++) {
        if (items[i] == right)
            p->at[p->count] = i + 1;
        for (int c = 0; c < CUTS; c++)
            p->shown[c][items[i]] = p->shown[c][items[i]] || i < cuts[c];
    }
    p->count++;
}

#endif
