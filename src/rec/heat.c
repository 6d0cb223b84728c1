#include "rec/heat.h"

#include <math.h>
#include <string.h>

#include "format/pickle_reader.h"
#include "format/pickle_writer.h"

double
mq_heat_decay(double age_s, double half_life_s)
{
    return age_s > 0 ? exp2(-age_s / half_life_s) : 1.0;
}

static double
usable(double x)
{
    return isfinite(x) && x > 0 ? x : 0.0;
}

void
mq_heat_compute(int64_t count, const double *plays, const double *exposures, double prior,
                double *ret_heat)
{
    double sum_plays = 0, sum_shown = 0;
    for (int64_t i = 0; i < count; i++) {
        double p = usable(plays[i]);
        sum_plays += p;
        sum_shown += fmax(p, usable(exposures[i]));
    }
    double mean = sum_shown > 0 ? sum_plays / sum_shown : 0;
    for (int64_t i = 0; i < count; i++) {
        double p = usable(plays[i]), e = fmax(p, usable(exposures[i]));
        double rate = e + prior > 0 ? (p + prior * mean) / (e + prior) : 0;
        ret_heat[i] = mean > 0 ? p * (rate / mean) : 0;
    }
}

enum mq_status
mq_heat_write(const struct mq_catalogue *catalogue, const double *heat, struct mq_writer *writer,
              struct mq_error *err)
{
    struct mq_pickle_writer *pickle;
    enum mq_status st = mq_pickle_writer_new(writer, &pickle, err);
    if (st != MQ_OK)
        return st;
    mq_pickle_begin_dict(pickle);
    for (int32_t row = 0; row < catalogue->count; row++) {
        if (!catalogue->present[row])
            continue;
        mq_pickle_put_text(pickle, catalogue->ids.keys[row], catalogue->ids.sizes[row]);
        mq_pickle_put_real(pickle, heat[row]);
    }
    mq_pickle_end(pickle);
    st = mq_pickle_finish(pickle, err);
    mq_pickle_writer_free(pickle);
    return st;
}

struct heat_read {
    const struct mq_catalogue *catalogue;
    double *heat;
};

static enum mq_status
heat_entry(void *context, const struct mq_pickle_value *key, const struct mq_pickle_value *value,
           struct mq_error *err)
{
    struct heat_read *read = context;
    const char *id;
    size_t size;
    double heat;
    if (!mq_pickle_as_text(key, &id, &size) || !mq_pickle_as_real(value, &heat))
        return mq_fail(err, MQ_E_FORMAT, "item heat: expected {str: float}, found a %s under a %s",
                       mq_pickle_kind_name(value), mq_pickle_kind_name(key));
    if (!isfinite(heat) || heat < 0)
        return mq_fail(err, MQ_E_FORMAT, "item heat of '%.64s' is %g (at least 0, finite)", id,
                       heat);
    int32_t row = mq_strmap_find(&read->catalogue->ids, id, size);
    if (row >= 0)
        read->heat[row] = heat;
    return MQ_OK;
}

enum mq_status
mq_heat_read(const struct mq_catalogue *catalogue, struct mq_reader *reader, double *ret_heat,
             struct mq_error *err)
{
    memset(ret_heat, 0, sizeof(*ret_heat) * (size_t)catalogue->count);
    struct heat_read read = {catalogue, ret_heat};
    return mq_pickle_stream(reader, NULL, heat_entry, &read, NULL, err);
}
