#include "config/options.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/edit_distance.h"
#include "base/memory.h"
#include "base/redact.h"

#define OPTION_INT(n, d, lo, hi, u, h)                                                             \
    {.name = n,                                                                                    \
     .type = MQ_OPTION_INT,                                                                        \
     .int_default = d,                                                                             \
     .int_min = lo,                                                                                \
     .int_max = hi,                                                                                \
     .unit = u,                                                                                    \
     .help = h},
#define OPTION_REAL(n, d, lo, hi, u, h)                                                            \
    {.name = n,                                                                                    \
     .type = MQ_OPTION_REAL,                                                                       \
     .real_default = d,                                                                            \
     .real_min = lo,                                                                               \
     .real_max = hi,                                                                               \
     .unit = u,                                                                                    \
     .help = h},
#define OPTION_FLAG(n, d, h)                                                                       \
    {.name = n, .type = MQ_OPTION_FLAG, .int_default = d, .unit = "", .help = h},
#define OPTION_TEXT(n, d, c, h)                                                                    \
    {.name = n, .type = MQ_OPTION_TEXT, .text_default = d, .choices = c, .unit = "", .help = h},
#define OPTION_NAME(n, d, f, h)                                                                    \
    {.name = n, .type = MQ_OPTION_TEXT, .text_default = d, .form = f, .unit = "", .help = h},

static const struct mq_option table[] = {
#include "config/options.def"
};

struct value {
    int64_t integer;
    double real;
    char *text; /* owned; NULL: the default */
    enum mq_option_source source;
    char *place; /* owned */
};

struct mq_config {
    struct value values[MQ_COUNT(table)];
};

const struct mq_option *
mq_option_table(size_t *ret_count)
{
    if (ret_count != NULL)
        *ret_count = MQ_COUNT(table);
    return table;
}

static int
find_option(const char *name)
{
    for (size_t i = 0; i < MQ_COUNT(table); i++)
        if (strcmp(table[i].name, name) == 0)
            return (int)i;
    return -1;
}

enum mq_status
mq_config_new(struct mq_config **ret_config, struct mq_error *err)
{
    struct mq_config *config = calloc(1, sizeof(*config));
    if (config == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the configuration");
    for (size_t i = 0; i < MQ_COUNT(table); i++) {
        config->values[i].integer = table[i].int_default;
        config->values[i].real = table[i].real_default;
    }
    *ret_config = config;
    return MQ_OK;
}

void
mq_config_free(struct mq_config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < MQ_COUNT(table); i++) {
        free(config->values[i].text);
        free(config->values[i].place);
    }
    free(config);
}

/* NULL: none is near. */
static const char *
nearest_name(const char *name)
{
    const char *best = NULL;
    size_t least = strlen(name) / 3 + 1; /* further away is no help */
    for (size_t i = 0; i < MQ_COUNT(table); i++) {
        size_t d = mq_edit_distance(name, table[i].name);
        if (d < least) {
            least = d;
            best = table[i].name;
        }
    }
    return best;
}

static bool
is_choice(const char *choices, const char *text)
{
    size_t length = strlen(text);
    for (const char *p = choices; p != NULL; p = strchr(p, '|')) {
        if (*p == '|')
            p++;
        if (strncmp(p, text, length) == 0 && (p[length] == '|' || p[length] == '\0'))
            return true;
    }
    return false;
}

static enum mq_status
parse_flag(const char *text, int64_t *ret_value)
{
    static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no",
                                                                                "off", "0"};
    for (size_t i = 0; i < MQ_COUNT(yes); i++) {
        if (strcmp(text, yes[i]) == 0)
            return *ret_value = 1, MQ_OK;
        if (strcmp(text, no[i]) == 0)
            return *ret_value = 0, MQ_OK;
    }
    return MQ_E_CONFIG;
}

