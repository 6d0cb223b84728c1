/*
 * From logs to lists: portrait, weights, recall, rank and filter as steps on one small store, made
 * once; the tests run in order, the last two spoil it.
 */
#include "step_fixture.h"

#include "data/actions.h"
#include "format/pickle_reader.h"
#include "rec/recall_config.h"
#include "rec/user_stream.h"

#define BASIC "system/item-data/basic/1.csv"
#define PROFILES "system/user-data/portrait/ProfileMap.csv"
#define PLAY "system/user-data/action/2020-12-17/play/playlog.csv"
#define EXPOSURE "system/user-data/action/2020-12-17/exposure/exposurelog.csv"

enum { FILMS = 24, USERS = 40 };

/* Films and a few series; the last user has no play. Exposures tell their channel. */
static void
put_store(struct step_fixture *f)
{
    static char items[8192], users[8192], plays[65536], shown[65536];
    int at = snprintf(items, sizeof(items),
                      "program_id,program_type,program_name,category_property,director,"
                      "release_year,is_new\n");
    for (int i = 0; i < FILMS; i++)
        at += snprintf(items + at, sizeof(items) - (size_t)at, "%d,%s,Film %d,%s,D%d,%d,%d\n",
                       100 + i, i % 6 == 5 ? "tv" : "movie", i, i % 2 ? "Comedy|War" : "Drama",
                       i % 5, 1990 + i % 3, i == 7);
    at = snprintf(users, sizeof(users), "user_id,sex,age,registered,name\n");
    for (int u = 0; u < USERS; u++)
        at += snprintf(users + at, sizeof(users) - (size_t)at, "u%d,M,30,,\n", u);
    at = snprintf(plays, sizeof(plays), "user_id,item_id,timestamp\n");
    int seen = snprintf(shown, sizeof(shown), "user_id,item_id,timestamp,position,trace\n");
    for (int u = 0; u < USERS - 1; u++)
        for (int i = 0; i < 6; i++) {
            int film = (u * 7 + i * 5) % FILMS, other = (film + 3) % FILMS;
            at += snprintf(plays + at, sizeof(plays) - (size_t)at, "u%d,%d,%d\n", u, 100 + film,
                           1608200000 + 60 * i + u);
            /* Director's places are always played, heat's never. */
            seen += snprintf(shown + seen, sizeof(shown) - (size_t)seen, "u%d,%d,%d,%d,%s\n", u,
                             100 + film, 1608200000 + 60 * i + u - 9, i, "batch_director_0|1.00");
            seen += snprintf(shown + seen, sizeof(shown) - (size_t)seen, "u%d,%d,%d,%d,%s\n", u,
                             100 + other, 1608200000 + 60 * i + u - 8, i, "batch_heat_0|1.00");
        }
    fixture_put(f, BASIC, items);
    fixture_put(f, PROFILES, users);
    fixture_put(f, PLAY, plays);
    fixture_put(f, EXPOSURE, shown);
}

static void
run_models(struct step_fixture *f)
{
    fixture_option(f, "youtubednn.epochs", "1");
    fixture_option(f, "youtubednn.validation_users", "0");
    fixture_option(f, "deepfm.epochs", "1");
    fixture_option(f, "deepfm.refit", "false");
    fixture_ok(f, mq_step_item_preprocessing);
    fixture_ok(f, mq_step_user_preprocessing);
    fixture_ok(f, mq_step_action_preprocessing);
    fixture_ok(f, mq_step_inverted_list);
    fixture_ok(f, mq_step_add_item_user_batch);
    fixture_ok(f, mq_step_model_update_ub);
    fixture_ok(f, mq_step_item_feature_update_batch);
    fixture_ok(f, mq_step_model_update_deepfm);
}

static void
run_lists(struct step_fixture *f)
{
    fixture_ok(f, mq_step_recall_batch);
    fixture_ok(f, mq_step_rank_batch);
    fixture_ok(f, mq_step_filter_batch);
}

static struct mq_buffer
bytes_of(struct step_fixture *f, enum mq_artifact artifact, int type)
{
    struct mq_error err = {0};
    struct mq_reader *reader;
    struct mq_buffer bytes = {0};
    check_ok(
        mq_artifact_reader(f->store, "1", artifact, (enum mq_program_type)type, &reader, &err));
    check_ok(mq_reader_all(reader, (size_t)1 << 26, &bytes, &err));
    mq_reader_close(reader);
    return bytes;
}

