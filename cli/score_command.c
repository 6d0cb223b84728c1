/* score: pairs of user and film on standard input, their scores on standard output. */
#include <string.h>

#include "base/cancel.h"
#include "base/memory.h"
#include "cli/hybrid_model.h"
#include "cli/input_lines.h"
#include "cli/list_flags.h"
#include "data/id_map.h"
#include "format/json_text.h"
#include "rec/blended_scores.h"

struct scoring {
    struct mq_cli *cli;
    struct mq_cli_model model;
    struct mq_blended_scorer *scorer;
    enum mq_method method;
    float *scores;                    /* [films] of the user at hand */
    bool known;                       /* whether the method knows that user */
    char user[MQ_INPUT_LINE_MAX + 1]; /* at hand */
    bool has_user;
    struct mq_buffer out;
};

static enum mq_status
take_user(struct scoring *s, const char *id, struct mq_error *err)
{
    struct mq_rated_user user;
    if (s->has_user && strcmp(s->user, id) == 0)
        return MQ_OK;
    mq_arena_reset(&s->model.arena);
    enum mq_status st = mq_rated_user_make(s->model.snapshot->hybrid->hybrid, id, NULL, 0,
                                           &s->model.arena, &user, err);
    if (st == MQ_OK)
        st = mq_blended_scores(s->scorer, &user, s->method, s->scores, &s->known, err);
    snprintf(s->user, sizeof(s->user), "%s", id);
    s->has_user = st == MQ_OK;
    return st;
}

static enum mq_status
score_line(struct scoring *s, char *line, int64_t number, struct mq_error *err)
{
    struct mq_json_text t;
    char *item = strchr(line, '\t');
    if (item == NULL || item == line || item[1] == '\0' || strchr(item + 1, '\t') != NULL) {
        mq_fail(err, MQ_E_INPUT,
                "standard input, line %lld: '%.60s' is not a user, a tab and a film",
                (long long)number, line);
        mq_error_hint(err, "so: printf '1\\t1193\\n' | marquee score --method hybrid");
        return MQ_E_INPUT;
    }
    *item++ = '\0';
    item = mq_id_trim(item);
    line = mq_id_trim(line);
    enum mq_status st = take_user(s, line, err);
    if (st != MQ_OK)
        return st;
    int32_t code = mq_strmap_find_text(&s->model.snapshot->hybrid->hybrid->ratings->items, item);
    mq_buffer_reset(&s->out);
    mq_json_text_begin(&t, &s->out, err);
    mq_json_open(&t, '{');
    mq_json_put_string(&t, "user", line);
    mq_json_put_string(&t, "item", item);
    mq_json_key(&t, "score");
    if (code >= 0 && s->known)
        mq_json_decimal(&t, (double)s->scores[code], 7);
    else
        mq_json_null(&t);
    mq_json_close(&t, '}');
    st = mq_json_text_end(&t);
    if (st == MQ_OK)
        st = mq_buffer_append_char(&s->out, '\n', err);
    return st == MQ_OK ? mq_cli_print(s->cli, s->out.data, s->out.size, err) : st;
}

static enum mq_status
score_lines(struct scoring *s, struct mq_error *err)
{
    struct mq_input_lines in;
    char line[MQ_INPUT_LINE_MAX + 1];
    bool more = true;
    enum mq_status st = mq_input_lines_open("-", &in, err);
    while (st == MQ_OK && more) {
        st = mq_input_lines_next(&in, line, &more, err);
        if (st == MQ_OK && line[0] != '\0')
            st = score_line(s, line, in.number, err);
        if (st == MQ_OK && in.number % 1024 == 0)
            st = mq_cancel_check(err);
    }
    return st;
}

static enum mq_status
run_score(struct mq_cli *cli, struct mq_error *err)
{
    struct scoring s = {.cli = cli};
    enum mq_status st = mq_cli_model_open(cli, &s.model, err);
    if (st != MQ_OK)
        return st;
    const struct mq_hybrid *h = s.model.snapshot->hybrid->hybrid;
    st = mq_cli_method(cli, &s.model, &s.method, err);
    if (st == MQ_OK)
        st = mq_blended_scorer_new(h, &s.scorer, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)h->ratings->item_count, sizeof(*s.scores), &s.scores, err);
    if (st == MQ_OK)
        st = score_lines(&s, err);
    mq_blended_scorer_free(s.scorer);
    mq_free(s.scores);
    mq_buffer_release(&s.out);
    mq_cli_model_close(&s.model);
    return st;
}

const struct mq_command mq_command_score = {
    .name = "score",
    .summary = "score pairs of user and film",
    .help = "Reads lines of a user, a tab and a film from standard input, and prints a JSON object "
            "for each, in order: {\"user\": …, \"item\": …, \"score\": …}. The score is the "
            "method's own, greater is better; only scores of one user can be compared. It is null "
            "where the model does not know the film, or the method nothing of the user. "
            "POST /v1/rank gives the same number, for the same history, as method_score, beside a "
            "score from 0 to 1 among the candidates of one request.\n\n"
            "Lines of one user that follow each other are scored together: sorted input is many "
            "times faster.",
    .flags = (const struct mq_flag[]){MQ_FLAG_METHOD("hybrid", "of the hybrid model"), {0}},
    .examples = (const struct mq_example[]){{"printf '1\\t1193\\n1\\t661\\n' | marquee score "
                                             "--method item-based",
                                             "two films for user 1"},
                                            {0}},
    .run = run_score,
};
