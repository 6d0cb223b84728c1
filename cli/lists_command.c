/* lists: everybody's list by the hybrid model, a JSON object a line. */
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/stream.h"
#include "cli/hybrid_model.h"
#include "cli/input_lines.h"
#include "cli/list_flags.h"
#include "data/id_map.h"
#include "flow/hybrid_answers.h"

/* So many lists of twenty entries are in memory together, fewer of longer ones, but a few for each
 * thread: some 20 MB with reasons, 1.6 kB an entry of the threads' where lists are longest. They
 * are cut into so many ranges. */
#define CHUNK 2048
#define CHUNK_THREAD 4
#define RANGES 128

struct listing {
    struct mq_cli *cli;
    struct mq_cli_model model;
    struct mq_pool *pool;
    struct mq_hybrid_request request; /* of everybody; the user is each one's */
    struct mq_answer_options options;
    /* By thread. */
    struct mq_hybrid_session **sessions;
    struct mq_arena *arenas;
    struct mq_input_lines users;
    bool some; /* those users; else all */
    /* Who is at hand, up to `chunk`: from `first` on those of the model, or ids in `given`,
     * MQ_INPUT_LINE_MAX + 1 bytes each. */
    int64_t first, count, chunk, grain;
    char *given;
    struct mq_buffer lines[RANGES]; /* what a range of them came to */
    struct mq_writer *file;         /* NULL: standard output */
    int64_t written;
    struct mq_progress progress;
};

static enum mq_status
user_of(const struct listing *l, int64_t at, struct mq_arena *arena, struct mq_rated_user *ret_user,
        struct mq_error *err)
{
    const struct mq_hybrid *h = l->model.snapshot->hybrid->hybrid;
    if (l->some)
        return mq_rated_user_make(h, l->given + at * (MQ_INPUT_LINE_MAX + 1), NULL, 0, arena,
                                  ret_user, err);
    return mq_rated_user_stored(h, (int32_t)(l->first + at), arena, ret_user, err);
}

static enum mq_status
list_range(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct listing *l = context;
    struct mq_arena *arena = &l->arenas[worker];
    struct mq_buffer *out = &l->lines[begin / l->grain];
    enum mq_status st = MQ_OK;
    for (int64_t at = begin; at < end && st == MQ_OK; at++) {
        struct mq_rated_user user;
        struct mq_hybrid_request request = l->request;
        request.user = &user;
        mq_arena_reset(arena);
        st = user_of(l, at, arena, &user, err);
        if (st == MQ_OK)
            st = mq_answer_list(l->sessions[worker], &request, &l->options, NULL, arena, out, err);
        if (st == MQ_OK)
            st = mq_buffer_append_char(out, '\n', err);
    }
    if (st == MQ_OK)
        mq_progress_add(&l->progress, end - begin);
    return st;
}

/* The lists of those at hand, in their order. */
static enum mq_status
list_chunk(struct listing *l, struct mq_error *err)
{
    enum mq_status st = mq_pool_for(l->pool, l->count, l->grain, list_range, l, err);
    for (int64_t range = 0; range * l->grain < l->count; range++) {
        struct mq_buffer *lines = &l->lines[range];
        if (st == MQ_OK)
            st = l->file != NULL ? mq_writer_put(l->file, lines->data, lines->size, err)
                                 : mq_cli_print(l->cli, lines->data, lines->size, err);
        mq_buffer_reset(lines);
    }
    if (st == MQ_OK)
        l->written += l->count;
    return st;
}

static enum mq_status
list_everybody(struct listing *l, struct mq_error *err)
{
    int64_t users = l->model.snapshot->hybrid->hybrid->ratings->user_count;
    enum mq_status st = MQ_OK;
    mq_progress_begin(&l->progress, "lists", "users", users);
    for (; l->first < users && st == MQ_OK; l->first += l->chunk) {
        l->count = MQ_MIN(l->chunk, users - l->first);
        st = list_chunk(l, err);
    }
    mq_progress_end(&l->progress);
    return st;
}

static enum mq_status
list_some(struct listing *l, struct mq_error *err)
{
    char line[MQ_INPUT_LINE_MAX + 1];
    bool more = true;
    enum mq_status st = mq_alloc_array_raw((size_t)l->chunk, MQ_INPUT_LINE_MAX + 1, &l->given, err);
    mq_progress_begin(&l->progress, "lists", "users", 0);
    while (st == MQ_OK && more) {
        char *id = l->given + l->count * (MQ_INPUT_LINE_MAX + 1);
        st = mq_input_lines_next(&l->users, line, &more, err);
        if (st == MQ_OK)
            snprintf(id, MQ_INPUT_LINE_MAX + 1, "%s", mq_id_trim(line));
        l->count += st == MQ_OK && *id != '\0';
        if (st == MQ_OK && l->users.number % 1024 == 0)
            st = mq_cancel_check(err);
        if (st == MQ_OK && (l->count == l->chunk || !more)) {
            st = list_chunk(l, err);
            l->count = 0;
        }
    }
    mq_progress_end(&l->progress);
    return st;
}

/* What can be refused is refused before the model is loaded. */
static enum mq_status
open_files(struct listing *l, struct mq_error *err)
{
    const char *users = mq_cli_text(l->cli, "--users"), *output = mq_cli_text(l->cli, "--output");
    int64_t longest = mq_config_int(l->cli->config, "filter.list");
    enum mq_status st = users != NULL ? mq_input_lines_open(users, &l->users, err) : MQ_OK;
    l->some = users != NULL && st == MQ_OK;
    if (longest > 0 && l->options.n > longest)
        mq_log_warn("lists end at filter.list, which is %" PRId64
                    ", and what diversity adds to them: --n is %d",
                    longest, l->options.n);
    return st == MQ_OK && output != NULL ? mq_writer_to_file(output, &l->file, err) : st;
}

