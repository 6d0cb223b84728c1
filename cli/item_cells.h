/** Cells of tables that list programmes, from the JSON of an answer. Threads: main. */
#ifndef MQ_CLI_ITEM_CELLS_H
#define MQ_CLI_ITEM_CELLS_H

#include <jansson.h>

#include "cli/command.h"
#include "cli/terminal_table.h"

/** Text of a member, "" where it is none. Borrowed. */
const char *mq_cli_text_of(const json_t *object, const char *key);

/** "Heat (1995)", or the id where the title is unknown. */
void mq_cli_title_cell(struct mq_table *table, const json_t *item);

/** Print {"items": [{"item", "title", "year", "similarity"}]}. */
enum mq_status mq_cli_print_similar(struct mq_cli *cli, const json_t *answer, struct mq_error *err);

#endif
