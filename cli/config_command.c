#include "config/options.h"

#include <inttypes.h>
#include <jansson.h>

#include "cli/command.h"
#include "cli/option_form.h"
#include "cli/terminal_table.h"

static const char *const source_names[] = {"default", "file", "environment", "flag"};

static json_t *
option_json(const struct mq_config *config, const struct mq_option *option)
{
    char value[4096], range[256];
    enum mq_option_source source;
    const char *place;
    mq_config_describe(config, option->name, value, sizeof(value), &source, &place);
    mq_option_form_range(option, range, sizeof(range));
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "option", option->name, "value",
                     value, "source", source_names[source], "place", place, "type",
                     mq_option_form_type(option), "allowed", range, "unit", option->unit, "help",
                     option->help);
}

static enum mq_status
run(struct mq_cli *cli, struct mq_error *err)
{
    size_t count;
    const struct mq_option *table = mq_option_table(&count);
    if (cli->json) {
        json_t *array = json_array();
        for (size_t i = 0; i < count; i++)
            json_array_append_new(array, option_json(cli->config, &table[i]));
        return mq_cli_print_json(cli, array, err);
    }
    bool explain = mq_cli_given(cli, "--explain");
    struct mq_table text = {0};
    mq_table_column(&text, "option", false);
    mq_table_column(&text, "value", false);
    mq_table_column(&text, "source", false);
    if (explain) {
        mq_table_column(&text, "allowed", false);
        mq_table_column(&text, "what it does", false);
    }
    for (size_t i = 0; i < count; i++) {
        char value[4096], range[256];
        enum mq_option_source source;
        const char *place;
        mq_config_describe(cli->config, table[i].name, value, sizeof(value), &source, &place);
        mq_table_cell(&text, "%s", table[i].name);
        mq_table_cell(&text, "%s", value);
        mq_table_cell(&text, "%s", place);
        if (explain) {
            mq_option_form_range(&table[i], range, sizeof(range));
            mq_table_cell(&text, "%s", range);
            mq_table_cell(&text, "%s", table[i].help);
        }
    }
    enum mq_status st = mq_table_print(&text, cli->out, cli->colour, err);
    mq_table_release(&text);
    return st;
}

const struct mq_command mq_command_config = {
    .name = "config",
    .summary = "print the settings in force and where each came from",
    .help =
        "Settings come from flags (--set, --store, …), then the environment "
        "(MARQUEE_SECTION_KEY, and MARQUEE_STORE, MARQUEE_REGION for short), then marquee.yaml, "
        "then the defaults: the first that sets an option wins.",
    .flags =
        (const struct mq_flag[]){
            {.name = "--explain", .help = "also print what each option allows and does"}, {0}},
    .examples =
        (const struct mq_example[]){{"marquee config --explain", "every option there is"}, {0}},
    .run = run,
};
