/* rank_with_model STORE REGION METHOD: the ten best films of every user of the hybrid model that
 * candidate.json names, by one method, as lines: user, film, score. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "format/json.h"
#include "model/hybrid_files.h"
#include "rec/hybrid_ranking.h"

enum { LISTED = 10 };

static enum mq_status
load(struct mq_object_store *store, const char *region, struct mq_hybrid_view **ret_view,
     struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_buffer text;
    mq_autojson json_t *candidate = NULL;
    const char *version;
    struct mq_hybrid *hybrid = NULL;
    mq_buffer_init(&text, 65536);
    snprintf(key, sizeof(key), "%s/" MQ_HYBRID_PREFIX "candidate.json", region);
    enum mq_status st = mq_object_get(store, key, &text, err);
    if (st == MQ_OK)
        st = mq_json_parse(text.data, text.size, key, &candidate, err);
    mq_buffer_release(&text);
    if (st == MQ_OK)
        st = mq_json_need_text(candidate, "version", &version, err);
    if (st == MQ_OK)
        st = mq_hybrid_load(store, region, version, NULL, &hybrid, err);
    if (st == MQ_OK)
        st = mq_hybrid_view_new(hybrid, NULL, ret_view, err);
    return st;
}

static enum mq_status
list_all(const struct mq_hybrid_view *view, enum mq_method method, struct mq_error *err)
{
    const struct mq_rating_matrix *m = view->hybrid->ratings;
    struct mq_hybrid_ranker *ranker = NULL;
    struct mq_arena arena = {0};
    enum mq_status st = mq_hybrid_ranker_new(view, &ranker, err);
    for (int32_t u = 0; st == MQ_OK && u < m->user_count; u++) {
        struct mq_rated_user user;
        struct mq_hybrid_candidate list[LISTED];
        int32_t count = 0;
        bool known;
        mq_arena_reset(&arena);
        st = mq_rated_user_stored(view->hybrid, u, &arena, &user, err);
        const struct mq_hybrid_query query = {
            .user = &user, .method = method, .candidates = LISTED};
        if (st == MQ_OK)
            st = mq_hybrid_rank(ranker, &query, list, &count, &known, err);
        for (int32_t i = 0; st == MQ_OK && i < count; i++)
            printf("%s %s %.9g\n", m->users.keys[u], m->items.keys[list[i].item],
                   (double)list[i].raw);
    }
    mq_arena_release(&arena);
    mq_hybrid_ranker_free(ranker);
    return st;
}

int
main(int argc, char **argv)
{
    struct mq_object_store *store = NULL;
    struct mq_hybrid_view *view = NULL;
    struct mq_error err = {0};
    int method = argc == 4 ? mq_method_find(argv[3], strlen(argv[3])) : -1;
    if (method < 0)
        return 2;
    enum mq_status st = mq_object_store_open(argv[1], &store, &err);
    if (st == MQ_OK)
        st = load(store, argv[2], &view, &err);
    if (st == MQ_OK)
        st = list_all(view, (enum mq_method)method, &err);
    mq_hybrid_view_free(view);
    mq_object_store_free(store);
    if (st != MQ_OK)
        fprintf(stderr, "rank_with_model: %s\n", err.message);
    return st == MQ_OK ? 0 : 1;
}
