#include "cli/command_life.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"
#include "cli/command_table.h"
#include "config/config_sources.h"
#include "format/json.h"

static const struct mq_flag *
require_flag(const struct mq_cli *cli, const char *name)
{
    const struct mq_flag *flag = mq_command_flag(cli->command, name);
    assert(flag != NULL && "flag is not in the command's table");
    return flag;
}

bool
mq_cli_given(const struct mq_cli *cli, const char *flag)
{
    return mq_arguments_given(cli->arguments, require_flag(cli, flag)->name);
}

const char *
mq_cli_text(const struct mq_cli *cli, const char *flag)
{
    const struct mq_flag *row = require_flag(cli, flag);
    const char *value = mq_arguments_text(cli->arguments, flag);
    return value != NULL ? value : row->default_text;
}

int64_t
mq_cli_int(const struct mq_cli *cli, const char *flag)
{
    const char *text = mq_cli_text(cli, flag);
    return text != NULL ? strtoll(text, NULL, 10) : 0;
}

double
mq_cli_real(const struct mq_cli *cli, const char *flag)
{
    const char *text = mq_cli_text(cli, flag);
    return text != NULL ? strtod(text, NULL) : 0;
}

const char *const *
mq_cli_values(const struct mq_cli *cli, const char *flag, int *ret_count)
{
    return mq_arguments_values(cli->arguments, require_flag(cli, flag)->name, ret_count);
}

int
mq_cli_positional_count(const struct mq_cli *cli)
{
    return mq_arguments_positional_count(cli->arguments);
}

const char *
mq_cli_positional(const struct mq_cli *cli, int index)
{
    return mq_arguments_positional(cli->arguments, index);
}

/* Opening a folder makes nothing, but the first put would: a mistyped --store must not. A bucket
 * that is not there may look like one without the object asked for. */
static enum mq_status
need_store(struct mq_object_store *store, const char *hint, struct mq_error *err)
{
    struct mq_error own = {0};
    enum mq_status st = mq_object_store_check(store, &own);
    /* Others, as a permission that this command may not need, are told by the first request. */
    bool tell = st == MQ_E_CONFIG || st == MQ_E_UNREACHABLE || st == MQ_E_TIMEOUT;
    if (tell && err != NULL)
        *err = own;
    if (st != MQ_E_NOT_FOUND)
        return tell ? st : MQ_OK;
    mq_fail(err, MQ_E_UNREACHABLE, "no store at '%s': %s", mq_object_store_uri(store), own.message);
    if (strncmp(mq_object_store_uri(store), "s3:", 3) == 0)
        hint = own.hint; /* nothing makes a bucket by the way */
    mq_error_hint(err, "%s",
                  hint != NULL ? hint
                               : "correct --store, or make one: `marquee import movielens PATH`, "
                                 "`marquee import csv FILE` or `marquee simulate`");
    return MQ_E_UNREACHABLE;
}

enum mq_status
mq_cli_store(struct mq_cli *cli, struct mq_object_store **ret_store, struct mq_error *err)
{
    if (cli->store == NULL) {
        struct mq_object_store *store;
        enum mq_status st =
            mq_object_store_open(mq_config_text(cli->config, "store.uri"), &store, err);
        if (st != MQ_OK)
            return st;
        if (!cli->command->without_store &&
            (st = need_store(store, cli->command->store_hint, err)) != MQ_OK) {
            mq_object_store_free(store);
            return st;
        }
        cli->store = store;
    }
    *ret_store = cli->store;
    return MQ_OK;
}

const char *
mq_cli_region(const struct mq_cli *cli)
{
    return mq_config_text(cli->config, "store.region");
}

enum mq_status
mq_cli_pool(struct mq_cli *cli, struct mq_pool **ret_pool, struct mq_error *err)
{
    if (cli->pool == NULL) {
        enum mq_status st =
            mq_pool_new((int)mq_config_int(cli->config, "run.threads"), &cli->pool, err);
        if (st != MQ_OK)
            return st;
    }
    *ret_pool = cli->pool;
    return MQ_OK;
}

enum mq_status
mq_cli_print(struct mq_cli *cli, const void *bytes, size_t size, struct mq_error *err)
{
    mq_progress_clear_line();
    if (fwrite(bytes, 1, size, cli->out) == size)
        return MQ_OK;
    if (errno != EPIPE)
        return mq_fail_errno(err, errno, "cannot write to standard output");
    cli->unread = true;
    return mq_fail(err, MQ_E_CANCELLED, "standard output is not read any longer");
}

