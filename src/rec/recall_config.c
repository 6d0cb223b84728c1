#include "rec/recall_config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "format/pickle_reader.h"
#include "format/pickle_writer.h"

/* The defaults, in the order of the file. */
static const struct {
    const char *name;
    int32_t topn;
    bool by_position;
    double w, b;
    bool has_weight;
} defaults[] = {
    {"category", 10, true, 0.5, 0.2, true},
    {"director", 10, true, 0.5, 0.2, true},
    {"actor", 10, true, 0.5, 0.2, true},
    {"language", 10, true, 0.5, 0.2, true},
    {"level", 10, true, 0.5, 0.2, true},
    {"year", 10, true, 0.5, 0.2, true},
    {"review", 10, false, 0, 0, false},
    {"photo", 10, false, 0, 0, false},
    {"portrait_category", 10, true, 0.5, 0.2, true},
    {"portrait_director", 10, true, 0.5, 0.2, true},
    {"portrait_actor", 10, true, 0.5, 0.2, true},
    {"portrait_language", 10, true, 0.5, 0.2, true},
    {"portrait_ub", 100, true, 0.25, 0.2, true},
    {"heat", 100, true, 0.05, 0.2, true},
    {"new", 10, true, 0.5, 0.2, true},
};

/* Order of work: listed property channels, listed portrait channels, then these where they have a
 * topn. */
static const enum mq_channel last_channels[] = {MQ_CHANNEL_PORTRAIT_UB, MQ_CHANNEL_HEAT,
                                                MQ_CHANNEL_NEW};

static int32_t
find_method(const struct mq_recall_config *config, const char *name, size_t size)
{
    for (int32_t i = 0; i < config->method_count; i++)
        if (strlen(config->method[i].name) == size &&
            memcmp(config->method[i].name, name, size) == 0)
            return i;
    return -1;
}

/* Index of a method, added when new; -1 when it does not fit. */
static int32_t
add_method(struct mq_recall_config *config, const char *name, size_t size)
{
    int32_t i = find_method(config, name, size);
    if (i >= 0)
        return i;
    if (config->method_count == MQ_RECALL_METHODS_MAX || size >= MQ_RECALL_NAME_MAX ||
        memchr(name, '\0', size) != NULL)
        return -1;
    struct mq_recall_method *method = &config->method[config->method_count];
    *method = (struct mq_recall_method){.weight = 1.0};
    memcpy(method->name, name, size);
    method->channel = mq_channel_find(name, size);
    return config->method_count++;
}

static void
enable(struct mq_recall_config *config, int32_t index)
{
    for (int32_t i = 0; i < config->order_count; i++)
        if (config->order[i] == index)
            return;
    config->order[config->order_count++] = index;
}

static void
enable_last(struct mq_recall_config *config)
{
    for (size_t i = 0; i < sizeof(last_channels) / sizeof(last_channels[0]); i++) {
        const char *name = mq_channel_name(last_channels[i]);
        int32_t index = find_method(config, name, strlen(name));
        if (index >= 0 && config->method[index].has_topn)
            enable(config, index);
    }
}

void
mq_recall_config_default(struct mq_recall_config *ret_config)
{
    struct mq_recall_config config = {.merge_cnt = 100, .ps_mt = "ps-sims"};
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
        int32_t index = add_method(&config, defaults[i].name, strlen(defaults[i].name));
        struct mq_recall_method *method = &config.method[index];
        method->has_topn = true;
        method->topn = defaults[i].topn;
        method->by_position = defaults[i].by_position;
        method->w = defaults[i].w;
        method->b = defaults[i].b;
        method->has_weight = defaults[i].has_weight;
        if (method->channel >= 0 && (mq_channel_is_property((enum mq_channel)method->channel) ||
                                     mq_channel_is_portrait((enum mq_channel)method->channel)))
            enable(&config, index);
    }
    enable_last(&config);
    *ret_config = config;
}

