#include "rec/filter_config.h"

#include <string.h>

#include "format/pickle_reader.h"
#include "format/pickle_writer.h"

#define DEFAULT_DIVERSITY 5

void
mq_filter_config_release(struct mq_filter_config *config)
{
    if (config == NULL)
        return;
    mq_strmap_release(&config->category);
    config->category_diversity_count = 0;
}

enum mq_status
mq_filter_config_default(const struct mq_catalogue *catalogue, struct mq_filter_config *ret_config,
                         struct mq_error *err)
{
    const struct mq_strmap *names = &catalogue->names[MQ_PROPERTY_CATEGORY];
    struct mq_filter_config config = {.category_diversity_count = DEFAULT_DIVERSITY};
    for (int32_t i = 0; i < names->count && i < MQ_FILTER_CATEGORIES_MAX; i++) {
        int32_t code;
        enum mq_status st =
            mq_strmap_add(&config.category, names->keys[i], names->sizes[i], &code, err);
        if (st != MQ_OK) {
            mq_filter_config_release(&config);
            return st;
        }
    }
    *ret_config = config;
    return MQ_OK;
}

static enum mq_status
read_root(const struct mq_pickle_value *root, struct mq_filter_config *config, struct mq_error *err)
{
    int64_t count;
    enum mq_status st = mq_pickle_need_int(root, "category_diversity_count", &count, err);
    if (st != MQ_OK)
        return mq_fail_context(err, st, "filter configuration");
    if (count < 0 || count > MQ_DIVERSITY_MAX)
        return mq_fail(err, MQ_E_RANGE,
                       "filter configuration: category_diversity_count is %lld (0 to %d)",
                       (long long)count, MQ_DIVERSITY_MAX);
    config->category_diversity_count = (int32_t)count;
    const struct mq_pickle_value *list = mq_pickle_get(root, "category");
    if (list == NULL || (list->kind != MQ_PICKLE_LIST && list->kind != MQ_PICKLE_TUPLE))
        return mq_fail(err, MQ_E_FORMAT, "filter configuration: 'category' is %s, a list is due",
                       list == NULL ? "missing" : mq_pickle_kind_name(list));
    if (mq_pickle_count(list) > MQ_FILTER_CATEGORIES_MAX)
        return mq_fail(err, MQ_E_RANGE, "filter configuration: more than %d categories",
                       MQ_FILTER_CATEGORIES_MAX);
    for (size_t i = 0; i < mq_pickle_count(list); i++) {
        const char *text;
        size_t size;
        int32_t code;
        if (!mq_pickle_as_text(mq_pickle_item(list, i), &text, &size))
            return mq_fail(err, MQ_E_FORMAT, "filter configuration: category %zu is a %s", i,
                           mq_pickle_kind_name(mq_pickle_item(list, i)));
        if ((st = mq_strmap_add(&config->category, text, size, &code, err)) != MQ_OK)
            return st;
    }
    return MQ_OK;
}

enum mq_status
mq_filter_config_read(struct mq_reader *reader, struct mq_filter_config *ret_config,
                      struct mq_error *err)
{
    struct mq_arena arena = {0};
    const struct mq_pickle_limits limits = {.memory_bytes = (size_t)64 << 20};
    const struct mq_pickle_value *root;
    struct mq_filter_config config = {0};
    enum mq_status st = mq_pickle_read(reader, &limits, &arena, &root, err);
    if (st == MQ_OK)
        st = read_root(root, &config, err);
    if (st == MQ_OK)
        *ret_config = config;
    else
        mq_filter_config_release(&config);
    mq_arena_release(&arena);
    return st;
}

enum mq_status
mq_filter_config_write(const struct mq_filter_config *config, struct mq_writer *writer,
                       struct mq_error *err)
{
    struct mq_pickle_writer *pickle;
    enum mq_status st = mq_pickle_writer_new(writer, &pickle, err);
    if (st != MQ_OK)
        return st;
    mq_pickle_begin_dict(pickle);
    mq_pickle_put_string(pickle, "category");
    mq_pickle_begin_list(pickle);
    for (int32_t i = 0; i < config->category.count; i++)
        mq_pickle_put_text(pickle, config->category.keys[i], config->category.sizes[i]);
    mq_pickle_end(pickle);
    mq_pickle_put_string(pickle, "category_diversity_count");
    mq_pickle_put_int(pickle, config->category_diversity_count);
    mq_pickle_end(pickle);
    st = mq_pickle_finish(pickle, err);
    mq_pickle_writer_free(pickle);
    return st;
}
