#include "base/memory.h"
#include "flow/steps.h"
/* Rows read like the text of the design: what goes in, what comes out. */
#define IN(...)                                                                                    \
    .inputs = (const struct mq_step_artifact[]){__VA_ARGS__},                                      \
    .input_count = (int)MQ_COUNT(((const struct mq_step_artifact[]){__VA_ARGS__}))
#define OUT(...)                                                                                   \
    .outputs = (const struct mq_step_artifact[]){__VA_ARGS__},                                     \
    .output_count = (int)MQ_COUNT(((const struct mq_step_artifact[]){__VA_ARGS__}))
#define A(id)                                                                                      \
    {                                                                                              \
        MQ_ARTIFACT_##id, 0                                                                        \
    }
#define MAYBE(id)                                                                                  \
    {                                                                                              \
        MQ_ARTIFACT_##id, MQ_MAY_MISS                                                              \
    }
#define STATE(id)                                                                                  \
    {                                                                                              \
        MQ_ARTIFACT_##id, MQ_MAY_MISS | MQ_OWN_STATE                                               \
    }
#define CACHE(id)                                                                                  \
    {                                                                                              \
        MQ_ARTIFACT_##id, MQ_MAY_MISS | MQ_OWN_CACHE                                               \
    }

/* clang-format off */
static const struct mq_step_row rows[] = {
    {.name = "item-preprocessing",
     .help = "clean the catalogue: basic CSV and expand XLSX files, one row a programme",
     .fn = mq_step_item_preprocessing,
     IN(A(ITEM_BASIC), MAYBE(ITEM_EXPAND)),
     OUT(A(ITEM_CSV), A(ITEM_PARQUET)),
     .options = "data", .version = 1, .flags = MQ_STEP_CLEANS},
    {.name = "user-preprocessing",
     .help = "clean the users: one row a user",
     .fn = mq_step_user_preprocessing,
     IN(MAYBE(PROFILE_MAP)),
     OUT({MQ_ARTIFACT_USER_CSV, MQ_MAY_MISS}),
     .options = "data", .version = 1, .flags = MQ_STEP_CLEANS},
    {.name = "action-preprocessing",
     .help = "clean the exposure and play logs; keep bad lines aside with their reason",
     .fn = mq_step_action_preprocessing,
     IN(A(ACTION_LOGS), A(ITEM_PARQUET), MAYBE(USER_CSV)),
     OUT(A(ACTION_CSV), A(ACTION_PARQUET), {MQ_ARTIFACT_ACTION_REJECTS, MQ_MAY_MISS}),
     .options = "data", .version = 1},
    {.name = "inverted-list",
     .help = "properties of each item; items of each property, best first, by heat and score",
     .fn = mq_step_inverted_list,
     IN(A(ITEM_PARQUET), A(ACTION_PARQUET)),
     OUT(A(PROPERTY_DICT), A(LIST_CATEGORY), A(LIST_DIRECTOR), A(LIST_ACTOR), A(LIST_LANGUAGE),
         A(LIST_LEVEL), A(LIST_YEAR), A(ITEM_HEAT)),
     .options = "heat", .version = 1},
    {.name = "add-item-user-batch",
     .help = "give new items and users a code; a code once given never changes",
     .fn = mq_step_add_item_user_batch,
     IN(A(ITEM_PARQUET), MAYBE(ACTION_PARQUET), MAYBE(USER_CSV), STATE(RAW_EMBED_ITEM),
        STATE(EMBED_RAW_ITEM), STATE(RAW_EMBED_USER), STATE(EMBED_RAW_USER)),
     OUT(A(RAW_EMBED_ITEM), A(EMBED_RAW_ITEM), A(RAW_EMBED_USER), A(EMBED_RAW_USER)),
     .options = "", .version = 1},
    {.name = "model-update-ub",
     .help = "train YoutubeDNN: the user tower, item vectors and their index",
     .fn = mq_step_model_update_ub,
     IN(A(ACTION_PARQUET), A(ITEM_PARQUET), A(RAW_EMBED_USER), A(RAW_EMBED_ITEM)),
     OUT(A(USER_TOWER), A(ITEM_EMBEDDINGS), A(ITEM_INDEX)),
     .options = "youtubednn index run.seed", .version = 1},
    {.name = "item-feature-update-batch",
     .help = "feature columns of each item, for DeepFM",
     .fn = mq_step_item_feature_update_batch,
     IN(A(ITEM_PARQUET), A(ITEM_EMBEDDINGS), A(RAW_EMBED_ITEM)),
     OUT(A(ITEM_FEATURES)),
     .options = "", .version = 1},
    {.name = "model-update-deepfm",
     .help = "train DeepFM, which ranks a user's candidates",
     .fn = mq_step_model_update_deepfm,
     IN(A(ACTION_PARQUET), A(ITEM_PARQUET), A(ITEM_FEATURES), A(USER_TOWER), A(RAW_EMBED_USER),
        A(RAW_EMBED_ITEM)),
     OUT(A(DEEPFM_MODEL)),
     .options = "deepfm run.seed", .version = 1},
    {.name = "portrait-batch",
     .help = "the portrait of each user: liked categories, directors, actors, languages; vector",
     .fn = mq_step_portrait_batch,
     IN(A(ACTION_PARQUET), A(ITEM_PARQUET), A(RAW_EMBED_ITEM), A(RAW_EMBED_USER), A(USER_TOWER)),
     OUT(A(PORTRAIT)),
     .options = "portrait", .version = 1},
    {.name = "weight-update-batch",
     .help = "weights of the recall channels, from what was played among what was shown",
     .fn = mq_step_weight_update_batch,
     IN(A(ACTION_PARQUET), A(ITEM_PARQUET), A(RAW_EMBED_ITEM), A(RAW_EMBED_USER),
        STATE(RECALL_CONFIG)),
     OUT(A(RECALL_CONFIG)),
     .options = "weights", .version = 1},
    {.name = "recall-batch",
     .help = "candidates of each user from all channels",
     .fn = mq_step_recall_batch,
     IN(A(ACTION_PARQUET), A(ITEM_PARQUET), A(RAW_EMBED_ITEM), A(RAW_EMBED_USER),
        A(ITEM_INDEX), A(PORTRAIT), A(RECALL_CONFIG), A(LIST_CATEGORY), A(LIST_DIRECTOR),
        A(LIST_ACTOR), A(LIST_LANGUAGE), A(LIST_LEVEL), A(LIST_YEAR), A(ITEM_HEAT)),
     OUT(A(RECALL_RESULT)),
     .options = "recall filter heat.new_bonus", .version = 1,
     .flags = MQ_STEP_SHARDS | MQ_STEP_DAILY},
    {.name = "rank-batch",
     .help = "the probability of a play for each user's candidates",
     .fn = mq_step_rank_batch,
     IN(A(RECALL_RESULT), A(PORTRAIT), A(ITEM_PARQUET), A(RAW_EMBED_ITEM), A(ITEM_FEATURES),
        A(DEEPFM_MODEL)),
     OUT(A(RANK_RESULT)),
     .options = "", .version = 1, .flags = MQ_STEP_SHARDS},
    {.name = "filter-batch",
     .help = "the list of each user: seen, licence, territory and level left out, then diversity",
     .fn = mq_step_filter_batch,
     IN(A(RECALL_RESULT), A(RANK_RESULT), A(ACTION_PARQUET), A(ITEM_PARQUET), A(RAW_EMBED_ITEM),
        A(RAW_EMBED_USER), A(RECALL_CONFIG), A(LIST_CATEGORY), A(LIST_DIRECTOR), A(LIST_ACTOR),
        A(LIST_LANGUAGE), A(LIST_LEVEL), A(LIST_YEAR), A(ITEM_HEAT), STATE(FILTER_CONFIG)),
     OUT(A(FILTER_RESULT), A(FILTER_CONFIG)),
     .options = "filter heat.new_bonus run.seed", .version = 1,
     .flags = MQ_STEP_SHARDS | MQ_STEP_DAILY},
    {.name = "validate-data",
     .help = "check the events of the days not yet taken: form, ranges, volume, drift; a report",
     .fn = mq_step_validate_data,
     IN(A(BRONZE_EVENTS), A(ITEM_PARQUET), MAYBE(USER_CSV), STATE(VALIDATION)),
     OUT(A(VALIDATION)),
     .options = "validate events.rating_min events.rating_max events.max_ahead_s", .version = 1,
     .flags = MQ_STEP_DATED},
    {.name = "extract-features",
     .help = "silver ratings of each day; features of users and films, to the feature store too",
     .fn = mq_step_extract_features,
     IN(A(BRONZE_EVENTS), A(VALIDATION), A(ITEM_PARQUET), CACHE(SILVER_DAYS),
        CACHE(FEATURE_WRITES)),
     OUT(A(SILVER_DAYS), A(SILVER_RATINGS), A(USER_FEATURES), A(MOVIE_FEATURES),
         {MQ_ARTIFACT_FEATURE_WRITES, MQ_MAY_MISS}),
     .options = "features events.rating_min events.rating_max events.max_ahead_s", .version = 1,
     .flags = MQ_STEP_DATED},
    {.name = "train-hybrid",
     .help = "the hybrid model from all ratings: neighbours, factors, content, and their blend",
     .fn = mq_step_train_hybrid,
     IN(A(SILVER_DAYS), A(SILVER_RATINGS), A(ITEM_PARQUET), MAYBE(RAW_EMBED_ITEM)),
     OUT(A(HYBRID_CANDIDATE)),
     .options = "hybrid youtubednn events.rating_min events.rating_max run.seed", .version = 1,
     .flags = MQ_STEP_DATED},
    {.name = "evaluate",
     .help = "the hybrid model rebuilt without the newest ratings, and held against them; the gate",
     .fn = mq_step_evaluate, .check_settings = mq_step_evaluate_settings,
     IN(A(HYBRID_CANDIDATE), A(SILVER_DAYS), A(SILVER_RATINGS), A(ITEM_PARQUET),
        MAYBE(RAW_EMBED_ITEM)),
     OUT(A(HYBRID_EVALUATION)),
     .options = "eval gate hybrid youtubednn events.rating_min events.rating_max run.seed",
     .version = 2, .flags = MQ_STEP_DATED},
    {.name = "deploy",
     .help = "let the candidate serve, if its evaluation's quality gate says so",
     .fn = mq_step_deploy,
     IN(A(HYBRID_CANDIDATE), A(HYBRID_EVALUATION), CACHE(HYBRID_CURRENT)),
     OUT(A(HYBRID_CURRENT)),
     .options = "", .version = 1},
    {.name = "reload",
     .help = "have every server of serve.reload_urls take up the model that serves",
     .fn = mq_step_reload,
     IN(A(HYBRID_CURRENT)),
     .options = "serve.reload_urls", .version = 1},
};

