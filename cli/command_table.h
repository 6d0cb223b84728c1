/**
 * All commands, and look-up by name with "did you mean". Threads: static data.
 */
#ifndef MQ_CLI_COMMAND_TABLE_H
#define MQ_CLI_COMMAND_TABLE_H

#include <stddef.h>

#include "cli/command.h"

/** Longest command name ("import movielens") with NUL. */
#define MQ_COMMAND_NAME_MAX 64

/** Rows in the order of cli/commands.def. */
const struct mq_command *const *mq_command_table(size_t *ret_count);

/** Row with exactly this name, or NULL. */
const struct mq_command *mq_command_find(const char *name);

/** Whether `word` is the first of two-word names ("import"). */
bool mq_command_is_group(const char *word);

/** The group's default command, or NULL. */
const struct mq_command *mq_command_group_default(const char *group);

/** Row of a global flag or of the command's, by "--name"; NULL: none. @param command may be NULL */
const struct mq_flag *mq_command_flag(const struct mq_command *command, const char *name);

/** Row by letter, as above. */
const struct mq_flag *mq_command_flag_letter(const struct mq_command *command, char letter);

/** The command whose name is closest, for messages; NULL: none is near. */
const char *mq_command_nearest(const char *name);

/** The flag whose name is closest, or NULL when none is near. */
const char *mq_command_nearest_flag(const struct mq_command *command, const char *name);

#endif
