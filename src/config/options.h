/**
 * Settings: typed values by name, from one table (options.def), each remembering where it came
 * from. Later sources win only when stronger: default < marquee.yaml < environment < flag.
 *
 * Threads: set up by one thread at start, then read by all.
 */
#ifndef MQ_CONFIG_OPTIONS_H
#define MQ_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/name_form.h"
#include "marquee/status.h"

enum mq_option_type { MQ_OPTION_INT, MQ_OPTION_REAL, MQ_OPTION_FLAG, MQ_OPTION_TEXT };

/** Where a value came from, weakest first. */
enum mq_option_source { MQ_FROM_DEFAULT = 0, MQ_FROM_FILE, MQ_FROM_ENVIRONMENT, MQ_FROM_FLAG };

/** One row of the table. All text is static. */
struct mq_option {
    const char *name; /**< "section.key" */
    enum mq_option_type type;
    int64_t int_default, int_min, int_max;
    double real_default, real_min, real_max;
    const char *text_default;
    const char *choices;    /**< "a|b|c" or NULL */
    enum mq_name_form form; /**< of a text without choices */
    const char *unit;       /**< "" where none */
    const char *help;
};

struct mq_config;

/** All options in table order. @param ret_count may be NULL */
const struct mq_option *mq_option_table(size_t *ret_count);

/** A configuration holding the defaults. */
enum mq_status mq_config_new(struct mq_config **ret_config, struct mq_error *err);
/** NULL allowed. */
void mq_config_free(struct mq_config *config);

/**
 * Set an option from text, checked against its type and range. Ignored when a stronger source set
 * it already.
 * @param place for messages: "flag --store", "marquee.yaml line 3", "environment MARQUEE_…"
 * @return MQ_OK | MQ_E_CONFIG (unknown name, malformed or out of range; names the nearest option)
 */
enum mq_status mq_config_set(struct mq_config *config, const char *name, const char *text,
                             enum mq_option_source source, const char *place, struct mq_error *err);

/** Typed reads. An unknown name or wrong type is a bug of the caller (asserted in debug builds). */
int64_t mq_config_int(const struct mq_config *config, const char *name);
double mq_config_real(const struct mq_config *config, const char *name);
bool mq_config_flag(const struct mq_config *config, const char *name);
/** Borrowed until the option is set again or the configuration freed. */
const char *mq_config_text(const struct mq_config *config, const char *name);

/** The value as text (borrowed from `scratch`) without secrets (base/redact.h), its source and
 * place. False for an unknown name. */
bool mq_config_describe(const struct mq_config *config, const char *name, char *scratch,
                        size_t scratch_size, enum mq_option_source *ret_source,
                        const char **ret_place);

#endif
