#include "rec/channel_weights.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

#define ROUNDS_MAX 200
#define PRIOR_LEAST 1.0
#define PRIOR_MOST 1e6

void
mq_channel_weight_options_read(const struct mq_config *config,
                               struct mq_channel_weight_options *ret_options)
{
    ret_options->window_s = mq_config_real(config, "weights.window_hours") * 3600.0;
    ret_options->min_expected = mq_config_real(config, "weights.min_expected");
    ret_options->lower = mq_config_real(config, "weights.lower");
    ret_options->upper = mq_config_real(config, "weights.upper");
    ret_options->max_step = mq_config_real(config, "weights.max_step");
}

int
mq_trace_channel(const char *trace)
{
    size_t size = strcspn(trace, "|");
    const char *begin = memchr(trace, '_', size);
    if (begin == NULL)
        return -1;
    begin++;
    const char *end = trace + size;
    const char *last = end;
    while (last > begin && last[-1] >= '0' && last[-1] <= '9')
        last--;
    if (last == end || last == begin || last[-1] != '_')
        return -1;
    return mq_channel_find(begin, (size_t)(last - 1 - begin));
}

/*
 * Users' actions are in time order. Walking them backwards, next_play[item] is the first play after
 * the action at hand; taking it away when an exposure claims it leaves each play to the latest
 * exposure before it. An exposure and a play of one second are both ways round in logs, so a play
 * that stands just before an exposure of the same second counts too: such plays are put in front.
 */
enum mq_status
mq_channel_tally_add(struct mq_channel_tally *tally, const struct mq_actions *actions,
                     int32_t item_count, int64_t begin, int64_t end,
                     const struct mq_channel_weight_options *options, struct mq_error *err)
{
    if (actions->kind == NULL || actions->trace == NULL || actions->position == NULL)
        return MQ_OK;
    mq_autofree int64_t *next_play = NULL; /* time of it, 0 none */
    mq_autofree int64_t *owner = NULL;     /* user + 1 for whom next_play holds */
    mq_autofree int8_t *channels = NULL;   /* channel of each trace, -1 none */
    enum mq_status st = mq_alloc_array((size_t)item_count, sizeof(*next_play), &next_play, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)item_count, sizeof(*owner), &owner, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)actions->traces.count, sizeof(*channels), &channels, err);
    if (st != MQ_OK)
        return st;
    for (int32_t t = 0; t < actions->traces.count; t++)
        channels[t] = (int8_t)mq_trace_channel(actions->traces.keys[t]);
    for (int64_t user = begin; user < end; user++) {
        int64_t last = actions->offset[user + 1] - 1, first = actions->offset[user];
        while (last >= first) {
            /* A second's actions: its plays first, then its exposures. */
            int64_t from = last;
            while (from > first && actions->time_s[from - 1] == actions->time_s[last])
                from--;
            for (int64_t i = from; i <= last; i++) {
                if (actions->kind[i] == MQ_ACTION_PLAY) {
                    next_play[actions->item[i]] = actions->time_s[i];
                    owner[actions->item[i]] = user + 1;
                }
            }
            for (int64_t i = last; i >= from; i--) {
                if (actions->kind[i] != MQ_ACTION_EXPOSURE)
                    continue;
                int32_t item = actions->item[i];
                int32_t trace = actions->trace[i];
                int channel = trace >= 0 ? channels[trace] : -1;
                bool claimed = owner[item] == user + 1 &&
                               (double)(next_play[item] - actions->time_s[i]) <= options->window_s;
                if (claimed)
                    owner[item] = 0;
                if (channel < 0) {
                    tally->untraced++;
                    continue;
                }
                int place = actions->position[i];
                if (place < 0 || place >= MQ_WEIGHT_PLACES)
                    place = MQ_WEIGHT_PLACES - 1;
                tally->shown[channel][place]++;
                tally->played[channel][place] += claimed;
            }
            last = from - 1;
        }
    }
    return MQ_OK;
}

void
mq_channel_tally_merge(struct mq_channel_tally *a, const struct mq_channel_tally *b)
{
    for (int c = 0; c < MQ_CHANNEL_COUNT; c++) {
        for (int p = 0; p < MQ_WEIGHT_PLACES; p++) {
            a->shown[c][p] += b->shown[c][p];
            a->played[c][p] += b->played[c][p];
        }
    }
    a->untraced += b->untraced;
}