enum mq_status
mq_config_set(struct mq_config *config, const char *name, const char *text,
              enum mq_option_source source, const char *place, struct mq_error *err)
{
    int index = find_option(name);
    if (index < 0) {
        mq_fail(err, MQ_E_CONFIG, "%s: unknown option '%s'", place, name);
        const char *nearest = nearest_name(name);
        if (nearest != NULL)
            mq_error_hint(err, "did you mean '%s'? see `marquee config --explain`", nearest);
        else
            mq_error_hint(err, "see the names in `marquee config --explain`");
        return MQ_E_CONFIG;
    }
    const struct mq_option *option = &table[index];
    struct value *value = &config->values[index];
    if (source < value->source)
        return MQ_OK;
    struct value parsed = {.integer = value->integer, .real = value->real};
    char *end = NULL;
    errno = 0;
    switch (option->type) {
    case MQ_OPTION_INT:
        parsed.integer = strtoll(text, &end, 10);
        if (end == text || *end != '\0' || errno != 0 || parsed.integer < option->int_min ||
            parsed.integer > option->int_max)
            return mq_fail(err, MQ_E_CONFIG,
                           "%s: %s is '%s' (allowed: a whole number from %" PRId64 " to %" PRId64
                           "%s%s)",
                           place, name, text, option->int_min, option->int_max,
                           *option->unit ? " " : "", option->unit);
        break;
    case MQ_OPTION_REAL:
        parsed.real = strtod(text, &end);
        if (end == text || *end != '\0' || !isfinite(parsed.real) ||
            parsed.real < option->real_min || parsed.real > option->real_max)
            return mq_fail(err, MQ_E_CONFIG, "%s: %s is '%s' (allowed: a number from %g to %g%s%s)",
                           place, name, text, option->real_min, option->real_max,
                           *option->unit ? " " : "", option->unit);
        break;
    case MQ_OPTION_FLAG:
        if (parse_flag(text, &parsed.integer) != MQ_OK)
            return mq_fail(err, MQ_E_CONFIG, "%s: %s is '%s' (allowed: true or false)", place, name,
                           text);
        break;
    case MQ_OPTION_TEXT:
        if (option->choices != NULL && !is_choice(option->choices, text))
            return mq_fail(err, MQ_E_CONFIG, "%s: %s is '%s' (allowed: %s)", place, name, text,
                           option->choices);
        if (!mq_name_fits(option->form, text))
            return mq_fail(err, MQ_E_CONFIG, "%s: %s is '%.200s' (allowed: %s)", place, name, text,
                           mq_name_form_text(option->form));
        if ((parsed.text = mq_strdup(text)) == NULL)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate the value of %s", name);
        break;
    }
    parsed.source = source;
    parsed.place = mq_strdup(place);
    if (parsed.place == NULL) {
        free(parsed.text);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the value of %s", name);
    }
    free(value->text);
    free(value->place);
    *value = parsed;
    return MQ_OK;
}

static int
require_option(const char *name, enum mq_option_type type)
{
    int index = find_option(name);
    assert(index >= 0 && "unknown option name");
    assert(table[index].type == type && "option read as another type");
    (void)type;
    return index;
}

int64_t
mq_config_int(const struct mq_config *config, const char *name)
{
    return config->values[require_option(name, MQ_OPTION_INT)].integer;
}

double
mq_config_real(const struct mq_config *config, const char *name)
{
    return config->values[require_option(name, MQ_OPTION_REAL)].real;
}

bool
mq_config_flag(const struct mq_config *config, const char *name)
{
    return config->values[require_option(name, MQ_OPTION_FLAG)].integer != 0;
}

const char *
mq_config_text(const struct mq_config *config, const char *name)
{
    int index = require_option(name, MQ_OPTION_TEXT);
    const char *text = config->values[index].text;
    return text != NULL ? text : table[index].text_default;
}

/* URIs and properties may hold secrets, and this is for people to see. */
static void
describe_text(const struct mq_option *option, const char *text, char *scratch, size_t size)
{
    static const char *const uris[] = {"store.uri", "features.store", "events.log"};
    for (size_t i = 0; i < MQ_COUNT(uris); i++) {
        if (strcmp(option->name, uris[i]) == 0) {
            mq_redact_uri(text, scratch, size);
            return;
        }
    }
    if (strcmp(option->name, "kafka.properties") == 0)
        mq_redact_properties(text, scratch, size);
    else
        snprintf(scratch, size, "%s", text);
}

bool
mq_config_describe(const struct mq_config *config, const char *name, char *scratch,
                   size_t scratch_size, enum mq_option_source *ret_source, const char **ret_place)
{
    int index = find_option(name);
    if (index < 0)
        return false;
    const struct value *value = &config->values[index];
    switch (table[index].type) {
    case MQ_OPTION_INT:
        snprintf(scratch, scratch_size, "%" PRId64, value->integer);
        break;
    case MQ_OPTION_REAL:
        snprintf(scratch, scratch_size, "%g", value->real);
        break;
    case MQ_OPTION_FLAG:
        snprintf(scratch, scratch_size, "%s", value->integer ? "true" : "false");
        break;
    case MQ_OPTION_TEXT:
        describe_text(&table[index], value->text != NULL ? value->text : table[index].text_default,
                      scratch, scratch_size);
        break;
    }
    *ret_source = value->source;
    *ret_place = value->place != NULL ? value->place : "default";
    return true;
}