/* item- and user-preprocessing clean raw input, so a workflow that reads their outputs brings them
 * up to date first, whether or not it names them. */
#define STEPS(...) (const char *const[]){__VA_ARGS__, NULL}
static const struct mq_workflow workflows[] = {
    {.name = "ACTION", .alias = "BATCH",
     .help = "new clicks: clean, lists, portraits, weights, and every user's list",
     .steps = STEPS("action-preprocessing", "inverted-list", "portrait-batch",
                    "weight-update-batch", "recall-batch", "rank-batch", "filter-batch")},
    {.name = "CONTENT", .alias = "ITEM",
     .help = "new programmes: lists, codes, and all models",
     .steps = STEPS("item-preprocessing", "inverted-list", "add-item-user-batch",
                    "model-update-ub", "item-feature-update-batch", "model-update-deepfm")},
    {.name = "MODEL",
     .help = "train the models anew on all clicks",
     .steps = STEPS("action-preprocessing", "model-update-ub", "item-feature-update-batch",
                    "model-update-deepfm")},
    {.name = "USER",
     .help = "new users: clean and give them a code",
     .steps = STEPS("user-preprocessing", "add-item-user-batch")},
    {.name = "RATING",
     .help = "new events: check them, silver tables, features, the hybrid model; serve it if good",
     .steps = STEPS("validate-data", "extract-features", "train-hybrid", "evaluate", "deploy",
                    "reload")},
};
/* clang-format on */

const struct mq_step_table *
mq_step_table(void)
{
    static const struct mq_step_table table = {.rows = rows,
                                               .row_count = (int)MQ_COUNT(rows),
                                               .workflows = workflows,
                                               .workflow_count = (int)MQ_COUNT(workflows)};
    return &table;
}
