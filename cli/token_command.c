#include <jansson.h>
#include <string.h>

#include "cli/command.h"
#include "cli/terminal_table.h"
#include "serve/tokens.h"

static const char *
path_of(const struct mq_cli *cli)
{
    return mq_config_text(cli->config, "serve.tokens");
}

/* All scopes of --scope, which may be given several times or hold a list. */
static enum mq_status
wanted_scopes(const struct mq_cli *cli, uint32_t *ret_scopes, struct mq_error *err)
{
    int count;
    const char *const *values = mq_cli_values(cli, "--scope", &count);
    uint32_t scopes = 0;
    for (int i = 0; i < count; i++) {
        uint32_t more;
        enum mq_status st = mq_scopes_parse(values[i], &more, err);
        if (st != MQ_OK)
            return st;
        scopes |= more;
    }
    if (scopes == 0)
        return mq_cli_usage(cli, err,
                            "a token needs a --scope (events:write, recommend:read, admin)");
    *ret_scopes = scopes;
    return MQ_OK;
}

static enum mq_status
run_create(struct mq_cli *cli, struct mq_error *err)
{
    uint32_t scopes = 0;
    char token[MQ_TOKEN_SIZE], id[MQ_TOKEN_ID_SIZE];
    enum mq_status st = wanted_scopes(cli, &scopes, err);
    if (st == MQ_OK)
        st = mq_token_create(path_of(cli), mq_cli_positional(cli, 0), scopes, token, id, err);
    if (st != MQ_OK)
        return st;
    if (cli->json)
        return mq_cli_print_json(cli, json_pack("{s:s, s:s}", "id", id, "token", token), err);
    fprintf(cli->out, "%s\n", token);
    if (!cli->quiet)
        fprintf(stderr, "This is shown once. A running server takes it after: kill -HUP PID\n");
    return MQ_OK;
}

static json_t *
scope_list(uint32_t scopes)
{
    json_t *list = json_array();
    for (int i = 0; i < MQ_SCOPE_COUNT; i++)
        if (scopes >> i & 1)
            json_array_append_new(list, json_string(mq_scope_name(UINT32_C(1) << i)));
    return list;
}

static enum mq_status
print_tokens(struct mq_cli *cli, const struct mq_tokens *tokens, struct mq_error *err)
{
    struct mq_table table = {0};
    mq_table_column(&table, "ID", false);
    mq_table_column(&table, "NAME", false);
    mq_table_column(&table, "SCOPES", false);
    mq_table_column(&table, "MADE", false);
    for (int i = 0; i < tokens->count; i++) {
        const struct mq_token_row *row = &tokens->rows[i];
        char scopes[128] = "";
        for (int k = 0; k < MQ_SCOPE_COUNT; k++) {
            size_t n = strlen(scopes);
            if (row->scopes >> k & 1)
                snprintf(scopes + n, sizeof(scopes) - n, "%s%s", n > 0 ? "," : "",
                         mq_scope_name(UINT32_C(1) << k));
        }
        mq_table_cell(&table, "%s", row->id);
        mq_table_cell(&table, "%s", row->name);
        mq_table_cell(&table, "%s", scopes);
        mq_table_cell(&table, "%s", row->created);
    }
    enum mq_status st = mq_table_print(&table, cli->out, true, err);
    mq_table_release(&table);
    return st;
}

static enum mq_status
run_list(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_tokens *tokens;
    enum mq_status st = mq_tokens_load(path_of(cli), &tokens, err);
    if (st != MQ_OK)
        return st;
    if (cli->json) {
        json_t *list = json_array();
        for (int i = 0; i < tokens->count; i++) {
            const struct mq_token_row *row = &tokens->rows[i];
            json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:s}", "id", row->id, "name",
                                                  row->name, "scopes", scope_list(row->scopes),
                                                  "created", row->created));
        }
        st = mq_cli_print_json(cli, list, err);
    } else {
        st = print_tokens(cli, tokens, err);
    }
    mq_tokens_free(tokens);
    return st;
}

static enum mq_status
run_revoke(struct mq_cli *cli, struct mq_error *err)
{
    enum mq_status st = mq_token_revoke(path_of(cli), mq_cli_positional(cli, 0), err);
    if (st == MQ_OK && !cli->quiet)
        fprintf(stderr, "A running server knows it until: kill -HUP PID\n");
    return st;
}

#define TOKENS_FLAG                                                                                \
    {                                                                                              \
        .name = "--tokens", .type = MQ_FLAG_TEXT, .placeholder = "FILE", .option = "serve.tokens", \
        .help = "file of tokens (./marquee-tokens.json)"                                           \
    }

const struct mq_command mq_command_token_create = {
    .name = "token create",
    .summary = "make an access token for the server and print it once",
    .help =
        "Adds a token to the file, which is made with mode 0600 where it is missing, and prints "
        "it. The file keeps a salted hash only, so a lost token cannot be shown again.\n\n"
        "Scopes: events:write (send events), recommend:read (ask for recommendations), admin "
        "(everything).",
    .positionals =
        (const struct mq_positional[]){{"NAME", false, false, "whom or what it is for"}, {0}},
    .flags = (const struct mq_flag[]){{.name = "--scope",
                                       .type = MQ_FLAG_TEXT,
                                       .repeatable = true,
                                       .placeholder = "SCOPE",
                                       .help = "what it allows; several, or parted by commas"},
                                      TOKENS_FLAG,
                                      {0}},
    .examples = (const struct mq_example[]){{"marquee token create web --scope events:write",
                                             "For a web player that sends events"},
                                            {0}},
    .run = run_create,
};

const struct mq_command mq_command_token_list = {
    .name = "token list",
    .summary = "list the access tokens",
    .help = "Prints id, name, scopes and time of making. Tokens themselves are kept nowhere.",
    .flags = (const struct mq_flag[]){TOKENS_FLAG, {0}},
    .is_group_default = true,
    .run = run_list,
};

const struct mq_command mq_command_token_revoke = {
    .name = "token revoke",
    .summary = "remove an access token",
    .help = "Removes it from the file. A running server knows it until it gets SIGHUP.",
    .positionals =
        (const struct mq_positional[]){
            {"ID", false, false, "id, or name where one token alone has it"}, {0}},
    .flags = (const struct mq_flag[]){TOKENS_FLAG, {0}},
    .run = run_revoke,
};
