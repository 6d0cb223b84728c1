/**
 * Files made from the command and option tables: man pages, shell completions, reference pages.
 * Each is written into a buffer; `marquee generate` puts them into folders. Threads: reentrant.
 */
#ifndef MQ_CLI_GENERATED_FILES_H
#define MQ_CLI_GENERATED_FILES_H

#include "base/buffer.h"
#include "cli/command.h"

/** marquee(1): all commands, global flags, settings, files, exit status. */
enum mq_status mq_man_overview(struct mq_buffer *buffer, struct mq_error *err);
/** marquee-run(1). */
enum mq_status mq_man_command(const struct mq_command *command, struct mq_buffer *buffer,
                              struct mq_error *err);

enum mq_shell { MQ_SHELL_BASH, MQ_SHELL_ZSH, MQ_SHELL_FISH };

/** Completion script of a shell. */
enum mq_status mq_completion_script(enum mq_shell shell, struct mq_buffer *buffer,
                                    struct mq_error *err);

/** docs/cli/README.md, docs/cli/<command>.md, docs/config.md. */
enum mq_status mq_page_commands(struct mq_buffer *buffer, struct mq_error *err);
enum mq_status mq_page_command(const struct mq_command *command, struct mq_buffer *buffer,
                               struct mq_error *err);
enum mq_status mq_page_options(struct mq_buffer *buffer, struct mq_error *err);

/** Values that complete a flag or positional: its choices, or the steps for "STEP"; NULL: none. */
const char *mq_completion_values(const char *choices, const char *placeholder);

/** "import-movielens" for "import movielens". Cut at `size`. */
void mq_command_file_name(const struct mq_command *command, char *ret_name, size_t size);

#endif