const struct mq_recall_method *
mq_recall_config_method(const struct mq_recall_config *config, enum mq_channel channel)
{
    for (int32_t i = 0; i < config->method_count; i++)
        if (config->method[i].channel == (int)channel)
            return &config->method[i];
    return NULL;
}

void
mq_recall_config_set_weight(struct mq_recall_config *config, enum mq_channel channel, double weight)
{
    const char *name = mq_channel_name(channel);
    int32_t i = add_method(config, name, strlen(name));
    if (i >= 0) {
        config->method[i].has_weight = true;
        config->method[i].weight = weight;
    }
}

/* The method that a key names, added; or a failure. */
static enum mq_status
method_of_key(struct mq_recall_config *config, const struct mq_pickle_value *key, const char *where,
              struct mq_recall_method **ret_method, struct mq_error *err)
{
    const char *name;
    size_t size;
    if (!mq_pickle_as_text(key, &name, &size))
        return mq_fail(err, MQ_E_FORMAT,
                       "recall configuration: %s has a %s where a method's name "
                       "is due",
                       where, mq_pickle_kind_name(key));
    int32_t i = add_method(config, name, size);
    if (i < 0)
        return mq_fail(err, MQ_E_RANGE,
                       "recall configuration: %s names method '%.64s' (at most %d methods of "
                       "at most %d bytes)",
                       where, name, MQ_RECALL_METHODS_MAX, MQ_RECALL_NAME_MAX - 1);
    *ret_method = &config->method[i];
    return MQ_OK;
}

static enum mq_status
need_dict(const struct mq_pickle_value *root, const char *key,
          const struct mq_pickle_value **ret_dict, struct mq_error *err)
{
    const struct mq_pickle_value *value = mq_pickle_get(root, key);
    if (value == NULL || value->kind != MQ_PICKLE_DICT)
        return mq_fail(err, MQ_E_FORMAT, "recall configuration: '%s' is %s, a dict is due", key,
                       value == NULL ? "missing" : mq_pickle_kind_name(value));
    *ret_dict = value;
    return MQ_OK;
}

static enum mq_status
read_topn(struct mq_recall_config *config, const struct mq_pickle_value *root, struct mq_error *err)
{
    const struct mq_pickle_value *dict = NULL;
    enum mq_status st = need_dict(root, "mt_topn", &dict, err);
    for (size_t i = 0; st == MQ_OK && i < mq_pickle_count(dict); i++) {
        struct mq_recall_method *method;
        int64_t topn;
        st = method_of_key(config, mq_pickle_key(dict, i), "mt_topn", &method, err);
        if (st != MQ_OK)
            break;
        if (!mq_pickle_as_int(mq_pickle_at(dict, i), &topn) || topn < 0 ||
            topn > MQ_RECALL_TOPN_MAX)
            return mq_fail(err, MQ_E_RANGE,
                           "recall configuration: mt_topn['%s'] is not an int of 0 to %d",
                           method->name, MQ_RECALL_TOPN_MAX);
        method->has_topn = true;
        method->topn = (int32_t)topn;
    }
    return st;
}

static enum mq_status
read_positions(struct mq_recall_config *config, const struct mq_pickle_value *root,
               struct mq_error *err)
{
    const struct mq_pickle_value *dict = NULL;
    enum mq_status st = need_dict(root, "pos_weights", &dict, err);
    for (size_t i = 0; st == MQ_OK && i < mq_pickle_count(dict); i++) {
        struct mq_recall_method *method;
        st = method_of_key(config, mq_pickle_key(dict, i), "pos_weights", &method, err);
        if (st != MQ_OK)
            break;
        const struct mq_pickle_value *pair = mq_pickle_at(dict, i);
        if (!mq_pickle_as_real(mq_pickle_get(pair, "w"), &method->w) ||
            !mq_pickle_as_real(mq_pickle_get(pair, "b"), &method->b) || !(fabs(method->w) <= 1e9) ||
            !(fabs(method->b) <= 1e9))
            return mq_fail(err, MQ_E_RANGE,
                           "recall configuration: pos_weights['%s'] is not {'w': float, 'b': "
                           "float} within ±1e9",
                           method->name);
        method->by_position = true;
    }
    return st;
}

