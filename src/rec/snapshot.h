/**
 * Snapshot: everything that recommending needs and no user changes: catalogue, lists, vectors,
 * models, settings. Loaded once, never changed; nightly batch and server work on the same one.
 *
 * Threads: immutable after loading; any number of readers.
 */
#ifndef MQ_REC_SNAPSHOT_H
#define MQ_REC_SNAPSHOT_H

#include <stdint.h>

#include "base/pool.h"
#include "config/options.h"
#include "data/catalogue.h"
#include "index/vector_index.h"
#include "model/deepfm.h"
#include "model/rank_features.h"
#include "model/youtubednn.h"
#include "rec/availability.h"
#include "rec/filter_config.h"
#include "rec/hybrid_view.h"
#include "rec/inverted_list.h"
#include "rec/portrait.h"
#include "rec/recall_config.h"

/** Parts to load beside catalogue and settings. */
#define MQ_SNAPSHOT_LISTS (1u << 0)   /**< inverted lists and heat */
#define MQ_SNAPSHOT_VECTORS (1u << 1) /**< item vectors, from the vector index */
#define MQ_SNAPSHOT_TOWER (1u << 2)   /**< user tower */
#define MQ_SNAPSHOT_RANK (1u << 3)    /**< DeepFM and the item features */
#define MQ_SNAPSHOT_CONFIG (1u << 4)  /**< recall and filter configuration, else the defaults */
#define MQ_SNAPSHOT_ALL 31u
/** The hybrid model that serves (model/hybrid_registry.h); not one of ALL: it has its own pointer.
 */
#define MQ_SNAPSHOT_HYBRID (1u << 5)
/** Parts that the store lacks are left out instead of refused: NULL, and the channel is silent. */
#define MQ_SNAPSHOT_OPTIONAL (1u << 8)

/** What recall may offer of one programme type: available items, in list order. */
struct mq_offer {
    struct mq_inverted_list list[MQ_PROPERTY_COUNT]; /**< rows that may be offered, best first */
    int32_t count;                                   /**< items that may be offered */
    int32_t *hot;                                    /**< [count] by heat, then list order */
    int32_t fresh_count;
    int32_t *fresh;           /**< [fresh_count] new arrivals in list order */
    int32_t vector_count;     /**< items that have a vector */
    int32_t *vector_row;      /**< [vector_count] catalogue row, ascending */
    int32_t *vector_position; /**< [catalogue count] index in vector_row, -1 none */
    float *vectors;           /**< float32 [vector_count, 32] row-major, finite */
};

struct mq_snapshot {
    struct mq_catalogue *catalogue;
    double *heat; /**< [count]; zeros where not loaded */
    struct mq_offer offer[MQ_PROGRAM_TYPE_COUNT];
    uint8_t *bar;   /**< [count] enum mq_bar at rules.now_s */
    float *vectors; /**< float32 [vector_count, 32] by item code; NULL: none */
    int32_t vector_count;
    struct mq_vector_index *graph; /**< over `vectors`; NULL: they are searched exactly */
    struct mq_user_tower *tower;   /**< NULL: none */
    struct mq_deepfm *deepfm;      /**< NULL: none; all probabilities are 0 */
    struct mq_item_features *features;
    struct mq_deepfm_scorer *scorer; /**< row = catalogue row */
    struct mq_hybrid *model;         /**< of `hybrid`; NULL: none */
    struct mq_hybrid_view *hybrid;   /**< NULL: none */
    int32_t hybrid_candidates;       /**< that are reranked and filtered */
    float quality_weight;            /**< w of rec/rerank.h */
    struct mq_recall_config recall;
    struct mq_filter_config filter;
    struct mq_availability rules;
    struct mq_portrait_options portrait;
    uint64_t seed;
    int32_t
        recall_clicks; /**< newest distinct plays that the property channels start from; 0: all */
    int32_t list_max;  /**< recommended entries of a final list; 0: all candidates */
    int32_t diversity_pool; /**< diversity picks come from so many best of a category; 0: all */
    bool filter_seen;       /**< leave out what the user has played */
    /** What was looked for and is not in the store: the part is left out, or at its defaults. */
    bool missing[MQ_ARTIFACT_COUNT];
};

/**
 * Load from a store.
 * @param parts MQ_SNAPSHOT_… flags
 * @param pool  may be NULL
 * @return MQ_OK | MQ_E_NOT_FOUND (names the artifact and the step that makes it) | MQ_E_FORMAT
 *         (also vectors of another catalogue) | MQ_E_NOMEM
 */
enum mq_status mq_snapshot_load(struct mq_object_store *store, const char *region, unsigned parts,
                                const struct mq_config *config, int64_t now_s, struct mq_pool *pool,
                                struct mq_snapshot **ret_snapshot, struct mq_error *err);

/** Parts for mq_snapshot_assemble; what is NULL is left out. */
struct mq_snapshot_parts {
    struct mq_catalogue *catalogue;  /**< required */
    struct mq_inverted_lists *lists; /**< NULL: built from catalogue and heat */
    double *heat;                    /**< [catalogue->count] of mq_alloc_array */
    float *vectors;                  /**< float32 [vector_count, 32] of mq_alloc_array */
    int32_t vector_count;
    struct mq_vector_index *graph; /**< HNSW over the same vectors, for catalogues that need one */
    struct mq_user_tower *tower;
    struct mq_deepfm *deepfm; /**< with features */
    struct mq_item_features *features;
    struct mq_hybrid *hybrid;
    const struct mq_recall_config *recall; /**< copied; NULL: defaults */
    struct mq_filter_config *filter;       /**< taken and left empty; NULL: defaults */
};

/**
 * Put a snapshot together from parts in memory.
 * @param parts its pointers are taken on success, and stay the caller's on failure
 */
enum mq_status mq_snapshot_assemble(struct mq_snapshot_parts *parts, const struct mq_config *config,
                                    int64_t now_s, struct mq_pool *pool,
                                    struct mq_snapshot **ret_snapshot, struct mq_error *err);

/** NULL allowed. Nobody may be reading. */
void mq_snapshot_free(struct mq_snapshot *snapshot);

#endif
