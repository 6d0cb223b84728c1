#include "cli/item_cells.h"

#include <string.h>

const char *
mq_cli_text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

void
mq_cli_title_cell(struct mq_table *table, const json_t *item)
{
    const char *title = mq_cli_text_of(item, "title");
    if (*title == '\0')
        title = mq_cli_text_of(item, "item");
    const json_t *year = json_object_get(item, "year");
    /* Many catalogues carry the year in the title already. */
    char suffix[32] = "";
    if (json_is_integer(year))
        snprintf(suffix, sizeof(suffix), "(%lld)", (long long)json_integer_value(year));
    bool repeat = *suffix == '\0' || strstr(title, suffix) != NULL;
    mq_table_cell(table, "%s%s%s", title, repeat ? "" : " ", repeat ? "" : suffix);
}

enum mq_status
mq_cli_print_similar(struct mq_cli *cli, const json_t *answer, struct mq_error *err)
{
    struct mq_table table = {0};
    mq_table_column(&table, "item", false);
    mq_table_column(&table, "title", false);
    mq_table_column(&table, "similarity", true);
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(answer, "items"), i, item)
    {
        mq_table_cell(&table, "%s", mq_cli_text_of(item, "item"));
        mq_cli_title_cell(&table, item);
        mq_table_cell(&table, "%.3f", json_number_value(json_object_get(item, "similarity")));
    }
    enum mq_status st = mq_table_print(&table, cli->out, cli->colour, err);
    mq_table_release(&table);
    return st;
}