static enum mq_status
read_weights(struct mq_recall_config *config, const struct mq_pickle_value *root,
             struct mq_error *err)
{
    const struct mq_pickle_value *dict = NULL;
    enum mq_status st = need_dict(root, "mt_weights", &dict, err);
    for (size_t i = 0; st == MQ_OK && i < mq_pickle_count(dict); i++) {
        struct mq_recall_method *method;
        st = method_of_key(config, mq_pickle_key(dict, i), "mt_weights", &method, err);
        if (st != MQ_OK)
            break;
        double weight;
        if (!mq_pickle_as_real(mq_pickle_at(dict, i), &weight) || !(weight >= 0) || weight > 1e6)
            return mq_fail(err, MQ_E_RANGE,
                           "recall configuration: mt_weights['%s'] is not a number of 0 to 1e6",
                           method->name);
        method->has_weight = true;
        method->weight = weight;
    }
    return st;
}

/* Enable the channels that a list names, with a prefix. */
static enum mq_status
read_list(struct mq_recall_config *config, const struct mq_pickle_value *root, const char *key,
          const char *prefix, struct mq_error *err)
{
    const struct mq_pickle_value *list = mq_pickle_get(root, key);
    if (list == NULL || (list->kind != MQ_PICKLE_LIST && list->kind != MQ_PICKLE_TUPLE))
        return mq_fail(err, MQ_E_FORMAT, "recall configuration: '%s' is %s, a list is due", key,
                       list == NULL ? "missing" : mq_pickle_kind_name(list));
    for (size_t i = 0; i < mq_pickle_count(list); i++) {
        const char *name;
        size_t size;
        char full[MQ_RECALL_NAME_MAX * 2];
        if (!mq_pickle_as_text(mq_pickle_item(list, i), &name, &size) || size >= MQ_RECALL_NAME_MAX)
            return mq_fail(err, MQ_E_FORMAT, "recall configuration: '%s' holds what is no name",
                           key);
        int length = snprintf(full, sizeof(full), "%s%.*s", prefix, (int)size, name);
        int channel = mq_channel_find(full, (size_t)length);
        if (channel < 0 || channel > MQ_CHANNEL_PORTRAIT_LANGUAGE)
            return mq_fail(err, MQ_E_UNSUPPORTED,
                           "recall configuration: '%s' names '%.*s', which is no such channel", key,
                           (int)size, name);
        int32_t index = add_method(config, full, (size_t)length);
        if (index < 0)
            return mq_fail(err, MQ_E_RANGE, "recall configuration: more than %d methods",
                           MQ_RECALL_METHODS_MAX);
        if (!config->method[index].has_topn)
            return mq_fail(err, MQ_E_FORMAT,
                           "recall configuration: '%s' names '%.*s', but mt_topn['%s'] is missing",
                           key, (int)size, name, full);
        enable(config, index);
    }
    return MQ_OK;
}