static const enum mq_artifact results[] = {MQ_ARTIFACT_PORTRAIT, MQ_ARTIFACT_RECALL_RESULT,
                                           MQ_ARTIFACT_RANK_RESULT, MQ_ARTIFACT_FILTER_RESULT};

static void
keep_results(struct step_fixture *f, struct mq_buffer kept[4][2])
{
    for (int a = 0; a < 4; a++)
        for (int type = 0; type < 2; type++)
            kept[a][type] = bytes_of(f, results[a], type);
}

static void
check_results(struct step_fixture *f, struct mq_buffer kept[4][2])
{
    for (int a = 0; a < 4; a++)
        for (int type = 0; type < 2; type++) {
            struct mq_buffer now = bytes_of(f, results[a], type);
            assert_int_equal(now.size, kept[a][type].size);
            assert_memory_equal(now.data, kept[a][type].data, now.size);
            mq_buffer_release(&now);
        }
}

static void
release_results(struct mq_buffer kept[4][2])
{
    for (int a = 0; a < 4; a++)
        for (int type = 0; type < 2; type++)
            mq_buffer_release(&kept[a][type]);
}

static int
make_store(void **state)
{
    if (fixture_setup(state) != 0)
        return -1;
    struct step_fixture *f = *state;
    put_store(f);
    run_models(f);
    return 0;
}

/* Every user has a list of each type, of that type alone, nothing in it was played. */
static void
every_user_has_lists(void **state)
{
    struct step_fixture *f = *state;
    struct mq_error err = {0};
    fixture_ok(f, mq_step_portrait_batch);
    check_count(f, "users", USERS);
    fixture_ok(f, mq_step_weight_update_batch);
    assert_true(fixture_count(f, "traced exposures") > 400);
    run_lists(f);
    check_count(f, "movie users", USERS);
    check_count(f, "left out: seen", 0);
    struct mq_catalogue *catalogue;
    struct mq_actions *actions;
    check_ok(mq_catalogue_load(f->store, "1", &catalogue, &err));
    check_ok(mq_actions_load(f->store, "1", catalogue, 0, 0, 1, &actions, NULL, &err));
    for (int type = 0; type < 2; type++) {
        struct mq_reader *reader;
        struct mq_user_stream *stream;
        struct mq_user_block *block;
        check_ok(mq_artifact_reader(f->store, "1", MQ_ARTIFACT_FILTER_RESULT,
                                    (enum mq_program_type)type, &reader, &err));
        check_ok(mq_user_stream_open(reader, MQ_USERS_FILTER, catalogue, 64, 0, 1, &stream, &err));
        check_ok(mq_user_stream_next(stream, &block, &err));
        assert_int_equal(block->count, USERS);
        for (int32_t u = 0; u < block->count; u++) {
            int32_t row = mq_strmap_find_text(&actions->users, block->ids[u]);
            assert_true(block->offset[u + 1] > block->offset[u]);
            for (int64_t i = block->offset[u]; i < block->offset[u + 1]; i++) {
                int32_t item = block->entries.items[i].item;
                assert_int_equal(catalogue->type[item], type);
                for (int64_t k = actions->offset[row]; k < actions->offset[row + 1]; k++)
                    assert_int_not_equal(actions->item[k], item);
            }
        }
        mq_user_stream_close(stream);
    }
    mq_actions_free(actions);
    mq_catalogue_free(catalogue);
}

/* One thread, three threads: the same bytes; and again on the same input. */
static void
threads_change_nothing(void **state)
{
    struct step_fixture *f = *state;
    struct mq_error err = {0};
    struct mq_buffer kept[4][2];
    keep_results(f, kept);
    for (int threads = 1; threads <= 3; threads += 2) {
        struct mq_pool *pool;
        check_ok(mq_pool_new(threads, &pool, &err));
        f->context.pool = pool;
        fixture_ok(f, mq_step_portrait_batch);
        run_lists(f);
        check_results(f, kept);
        f->context.pool = f->pool;
        mq_pool_free(pool);
    }
    release_results(kept);
}

static void
count_parts(void *context, int *count)
{
    struct step_fixture *f = context;
    *count = 0;
    for (int type = 0; type < 2; type++)
        for (int i = 0; i < 3; i++) {
            char path[256];
            snprintf(path, sizeof(path),
                     "feature/recommend-list/%s/recall_batch_result.pickle.part-%d-of-3",
                     type == 0 ? "movie" : "tv", i);
            char *text = fixture_get(f, path);
            *count += text != NULL;
            free(text);
        }
}