enum mq_status
mq_cli_print_json(struct mq_cli *cli, struct json_t *document, struct mq_error *err)
{
    if (document == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the JSON document");
    struct mq_buffer text = {0};
    enum mq_status st = mq_json_dump(document, MQ_JSON_INDENTED, &text, err);
    json_decref(document);
    if (st == MQ_OK)
        st = mq_buffer_append_char(&text, '\n', err);
    struct mq_error failure = {0};
    if (st == MQ_OK && mq_cli_print(cli, text.data, text.size, &failure) == MQ_E_IO) {
        st = MQ_E_IO;
        if (err != NULL)
            *err = failure;
    }
    mq_buffer_release(&text);
    return st;
}

enum mq_status
mq_cli_usage(const struct mq_cli *cli, struct mq_error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    mq_failv(err, MQ_E_USAGE, format, args);
    va_end(args);
    mq_error_hint(err, "see: marquee %s --help", cli->command->name);
    return MQ_E_USAGE;
}

/* A word as a POSIX shell reads it back. */
static enum mq_status
put_word(struct mq_buffer *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_@%+=:,./-";
    if (*word != '\0' && word[strspn(word, plain)] == '\0')
        return mq_buffer_append_text(out, word, NULL);
    enum mq_status st = mq_buffer_append_char(out, '\'', NULL);
    for (; st == MQ_OK && *word != '\0'; word++)
        st = *word == '\'' ? mq_buffer_append_text(out, "'\\''", NULL)
                           : mq_buffer_append_char(out, *word, NULL);
    return st == MQ_OK ? mq_buffer_append_char(out, '\'', NULL) : st;
}

char *
mq_cli_place_flags(const struct mq_cli *cli)
{
    static const char *const names[] = {"--store", "--region", "--config"};
    struct mq_buffer flags = {0};
    enum mq_status st = MQ_OK;
    for (size_t i = 0; st == MQ_OK && i < MQ_COUNT(names); i++) {
        const char *value = mq_arguments_text(cli->arguments, names[i]);
        if (value == NULL)
            continue;
        st = mq_buffer_printf(&flags, NULL, " %s ", names[i]);
        if (st == MQ_OK)
            st = put_word(&flags, value);
    }
    char *text = st == MQ_OK ? mq_strdup(flags.data != NULL ? flags.data : "") : NULL;
    mq_buffer_release(&flags);
    return text;
}

char *
mq_cli_with_place(const struct mq_cli *cli, const char *text)
{
    static const char begin[] = "`marquee ";
    mq_autofree char *flags = mq_cli_place_flags(cli);
    struct mq_buffer out = {0};
    enum mq_status st = flags != NULL ? MQ_OK : MQ_E_NOMEM;
    while (st == MQ_OK) {
        const char *command = strstr(text, begin);
        const char *end = command != NULL ? strchr(command + 1, '`') : NULL;
        if (end == NULL)
            break;
        st = mq_buffer_printf(&out, NULL, "%.*s%s`", (int)(end - text), text, flags);
        text = end + 1;
    }
    if (st == MQ_OK)
        st = mq_buffer_append_text(&out, text, NULL);
    char *copy = st == MQ_OK ? mq_strdup(out.data != NULL ? out.data : "") : NULL;
    mq_buffer_release(&out);
    return copy;
}

/* Hints, and some messages, name commands; who pastes one means this store, not the default one. */
static void
place_hint(const struct mq_cli *cli, struct mq_error *error)
{
    mq_autofree char *hint = mq_cli_with_place(cli, error->hint);
    mq_autofree char *message = mq_cli_with_place(cli, error->message);
    if (hint != NULL && strlen(hint) < sizeof(error->hint))
        strcpy(error->hint, hint);
    if (message != NULL && strlen(message) < sizeof(error->message))
        strcpy(error->message, message);
}

int
mq_cli_report(const struct mq_error *error, bool as_json)
{
    mq_progress_clear_line();
    if (as_json) {
        json_t *document = json_pack("{s:{s:s, s:s, s:s, s:b}}", "error", "code",
                                     mq_status_name(error->code), "message", error->message, "hint",
                                     error->hint, "retriable", (int)error->retriable);
        if (document != NULL) {
            json_dumpf(document, stderr, JSON_COMPACT);
            fputc('\n', stderr);
            json_decref(document);
            return mq_status_exit_code(error->code);
        }
        /* The message is not UTF-8: fall through to plain text. */
    }
    fprintf(stderr, "marquee: %s\n", error->message);
    if (error->hint[0] != '\0')
        fprintf(stderr, "hint: %s\n", error->hint);
    return mq_status_exit_code(error->code);
}

static void
on_signal(int signal_number)
{
    if (mq_cancel_requested())
        _exit(128 + signal_number);
    mq_cancel_request();
}

/* A standard stream that is closed would be the next file that is opened: all three are there, and
 * using one of these fails. */
static void
hold_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

static void
catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    /* A closed pipe and a passed file size limit are ordinary write errors. */
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL);
}

