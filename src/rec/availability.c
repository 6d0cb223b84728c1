#include "rec/availability.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char *const bar_names[MQ_BAR_COUNT] = {"none",      "absent", "not-yet", "expired",
                                                    "territory", "level",  "seen"};

const char *
mq_bar_name(enum mq_bar bar)
{
    return bar_names[bar];
}

/* "A | b" into lower-case, trimmed entries. */
static enum mq_status
split_list(const char *text, struct mq_strmap *map, struct mq_error *err)
{
    while (*text != '\0') {
        size_t size = strcspn(text, "|");
        const char *begin = text, *end = text + size;
        while (begin < end && isspace((unsigned char)*begin))
            begin++;
        while (end > begin && isspace((unsigned char)end[-1]))
            end--;
        char lower[256];
        size_t length = (size_t)(end - begin);
        if (length >= sizeof(lower))
            return mq_fail(err, MQ_E_CONFIG, "a level of %zu bytes is longer than the allowed %zu",
                           length, sizeof(lower) - 1);
        for (size_t i = 0; i < length; i++)
            lower[i] = (char)tolower((unsigned char)begin[i]);
        int32_t code;
        enum mq_status st = length > 0 ? mq_strmap_add(map, lower, length, &code, err) : MQ_OK;
        if (st != MQ_OK)
            return st;
        text += size + (text[size] == '|');
    }
    return MQ_OK;
}

enum mq_status
mq_availability_read(const struct mq_config *config, int64_t now_s,
                     struct mq_availability *ret_rules, struct mq_error *err)
{
    struct mq_availability rules = {.now_s = now_s};
    const char *territory = mq_config_text(config, "filter.territory");
    if (strlen(territory) >= sizeof(rules.territory) || strchr(territory, '|') != NULL)
        return mq_fail(err, MQ_E_CONFIG,
                       "filter.territory is '%.80s': expected one territory of at most %zu bytes",
                       territory, sizeof(rules.territory) - 1);
    snprintf(rules.territory, sizeof(rules.territory), "%s", territory);
    enum mq_status st =
        split_list(mq_config_text(config, "filter.levels_allowed"), &rules.levels_allowed, err);
    if (st == MQ_OK)
        st =
            split_list(mq_config_text(config, "filter.levels_blocked"), &rules.levels_blocked, err);
    if (st != MQ_OK) {
        mq_availability_release(&rules);
        return st;
    }
    *ret_rules = rules;
    return MQ_OK;
}

void
mq_availability_release(struct mq_availability *rules)
{
    if (rules == NULL)
        return;
    mq_strmap_release(&rules->levels_allowed);
    mq_strmap_release(&rules->levels_blocked);
}

static bool
names_territory(const char *list, const char *territory)
{
    size_t want = strlen(territory);
    while (*list != '\0') {
        size_t size = strcspn(list, "|");
        const char *begin = list, *end = list + size;
        while (begin < end && *begin == ' ')
            begin++;
        while (end > begin && end[-1] == ' ')
            end--;
        if ((size_t)(end - begin) == want && strncasecmp(begin, territory, want) == 0)
            return true;
        list += size + (list[size] == '|');
    }
    return false;
}

enum mq_bar
mq_availability_check(const struct mq_availability *rules, const struct mq_catalogue *catalogue,
                      int32_t row)
{
    if (!catalogue->present[row])
        return MQ_BAR_ABSENT;
    if (rules->now_s < catalogue->available_from[row])
        return MQ_BAR_NOT_YET;
    if (rules->now_s >= catalogue->available_until[row])
        return MQ_BAR_EXPIRED;
    const char *territories = catalogue->territories[row];
    if (rules->territory[0] != '\0' && territories[0] != '\0' &&
        !names_territory(territories, rules->territory))
        return MQ_BAR_TERRITORY;
    if (rules->levels_allowed.count == 0 && rules->levels_blocked.count == 0)
        return MQ_BAR_NONE;
    const struct mq_strmap *names = &catalogue->names[MQ_PROPERTY_LEVEL];
    const int64_t *offset = catalogue->offset[MQ_PROPERTY_LEVEL];
    if (rules->levels_allowed.count > 0 && offset[row] == offset[row + 1])
        return MQ_BAR_LEVEL;
    for (int64_t k = offset[row]; k < offset[row + 1]; k++) {
        int32_t value = catalogue->value[MQ_PROPERTY_LEVEL][k];
        if (mq_strmap_find(&rules->levels_blocked, names->keys[value], names->sizes[value]) >= 0)
            return MQ_BAR_LEVEL;
        if (rules->levels_allowed.count > 0 &&
            mq_strmap_find(&rules->levels_allowed, names->keys[value], names->sizes[value]) < 0)
            return MQ_BAR_LEVEL;
    }
    return MQ_BAR_NONE;
}