static enum mq_status
prepare(struct listing *l, struct mq_error *err)
{
    enum mq_status st = mq_cli_model_open(l->cli, &l->model, err);
    if (st == MQ_OK)
        st = mq_cli_method(l->cli, &l->model, &l->request.method, err);
    if (st == MQ_OK)
        st = mq_cli_pool(l->cli, &l->pool, err);
    if (st != MQ_OK)
        return st;
    size_t threads = (size_t)mq_pool_threads(l->pool);
    l->chunk = MQ_MAX(MQ_MIN(CHUNK, CHUNK * 20 / l->options.n), (int64_t)threads * CHUNK_THREAD);
    l->grain = (l->chunk + RANGES - 1) / RANGES;
    st = mq_alloc_array(threads, sizeof(struct mq_hybrid_session *), &l->sessions, err);
    if (st == MQ_OK)
        st = mq_alloc_array(threads, sizeof(*l->arenas), &l->arenas, err);
    for (size_t i = 0; i < threads && st == MQ_OK; i++)
        st = mq_hybrid_session_new(l->model.snapshot, &l->sessions[i], err);
    return st;
}

static void
release(struct listing *l)
{
    for (int i = 0; i < mq_pool_threads(l->pool); i++) {
        if (l->sessions != NULL)
            mq_hybrid_session_free(l->sessions[i]);
        if (l->arenas != NULL)
            mq_arena_release(&l->arenas[i]);
    }
    for (int range = 0; range < RANGES; range++)
        mq_buffer_release(&l->lines[range]);
    mq_free(l->sessions);
    mq_free(l->arenas);
    mq_free(l->given);
    mq_writer_close(l->file);
    if (l->some)
        mq_input_lines_close(&l->users);
    mq_cli_model_close(&l->model);
}

/* What was written to a file. */
static enum mq_status
tell(const struct listing *l, double seconds, struct mq_error *err)
{
    const char *version = l->model.snapshot->hybrid->hybrid->version;
    if (l->cli->json)
        return mq_cli_print_json(
            l->cli,
            json_pack("{s:I, s:I, s:s, s:s, s:s, s:f}", "lists", (json_int_t)l->written, "bytes",
                      (json_int_t)l->file->offset, "file", mq_cli_text(l->cli, "--output"),
                      "method", mq_cli_text(l->cli, "--method"), "model", version, "seconds",
                      seconds),
            err);
    fprintf(l->cli->out, "%" PRId64 " lists of model %s, %.1f MB, in '%s' in %.1f s\n", l->written,
            version, (double)l->file->offset / 1e6, mq_cli_text(l->cli, "--output"), seconds);
    return MQ_OK;
}

static enum mq_status
run_lists(struct mq_cli *cli, struct mq_error *err)
{
    struct listing l = {.cli = cli,
                        .request.type = mq_cli_program_type(cli),
                        .options = {.n = (int32_t)mq_cli_int(cli, "--n"),
                                    .explain = mq_cli_given(cli, "--explain"),
                                    .language = mq_cli_language(cli),
                                    .path = "batch"}};
    double begin_s = mq_clock_monotonic_s();
    enum mq_status st = open_files(&l, err);
    if (st == MQ_OK)
        st = prepare(&l, err);
    if (st == MQ_OK)
        st = l.some ? list_some(&l, err) : list_everybody(&l, err);
    if (st == MQ_OK && l.file != NULL) {
        st = mq_writer_commit(l.file, err);
        if (st == MQ_OK)
            st = tell(&l, mq_clock_monotonic_s() - begin_s, err);
    }
    release(&l);
    return st;
}

const struct mq_command mq_command_lists = {
    .name = "lists",
    .summary = "make every user's list by the hybrid model",
    .help =
        "Prints a JSON object a line for each user that the deployed model knows, in the model's "
        "order: what `marquee recommend USER --method METHOD --json` gives for one, and the server "
        "from the same ratings. For mails, caches and other programs that want all lists at once. "
        "All threads work; the lines do not depend on how many there are.\n\n"
        "With --users the lists are those of the users named, in that order; a user named twice "
        "has "
        "two, empty lines count for nothing. One who is not known has \"known\": false, and the "
        "list for newcomers. With --output nothing stands under the file's name until all of it is "
        "there. Lists end at filter.list films, and what diversity adds to them.",
    .flags =
        (const struct mq_flag[]){
            MQ_FLAG_METHOD("hybrid", "of the hybrid model"),
            MQ_FLAG_ENTRIES("20", "entries of a list at most"),
            MQ_FLAG_PROGRAM_TYPE,
            {.name = "--users",
             .type = MQ_FLAG_TEXT,
             .placeholder = "FILE",
             .help = "lists of these users: an id a line; - is standard input"},
            {.name = "--output",
             .type = MQ_FLAG_TEXT,
             .placeholder = "FILE",
             .help = "instead of standard output"},
            {.name = "--explain",
             .help = "add reasons, figures and traces; takes several times as long"},
            MQ_FLAG_LANGUAGE,
            {0}},
    .examples =
        (const struct mq_example[]){
            {"marquee lists --output lists.jsonl", "everybody's twenty films"},
            {"printf '1\\n42\\n' | marquee lists --users - --n 5", "five films for two users"},
            {0}},
    .run = run_lists,
};