/* Alternate until the rates rest: plays = θ_place · λ_channel · shown. Leaves expected and rate. */
static void
fit(const struct mq_channel_tally *tally, struct mq_channel_evidence *evidence)
{
    double theta[MQ_WEIGHT_PLACES] = {0};
    for (int c = 0; c < MQ_CHANNEL_COUNT; c++)
        evidence[c].rate = evidence[c].shown > 0 ? 1 : 0;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        for (int p = 0; p < MQ_WEIGHT_PLACES; p++) {
            double played = 0, shown = 0;
            for (int c = 0; c < MQ_CHANNEL_COUNT; c++) {
                played += (double)tally->played[c][p];
                shown += evidence[c].rate * (double)tally->shown[c][p];
            }
            theta[p] = shown > 0 ? played / shown : 0;
        }
        double change = 0, sum_played = 0, sum_expected = 0;
        for (int c = 0; c < MQ_CHANNEL_COUNT; c++) {
            double expected = 0;
            for (int p = 0; p < MQ_WEIGHT_PLACES; p++)
                expected += theta[p] * (double)tally->shown[c][p];
            evidence[c].expected = expected;
            double rate = expected > 0 ? (double)evidence[c].played / expected : 0;
            change = fmax(change, fabs(rate - evidence[c].rate));
            evidence[c].rate = rate;
            sum_played += (double)evidence[c].played;
            sum_expected += expected;
        }
        /* Only the product of the two factors is determined: λ has mean 1 over what was expected.
         */
        double scale = sum_played > 0 && sum_expected > 0 ? sum_expected / sum_played : 1;
        for (int c = 0; c < MQ_CHANNEL_COUNT; c++) {
            evidence[c].rate *= scale;
            evidence[c].expected /= scale;
        }
        if (change < 1e-10)
            break;
    }
}

/* Log marginal likelihood of plays ~ Poisson(λ·expected), λ ~ Gamma(a, a), up to a constant. */
static double
marginal(const struct mq_channel_evidence *evidence, double a)
{
    double sum = 0;
    for (int c = 0; c < MQ_CHANNEL_COUNT; c++) {
        double k = (double)evidence[c].played, e = evidence[c].expected;
        if (e > 0)
            sum += lgamma(k + a) - lgamma(a) + a * log(a / (a + e)) + k * log(e / (a + e));
    }
    return sum;
}

/* The a of the greatest marginal likelihood, by golden section over log a. */
static double
choose_prior(const struct mq_channel_evidence *evidence)
{
    const double ratio = 0.6180339887498949;
    double low = log(PRIOR_LEAST), high = log(PRIOR_MOST);
    double x1 = high - ratio * (high - low), x2 = low + ratio * (high - low);
    double f1 = marginal(evidence, exp(x1)), f2 = marginal(evidence, exp(x2));
    for (int i = 0; i < 100; i++) {
        if (f1 > f2) {
            high = x2;
            x2 = x1;
            f2 = f1;
            x1 = high - ratio * (high - low);
            f1 = marginal(evidence, exp(x1));
        } else {
            low = x1;
            x1 = x2;
            f1 = f2;
            x2 = low + ratio * (high - low);
            f2 = marginal(evidence, exp(x2));
        }
    }
    return exp((low + high) / 2);
}

void
mq_channel_weights_update(const struct mq_channel_tally *tally,
                          const struct mq_channel_weight_options *options,
                          struct mq_recall_config *config,
                          struct mq_channel_evidence ret_evidence[MQ_CHANNEL_COUNT],
                          double *ret_prior)
{
    struct mq_channel_evidence *evidence = ret_evidence;
    memset(evidence, 0, sizeof(*evidence) * MQ_CHANNEL_COUNT);
    for (int c = 0; c < MQ_CHANNEL_COUNT; c++) {
        for (int p = 0; p < MQ_WEIGHT_PLACES; p++) {
            evidence[c].shown += tally->shown[c][p];
            evidence[c].played += tally->played[c][p];
        }
        const struct mq_recall_method *method = mq_recall_config_method(config, (enum mq_channel)c);
        evidence[c].before = method != NULL ? method->weight : 1.0;
        evidence[c].after = evidence[c].before;
    }
    fit(tally, evidence);
    double prior = choose_prior(evidence);
    for (int c = 0; c < MQ_CHANNEL_COUNT; c++) {
        struct mq_channel_evidence *e = &evidence[c];
        e->shrunk = ((double)e->played + prior) / (e->expected + prior);
        if (e->shown == 0 || e->expected < options->min_expected ||
            mq_recall_config_method(config, (enum mq_channel)c) == NULL)
            continue;
        double step = 1.0 + options->max_step;
        double weight = fmin(fmax(e->shrunk, e->before / step), e->before * step);
        e->after = fmin(fmax(weight, options->lower), options->upper);
        mq_recall_config_set_weight(config, (enum mq_channel)c, e->after);
    }
    if (ret_prior != NULL)
        *ret_prior = prior;
}