/* Three shards, in whatever order, on a fresh store or over lists of before: the same bytes. */
static void
shards_make_the_same_lists(void **state)
{
    struct step_fixture *f = *state;
    struct mq_buffer kept[4][2];
    int parts;
    keep_results(f, kept);
    for (int round = 0; round < 2; round++) {
        if (round == 1)
            for (int a = 1; a < 4; a++)
                for (int type = 0; type < 2; type++) {
                    char key[MQ_OBJECT_KEY_MAX];
                    const char *keys[1] = {key};
                    struct mq_error err;
                    check_ok(
                        mq_artifact_key("1", results[a], (enum mq_program_type)type, key, &err));
                    check_ok(mq_object_delete(f->store, keys, 1, &err));
                }
        static const int order[2][3] = {{0, 1, 2}, {2, 0, 1}};
        f->context.shard_count = 3;
        for (int i = 0; i < 3; i++) {
            f->context.shard_index = order[round][i];
            run_lists(f); /* all stages of one shard before the next shard */
            count_parts(f, &parts);
            assert_int_equal(parts, i < 2 ? 2 * (i + 1) : 0);
        }
        f->context.shard_count = 1;
        f->context.shard_index = 0;
        check_results(f, kept);
    }
    release_results(kept);
}

/* The default configurations are written once, and what people change is kept. */
static void
configurations(void **state)
{
    struct step_fixture *f = *state;
    struct mq_error err = {0};
    struct mq_recall_config config;
    struct mq_reader *reader;
    struct mq_writer *writer;
    char key[MQ_OBJECT_KEY_MAX];
    const char *keys[1] = {key};
    check_ok(mq_artifact_key("1", MQ_ARTIFACT_RECALL_CONFIG, MQ_PROGRAM_MOVIE, key, &err));
    check_ok(mq_object_delete(f->store, keys, 1, &err));
    fixture_ok(f, mq_step_weight_update_batch);
    check_ok(mq_artifact_reader(f->store, "1", MQ_ARTIFACT_RECALL_CONFIG, MQ_PROGRAM_MOVIE, &reader,
                                &err));
    check_ok(mq_recall_config_read(reader, &config, &err));
    mq_reader_close(reader);
    double director = mq_recall_config_method(&config, MQ_CHANNEL_DIRECTOR)->weight;
    assert_true(director > 1.0);
    assert_true(mq_recall_config_method(&config, MQ_CHANNEL_HEAT)->weight < 1.0);
    assert_true(mq_recall_config_method(&config, MQ_CHANNEL_YEAR)->weight == 1.0);
    assert_true(fixture_count(f, "director weight before") == 1.0);
    assert_true(fixture_count(f, "director weight after") == director);
    config.merge_cnt = 5;
    check_ok(mq_artifact_writer(f->store, "1", MQ_ARTIFACT_RECALL_CONFIG, MQ_PROGRAM_MOVIE, &writer,
                                &err));
    check_ok(mq_recall_config_write(&config, writer, &err));
    check_ok(mq_writer_commit(writer, &err));
    mq_writer_close(writer);
    fixture_ok(f, mq_step_recall_batch);
    assert_true(fixture_count(f, "candidates") <= 2 * 5 * USERS);
}

/* Results of different runs are told apart, not mixed. */
static void
results_of_other_runs(void **state)
{
    struct step_fixture *f = *state;
    struct mq_error err = {0};
    char key[MQ_OBJECT_KEY_MAX];
    check_ok(mq_artifact_key("1", MQ_ARTIFACT_PORTRAIT, MQ_PROGRAM_MOVIE, key, &err));
    check_ok(mq_object_put(f->store, key, "\x80\x03}.", 4, MQ_PUT_ALWAYS, NULL, NULL, &err));
    assert_int_equal(fixture_run(f, mq_step_rank_batch), MQ_E_INPUT);
    check_contains(f->err.message, "different runs");
    check_contains(f->err.hint, "marquee run");
    check_ok(mq_object_put(f->store, key, "\x80\x03}q", 4, MQ_PUT_ALWAYS, NULL, NULL, &err));
    assert_int_equal(fixture_run(f, mq_step_recall_batch), MQ_E_FORMAT);
    check_contains(f->err.message, "portrait.pickle");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_user_has_lists),       cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(shards_make_the_same_lists), cmocka_unit_test(configurations),
        cmocka_unit_test(results_of_other_runs),
    };
    return cmocka_run_group_tests(tests, make_store, fixture_teardown);
}