static enum mq_status
apply_flags(struct mq_cli *cli, const struct mq_flag *flags, struct mq_error *err)
{
    for (const struct mq_flag *f = flags; f != NULL && f->name != NULL; f++) {
        const char *value = mq_arguments_text(cli->arguments, f->name);
        if (f->option == NULL || value == NULL)
            continue;
        char place[128];
        snprintf(place, sizeof(place), "flag %s", f->name);
        enum mq_status st =
            mq_config_set(cli->config, f->option, f->type == MQ_FLAG_SWITCH ? "true" : value,
                          MQ_FROM_FLAG, place, err);
        if (st != MQ_OK)
            return st;
    }
    return MQ_OK;
}

static enum mq_status
apply_settings(struct mq_cli *cli, struct mq_error *err)
{
    int count;
    const char *const *values = mq_cli_values(cli, "--set", &count);
    for (int i = 0; i < count; i++) {
        const char *equals = strchr(values[i], '=');
        if (equals == NULL)
            return mq_fail(err, MQ_E_USAGE,
                           "flag --set is '%s' (allowed: SECTION.KEY=VALUE, as in "
                           "--set youtubednn.epochs=5)",
                           values[i]);
        mq_autofree char *name = mq_strfmt("%.*s", (int)(equals - values[i]), values[i]);
        if (name == NULL)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate a setting");
        enum mq_status st =
            mq_config_set(cli->config, name, equals + 1, MQ_FROM_FLAG, "flag --set", err);
        if (st != MQ_OK)
            return st;
    }
    return MQ_OK;
}

static enum mq_status
run_command(struct mq_cli *cli, struct mq_error *err)
{
    enum mq_status st = mq_config_new(&cli->config, err);
    if (st == MQ_OK)
        st = mq_config_load_file(cli->config, mq_arguments_text(cli->arguments, "--config"), err);
    if (st == MQ_OK)
        st = mq_config_load_environment(cli->config, environ, err);
    if (st == MQ_OK)
        st = apply_settings(cli, err);
    if (st == MQ_OK)
        st = apply_flags(cli, mq_global_flags, err);
    if (st == MQ_OK)
        st = apply_flags(cli, cli->command->flags, err);
    if (st == MQ_OK)
        st = cli->command->run(cli, err);
    if (cli->unread && st == MQ_E_CANCELLED)
        return MQ_OK;
    /* A full disk or closed pipe shows here at the latest. */
    if (fflush(cli->out) != 0 && st == MQ_OK && errno != EPIPE)
        st = mq_fail_errno(err, errno, "cannot write to standard output");
    return st;
}

int
mq_cli_run_parsed(const struct mq_parsed *parsed)
{
    struct mq_cli cli = {.command = parsed->command,
                         .arguments = parsed->arguments,
                         .json = mq_arguments_given(parsed->arguments, "--json"),
                         .quiet = mq_arguments_given(parsed->arguments, "--quiet"),
                         .verbose = mq_arguments_given(parsed->arguments, "--verbose"),
                         .out = stdout};
    const char *no_colour = getenv("NO_COLOR");
    cli.colour = isatty(STDOUT_FILENO) && (no_colour == NULL || *no_colour == '\0');
    mq_log_configure(cli.quiet ? MQ_LOG_WARN : cli.verbose ? MQ_LOG_DEBUG : MQ_LOG_INFO, cli.json);
    mq_progress_enable(!cli.quiet && !cli.json);
    hold_streams();
    catch_signals();
    struct mq_error error = {0};
    enum mq_status st = run_command(&cli, &error);
    if (st != MQ_OK)
        place_hint(&cli, &error);
    int exit_status = st == MQ_OK ? 0 : mq_cli_report(&error, cli.json);
    mq_pool_free(cli.pool);
    mq_object_store_free(cli.store);
    mq_config_free(cli.config);
    return exit_status;
}
