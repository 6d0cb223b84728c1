/* write_recall OUT DATA: the pickles of lists, configurations and results of recall_golden.json. */
#include "golden_snapshot.h"

#include "rec/heat.h"
#include "rec/inverted_list_codec.h"
#include "rec/item_keys.h"
#include "rec/result_codec.h"

#define MOST 20

static const char *folder;

static struct mq_writer *
open_file(const char *prefix, const char *name)
{
    char path[4096];
    struct mq_error err = {0};
    struct mq_writer *writer;
    snprintf(path, sizeof(path), "%s/%s%s", folder, prefix, name);
    check_ok(mq_writer_to_file(path, &writer, &err));
    return writer;
}

static void
close_file(struct mq_writer *writer)
{
    struct mq_error err = {0};
    check_ok(mq_writer_commit(writer, &err));
    mq_writer_close(writer);
}

static void
write_lists(const struct mq_snapshot *snapshot)
{
    const struct mq_catalogue *catalogue = snapshot->catalogue;
    struct mq_error err = {0};
    struct mq_inverted_lists *lists;
    double score[60];
    check_ok(mq_order_scores(catalogue, snapshot->heat, 2, score, &err));
    check_ok(mq_inverted_lists_build(catalogue, score, &lists, &err));
    for (int p = 0; p < MQ_PROPERTY_COUNT; p++) {
        char name[64];
        snprintf(name, sizeof(name), "movie_%s_movie_ids_dict.pickle",
                 mq_property_name((enum mq_property)p));
        struct mq_writer *writer = open_file("", name);
        check_ok(
            mq_inverted_list_write(catalogue, &lists->list[p], (enum mq_property)p, writer, &err));
        close_file(writer);
    }
    mq_inverted_lists_free(lists);
    struct mq_writer *writer = open_file("", "movie_id_movie_property_dict.pickle");
    check_ok(mq_property_dict_write(catalogue, writer, &err));
    close_file(writer);
    writer = open_file("", "movie_id_heat_dict.pickle");
    check_ok(mq_heat_write(catalogue, snapshot->heat, writer, &err));
    close_file(writer);
    writer = open_file("", "recall_config.pickle");
    check_ok(mq_recall_config_write(&snapshot->recall, writer, &err));
    close_file(writer);
    writer = open_file("", "filter_config.pickle");
    check_ok(mq_filter_config_write(&snapshot->filter, writer, &err));
    close_file(writer);
}

/* One pickle {user: value}. */
struct output {
    struct mq_writer *writer;
    struct mq_pickle_writer *pickle;
};

static struct output
begin(const char *prefix, const char *name)
{
    struct mq_error err = {0};
    struct output output = {.writer = open_file(prefix, name)};
    check_ok(mq_pickle_writer_new(output.writer, &output.pickle, &err));
    mq_pickle_begin_dict(output.pickle);
    return output;
}

static void
end(struct output *output)
{
    struct mq_error err = {0};
    mq_pickle_end(output->pickle);
    check_ok(mq_pickle_finish(output->pickle, &err));
    mq_pickle_writer_free(output->pickle);
    close_file(output->writer);
}

static void
write_results(const struct mq_snapshot *snapshot, enum mq_program_type type)
{
    const struct mq_catalogue *catalogue = snapshot->catalogue;
    const char *prefix = type == MQ_PROGRAM_MOVIE ? "movie_" : "tv_";
    struct mq_error err = {0};
    struct output recalls = begin(prefix, "recall_batch_result.pickle");
    struct output ranks = begin(prefix, "rank_batch_result.pickle");
    struct output filters = begin(prefix, "filter_batch_result.pickle");
    struct mq_recall_scratch *scratch;
    struct mq_filter_scratch *filter;
    check_ok(mq_recall_scratch_new(snapshot, &scratch, &err));
    check_ok(mq_filter_scratch_new(snapshot, &filter, &err));
    json_t *expected;
    size_t index;
    json_array_foreach(json_object_get(golden, "users"), index, expected)
    {
        struct golden_user user;
        struct mq_candidate candidates[MOST];
        struct mq_ranked_candidate ranked[MOST];
        struct mq_list_entry entries[2 * MOST];
        char traces[2 * MOST][MQ_TRACE_MAX];
        float prob[MOST], sorted[MOST];
        int32_t count, order[MOST], rows[MOST];
        golden_user_make(snapshot, expected, &user);
        check_ok(mq_recall(snapshot, type, &user.state, NULL, scratch, candidates, &count, &err));
        golden_rank(expected, candidates, count, prob, order, ranked);
        for (int32_t i = 0; i < count; i++) {
            rows[i] = candidates[order[i]].item;
            sorted[i] = prob[order[i]];
        }
        mq_pickle_put_string(recalls.pickle, user.state.id);
        mq_recall_put(recalls.pickle, catalogue, candidates, count);
        mq_pickle_put_string(ranks.pickle, user.state.id);
        mq_rank_put(ranks.pickle, catalogue, mq_item_keys_are_ints(catalogue), rows, sorted, count);
        check_ok(mq_filter(snapshot, type, &user.state, ranked, count, scratch, filter, entries,
                           &count, NULL, &err));
        for (int32_t i = 0; i < count; i++)
            mq_trace_format(snapshot, &entries[i], "batch", traces[i]);
        mq_pickle_put_string(filters.pickle, user.state.id);
        mq_filter_put(filters.pickle, catalogue, entries, (const char(*)[MQ_TRACE_MAX])traces,
                      count);
        mq_portrait_release(&user.portrait);
    }
    mq_filter_scratch_free(filter);
    mq_recall_scratch_free(scratch);
    end(&recalls);
    end(&ranks);
    end(&filters);
}

static void
write_portraits(const struct mq_snapshot *snapshot)
{
    struct output output = begin("", "portrait.pickle");
    json_t *expected;
    size_t index;
    json_array_foreach(json_object_get(golden, "users"), index, expected)
    {
        struct golden_user user;
        golden_user_make(snapshot, expected, &user);
        mq_pickle_put_string(output.pickle, user.state.id);
        mq_portrait_put(output.pickle, snapshot->catalogue, &user.portrait);
        mq_portrait_release(&user.portrait);
    }
    end(&output);
}

static void
write_all(void **state)
{
    struct mq_error err = {0};
    check_ok(golden_load(&err));
    struct mq_snapshot *snapshot = golden_snapshot();
    write_lists(snapshot);
    write_portraits(snapshot);
    write_results(snapshot, MQ_PROGRAM_MOVIE);
    write_results(snapshot, MQ_PROGRAM_TV);
    mq_snapshot_free(snapshot);
    json_decref(golden);
}

int
main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "use: write_recall OUT [DATA]\n");
        return 2;
    }
    folder = argv[1];
    const struct CMUnitTest steps[] = {cmocka_unit_test(write_all)};
    return cmocka_run_group_tests(steps, NULL, NULL);
}
