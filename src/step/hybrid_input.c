#include "step/hybrid_input.h"

#include <string.h>

#include "base/memory.h"

/* "rating|play" to bits 1 << enum mq_event_kind. */
static enum mq_status
parse_kinds(const char *text, unsigned *ret_kinds, struct mq_error *err)
{
    static const enum mq_event_kind kinds[] = {MQ_EVENT_RATING, MQ_EVENT_PLAY, MQ_EVENT_CLICK,
                                               MQ_EVENT_ADD_TO_LIST};
    *ret_kinds = 0;
    for (const char *at = text; *at != '\0';) {
        size_t n = strcspn(at, "|"), k = 0;
        while (k < MQ_COUNT(kinds) && !(strlen(mq_event_kind_name(kinds[k])) == n &&
                                        memcmp(mq_event_kind_name(kinds[k]), at, n) == 0))
            k++;
        if (k == MQ_COUNT(kinds))
            return mq_fail(err, MQ_E_CONFIG,
                           "hybrid.events names '%.*s' (allowed, joined by '|': rating, play, "
                           "click, add-to-list)",
                           (int)MQ_MIN(n, (size_t)40), at);
        *ret_kinds |= 1u << kinds[k];
        at += n + (at[n] == '|');
    }
    return *ret_kinds != 0 ? MQ_OK : mq_fail(err, MQ_E_CONFIG, "hybrid.events is empty");
}

enum mq_status
mq_hybrid_input_load(struct mq_object_store *store, const char *region,
                     const struct mq_config *config, const char *scratch, const char *date,
                     struct mq_hybrid_input *ret_input, struct mq_error *err)
{
    struct mq_hybrid_input input = {0};
    struct mq_sql_options engine = mq_sql_options_from(config, scratch);
    struct mq_sql *sql = NULL;
    struct mq_rating_load_options options = {
        .date = date, .choice_rating = (float)mq_config_real(config, "hybrid.choice_rating")};
    enum mq_status st = parse_kinds(mq_config_text(config, "hybrid.events"), &options.kinds, err);
    if (st == MQ_OK)
        st = mq_catalogue_load(store, region, &input.catalogue, err);
    options.catalogue = input.catalogue;
    if (st == MQ_OK)
        st = mq_sql_open(&engine, &sql, err);
    if (st == MQ_OK)
        st = mq_rating_load(sql, store, region, &options, &input.ratings, &input.figures, err);
    mq_sql_free(sql);
    if (st == MQ_OK)
        *ret_input = input;
    else
        mq_hybrid_input_release(&input);
    return st;
}

void
mq_hybrid_input_release(struct mq_hybrid_input *input)
{
    mq_rating_matrix_free(input->ratings);
    mq_catalogue_free(input->catalogue);
    *input = (struct mq_hybrid_input){0};
}
