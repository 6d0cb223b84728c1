/**
 * Where settings come from, beside flags: marquee.yaml and the environment.
 *
 * Precedence is by source (default < file < environment < flag), not by order of calls; see
 * config/options.h. Every error names file and line, or the variable. Threads: as mq_config.
 */
#ifndef MQ_CONFIG_CONFIG_SOURCES_H
#define MQ_CONFIG_CONFIG_SOURCES_H

#include "config/options.h"

/** Read when no file is named, if it exists. */
#define MQ_CONFIG_DEFAULT_FILE "marquee.yaml"

/** Longest settings file in bytes. */
#define MQ_CONFIG_FILE_MAX (1 << 20)

/**
 * Take settings from a YAML file: a mapping of sections to mappings of keys to scalars.
 * @param path NULL: $MARQUEE_CONFIG if set, else ./marquee.yaml if it exists, else nothing
 * @return MQ_OK | MQ_E_NOT_FOUND | MQ_E_FORMAT (not YAML) | MQ_E_CONFIG (unknown option, bad value)
 */
enum mq_status mq_config_load_file(struct mq_config *config, const char *path,
                                   struct mq_error *err);

/**
 * Take settings from variables MARQUEE_<SECTION>_<KEY> ("MARQUEE_YOUTUBEDNN_EPOCHS"), and the short
 * forms MARQUEE_STORE (store.uri) and MARQUEE_REGION (store.region). Variables that name no option
 * are left alone, but for those whose section exists: they are misspelt and refused.
 * MARQUEE_CONFIG, _NOW, _KERNEL and MARQUEE_TEST_… are read elsewhere.
 *
 * @param environment NULL-terminated "NAME=value" strings, as `environ`
 */
enum mq_status mq_config_load_environment(struct mq_config *config, char *const *environment,
                                          struct mq_error *err);

/** The variable of an option: "store.uri" gives "MARQUEE_STORE_URI". Cut at `size`. */
void mq_config_variable(const char *option, char *ret_name, size_t size);

#endif
