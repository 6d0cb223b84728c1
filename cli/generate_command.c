#include <stdio.h>
#include <string.h>

#include "base/filesystem.h"
#include "base/stream.h"
#include "cli/command.h"
#include "cli/command_table.h"
#include "cli/generated_files.h"
#include "data/event_schema.h"

static enum mq_status
write_file(const char *folder, const char *name, const struct mq_buffer *text, struct mq_error *err)
{
    char path[MQ_PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (n < 0 || (size_t)n >= sizeof(path))
        return mq_fail(err, MQ_E_RANGE, "path '%s/%s' is too long", folder, name);
    struct mq_writer *writer = NULL;
    enum mq_status st = mq_fs_make_parents(path, err);
    if (st == MQ_OK)
        st = mq_writer_to_file(path, &writer, err);
    if (st == MQ_OK)
        st = mq_writer_put(writer, text->data, text->size, err);
    if (st == MQ_OK)
        st = mq_writer_commit(writer, err);
    mq_writer_close(writer);
    return st;
}

typedef enum mq_status (*command_page_fn)(const struct mq_command *, struct mq_buffer *,
                                          struct mq_error *);

/* One file a command, "<prefix><command><suffix>". */
static enum mq_status
write_command_pages(const char *folder, const char *prefix, const char *suffix,
                    command_page_fn page, struct mq_error *err)
{
    size_t count;
    const struct mq_command *const *table = mq_command_table(&count);
    enum mq_status st = MQ_OK;
    for (size_t i = 0; st == MQ_OK && i < count; i++) {
        if (table[i]->is_hidden)
            continue;
        char stem[MQ_COMMAND_NAME_MAX], name[MQ_COMMAND_NAME_MAX * 2];
        mq_command_file_name(table[i], stem, sizeof(stem));
        snprintf(name, sizeof(name), "%s%s%s", prefix, stem, suffix);
        struct mq_buffer text = {0};
        st = page(table[i], &text, err);
        if (st == MQ_OK)
            st = write_file(folder, name, &text, err);
        mq_buffer_release(&text);
    }
    return st;
}

static enum mq_status
write_page(const char *folder, const char *name,
           enum mq_status (*page)(struct mq_buffer *, struct mq_error *), struct mq_error *err)
{
    struct mq_buffer text = {0};
    enum mq_status st = page(&text, err);
    if (st == MQ_OK)
        st = write_file(folder, name, &text, err);
    mq_buffer_release(&text);
    return st;
}

static enum mq_status
write_completions(const char *folder, struct mq_error *err)
{
    static const char *const names[] = {"bash-completion/completions/marquee",
                                        "zsh/site-functions/_marquee",
                                        "fish/vendor_completions.d/marquee.fish"};
    enum mq_status st = MQ_OK;
    for (int s = 0; st == MQ_OK && s < 3; s++) {
        struct mq_buffer text = {0};
        st = mq_completion_script((enum mq_shell)s, &text, err);
        if (st == MQ_OK)
            st = write_file(folder, names[s], &text, err);
        mq_buffer_release(&text);
    }
    return st;
}

static enum mq_status
run(struct mq_cli *cli, struct mq_error *err)
{
    const char *kind = mq_cli_positional(cli, 0), *folder = mq_cli_positional(cli, 1);
    enum mq_status st;
    if (strcmp(kind, "man") == 0) {
        st = write_page(folder, "marquee.1", mq_man_overview, err);
        return st == MQ_OK ? write_command_pages(folder, "marquee-", ".1", mq_man_command, err)
                           : st;
    }
    if (strcmp(kind, "cli-doc") == 0) {
        st = write_page(folder, "README.md", mq_page_commands, err);
        return st == MQ_OK ? write_command_pages(folder, "", ".md", mq_page_command, err) : st;
    }
    if (strcmp(kind, "config-doc") == 0)
        return write_page(folder, "config.md", mq_page_options, err);
    if (strcmp(kind, "docs") == 0) {
        char pages[MQ_PATH_MAX];
        snprintf(pages, sizeof(pages), "%s/cli", folder);
        st = write_page(folder, "config.md", mq_page_options, err);
        if (st == MQ_OK)
            st = write_page(pages, "README.md", mq_page_commands, err);
        if (st == MQ_OK)
            st = write_command_pages(pages, "", ".md", mq_page_command, err);
        snprintf(pages, sizeof(pages), "%s/formats", folder);
        if (st == MQ_OK)
            st = write_page(pages, "event.schema.json", mq_event_schema_text, err);
        return st == MQ_OK ? write_page(pages, "event.md", mq_event_page, err) : st;
    }
    if (strcmp(kind, "completions") == 0)
        return write_completions(folder, err);
    return mq_cli_usage(
        cli, err, "cannot generate '%s' (allowed: man|completions|config-doc|cli-doc|docs)", kind);
}

const struct mq_command mq_command_generate = {
    .name = "generate",
    .summary = "write man pages, completions and reference pages",
    .help = "Used by the build: writes files made from the command and option tables into a "
            "folder.",
    .positionals = (const struct mq_positional[]){{"KIND", false, false,
                                                   "man, completions, config-doc, cli-doc or docs"},
                                                  {"DIR", false, false, "where to"},
                                                  {0}},
    .is_hidden = true,
    .run = run,
};