enum mq_status
mq_recall_config_read(struct mq_reader *reader, struct mq_recall_config *ret_config,
                      struct mq_error *err)
{
    struct mq_arena arena = {0};
    const struct mq_pickle_limits limits = {.memory_bytes = (size_t)16 << 20};
    const struct mq_pickle_value *root;
    struct mq_recall_config config = {.merge_cnt = 100, .ps_mt = "ps-sims"};
    enum mq_status st = mq_pickle_read(reader, &limits, &arena, &root, err);
    if (st == MQ_OK)
        st = read_topn(&config, root, err);
    if (st == MQ_OK)
        st = read_positions(&config, root, err);
    if (st == MQ_OK)
        st = read_weights(&config, root, err);
    if (st == MQ_OK)
        st = read_list(&config, root, "pop_mt_list", "", err);
    if (st == MQ_OK)
        st = read_list(&config, root, "portrait_mt_list", "portrait_", err);
    const struct mq_pickle_value *merge_cnt = mq_pickle_get(st == MQ_OK ? root : NULL, "merge_cnt");
    int64_t count = config.merge_cnt;
    if (st == MQ_OK && merge_cnt != NULL &&
        (!mq_pickle_as_int(merge_cnt, &count) || count < 1 || count > MQ_RECALL_MERGE_MAX))
        st = mq_fail(err, MQ_E_RANGE, "recall configuration: merge_cnt is not an int of 1 to %d",
                     MQ_RECALL_MERGE_MAX);
    if (st == MQ_OK) {
        const char *text;
        size_t size;
        if (mq_pickle_as_text(mq_pickle_get(root, "ps_mt"), &text, &size))
            snprintf(config.ps_mt, sizeof(config.ps_mt), "%s", text);
        config.merge_cnt = (int32_t)count;
        enable_last(&config);
        *ret_config = config;
    }
    mq_arena_release(&arena);
    return st;
}

static void
write_list(struct mq_pickle_writer *pickle, const struct mq_recall_config *config, const char *key,
           bool portrait)
{
    mq_pickle_put_string(pickle, key);
    mq_pickle_begin_list(pickle);
    for (int32_t i = 0; i < config->order_count; i++) {
        const struct mq_recall_method *method = &config->method[config->order[i]];
        enum mq_channel channel = (enum mq_channel)method->channel;
        if (portrait && mq_channel_is_portrait(channel))
            mq_pickle_put_string(pickle, method->name + strlen("portrait_"));
        else if (!portrait && mq_channel_is_property(channel))
            mq_pickle_put_string(pickle, method->name);
    }
    mq_pickle_end(pickle);
}

enum mq_status
mq_recall_config_write(const struct mq_recall_config *config, struct mq_writer *writer,
                       struct mq_error *err)
{
    struct mq_pickle_writer *pickle;
    enum mq_status st = mq_pickle_writer_new(writer, &pickle, err);
    if (st != MQ_OK)
        return st;
    mq_pickle_begin_dict(pickle);
    mq_pickle_put_string(pickle, "mt_topn");
    mq_pickle_begin_dict(pickle);
    for (int32_t i = 0; i < config->method_count; i++) {
        if (config->method[i].has_topn) {
            mq_pickle_put_string(pickle, config->method[i].name);
            mq_pickle_put_int(pickle, config->method[i].topn);
        }
    }
    mq_pickle_end(pickle);
    mq_pickle_put_string(pickle, "pos_weights");
    mq_pickle_begin_dict(pickle);
    for (int32_t i = 0; i < config->method_count; i++) {
        if (config->method[i].by_position) {
            mq_pickle_put_string(pickle, config->method[i].name);
            mq_pickle_begin_dict(pickle);
            mq_pickle_put_string(pickle, "w");
            mq_pickle_put_real(pickle, config->method[i].w);
            mq_pickle_put_string(pickle, "b");
            mq_pickle_put_real(pickle, config->method[i].b);
            mq_pickle_end(pickle);
        }
    }
    mq_pickle_end(pickle);
    mq_pickle_put_string(pickle, "mt_weights");
    mq_pickle_begin_dict(pickle);
    for (int32_t i = 0; i < config->method_count; i++) {
        if (config->method[i].has_weight) {
            mq_pickle_put_string(pickle, config->method[i].name);
            mq_pickle_put_real(pickle, config->method[i].weight);
        }
    }
    mq_pickle_end(pickle);
    write_list(pickle, config, "pop_mt_list", false);
    write_list(pickle, config, "portrait_mt_list", true);
    mq_pickle_put_string(pickle, "merge_cnt");
    mq_pickle_put_int(pickle, config->merge_cnt);
    mq_pickle_put_string(pickle, "ps_mt");
    mq_pickle_put_string(pickle, config->ps_mt);
    mq_pickle_end(pickle);
    st = mq_pickle_finish(pickle, err);
    mq_pickle_writer_free(pickle);
    return st;
}
